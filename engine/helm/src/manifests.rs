//! From rendered files to what is installed: documents, hooks apart, in the order of their kinds.

use std::cmp::Ordering;

use fluvial_manifest::Value;

use crate::metadata::text;
use crate::order::compare_install;
use crate::{Error, yaml};

/// One document of a rendered file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The file, from the root chart's name on.
    pub source: String,
    /// Its text.
    pub content: String,
    /// `apiVersion`
    pub api_version: String,
    /// `kind`
    pub kind: String,
}

/// A document that is installed, upgraded or deleted with, but is no part of the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// `metadata.name`
    pub name: String,
    /// `kind`
    pub kind: String,
    /// The file, from the root chart's name on.
    pub path: String,
    /// Its text.
    pub manifest: String,
    /// When it runs.
    pub events: Vec<Event>,
    /// Lower ones run earlier.
    pub weight: i64,
    /// When it is deleted, as the annotation has them: `before-hook-creation`, `hook-succeeded`,
    /// `hook-failed`, or what somebody mistook for one.
    pub delete_policies: Vec<String>,
    /// When the log of its pods is kept.
    pub output_log_policies: Vec<String>,
}

impl Hook {
    /// Whether it is a test.
    pub fn is_test(&self) -> bool {
        self.events.contains(&Event::Test)
    }
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Before the install.
    PreInstall,
    /// After the install.
    PostInstall,
    /// Before the uninstall.
    PreDelete,
    /// After the uninstall.
    PostDelete,
    /// Before the upgrade.
    PreUpgrade,
    /// After the upgrade.
    PostUpgrade,
    /// Before the rollback.
    PreRollback,
    /// After the rollback.
    PostRollback,
    /// When asked.
    Test,
}

impl Event {
    const ALL: [(&'static str, Self); 10] = [
        ("pre-install", Self::PreInstall),
        ("post-install", Self::PostInstall),
        ("pre-delete", Self::PreDelete),
        ("post-delete", Self::PostDelete),
        ("pre-upgrade", Self::PreUpgrade),
        ("post-upgrade", Self::PostUpgrade),
        ("pre-rollback", Self::PreRollback),
        ("post-rollback", Self::PostRollback),
        ("test", Self::Test),
        // Of Helm 2.
        ("test-success", Self::Test),
    ];

    /// As the annotation `helm.sh/hook` has it.
    pub fn name(self) -> &'static str {
        let own = Self::ALL.iter().find(|(_, event)| *event == self);
        own.map_or("", |(name, _)| name)
    }

    /// The event of this name.
    pub fn named(name: &str) -> Option<Self> {
        let own = Self::ALL.iter().find(|(own, _)| *own == name);
        own.map(|(_, event)| *event)
    }
}

/// The documents of rendered files, hooks apart, both in the order in which their kinds are installed.
///
/// `files` are names and contents in the order of the names. Empty documents and hooks for unknown events
/// are left out.
pub fn sort<'f>(
    files: impl IntoIterator<Item = (&'f str, &'f str)>,
) -> Result<(Vec<Hook>, Vec<Manifest>), Error> {
    let (mut hooks, mut manifests) = (Vec::new(), Vec::new());
    for (source, content) in files {
        let name = source.rsplit('/').next().unwrap_or(source);
        if name.starts_with('_') {
            continue;
        }
        for document in split(content) {
            let head = Head::read(document)
                .map_err(|why| Error::render(format!("YAML parse error on {source}: {why}")))?;
            match head.hook(source, document) {
                Kind::Manifest => manifests.push(Manifest {
                    source: source.to_owned(),
                    content: document.to_owned(),
                    api_version: head.api_version,
                    kind: head.kind,
                }),
                Kind::Hook(hook) => hooks.push(hook),
                Kind::Unknown => {}
            }
        }
    }
    hooks.sort_by(|left: &Hook, right| compare_install(&left.kind, &right.kind));
    manifests.sort_by(|left: &Manifest, right| compare_install(&left.kind, &right.kind));
    Ok((hooks, manifests))
}

/// The order in which hooks of one event run: by weight, then by name, as helm sorts them.
pub fn compare_hooks(left: &Hook, right: &Hook) -> Ordering {
    (left.weight, &left.name).cmp(&(right.weight, &right.name))
}

/// The documents of a text: what is between lines that begin with `---`, without what is but space.
///
/// A separator needs no line of its own: `---apiVersion: v1` begins a document, as templates often make it.
pub fn split(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let mut rest = text.trim_start();
    let keep = |document: &str| -> Option<usize> {
        (!document.trim().is_empty()).then(|| document.len() - document.trim_start().len())
    };
    loop {
        let (document, after) = match separator(rest) {
            Some((start, end)) => (&rest[..start], Some(&rest[end..])),
            None => (rest, None),
        };
        if let Some(start) = keep(document) {
            documents.push(&document[start..]);
        }
        match after {
            Some(after) => rest = after,
            None => return documents,
        }
    }
}

/// Where the next `---` at the beginning of a line starts, and where it and the spaces behind it end.
fn separator(text: &str) -> Option<(usize, usize)> {
    let start = if text.starts_with("---") {
        0
    } else {
        text.find("\n---")? + 1
    };
    let spaces = text[start + 3..]
        .bytes()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    Some((start, start + 3 + spaces))
}

/// What helm reads of a document before it installs it.
#[derive(Debug, Default)]
struct Head {
    api_version: String,
    kind: String,
    name: String,
    annotations: Vec<(String, String)>,
}

