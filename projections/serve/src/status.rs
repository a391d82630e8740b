//! What an API server says when it does not answer: a `Status`.

use serde_json::{Value, json};

use crate::answer::Answer;

/// Refuses with a reason of Kubernetes and a sentence.
pub(crate) fn refuse(code: u16, reason: &str, message: &str) -> Answer {
    Answer::json(code, status(code, reason, message))
}

pub(crate) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    })
}

/// There is no such object, or no such place.
pub(crate) fn not_found(message: &str) -> Answer {
    refuse(404, "NotFound", message)
}
