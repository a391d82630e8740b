//! What a rollback would change, and why one is not possible.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail, ensure};
use fluvial_api::rollback;
use fluvial_event::{ObjectRef, Offset, Rendered, Timestamp};
use fluvial_log::BlobStore;
use fluvial_view::difference::{self, Change, Difference, Manifests};
use fluvial_view::rollback::{Missing, Set, Target, current, find};
use serde::Serialize;
use serde_json::Value;

use crate::index::{Memory, manifest, own};
use crate::json::text;
use crate::table::truncate_hex;

/// What would change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    /// The Kustomization.
    object: String,
    /// The deployment that is meant: where it was concluded.
    offset: Offset,
    time: Timestamp,
    revision: String,
    /// Where its manifests were built.
    pub(super) built: Offset,
    pub(super) digest: String,
    /// What is applied now.
    applied_revision: String,
    /// What is attempted now: held against it.
    attempted_revision: String,
    /// What comes, changes and goes.
    objects: Vec<Difference>,
    /// What goes from the set and stays in the cluster: it is marked so, or nothing is pruned.
    kept: Vec<String>,
    unchanged: usize,
}

impl Plan {
    /// The plan, or why there can be none and what to do.
    pub(super) fn make(
        memory: &Memory,
        object: &ObjectRef,
        target: &Target,
        to: &str,
        declared: &Value,
    ) -> Result<Self> {
        let (log, index) = (memory.log(), memory.index()?);
        let found = find(own(&index, object), target)
            .context("cannot read the log: run `fluvial log verify`")?;
        let set = match found {
            Ok(set) => set,
            Err(missing) => bail!("{}", sentence(object, to, &missing)),
        };
        let held = current(own(&index, object))
            .context("cannot read the log: run `fluvial log verify`")?;
        let wanted = wanted(&set);
        let old = manifests(log, &held)?;
        let new =
            manifests(log, &wanted).context("choose another deployment: see `fluvial history`")?;
        let mut objects = difference::objects(&old, &new);
        let unchanged = new.len() - changed(&objects);
        let kept = keep(&mut objects, &held, declared["spec"]["prune"] == true);
        let plan = Self {
            object: object.to_string(),
            offset: set.concluded,
            time: set.time,
            revision: set.revision,
            built: set.built,
            digest: set.digest,
            applied_revision: text(declared, "/status/lastAppliedRevision").to_owned(),
            attempted_revision: text(declared, "/status/lastAttemptedRevision").to_owned(),
            objects,
            kept,
            unchanged,
        };
        plan.check(declared)?;
        Ok(plan)
    }

    /// Refuses what would change nothing.
    fn check(&self, declared: &Value) -> Result<()> {
        let annotation = declared
            .pointer("/metadata/annotations")
            .and_then(|all| all.get(rollback::ANNOTATION))
            .and_then(Value::as_str);
        let asked = annotation.and_then(|value| fluvial_api::Rollback::read(value).ok());
        let is_asked = asked.is_some_and(|asked| asked.offset == self.built.0);
        let conditions = declared.pointer("/status/conditions");
        let mut conditions = conditions.and_then(Value::as_array).into_iter().flatten();
        let is_held = conditions.any(|it| it["type"] == "Held" && it["status"] == "True");
        ensure!(
            !(is_asked && is_held),
            "cannot roll {} back to offset {}: it is held there already; `fluvial resume` ends that",
            self.object,
            self.offset
        );
        let is_same = self.objects.is_empty() && self.kept.is_empty();
        let is_ready = crate::json::ready(declared).0 == "True";
        let is_there = is_same && is_ready && self.applied_revision == self.revision && !is_held;
        ensure!(
            !is_there,
            "cannot roll {} back to offset {}: revision {} is what is applied; choose an earlier one, see \
             `fluvial history`, or `fluvial suspend` it to keep it as it is",
            self.object,
            self.offset,
            self.revision
        );
        Ok(())
    }

    /// For people to read. No value of a Secret is in it.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{} back to offset {}: revision {}, deployed {}\n",
            self.object,
            self.offset,
            truncate_hex(&self.revision),
            self.time
        );
        for it in &self.objects {
            let sign = match it.change {
                Change::Added => "+",
                Change::Removed => "-",
                Change::Changed => "~",
            };
            let _infallible = writeln!(text, "{sign} {}", it.object);
            for field in it.fields.iter().filter(|_| it.change == Change::Changed) {
                let _infallible = writeln!(
                    text,
                    "    {}: {} -> {}",
                    field.path,
                    value(field.old.as_ref()),
                    value(field.new.as_ref())
                );
            }
        }
        for kept in &self.kept {
            let _infallible = writeln!(text, "= {kept} is not pruned");
        }
        let count = |change| self.objects.iter().filter(|it| it.change == change).count();
        let _infallible = writeln!(
            text,
            "{} created, {} changed, {} deleted, {} unchanged",
            count(Change::Added),
            count(Change::Changed),
            count(Change::Removed),
            self.unchanged
        );
        let against = match self.attempted_revision.as_str() {
            "" => "another revision".to_owned(),
            revision => format!("a newer revision than {}", truncate_hex(revision)),
        };
        let _infallible = writeln!(text, "held until its source has {against}, or resume");
        text
    }
}

/// `"v1"`, on one line, and not longer than a line.
fn value(value: Option<&Value>) -> String {
    const CHARACTERS_MAX: usize = 80;
    let Some(value) = value else {
        return "(none)".to_owned();
    };
    let text = value.to_string();
    if text.chars().count() <= CHARACTERS_MAX {
        return text;
    }
    let start: String = text.chars().take(CHARACTERS_MAX).collect();
    format!("{start}…")
}

fn sentence(object: &ObjectRef, to: &str, missing: &Missing) -> String {
    match missing {
        Missing::Everything => format!(
            "cannot roll {object} back: no deployment of it that succeeded is in this log; is --data the right one?"
        ),
        Missing::Earlier(earliest) => format!(
            "cannot roll {object} back to {to}: no deployment of it that succeeded is there; the earliest is at \
             offset {earliest}, see `fluvial history`"
        ),
        Missing::Ambiguous(revisions) => format!(
            "cannot roll {object} back to {to}: that may be {}; write more of it",
            revisions.join(" or ")
        ),
    }
}

fn wanted(set: &Set) -> BTreeMap<ObjectRef, Rendered> {
    let named = set.objects.iter().filter_map(|it| {
        let object = it.object.as_ref()?.identity();
        Some((object, it.clone()))
    });
    named.collect()
}

fn changed(objects: &[Difference]) -> usize {
    let in_set = |it: &&Difference| it.change != Change::Removed;
    objects.iter().filter(in_set).count()
}

/// Takes out of `objects` what goes from the set and is not deleted.
fn keep(
    objects: &mut Vec<Difference>,
    held: &BTreeMap<ObjectRef, Rendered>,
    prunes: bool,
) -> Vec<String> {
    let is_kept = |it: &Difference| {
        let marked = held.get(&it.object.identity()).is_some_and(|it| it.keep);
        it.change == Change::Removed && (marked || !prunes)
    };
    let kept = objects.iter().filter(|it| is_kept(it));
    let kept = kept.map(|it| it.object.to_string()).collect();
    objects.retain(|it| !is_kept(it));
    kept
}

fn manifests(
    blobs: &impl BlobStore,
    rendered: &BTreeMap<ObjectRef, Rendered>,
) -> Result<Manifests> {
    let read = rendered.iter().filter(|(_, it)| !it.manifest.is_empty());
    read.map(|(object, it)| Ok((object.clone(), manifest(blobs, it)?)))
        .collect()
}
