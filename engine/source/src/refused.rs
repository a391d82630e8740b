//! Why there is no index, chart or artifact, under the reason that Flux gives it.

use crate::{Error as SourceError, Retry};

/// Why there is no index, chart or artifact. The message says what to do, and carries no secret.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Flux's reason for the object's conditions.
    pub reason: &'static str,
    /// The whole sentence.
    pub message: String,
    /// When another attempt may have another outcome.
    pub retry: Retry,
}

impl Error {
    pub(crate) fn new(reason: &'static str, retry: Retry, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            retry,
        }
    }

    /// What the source has not, or the object asks for wrongly: only a change of either can help.
    /// flux: `IsPersistentBuildErrorReason`, internal/helm/chart/errors.go.
    pub(crate) fn lasting(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(reason, Retry::Never, message)
    }

    /// What may go away by itself.
    pub(crate) fn passing(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(reason, Retry::Later, message)
    }

    /// An error of the way there: what is about credentials says so, all else has the reason given.
    pub(crate) fn on_the_way(reason: &'static str, error: &SourceError) -> Self {
        let reason = match error {
            SourceError::Url { .. } => "URLInvalid",
            SourceError::Credentials { .. }
            | SourceError::Authentication { .. }
            | SourceError::Trust { .. } => "AuthenticationFailed",
            SourceError::Field { .. }
            | SourceError::RepositoryNotFound { .. }
            | SourceError::ReferenceNotFound { .. }
            | SourceError::Empty { .. }
            | SourceError::Unreachable { .. }
            | SourceError::Timeout { .. }
            | SourceError::Remote { .. }
            | SourceError::Content { .. }
            | SourceError::Unsupported { .. }
            | SourceError::Cache { .. }
            | SourceError::Archive { .. } => reason,
        };
        Self::new(reason, error.retry(), error.to_string())
    }
}
