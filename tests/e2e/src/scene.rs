//! One scenario's place on the stage: a namespace, a repository, and what is declared and seen there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use fluvial_support::{Change, Repository, wait};
use serde_json::{Value, json};

use crate::{PATIENCE, Stage, text};

/// The GitRepository that [`Scene::source`] declares.
const SOURCE: &str = "source";

/// A namespace and a repository of one scenario's own, named for it.
///
/// # Panics
///
/// Its methods are what a scenario asserts with: they panic, saying what was seen last.
pub struct Scene<'a> {
    /// What it shares with the others.
    pub stage: &'a Stage,
    /// Its namespace.
    pub namespace: String,
    /// Its repository.
    pub repository: Repository,
    requests: AtomicU64,
}

impl<'a> Scene<'a> {
    /// Makes the namespace and an empty repository.
    pub fn new(stage: &'a Stage, name: &str) -> Self {
        let namespace = name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        let namespace = namespace.chars().take(63).collect::<String>();
        let namespace = namespace.trim_end_matches('-').to_owned();
        let repository = stage.git.repository(&namespace).unwrap();
        let scene = Self {
            stage,
            namespace,
            repository,
            requests: AtomicU64::new(1),
        };
        scene.namespace(&scene.namespace);
        scene
    }

    /// Makes another namespace.
    pub fn namespace(&self, name: &str) {
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }

    /// Commits files to `main`, and returns the commit's id.
    pub fn commit(&self, write: &[(&str, &str)]) -> String {
        self.change(write, &[])
    }

    /// Commits files and removals to `main`, and returns the commit's id.
    pub fn change(&self, write: &[(&str, &str)], remove: &[&str]) -> String {
        self.repository
            .change(&Change {
                write,
                remove,
                ..Change::default()
            })
            .unwrap()
    }

    /// Commits the first files, and declares the source that serves them, asked only on request.
    pub fn begin(&self, write: &[(&str, &str)]) -> String {
        let commit = self.commit(write);
        self.source("1h");
        commit
    }

    /// Declares the GitRepository `source` of this scene's repository.
    pub fn source(&self, interval: &str) {
        let url = self.stage.git.url(&self.namespace);
        let spec = json!({"url": url, "interval": interval, "ref": {"branch": "main"}});
        self.declare("GitRepository", SOURCE, &spec);
    }

    /// Has the source look for what was committed, and waits until it was found.
    pub fn fetch(&self) {
        let head = self.repository.head("main").unwrap();
        self.request("GitRepository", SOURCE);
        self.until(
            "GitRepository",
            SOURCE,
            "the new commit as artifact",
            |it| text(it, "/status/artifact/revision").ends_with(&head),
        );
    }

    /// Declares a Kustomization of the source: hourly, pruning, with what `spec` says besides.
    pub fn kustomization(&self, name: &str, spec: Value) {
        let mut all = json!({
            "interval": "1h",
            "prune": true,
            "sourceRef": {"kind": "GitRepository", "name": SOURCE},
        });
        merge(&mut all, spec);
        self.declare("Kustomization", name, &all);
    }

    /// Declares an object of a Flux kind.
    pub fn declare(&self, kind: &str, name: &str, spec: &Value) {
        let group = match kind {
            "Alert" | "Provider" => "notification.toolkit.fluxcd.io/v1beta3",
            "HelmRelease" => "helm.toolkit.fluxcd.io/v2",
            "Kustomization" => "kustomize.toolkit.fluxcd.io/v1",
            _ => "source.toolkit.fluxcd.io/v1",
        };
        self.apply(&json!({
            "apiVersion": group,
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }));
    }

    /// Applies any object.
    pub fn apply(&self, object: &Value) -> Value {
        self.stage.cluster.apply(object).unwrap()
    }

