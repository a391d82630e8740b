//! The status of objects of Flux kinds that this version does not reconcile.

use fluvial_api::Condition;
use serde::Serialize;
use wincode::{SchemaRead, SchemaWrite};

use super::conditions::{self, Saying};
use super::told::Told;
use super::{Context, Write};

/// Conditions and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bystander {
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_generation: Option<i64>,
    conditions: Vec<Condition>,
}

impl Write for Bystander {
    type Written = Self;

    fn written(&self) -> &Self {
        self
    }
}

impl Bystander {
    pub(super) fn apply(&mut self, context: &Context<'_>, told: &Told<'_>) {
        let Told::Concluded(concluded) = told else {
            return;
        };
        let said = Saying::of_end(concluded);
        self.observed_generation = Some(concluded.generation);
        conditions::stall(&mut self.conditions, context, &said);
    }
}
