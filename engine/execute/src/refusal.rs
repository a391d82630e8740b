//! Why a source has no artifact, and the Secrets that it refers to.

use std::collections::BTreeMap;

use fluvial_event::{Event, FetchFailed, ObjectRef};
use fluvial_source::Retry;

use crate::{Executor, Trouble, data};

/// Why there is no artifact: what goes on the object's condition.
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) terminal: bool,
}

impl Refusal {
    /// The outcome that says so.
    pub(crate) fn into_event(self, object: Option<ObjectRef>, generation: i64) -> Event {
        FetchFailed {
            object,
            generation,
            reason: self.reason.to_owned(),
            message: self.message,
            terminal: self.terminal,
        }
        .into()
    }
}

impl From<fluvial_source::Error> for Refusal {
    fn from(error: fluvial_source::Error) -> Self {
        let terminal = error.retry() == Retry::Never;
        Self {
            reason: error.reason(),
            message: error.to_string(),
            terminal,
        }
    }
}

impl From<fluvial_source::helm::Error> for Refusal {
    fn from(error: fluvial_source::helm::Error) -> Self {
        Self {
            terminal: error.retry == Retry::Never,
            reason: error.reason,
            message: error.message,
        }
    }
}

impl Executor {
    /// The data of a Secret beside `object`.
    pub(crate) async fn secret(
        &self,
        object: &ObjectRef,
        name: &str,
        field: &str,
    ) -> Result<Result<BTreeMap<String, Vec<u8>>, Refusal>, Trouble> {
        let data = data::read(&self.cluster, "Secret", &object.namespace, name).await?;
        Ok(data.ok_or_else(|| Refusal {
            reason: "AuthenticationFailed",
            message: format!(
                "cannot read Secret/{}/{name}: it is not there; create it or correct {field}",
                object.namespace
            ),
            terminal: false,
        }))
    }
}
