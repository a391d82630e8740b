//! `generic` and `generic-hmac`: Flux's event as JSON, to any webhook.
//!
//! flux: notification-controller, forwarder.go. The headers of standard-webhooks (`webhook-id`,
//! `webhook-timestamp`, `webhook-signature`) stand beside Flux's, so that a receiver can tell a repetition.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_event::Timestamp;
use fluvial_manifest::yaml;
use fluvial_view::alert::Note;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::{Address, Delivery, Provider, Refusal, Request, Secret};

/// The event as it is.
pub(crate) struct Generic;

/// The event, signed with the Secret's token.
pub(crate) struct Signed;

impl Provider for Generic {
    fn prepare(&self, note: &Note, address: &Address, now: Timestamp) -> Result<Delivery, Refusal> {
        Ok(Delivery::Http(request(note, address, now)?))
    }
}

impl Provider for Signed {
    fn prepare(&self, note: &Note, address: &Address, now: Timestamp) -> Result<Delivery, Refusal> {
        let token = address.required_token()?;
        let mut request = request(note, address, now)?;
        let digest = sign(token.expose().as_bytes(), &[&request.body]);
        let mut flux = "sha256=".to_owned();
        for byte in digest {
            write!(flux, "{byte:02x}").unwrap_or_default();
        }
        let stamp = format!("{}.{}.", message_id(note), now.seconds());
        let digest = sign(&standard_key(token)?, &[stamp.as_bytes(), &request.body]);
        let mut add = |name: &str, value: String| {
            request.headers.push((name.to_owned(), Secret::new(value)));
        };
        add("x-signature", flux);
        add(
            "webhook-signature",
            format!("v1,{}", STANDARD.encode(digest)),
        );
        Ok(Delivery::Http(request))
    }
}

fn request(note: &Note, address: &Address, now: Timestamp) -> Result<Request, Refusal> {
    let url = address.web()?;
    let body = serde_json::to_vec(&note.event())
        .map_err(|error| Refusal(format!("the event cannot be written as JSON: {error}")))?;
    let mut headers = vec![
        ("content-type".to_owned(), Secret::new("application/json")),
        ("gotk-component".to_owned(), Secret::new(note.controller())),
        ("webhook-id".to_owned(), Secret::new(message_id(note))),
        (
            "webhook-timestamp".to_owned(),
            Secret::new(now.seconds().to_string()),
        ),
    ];
    for (name, value) in extra_headers(address)? {
        headers.retain(|(known, _)| *known != name);
        headers.push((name, value));
    }
    Ok(Request { url, headers, body })
}

fn message_id(note: &Note) -> String {
    format!("msg_{}", note.id)
}

/// The Secret's `headers`; what frames a request is not theirs to set.
fn extra_headers(address: &Address) -> Result<Vec<(String, Secret)>, Refusal> {
    const FRAMING: [&str; 5] = [
        "connection",
        "content-length",
        "host",
        "transfer-encoding",
        "upgrade",
    ];
    let Some(text) = &address.headers else {
        return Ok(Vec::new());
    };
    let place = format!("the key 'headers' of the Secret {}", address.secret_name);
    let refuse = |why: &str| Refusal(format!("{place} {why}"));
    let parsed = yaml::documents(text.expose())
        .map_err(|_may_quote_it| refuse("is not YAML: write `Name: value` lines"))?;
    let [Value::Object(map)] = &parsed[..] else {
        return Err(refuse("is not a map: write `Name: value` lines"));
    };
    map.into_iter()
        .map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if name.is_empty() || !name.chars().all(is_token) || FRAMING.contains(&&*name) {
                return Err(refuse("names a header that cannot be set"));
            }
            match value.as_str() {
                Some(value) if value.chars().all(|c| c == '\t' || !c.is_control()) => {
                    Ok((name, Secret::new(value)))
                }
                _ => Err(refuse(&format!(
                    "gives '{name}' a value that is not one line of text: quote it"
                ))),
            }
        })
        .collect()
}

fn sign(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// standard-webhooks: `whsec_` and the key in base64; any other text is the key itself.
fn standard_key(token: &Secret) -> Result<Vec<u8>, Refusal> {
    match token.expose().strip_prefix("whsec_") {
        None => Ok(token.expose().as_bytes().to_vec()),
        Some(encoded) => STANDARD.decode(encoded).map_err(|_holds_the_key| {
            Refusal("the Secret's token begins with whsec_ and is not base64 after it".to_owned())
        }),
    }
}
