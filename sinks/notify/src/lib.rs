//! Providers: one file for each service, which turns a notification into a request and sends nothing.
//!
//! Start at [`Provider`] and [`of_type`]. [`Address`] is where to and with which credentials, read from a
//! Provider object and its Secret; [`Delivery`] is what the door has to send. [`desk`] says when to send, and
//! whether to send again. The network is `deliver`'s business.
//!
//! Invariants: the same note makes the same bytes, apart from what signs the time of sending; nothing from
//! a commit or a cluster can add a header, a recipient or markup; no error and no `Debug` shows a
//! credential.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod address;
mod delivery;
pub mod desk;
// The services, sorted.
mod email;
mod generic;
mod slack;

use fluvial_event::Timestamp;
use fluvial_view::alert::Note;

pub use address::{Address, Secret};
pub use delivery::{Delivery, Mail, Request, Security, Verdict};

/// Why a request cannot be prepared: what is wrong with the Provider or its Secret, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// A service that can be told something.
pub trait Provider: Sync {
    /// The request that tells `note` at `address`, to be sent at `now`.
    fn prepare(&self, note: &Note, address: &Address, now: Timestamp) -> Result<Delivery, Refusal>;

    /// What an answer over HTTP means.
    fn judge(&self, status: u16, _body: &[u8]) -> Verdict {
        Verdict::of_status(status)
    }
}

/// The services by the `spec.type` of a Provider.
const SERVICES: &[(&str, &dyn Provider)] = &[
    // sorted
    ("email", &email::Email),
    ("generic", &generic::Generic),
    ("generic-hmac", &generic::Signed),
    ("slack", &slack::Slack),
    ("smtp", &email::Email),
];

/// The service of a type; `None` where it is not built.
pub fn of_type(r#type: &str) -> Option<&'static dyn Provider> {
    let found = SERVICES.iter().find(|(name, _)| *name == r#type);
    found.map(|(_, service)| *service)
}

/// `kustomization/apps.flux-system`, as Flux names objects to people.
fn object_name(note: &Note) -> String {
    let about = &note.about;
    let kind = about.kind.to_lowercase();
    format!("{kind}/{}.{}", about.name, about.namespace)
}

/// `text` without what moves the cursor, reorders what follows or starts a line; line breaks stay where
/// `lines` says so.
fn plain(text: &str, lines: bool) -> String {
    let is_bidi = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .filter(|c| (lines && *c == '\n') || !(c.is_control() || is_bidi(*c)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_what_the_kind_says_is_built() {
        let names: Vec<_> = SERVICES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, fluvial_api::provider::TYPES_BUILT);
        assert!(of_type("pagerduty").is_none());
    }

    #[test]
    fn what_forges_lines_or_order_goes() {
        assert_eq!(plain("a\u{1b}[31m\r\nb\u{202e}c\u{0}", false), "a[31mbc");
        assert_eq!(plain("a\r\nb\n", true), "a\nb\n");
    }
}
