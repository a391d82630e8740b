//! Takes the values out of what a server says about a Secret.
//!
//! Validation quotes the value it refuses, a webhook may quote anything. Field names are not secret and
//! are what a person needs; the rest is withheld. Nothing else is decided here.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::Cause;

/// `cause` with no word that can come from a value of the Secret that was `sent`.
pub(crate) fn conceal(cause: Cause, sent: Option<&Value>) -> Cause {
    match cause {
        Cause::Invalid {
            message,
            fields,
            immutable,
        } => {
            let fields = if fields.is_empty() {
                named(&message, sent)
            } else {
                fields
            };
            let message = if message.contains("illegal base64 data") {
                "a value in data is not base64; encode it or move it to stringData".to_owned()
            } else {
                withheld(&fields)
            };
            Cause::Invalid {
                message,
                fields,
                immutable,
            }
        }
        Cause::Forbidden { message } => Cause::Forbidden {
            message: denial(message),
        },
        Cause::Other { code, .. } => Cause::Other {
            code,
            message: withheld(&[]),
        },
        // These quote names, field paths and versions only.
        Cause::Unauthorized { .. }
        | Cause::NotFound { .. }
        | Cause::NotServed { .. }
        | Cause::AlreadyExists { .. }
        | Cause::Conflict { .. }
        | Cause::Address { .. }
        | Cause::Gone { .. }
        | Cause::Throttled { .. }
        | Cause::Timeout { .. }
        | Cause::Unreachable { .. }
        | Cause::Deposed
        | Cause::UnknownKind { .. }
        | Cause::Configuration { .. } => cause,
    }
}

fn withheld(fields: &[String]) -> String {
    let place = if fields.is_empty() {
        String::new()
    } else {
        format!(" at {}", fields.join(", "))
    };
    format!(
        "the server refused the Secret{place}; its words are withheld because they can hold a value"
    )
}

/// The keys of the Secret that the message is about. Only keys that were sent are ever named.
fn named(message: &str, sent: Option<&Value>) -> Vec<String> {
    let mut fields = BTreeSet::new();
    for part in ["data", "stringData"] {
        let keys = sent
            .and_then(|secret| secret[part].as_object())
            .into_iter()
            .flat_map(|map| map.keys());
        fields.extend(
            keys.filter(|key| message.contains(&format!(".{part}.{key}")))
                .map(|key| format!("{part}.{key}")),
        );
    }
    fields.into_iter().collect()
}

/// RBAC's words are safe: user, verb, resource. A webhook's are its own, but for its name.
fn denial(message: String) -> String {
    const WEBHOOK: &str = "admission webhook \"";
    let Some(start) = message.find(WEBHOOK) else {
        return if message.contains(" cannot ") {
            message
        } else {
            withheld(&[])
        };
    };
    let name = message[start + WEBHOOK.len()..]
        .split('"')
        .next()
        .unwrap_or_default();
    format!(
        "admission webhook \"{name}\" denied the Secret; its words are withheld because they can hold a value"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn no_value_survives() {
        let secret = json!({"kind": "Secret", "data": {"password": "hunter2", "user": "x"}});
        let message = ".data.password: expected string, got hunter2".to_owned();
        let causes = [
            Cause::invalid(message.clone()),
            Cause::Invalid {
                message: message.clone(),
                fields: vec!["data[password]".into()],
                immutable: true,
            },
            Cause::Forbidden {
                message: format!("admission webhook \"a.b\" denied the request: {message}"),
            },
            Cause::Forbidden {
                message: message.clone(),
            },
            Cause::Other { code: 500, message },
        ];
        for cause in causes {
            let shown = conceal(cause.clone(), Some(&secret));
            assert!(
                !format!("{shown} {shown:?}").contains("hunter2"),
                "{shown:?}"
            );
            assert_eq!(shown.retry(), cause.retry());
        }
    }

    #[test]
    fn the_field_and_the_rest_of_the_story_stay() {
        let secret = json!({"kind": "Secret", "data": {"password": "hunter2", "user": "x"}});
        let cause = Cause::invalid(".data.password: expected string, got hunter2");
        let Cause::Invalid { fields, .. } = conceal(cause, Some(&secret)) else {
            panic!("changed its kind")
        };
        assert_eq!(fields, ["data.password"]);
        let rbac = "secrets \"a\" is forbidden: User \"u\" cannot patch resource \"secrets\"";
        let cause = Cause::Forbidden {
            message: rbac.into(),
        };
        assert_eq!(conceal(cause.clone(), None), cause);
        let throttled = Cause::Throttled {
            retry_after: Duration::from_secs(1),
        };
        assert_eq!(conceal(throttled.clone(), None), throttled);
    }
}
