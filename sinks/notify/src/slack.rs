//! `slack`: an incoming webhook, or `chat.postMessage` with a bot's token. flux: slack.go.

use fluvial_event::Timestamp;
use fluvial_view::alert::Note;
use serde::Serialize;
use serde_json::Value;

use crate::{Address, Delivery, Provider, Refusal, Request, Secret, Verdict, object_name, plain};

/// Slack, and what speaks as it does.
pub(crate) struct Slack;

const POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";
/// slack: longer texts are cut by it, in the middle of a word.
const TEXT_CHARACTERS_MAX: usize = 3000;

#[derive(Serialize)]
struct Payload {
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    username: String,
    attachments: [Attachment; 1],
}

#[derive(Serialize)]
struct Attachment {
    fallback: String,
    color: &'static str,
    author_name: String,
    text: String,
    mrkdwn_in: [&'static str; 1],
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Field {
    title: String,
    value: String,
    short: bool,
}

impl Provider for Slack {
    fn prepare(
        &self,
        note: &Note,
        address: &Address,
        _now: Timestamp,
    ) -> Result<Delivery, Refusal> {
        let url = match &address.token {
            Some(_) if address.endpoint.expose().is_empty() => Secret::new(POST_MESSAGE),
            Some(_) | None => address.web()?,
        };
        let is_api = is_post_message(url.expose());
        if is_api && address.token.is_none() {
            return Err(address.missing("token"));
        }
        if is_api && address.channel.is_empty() {
            return Err(Refusal(
                "chat.postMessage needs a channel: set spec.channel of the Provider".to_owned(),
            ));
        }
        let mut headers = vec![(
            "content-type".to_owned(),
            Secret::new("application/json; charset=utf-8"),
        )];
        if let Some(token) = &address.token {
            let bearer = Secret::new(format!("Bearer {}", token.expose()));
            headers.push(("authorization".to_owned(), bearer));
        }
        let body = serde_json::to_vec(&payload(note, address))
            .map_err(|error| Refusal(format!("the message cannot be written as JSON: {error}")))?;
        Ok(Delivery::Http(Request { url, headers, body }))
    }

    /// slack: `chat.postMessage` answers 200 whatever happened; a webhook answers `ok` and is no JSON.
    fn judge(&self, status: u16, body: &[u8]) -> Verdict {
        let by_status = Verdict::of_status(status);
        let (Verdict::Taken(_), Ok(answer)) = (&by_status, serde_json::from_slice::<Value>(body))
        else {
            return by_status;
        };
        if answer.get("ok") != Some(&Value::Bool(false)) {
            return by_status;
        }
        let error = answer
            .get("error")
            .and_then(Value::as_str)
            .unwrap_or("no reason");
        let error: String = plain(error, false).chars().take(80).collect();
        let said = format!("Slack answered {error}");
        match error.as_str() {
            "ratelimited"
            | "rate_limited"
            | "internal_error"
            | "fatal_error"
            | "service_unavailable"
            | "request_timeout" => Verdict::Again(said),
            _ => Verdict::Never(format!(
                "{said}; see https://docs.slack.dev/reference/methods/chat.postMessage"
            )),
        }
    }
}

fn is_post_message(url: &str) -> bool {
    url.split(['?', '#'])
        .next()
        .is_some_and(|path| path.ends_with("/api/chat.postMessage"))
}

fn payload(note: &Note, address: &Address) -> Payload {
    let username = if address.username.is_empty() {
        &address.sender
    } else {
        &address.username
    };
    let username = if username.is_empty() {
        note.controller()
    } else {
        username
    };
    let object = escaped(&object_name(note));
    let first = note.message.lines().next().unwrap_or_default();
    let shown = note
        .metadata
        .iter()
        .filter(|(key, _)| *key != "fluvial.dev/correlation");
    let attachment = Attachment {
        fallback: format!("{object}: {}", escaped(first)),
        color: if note.is_error { "danger" } else { "good" },
        author_name: object,
        text: escaped(&note.message),
        mrkdwn_in: ["text"],
        fields: shown
            .map(|(key, value)| Field {
                title: escaped(key),
                value: escaped(value),
                short: false,
            })
            .collect(),
    };
    Payload {
        channel: address.channel.clone(),
        username: username.to_owned(),
        attachments: [attachment],
    }
}

/// Text that Slack shows as it is: what begins a mention, a link or an entity is none.
fn escaped(text: &str) -> String {
    let text: String = plain(text, true)
        .chars()
        .take(TEXT_CHARACTERS_MAX)
        .collect();
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
