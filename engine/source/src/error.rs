//! Why a source could not be fetched, as Flux would name it on a condition.
//!
//! Whether and when to try again is decided elsewhere, from [`Error::retry`].

/// Why a source could not be fetched. Every message says what to do; none carries a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one that may be fetched from.
    #[error("cannot use the URL '{url}': {why}")]
    Url {
        /// The URL without user name and password.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A field of the request cannot be used as it is.
    #[error("cannot use {field} '{value}': {why}")]
    Field {
        /// The field, as it is written in the object: `spec.ref.branch`.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// The Secret is incomplete or its values cannot be used.
    #[error("cannot use the credentials: {why}")]
    Credentials {
        /// The key at fault, and what it should hold.
        why: String,
    },
    /// The server wants other credentials.
    #[error("cannot authenticate to {url}: {why}")]
    Authentication {
        /// The repository.
        url: String,
        /// What the server said, and what to do.
        why: String,
    },
    /// The server is not who it should be: certificate or host key.
    #[error("cannot trust {url}: {why}")]
    Trust {
        /// The repository.
        url: String,
        /// What failed, and what to do.
        why: String,
    },
    /// The server answered that there is no such repository.
    #[error("cannot find the repository {url}: {why}")]
    RepositoryNotFound {
        /// The repository.
        url: String,
        /// What the server said, and what to do.
        why: String,
    },
    /// The repository has no such branch, tag, commit or version.
    #[error("cannot find {what} in {url}: {why}")]
    ReferenceNotFound {
        /// The repository.
        url: String,
        /// What was asked for: `branch 'main'`.
        what: String,
        /// What there is instead.
        why: String,
    },
    /// The repository has no commit at all.
    #[error("cannot fetch {url}: the git repository is empty; push a first commit")]
    Empty {
        /// The repository.
        url: String,
    },
    /// The server could not be reached, or broke off.
    #[error("cannot reach {url}: {why}")]
    Unreachable {
        /// The repository.
        url: String,
        /// What failed.
        why: String,
    },
    /// The time that `spec.timeout` gives was used up.
    #[error(
        "cannot fetch {url} within {seconds} s; raise spec.timeout if the repository is large, or \
         check that the server answers"
    )]
    Timeout {
        /// The repository.
        url: String,
        /// The time that was given.
        seconds: u64,
    },
    /// The server's answer is not what git expects.
    #[error("cannot fetch {url}: {why}")]
    Remote {
        /// The repository.
        url: String,
        /// What was wrong with the answer.
        why: String,
    },
    /// What the commit holds may not be taken in: a hostile name, or more than the limits allow.
    #[error("cannot accept {path} of {revision}: {why}")]
    Content {
        /// The revision, or the archive, that holds it.
        revision: String,
        /// The entry at fault.
        path: String,
        /// Why it is refused, and what to do.
        why: String,
    },
    /// Fluvial does not do this yet.
    #[error("cannot honour {field}: {why}")]
    Unsupported {
        /// The field, as it is written in the object.
        field: &'static str,
        /// What to do instead.
        why: String,
    },
    /// The local copy could not be read or written.
    #[error("cannot use the git cache at {path}: {why}")]
    Cache {
        /// The folder.
        path: String,
        /// What failed.
        why: String,
    },
    /// An archive could not be written or read.
    #[error("cannot use the archive: {why}")]
    Archive {
        /// What failed.
        why: String,
    },
}

/// When another attempt may have another outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// By itself, shortly: the network or the server was at fault.
    Soon,
    /// At the interval, or when a Secret or the repository changes.
    Later,
    /// Only after the object changes.
    Never,
}

impl Error {
    /// Flux's reason for the object's conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Url { .. } => "URLInvalid",
            Self::Credentials { .. } | Self::Authentication { .. } => "AuthenticationFailed",
            Self::Empty { .. } => "EmptyGitRepository",
            Self::Cache { .. } => "CacheOperationFailed",
            Self::Archive { .. } => "ArchiveOperationFailed",
            Self::Field { .. }
            | Self::Trust { .. }
            | Self::RepositoryNotFound { .. }
            | Self::ReferenceNotFound { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Remote { .. }
            | Self::Content { .. }
            | Self::Unsupported { .. } => "GitOperationFailed",
        }
    }

    /// When another attempt may have another outcome.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Remote { .. }
            | Self::Cache { .. } => Retry::Soon,
            Self::Credentials { .. }
            | Self::Authentication { .. }
            | Self::Trust { .. }
            | Self::RepositoryNotFound { .. }
            | Self::ReferenceNotFound { .. }
            | Self::Empty { .. }
            | Self::Content { .. }
            | Self::Archive { .. } => Retry::Later,
            Self::Url { .. } | Self::Field { .. } | Self::Unsupported { .. } => Retry::Never,
        }
    }
}
