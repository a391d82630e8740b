//! What can go wrong between this program and an API server, and whether trying again can help.
//!
//! It leaves the hiding of Secret values to `mask` and the pause before a retry to the caller.

use std::time::Duration;

use serde_json::Value;

use crate::{mask, object::Reference, words::words};

/// A request that did not succeed: what was being done, and why it could not be.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {action}: {cause}")]
pub struct Error {
    action: String,
    cause: Cause,
}

/// Why a request did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The server does not know who we are (401), or our credentials could not be obtained.
    #[error(
        "unauthorized: {message}; check the credentials in the kubeconfig or the service account token"
    )]
    Unauthorized {
        /// The server's words.
        message: String,
    },
    /// We are known and not allowed (403), by RBAC or by an admission webhook.
    #[error("forbidden: {message}")]
    Forbidden {
        /// The server's words, which name the user, the verb and the resource.
        message: String,
    },
    /// The object, or the namespace it should be in, is not there; the server said which.
    #[error("not found: {message}")]
    NotFound {
        /// The server's words.
        message: String,
    },
    /// The server answers 404 for the whole path: it is no API server, or the kind is not served.
    #[error(
        "not served: {message}; check the server's address and that the kind's CRD is installed"
    )]
    NotServed {
        /// The server's words.
        message: String,
    },
    /// An object of that name is already there.
    #[error("already exists: {message}")]
    AlreadyExists {
        /// The server's words.
        message: String,
    },
    /// Another writer was faster, a precondition does not hold, or another manager owns a field.
    #[error("conflict: {message}")]
    Conflict {
        /// The server's words.
        message: String,
    },
    /// The object cannot be accepted as it is (400, 413, 422).
    #[error("invalid: {message}")]
    Invalid {
        /// The server's words.
        message: String,
        /// The fields it complains about, where it names them.
        fields: Vec<String>,
        /// Whether the complaint is that a field may not change.
        immutable: bool,
    },
    /// What was given names no object that can be; nothing was sent.
    #[error("{message}")]
    Address {
        /// What is wrong with it, and what to do.
        message: String,
    },
    /// The position asked for has been compacted away (410).
    #[error("gone: {message}")]
    Gone {
        /// The server's words.
        message: String,
    },
    /// The server asks for patience (429, or 503 with `Retry-After`).
    #[error("throttled: the server asks to wait {} s", retry_after.as_secs())]
    Throttled {
        /// How long the server asks to wait.
        retry_after: Duration,
    },
    /// No answer in time; the request may or may not have been carried out.
    #[error("timeout: {message}")]
    Timeout {
        /// Who gave up, and after how long.
        message: String,
    },
    /// The server could not be reached, or the connection broke before the answer was complete.
    #[error("unreachable: {message}; check the server's address and that it is running")]
    Unreachable {
        /// What the network, TLS or HTTP layer said.
        message: String,
    },
    /// The lead was lost, so nothing is sent any more.
    #[error("the lead was lost: another engine may act now")]
    Deposed,
    /// The server has no such kind.
    #[error("{message}")]
    UnknownKind {
        /// What is missing, and what to do.
        message: String,
    },
    /// Our own configuration cannot be used.
    #[error("{message}")]
    Configuration {
        /// What is wrong with it.
        message: String,
    },
    /// Anything else the server answered.
    #[error("the server answered {code}: {message}")]
    Other {
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
}

/// Whether the same request can succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Yes, after a short backoff: the trouble passes by itself.
    Soon,
    /// Yes, once somebody has granted, installed or created what is missing.
    Later,
    /// Not as long as the object stays as it is.
    Never,
}

impl Error {
    /// What the server, or the way to it, had against the request.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// What was being done, as in "cannot {action}".
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Whether the same request can succeed later.
    pub fn retry(&self) -> Retry {
        self.cause.retry()
    }

    /// Whether a field that may not change stands in the way: deleting and creating the object helps.
    ///
    /// Flux takes every 409 and 422 for this (`fluxcd/pkg/ssa`, `isImmutableError`), and so with
    /// `force` deletes a working object to replace it by one that can never be accepted. Here the
    /// server's words must say so.
    pub fn immutable(&self) -> bool {
        matches!(
            self.cause,
            Cause::Invalid {
                immutable: true,
                ..
            }
        )
    }

    pub(crate) fn new(action: impl Into<String>, cause: Cause) -> Self {
        Self {
            action: action.into(),
            cause,
        }
    }
}

