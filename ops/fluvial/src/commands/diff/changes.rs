//! What would become of objects: how it is told, to people and to programs. flux: `diff kustomization`.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Result, bail};
use fluvial_manifest::{ObjectId, Value};
use fluvial_view::difference::{Field, Secrets, fields};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::live::{Action, Preview};
use super::report;
use crate::output::{self, Plain};
use crate::say;

/// What would become of one object, and where it is a Kustomization, of its objects.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    #[serde(serialize_with = "human")]
    pub(super) object: ObjectId,
    pub(super) action: Action,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) fields: Vec<Field>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) objects: Vec<Self>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    #[serde(skip)]
    report: String,
}

fn human<S: serde::Serializer>(id: &ObjectId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&id.human())
}

/// Prints what would change, and fails where something could not be compared; whether anything would change.
pub(super) fn print(
    changes: &[Change],
    errors: &[anyhow::Error],
    format: Option<Plain>,
) -> Result<bool> {
    match format {
        Some(format) => output::plain(format, &changes)?,
        None => output::print(&text(changes, output::is_coloured()))?,
    }
    if !errors.is_empty() {
        let errors: Vec<_> = errors.iter().map(|it| format!("{it:#}")).collect();
        bail!("{}", errors.join("; "));
    }
    let differs = differs(changes);
    if differs {
        say::warning("identified at least one change, exiting with non-zero exit code");
    }
    Ok(differs)
}

/// Shows on a terminal how far it is, where that is `wanted`.
pub(super) fn spinner(kind: &str, wanted: bool) -> ProgressBar {
    if !wanted || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = format!("{{spinner}} {kind} diffing... {{msg}}");
    let style = ProgressStyle::with_template(&template);
    let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// What `preview` says of an object, with no value of a Secret in it.
pub(super) fn change(object: ObjectId, preview: Preview, secrets: &Secrets) -> Change {
    let Preview {
        action,
        mut live,
        mut merged,
    } = preview;
    let mut change = Change {
        object,
        action,
        fields: Vec::new(),
        objects: Vec::new(),
        note: None,
        report: String::new(),
    };
    if action == Action::Drifted {
        change.fields = fields(Some(&declared(&live)), Some(&declared(&merged)), secrets);
        secrets.withhold(&mut live, &mut merged);
        change.report = report::text(&live, &merged);
    }
    change
}

/// An object without what the server counts.
fn declared(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["generation", "resourceVersion"] {
            metadata.remove(field);
        }
    }
    object
}

fn differs(changes: &[Change]) -> bool {
    changes
        .iter()
        .any(|it| !matches!(it.action, Action::Unchanged | Action::Skipped) || differs(&it.objects))
}

/// As flux prints it.
fn text(changes: &[Change], is_coloured: bool) -> String {
    const GREEN: &str = "\x1b[32m";
    const ORANGE: &str = "\x1b[33m";
    const RED: &str = "\x1b[31m";
    let mut text = String::new();
    let mut line = |colour: &str, words: String| {
        if is_coloured && !colour.is_empty() {
            text.extend([colour, &words, "\x1b[0m\n"]);
        } else {
            text.extend([&words, "\n"]);
        }
    };
    for change in changes {
        let object = change.object.human();
        let (colour, did) = match change.action {
            Action::Unchanged => ("", ""),
            Action::Skipped => (ORANGE, "skipped"),
            Action::Created => (GREEN, "created"),
            Action::Drifted => ("", "drifted"),
            Action::Deleted => (RED, "deleted"),
        };
        if !did.is_empty() {
            line(colour, format!("► {object} {did}"));
        }
        if !change.report.is_empty() {
            line(
                "",
                output::clean(change.report.strip_suffix('\n').unwrap_or(&change.report)),
            );
        }
        if let Some(note) = &change.note {
            line(ORANGE, format!("⚠️ {object} {note}"));
        }
        if differs(&change.objects) {
            line("", format!("📁 {object} changed"));
            line(
                "",
                self::text(&change.objects, is_coloured)
                    .trim_end_matches('\n')
                    .to_owned(),
            );
        }
    }
    text
}