    /// Annotates an object as `flux reconcile` does, and returns the annotation.
    pub fn request(&self, kind: &str, name: &str) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let at = format!("2026-01-01T00:00:00.{number:09}Z");
        let key = "reconcile.fluxcd.io/requestedAt";
        self.patch(kind, name, &json!({"metadata": {"annotations": {key: at}}}));
        at
    }

    /// Merges `patch` into an object, as somebody else.
    pub fn patch(&self, kind: &str, name: &str, patch: &Value) -> Value {
        self.stage
            .cluster
            .patch((kind, &self.namespace, name), "", patch)
            .unwrap()
    }

    /// Merges `patch` into an object's status.
    pub fn patch_status(&self, kind: &str, name: &str, patch: &Value) -> Value {
        self.stage
            .cluster
            .patch((kind, &self.namespace, name), "status", patch)
            .unwrap()
    }

    /// Deletes an object, and does not wait.
    pub fn delete(&self, kind: &str, name: &str) {
        self.stage
            .cluster
            .delete(kind, &self.namespace, name)
            .unwrap();
    }

    /// Runs kubectl in the scene's namespace.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.stage
            .plane
            .kubectl(&[args, &["-n", &self.namespace]].concat())
    }

    /// Runs `fluvial` in the scene's namespace.
    pub fn cli(&self, args: &[&str]) -> Result<String> {
        self.stage
            .engine
            .cli(&[args, &["-n", &self.namespace]].concat())
    }

    /// The object as it is now, if it is.
    pub fn find(&self, kind: &str, name: &str) -> Option<Value> {
        self.stage.cluster.get(kind, &self.namespace, name).unwrap()
    }

    /// The object, which must be there.
    pub fn get(&self, kind: &str, name: &str) -> Value {
        self.find(kind, name)
            .unwrap_or_else(|| panic!("{kind} {name} is not there"))
    }

    /// Waits until the object is there and `is_so`, and returns it.
    pub fn until(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let what = format!("{kind} {}/{name}: {what}", self.namespace);
        wait(&what, PATIENCE, || {
            let seen = self.stage.cluster.get(kind, &self.namespace, name);
            match seen.map_err(|error| format!("{error:#}"))? {
                None => Err("nothing of this name".to_owned()),
                Some(seen) if is_so(&seen) => Ok(seen),
                Some(seen) => Err(summary(&seen)),
            }
        })
    }

    /// Waits until there is no such object.
    pub fn gone(&self, kind: &str, name: &str) {
        wait(
            &format!("{kind} {}/{name} to go", self.namespace),
            PATIENCE,
            || {
                self.find(kind, name)
                    .map_or(Ok(()), |seen| Err(summary(&seen)))
            },
        );
    }

    /// Waits until an object is Ready as it is declared now, and returns it.
    pub fn ready(&self, kind: &str, name: &str) -> Value {
        self.until(kind, name, "Ready", |it| {
            is_observed(it) && text(condition(it, "Ready"), "/status") == "True"
        })
    }

    /// Waits until a Kustomization is Ready with the newest commit, and returns it.
    pub fn deployed(&self, name: &str) -> Value {
        let head = self.repository.head("main").unwrap();
        let revision = format!("main@sha1:{head}");
        self.until(
            "Kustomization",
            name,
            &format!("Ready with {revision}"),
            |it| {
                is_observed(it)
                    && text(condition(it, "Ready"), "/status") == "True"
                    && text(it, "/status/lastAppliedRevision") == revision
            },
        )
    }

    /// Waits until an object is not Ready for this reason, with a message that has all these words.
    pub fn refused(&self, kind: &str, name: &str, reason: &str, words: &[&str]) -> Value {
        self.until(
            kind,
            name,
            &format!("not Ready: {reason}, {words:?}"),
            |it| {
                let ready = condition(it, "Ready");
                text(ready, "/status") == "False"
                    && text(ready, "/reason") == reason
                    && words
                        .iter()
                        .all(|word| text(ready, "/message").contains(word))
            },
        )
    }

    /// Waits until a request has been handled.
    pub fn handled(&self, kind: &str, name: &str, requested_at: &str) -> Value {
        self.until(kind, name, "the request to be handled", |it| {
            text(it, "/status/lastHandledReconcileAt") == requested_at
        })
    }

    /// Waits until a Kubernetes Event of an object has this reason and these words.
    pub fn told(&self, name: &str, reason: &str, words: &str) {
        let what = format!(
            "an Event {reason} about {}/{name} with {words:?}",
            self.namespace
        );
        wait(&what, PATIENCE, || {
            let events = self.stage.cluster.list("Event", &self.namespace).unwrap();
            let ours = events
                .iter()
                .filter(|it| text(it, "/involvedObject/name") == name);
            let lines: Vec<_> = ours
                .map(|it| format!("{}: {}", text(it, "/reason"), text(it, "/message")))
                .collect();
            let is_it = |line: &String| line.starts_with(reason) && line.contains(words);
            if lines.iter().any(is_it) {
                Ok(())
            } else {
                Err(lines.join("; "))
            }
        });
    }

    /// Suspends a Kustomization, and waits until that is on the record: what follows on other objects
    /// comes on other watches, and could be heard of first.
    pub fn suspend(&self, name: &str) {
        self.patch("Kustomization", name, &json!({"spec": {"suspend": true}}));
        let object = format!("Kustomization/{}/{name}", self.namespace);
        wait("the suspension on the record", PATIENCE, || {
            let tail = ["log", "tail", "--limit", "100000", "--for", &object];
            let records = self.stage.engine.of_data(&tail).unwrap();
            if records.contains("Suspended") {
                Ok(())
            } else {
                Err(records)
            }
        });
    }

    /// Asserts that an object stays as it is while everything that is in motion comes to rest: until a
    /// Kustomization of the scene that is asked now has finished.
    pub fn settled(&self, kustomization: &str) {
        let at = self.request("Kustomization", kustomization);
        self.handled("Kustomization", kustomization, &at);
    }

    /// How long a repair may take before it is not one "from the watch".
    pub const REPAIR: Duration = Duration::from_secs(20);
}

/// The condition of this type, or null.
pub fn condition<'a>(object: &'a Value, aspect: &str) -> &'a Value {
    let all = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    all.and_then(|all| all.iter().find(|it| text(it, "/type") == aspect))
        .unwrap_or(&Value::Null)
}

fn is_observed(object: &Value) -> bool {
    object.pointer("/metadata/generation") == object.pointer("/status/observedGeneration")
}

/// What of an object helps to understand why it is not as expected.
fn summary(object: &Value) -> String {
    let mut short = object.clone();
    if let Some(metadata) = short.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    match short
        .get("status")
        .filter(|status| status.get("conditions").is_some())
    {
        Some(status) => format!("generation {}, {status}", short["metadata"]["generation"]),
        None => short.to_string(),
    }
}

fn merge(into: &mut Value, more: Value) {
    let Value::Object(more) = more else {
        panic!("{more} is no object");
    };
    for (key, value) in more {
        into[key] = value;
    }
}