impl Cause {
    /// Whether the same request can succeed later.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Conflict { .. }
            | Self::Gone { .. }
            | Self::Throttled { .. }
            | Self::Timeout { .. }
            | Self::Unreachable { .. }
            | Self::Deposed
            | Self::Other { .. } => Retry::Soon,
            Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::NotServed { .. }
            | Self::AlreadyExists { .. }
            | Self::UnknownKind { .. } => Retry::Later,
            Self::Invalid { .. } | Self::Address { .. } | Self::Configuration { .. } => {
                Retry::Never
            }
        }
    }

    /// The error of doing `verb` to `reference`, without any value if that is a Secret.
    pub(crate) fn during(self, verb: &str, reference: &Reference, sent: Option<&Value>) -> Error {
        let cause = if reference.is_secret() {
            mask::conceal(self, sent)
        } else {
            self
        };
        Error::new(format!("{verb} {reference}"), cause)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            fields: Vec::new(),
            immutable: false,
        }
    }

    /// The cause behind an answer whose HTTP status is not a success.
    pub(crate) fn refused(code: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(status) if status["kind"] == "Status" => Self::of_status(code, retry_after, &status),
            Ok(_) | Err(_) => Self::of_text(code, retry_after, &String::from_utf8_lossy(body)),
        }
    }

    /// The cause in a `Status` object, as an answer or inside a watch.
    pub(crate) fn of_status(code: u16, retry_after: Option<Duration>, status: &Value) -> Self {
        let text = |pointer: &str| {
            status
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or("")
        };
        let whole = text("/message");
        let message = shortened(whole);
        let reason = text("/reason");
        let asked = status
            .pointer("/details/retryAfterSeconds")
            .and_then(Value::as_u64);
        let retry_after = retry_after.or(asked.map(Duration::from_secs));
        match (code, reason) {
            (404, _) if text("/details/kind").is_empty() && text("/details/name").is_empty() => {
                Self::NotServed { message }
            }
            (404, _) => Self::NotFound { message },
            (409, "AlreadyExists") => Self::AlreadyExists { message },
            (400 | 413 | 422, _) => Self::Invalid {
                immutable: names_immutability(whole),
                fields: fields(status),
                message,
            },
            // What does not even decode never gets as far as validation: server-side apply answers 500.
            (500, _) if UNDECODABLE.iter().any(|words| whole.contains(words)) => {
                Self::invalid(message)
            }
            (_, _) => Self::of_text(code, retry_after, whole),
        }
    }

    fn of_text(code: u16, retry_after: Option<Duration>, text: &str) -> Self {
        let message = excerpt(text);
        match code {
            401 => Self::Unauthorized { message },
            403 => Self::Forbidden { message },
            404 => Self::NotServed { message },
            409 => Self::Conflict { message },
            400 | 413 | 422 => Self::invalid(message),
            410 => Self::Gone { message },
            429 => Self::Throttled {
                retry_after: retry_after.unwrap_or(PATIENCE),
            },
            503 if retry_after.is_some() => Self::Throttled {
                retry_after: retry_after.unwrap_or(PATIENCE),
            },
            504 => Self::Timeout { message },
            code => Self::Other { code, message },
        }
    }

    /// The cause behind an answer that never came, or not whole.
    pub(crate) fn transport(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let code = status.code;
                match serde_json::to_value(&status) {
                    Ok(value) => Self::of_status(code, None, &value),
                    Err(_) => Self::of_text(code, None, &status.message),
                }
            }
            kube::Error::Auth(_) => Self::Unauthorized {
                message: words(&error),
            },
            kube::Error::Service(ref inner) if inner.is::<kube::client::AuthError>() => {
                Self::Unauthorized {
                    message: words(&error),
                }
            }
            error => Self::Unreachable {
                message: words(&error),
            },
        }
    }
}

/// How long to wait when the server does not say.
const PATIENCE: Duration = Duration::from_secs(1);

/// The words by which server-side apply refuses what it cannot decode (`apimachinery/pkg/util/managedfields`).
const UNDECODABLE: [&str; 2] = [
    "failed to create typed patch object",
    "failed to convert new object",
];

/// The words by which the server's validation refuses to let a field change.
///
/// Collected from `kubernetes/pkg/apis/*/validation` (1.37), CEL transition rules in common use, and
/// the two phrases Flux looks for.
const IMMUTABLE: [&str; 9] = [
    "immutable",
    "may not change",
    "may not be changed",
    "cannot be changed",
    "cannot change",
    "must not be changed",
    "Forbidden: updates to",
    "updates to parameters are forbidden",
    "updates to provisioner are forbidden",
];

