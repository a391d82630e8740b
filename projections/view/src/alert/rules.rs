//! What an Alert asks for, ready to be asked of a notice. flux: notification-controller, event_handlers.go.

use std::collections::BTreeMap;

use fluvial_api::{AlertSpec, EventSeverity, EventSource};
use regex::Regex;

use crate::notice::Notice;

/// An Alert's spec with its expressions compiled.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) spec: AlertSpec,
    inclusion: Vec<Regex>,
    exclusion: Vec<Regex>,
}

impl Rules {
    /// None where it asks for nothing that can be followed.
    pub(super) fn read(spec: &[u8]) -> Option<Self> {
        let spec: AlertSpec = serde_json::from_slice(spec).ok()?;
        let compile = |all: &[String]| all.iter().map(|each| Regex::new(each)).collect();
        let inclusion: Result<_, regex::Error> = compile(&spec.inclusion_list);
        let exclusion: Result<_, regex::Error> = compile(&spec.exclusion_list);
        Some(Self {
            inclusion: inclusion.ok()?,
            exclusion: exclusion.ok()?,
            spec,
        })
    }

    /// Whether the Alert, which is in `namespace`, tells this notice of an object with these labels.
    pub(super) fn want(
        &self,
        namespace: &str,
        notice: &Notice,
        labels: &BTreeMap<String, String>,
    ) -> bool {
        let matches = |each: &Regex| each.is_match(&notice.message);
        !self.spec.suspend
            && (notice.is_warning || self.spec.event_severity == EventSeverity::Info)
            && self
                .spec
                .event_sources
                .iter()
                .any(|source| is_meant(source, namespace, notice, labels))
            && (self.inclusion.is_empty() || self.inclusion.iter().any(matches))
            && !self.exclusion.iter().any(matches)
    }
}

fn is_meant(
    source: &EventSource,
    namespace: &str,
    notice: &Notice,
    labels: &BTreeMap<String, String>,
) -> bool {
    let object = &notice.object;
    let has_labels = || {
        let mut wanted = source.match_labels.iter();
        wanted.all(|(key, value)| labels.get(key) == Some(value))
    };
    source.kind == object.kind
        && source.namespace.as_deref().unwrap_or(namespace) == object.namespace
        && (source.name == object.name || source.name == "*" && has_labels())
}
