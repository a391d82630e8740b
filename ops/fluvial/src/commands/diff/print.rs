//! Differences for people: unified, in colours where somebody looks.

use fluvial_manifest::Value;
use fluvial_view::difference::lines::{self, Line};
use fluvial_view::difference::{Change, Difference, Field};

use crate::output;

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";
/// A longer value is cut, unless it is asked for whole.
const VALUE_CHARACTERS_MAX: usize = 160;

/// The objects with their fields; `-` is what it was, `+` what it is.
pub(crate) fn text(differences: &[Difference], is_coloured: bool, is_whole: bool) -> String {
    let mut page = Page {
        text: String::new(),
        is_coloured,
        is_whole,
    };
    for difference in differences {
        page.object(difference);
    }
    page.text
}

struct Page {
    text: String,
    is_coloured: bool,
    is_whole: bool,
}

impl Page {
    fn object(&mut self, difference: &Difference) {
        let did = match difference.change {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        };
        self.line(BOLD, &format!("{} {did}", difference.object));
        for field in &difference.fields {
            self.field(field);
        }
    }

    fn field(&mut self, field: &Field) {
        let path = &field.path;
        if let (Some(Value::String(old)), Some(Value::String(new)), false) =
            (&field.old, &field.new, field.masked)
            && (old.contains('\n') || new.contains('\n'))
        {
            self.line("", &format!("    {path}:"));
            for line in lines::of(old, new) {
                match line {
                    Line::Same(text) => self.line("", &format!("      {text}")),
                    Line::Old(text) => self.line(RED, &format!("  -   {text}")),
                    Line::New(text) => self.line(GREEN, &format!("  +   {text}")),
                    Line::Cut => self.line("", "      …"),
                }
            }
            return;
        }
        let is_hidden = field.masked && field.old == field.new;
        let note = if is_hidden {
            "  (differs; not shown)"
        } else {
            ""
        };
        for (sign, colour, value) in [("-", RED, &field.old), ("+", GREEN, &field.new)] {
            if let Some(value) = value {
                let value = self.value(value);
                self.line(colour, &format!("  {sign} {path}: {value}{note}"));
            }
        }
    }

    fn value(&self, value: &Value) -> String {
        let text = value.to_string();
        if self.is_whole || text.chars().count() <= VALUE_CHARACTERS_MAX {
            return text;
        }
        let cut: String = text.chars().take(VALUE_CHARACTERS_MAX).collect();
        format!("{cut}… (-o wide for all)")
    }

    fn line(&mut self, colour: &str, text: &str) {
        let text = output::clean(text);
        if self.is_coloured && !colour.is_empty() {
            self.text.extend([colour, &text, PLAIN, "\n"]);
        } else {
            self.text.extend([text.as_str(), "\n"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use fluvial_event::ObjectRef;
    use fluvial_view::difference::{Manifests, objects};
    use serde_json::json;

    use super::text;

    #[test]
    fn a_difference_reads_from_top_to_bottom() {
        let object = |kind: &str| ObjectRef {
            kind: kind.into(),
            name: "x".into(),
            ..ObjectRef::default()
        };
        let set = |replicas: u32, file: &str, password: &str| -> Manifests {
            [
                (
                    object("Deployment"),
                    json!({"spec": {"replicas": replicas}}),
                ),
                (object("ConfigMap"), json!({"data": {"file": file}})),
                (
                    object("Secret"),
                    json!({"kind": "Secret", "stringData": {"p": password}}),
                ),
            ]
            .into()
        };
        let mut new = set(3, "a\nc\n", "two two");
        new.insert(object("Service"), json!({"a": "\u{1b}[2J"}));
        let found = objects(&set(2, "a\nb\n", "one one"), &new);
        let want = "ConfigMap/x changed\n    data.file:\n      a\n  -   b\n  +   c\n\
            Deployment/x changed\n  - spec.replicas: 2\n  + spec.replicas: 3\n\
            Secret/x changed\n  - stringData.p: \"***\"  (differs; not shown)\n  + stringData.p: \"***\"  (differs; not shown)\n\
            Service/x added\n  + a: \"\\u001b[2J\"\n";
        assert_eq!(text(&found, false, false), want);
        let coloured = text(&found, true, false);
        assert!(
            coloured.contains("\u{1b}[31m  - spec.replicas: 2\u{1b}[0m\n"),
            "{coloured}"
        );
    }
}
