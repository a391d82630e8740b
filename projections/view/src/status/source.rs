//! What source-controller says of every kind of source.
//!
//! Artifacts, and what of a spec stands in the status, are the business of each kind.

use fluvial_api::condition::{self, ARTIFACT_IN_STORAGE, BUILD_FAILED, Condition, FETCH_FAILED};
use fluvial_api::condition::{SOURCE_VERIFIED, Truth};
use fluvial_event::{Concluded, Waited};

use super::Context;
use super::conditions::{self, Saying};

/// The fields that the status of every source has.
pub(super) struct Source<'a> {
    pub(super) conditions: &'a mut Vec<Condition>,
    pub(super) observed_generation: &'a mut Option<i64>,
    pub(super) handled_at: &'a mut Option<String>,
}

/// The common fields of a status.
macro_rules! source {
    ($status:expr) => {
        $crate::status::source::Source {
            conditions: &mut $status.conditions,
            observed_generation: &mut $status.observed_generation,
            handled_at: &mut $status.last_handled_reconcile_at,
        }
    };
}
pub(super) use source;

impl Source<'_> {
    /// Only a new generation is news before there is an answer.
    pub(super) fn begin(self, context: &Context<'_>, generation: i64) {
        if *self.observed_generation != Some(generation) {
            let message = format!("reconciling new object generation ({generation})");
            conditions::progress(self.conditions, context, &message);
        }
    }

    /// What keeps a source waiting is a failure to fetch, but for its suspension.
    pub(super) fn wait(self, context: &Context<'_>, waited: &Waited) {
        if waited.reason == "Suspended" {
            return;
        }
        conditions::handled(self.handled_at, context.requested_at);
        conditions::fail(self.conditions, context, &Saying::of_wait(waited));
    }

    /// An attempt ended: in an artifact, of which `stored` is said, or at what is `failed`.
    pub(super) fn conclude(
        self,
        context: &Context<'_>,
        concluded: &Concluded,
        stored: &Saying<'_>,
        failed: Option<&'static str>,
    ) {
        conditions::handled(self.handled_at, &concluded.requested_at);
        let list = self.conditions;
        let failed = failed.filter(|_| !concluded.ready);
        for aspect in [FETCH_FAILED, BUILD_FAILED, SOURCE_VERIFIED] {
            if failed != Some(aspect) {
                condition::remove(list, aspect);
            }
        }
        if concluded.ready {
            conditions::succeed(list, context, stored);
            conditions::mark(list, context, ARTIFACT_IN_STORAGE, Truth::True, stored);
            *self.observed_generation = Some(concluded.generation);
            return;
        }
        let said = Saying::of_end(concluded);
        if let Some(aspect) = failed {
            conditions::mark(list, context, aspect, Truth::True, &said);
        }
        if concluded.stalled {
            conditions::stall(list, context, &said);
            *self.observed_generation = Some(concluded.generation);
        } else {
            conditions::fail(list, context, &said);
        }
    }
}

/// What failed where fetching is all there is to do; a spec that cannot be read is no failure to fetch.
pub(super) fn fetching(concluded: &Concluded) -> Option<&'static str> {
    (concluded.reason != "InvalidSpec").then_some(FETCH_FAILED)
}