enum Kind {
    Manifest,
    Hook(Hook),
    /// A hook for an event that helm does not know: neither installed nor run.
    Unknown,
}

impl Head {
    fn read(document: &str) -> Result<Self, String> {
        let mut head = Self::default();
        let map = match yaml::first(document.as_bytes())? {
            Value::Null => return Ok(head),
            Value::Object(map) => map,
            _ => return Err("it is no map".to_owned()),
        };
        let given = |value: &Value, key: &str| match value {
            Value::Null => Ok(String::new()),
            value => text(value, key),
        };
        for (key, value) in &map {
            match key.to_ascii_lowercase().as_str() {
                "apiversion" => head.api_version = given(value, key)?,
                "kind" => head.kind = given(value, key)?,
                "metadata" => head.metadata(value)?,
                _ => {}
            }
        }
        Ok(head)
    }

    fn metadata(&mut self, metadata: &Value) -> Result<(), String> {
        let map = match metadata {
            Value::Null => return Ok(()),
            Value::Object(map) => map,
            _ => return Err("metadata is no map".to_owned()),
        };
        for (key, value) in map {
            match (key.to_ascii_lowercase().as_str(), value) {
                ("name" | "annotations", Value::Null) => {}
                ("name", value) => self.name = text(value, key)?,
                ("annotations", Value::Object(annotations)) => {
                    for (name, value) in annotations {
                        let own = match value {
                            Value::Null => String::new(),
                            value => text(value, name)?,
                        };
                        self.annotations.push((name.clone(), own));
                    }
                }
                ("annotations", _) => return Err("metadata.annotations is no map".to_owned()),
                _ => {}
            }
        }
        Ok(())
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        let own = self.annotations.iter().find(|(own, _)| own == name);
        own.map(|(_, value)| value.as_str())
    }

    fn hook(&self, source: &str, document: &str) -> Kind {
        let Some(types) = self.annotation("helm.sh/hook") else {
            return Kind::Manifest;
        };
        let events = words(types).map(|name| Event::named(&name));
        let Some(events) = events.collect::<Option<Vec<_>>>() else {
            return Kind::Unknown;
        };
        let list = |name: &str| {
            let value = self.annotation(name);
            value
                .map(|value| words(value).collect())
                .unwrap_or_default()
        };
        let weight = self.annotation("helm.sh/hook-weight").unwrap_or_default();
        Kind::Hook(Hook {
            name: self.name.clone(),
            kind: self.kind.clone(),
            path: source.to_owned(),
            manifest: document.to_owned(),
            events,
            weight: weight.parse().unwrap_or(0),
            delete_policies: list("helm.sh/hook-delete-policy"),
            output_log_policies: list("helm.sh/hook-output-log-policy"),
        })
    }
}

/// The words of an annotation, between commas.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(|word| word.trim().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_as_helm_cuts_them() {
        for (text, documents) in [
            ("", vec![]),
            ("a: 1\n", vec!["a: 1\n"]),
            ("---\na: 1\n---\nb: 2", vec!["a: 1\n", "b: 2"]),
            ("---a: 1\n--- \n---\n b: 2", vec!["a: 1\n", "b: 2"]),
            ("a: x---y\n", vec!["a: x---y\n"]),
            ("\n\n  ---\na: 1", vec!["a: 1"]),
            ("# only\n---\na: 1", vec!["# only\n", "a: 1"]),
        ] {
            assert_eq!(split(text), documents, "{text:?}");
        }
    }

    #[test]
    fn hooks_are_set_apart_and_kinds_ordered() {
        let hook = |kind: &str, hook: &str| {
            format!(
                "kind: {kind}\nmetadata: {{name: x, annotations: {{helm.sh/hook: {hook}, helm.sh/hook-weight: '-5', helm.sh/hook-delete-policy: ' Hook-Failed,x'}}}}"
            )
        };
        let one = hook("Job", "'pre-install, POST-upgrade'");
        let two = hook("Secret", "test-success");
        let unknown = hook("Pod", "crd-install");
        let files = [
            ("c/templates/_p.yaml", "kind: Partial"),
            ("c/templates/a.yaml", one.as_str()),
            ("c/templates/b.yaml", two.as_str()),
            ("c/templates/c.yaml", unknown.as_str()),
            (
                "c/templates/d.yaml",
                "kind: Service\n---\nkind: Secret\n---\n# nothing",
            ),
        ];
        let (hooks, manifests) = sort(files).unwrap();
        let kinds = |kinds: Vec<&str>| kinds.join(" ");
        assert_eq!(
            kinds(manifests.iter().map(|own| own.kind.as_str()).collect()),
            "Secret Service "
        );
        assert_eq!(
            kinds(hooks.iter().map(|own| own.kind.as_str()).collect()),
            "Secret Job"
        );
        assert!(hooks[0].is_test());
        assert_eq!(hooks[1].events, [Event::PreInstall, Event::PostUpgrade]);
        assert_eq!(hooks[1].weight, -5);
        assert_eq!(hooks[1].delete_policies, ["hook-failed", "x"]);
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        for text in [
            "a: b: c",
            "- list",
            "text",
            "kind: [x]",
            "metadata: x",
            "metadata: {annotations: {a: {b: c}}}",
        ] {
            assert!(sort([("c/templates/a.yaml", text)]).is_err(), "{text}");
        }
    }
}