/// Validation quotes what it refuses, however large; what was refused comes first, and why comes last.
fn shortened(message: &str) -> String {
    const FIRST_BYTES: usize = 3 << 10;
    const LAST_BYTES: usize = 1 << 10;
    if message.len() <= FIRST_BYTES + LAST_BYTES {
        return message.to_owned();
    }
    let first = &message[..message.floor_char_boundary(FIRST_BYTES)];
    let last = &message[message.ceil_char_boundary(message.len() - LAST_BYTES)..];
    let left_out = message.len() - first.len() - last.len();
    format!("{first} … ({left_out} bytes left out) … {last}")
}

fn names_immutability(message: &str) -> bool {
    IMMUTABLE.iter().any(|phrase| message.contains(phrase))
}

fn fields(status: &Value) -> Vec<String> {
    let causes = status.pointer("/details/causes").and_then(Value::as_array);
    let field = |cause: &Value| cause["field"].as_str().map(ToOwned::to_owned);
    causes
        .into_iter()
        .flatten()
        .filter_map(field)
        .filter(|field| !field.is_empty())
        .collect()
}

/// An answer that is no `Status` is some proxy's page: enough of it to recognise it by.
fn excerpt(text: &str) -> String {
    const CHARACTERS_MAX: usize = 4096;
    text.trim().chars().take(CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(code: u16, body: &Value) -> Cause {
        Cause::refused(code, None, body.to_string().as_bytes())
    }

    #[test]
    fn a_message_keeps_its_ends() {
        let message = |value: &str| format!("label: Invalid value: {value}: must be short");
        let told = |value: &str| {
            let status = json!({"kind": "Status", "message": message(value)});
            refused(422, &status).to_string()
        };
        for value in ["x", "é", "…", "𝄞", "a𝄞"].map(|it| it.repeat(1 << 18)) {
            let said = told(&value);
            assert!(
                said.starts_with("invalid: label: Invalid value: "),
                "{said}"
            );
            assert!(said.ends_with(": must be short"), "{said}");
            assert!(
                said.contains("bytes left out") && said.len() < 5_000,
                "{said}"
            );
        }
        assert_eq!(told("short"), format!("invalid: {}", message("short")));
    }

    #[test]
    fn only_a_named_object_is_not_found() {
        let status = json!({"kind": "Status", "message": "pods \"a\" not found", "reason": "NotFound",
            "details": {"name": "a", "kind": "pods"}});
        assert!(matches!(refused(404, &status), Cause::NotFound { .. }));
        for body in [
            "404 page not found\n",
            "<html>no such host here</html>",
            "{\"kind\":\"Status\"}",
        ] {
            let cause = Cause::refused(404, None, body.as_bytes());
            assert!(
                matches!(cause, Cause::NotServed { .. }),
                "{body}: {cause:?}"
            );
        }
    }

    #[test]
    fn every_answer_says_when_to_try_again() {
        let wait = Some(Duration::from_secs(7));
        for (code, retry_after, expected) in [
            (401, None, Retry::Later),
            (403, None, Retry::Later),
            (404, None, Retry::Later),
            (409, None, Retry::Soon),
            (410, None, Retry::Soon),
            (422, None, Retry::Never),
            (429, wait, Retry::Soon),
            (500, None, Retry::Soon),
            (503, None, Retry::Soon),
            (504, None, Retry::Soon),
        ] {
            assert_eq!(
                Cause::refused(code, retry_after, b"{}").retry(),
                expected,
                "{code}"
            );
        }
        assert_eq!(
            Cause::refused(429, wait, b"slow down"),
            Cause::Throttled {
                retry_after: Duration::from_secs(7)
            }
        );
    }

    #[test]
    fn immutable_is_what_the_server_calls_so_and_nothing_else() {
        for (message, expected) in [
            ("spec.selector: Invalid value: {}: field is immutable", true),
            (
                "spec: Forbidden: updates to statefulset spec for fields other than 'replicas'",
                true,
            ),
            (
                "spec.clusterIPs[0]: Invalid value: []: may not change once set",
                true,
            ),
            ("cannot change roleRef", true),
            (
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                false,
            ),
        ] {
            let cause = refused(422, &json!({"kind": "Status", "message": message}));
            assert_eq!(
                Error::new("apply x", cause).immutable(),
                expected,
                "{message}"
            );
        }
    }

    #[test]
    fn reads_as_cannot_do_this_because_of_that() {
        let cause = Cause::refused(403, None, br#"{"kind":"Status","message":"no"}"#);
        assert_eq!(
            Error::new("get Pod/a/b", cause).to_string(),
            "cannot get Pod/a/b: forbidden: no"
        );
    }
}
