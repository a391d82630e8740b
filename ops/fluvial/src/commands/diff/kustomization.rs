//! `fluvial diff kustomization`: what local files would change in the cluster.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{ArgAction, Args};
use fluvial_api::Kustomization;
use fluvial_apply::prune::{Fate, fate};
use fluvial_apply::{Inventory, Object, normalize};
use fluvial_cluster::{Cluster, Reference};
use fluvial_execute::scopes;
use fluvial_manifest::{ObjectId, Value};
use fluvial_view::difference::{Field, Secrets, fields};
use futures::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::live::{self, Action, Preview};
use super::report;
use crate::connect::Globals;
use crate::local::{self, Found, Local, LocalArgs};
use crate::output::{self, Plain};
use crate::say;

/// Objects that are asked for at a time.
const AT_A_TIME: usize = 8;

#[derive(Args, Debug)]
pub(super) struct KustomizationArgs {
    #[command(flatten)]
    local: LocalArgs,
    /// Show on a terminal how far it is
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    progress_bar: bool,
    /// Do not mind that the Kustomization of --kustomization-file is not in the cluster yet
    #[arg(long, requires = "kustomization_file")]
    ignore_not_found: bool,
    /// How to print
    #[arg(short, long)]
    output: Option<Plain>,
}

/// What would become of one object, and where it is a Kustomization, of its objects.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    #[serde(serialize_with = "human")]
    object: ObjectId,
    action: Action,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objects: Vec<Self>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip)]
    report: String,
}

fn human<S: serde::Serializer>(id: &ObjectId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&id.human())
}

/// Prints it; whether anything would change.
pub(super) async fn run(globals: &Globals, args: &KustomizationArgs) -> Result<bool> {
    let cluster = globals.cluster().await?;
    let bar = spinner(args);
    let diff = Diff {
        local: Local {
            args: &args.local,
            cluster: Some(cluster.clone()),
        },
        cluster,
        bar: bar.clone(),
    };
    let compared = async {
        let (owner, found) = diff.local.declared(&globals.namespace).await?;
        ensure!(
            found == Found::Live || args.ignore_not_found,
            "cannot find Kustomization/{}/{} in the cluster: say --ignore-not-found if it is new",
            owner.metadata.namespace,
            owner.metadata.name
        );
        let mut errors = Vec::new();
        let changes = diff
            .of(&owner, &args.local.path, &mut Vec::new(), &mut errors)
            .await?;
        anyhow::Ok((changes, errors))
    };
    let compared = tokio::time::timeout(globals.timeout, compared).await;
    bar.finish_and_clear();
    let (changes, errors) = compared
        .context("cannot compare in time: the cluster does not answer; see --timeout")??;
    match args.output {
        Some(format) => output::plain(format, &changes)?,
        None => output::print(&text(&changes, output::is_coloured()))?,
    }
    if !errors.is_empty() {
        let errors: Vec<_> = errors.iter().map(|it| format!("{it:#}")).collect();
        bail!("{}", errors.join("; "));
    }
    let differs = differs(&changes);
    if differs {
        say::warning("identified at least one change, exiting with non-zero exit code");
    }
    Ok(differs)
}

fn spinner(args: &KustomizationArgs) -> ProgressBar {
    if !args.progress_bar || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{spinner} Kustomization diffing... {msg}");
    let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

struct Diff<'a> {
    local: Local<'a>,
    cluster: Cluster,
    bar: ProgressBar,
}

impl Diff<'_> {
    /// What would become of the objects of `owner`, in the order in which it lists them, and of those that
    /// it lists no more. `above` are the Kustomizations that led here.
    async fn of(
        &self,
        owner: &Kustomization,
        directory: &Path,
        above: &mut Vec<(String, String)>,
        errors: &mut Vec<anyhow::Error>,
    ) -> Result<Vec<Change>> {
        let key = (
            owner.metadata.namespace.clone(),
            owner.metadata.name.clone(),
        );
        ensure!(
            !above.contains(&key),
            "cannot compare Kustomization/{}/{}: it is declared by what it declares; leave --recursive out",
            key.0,
            key.1
        );
        self.bar
            .set_message(format!("running dry-run in {}", key.1));
        let set = self.set(owner, directory).await?;
        let force = owner.spec.force;
        let made = |place: &Reference| live::makes(&set, place);
        let made = &made;
        let previews: Vec<_> = stream::iter(&set)
            .map(|it| live::preview(&self.cluster, it, made, force))
            .buffered(AT_A_TIME)
            .collect()
            .await;
        let live = previews.iter().flatten().map(|it| &it.live);
        let secrets = Secrets::of(set.iter().map(|it| &it.value).chain(live));
        let failed = errors.len();
        let mut changes = Vec::new();
        above.push(key);
        for (object, preview) in set.iter().zip(previews) {
            match preview {
                Err(error) => errors.push(error),
                Ok(preview) => {
                    let mut change = change(object.id.clone(), preview, &secrets);
                    if change.action != Action::Created {
                        self.descend(object, owner, &mut change, above, errors)
                            .await?;
                    }
                    changes.push(change);
                }
            }
        }
        above.pop();
        if owner.spec.prune && errors.len() == failed {
            self.bar.set_message("processing inventory");
            changes.extend(self.stale(owner, &set).await?);
        }
        changes.retain(|it| {
            it.action != Action::Unchanged || it.note.is_some() || !it.objects.is_empty()
        });
        Ok(changes)
    }

    /// The objects of `owner` as the engine would apply them.
    async fn set(&self, owner: &Kustomization, directory: &Path) -> Result<Vec<Object>> {
        let manifests = self.local.build(owner, directory).await?;
        let scopes = scopes::of(&self.cluster, &manifests).await?;
        let scope = |id: &ObjectId| scopes.get(&(id.group.clone(), id.kind.clone())).copied();
        Ok(normalize::as_listed(
            manifests,
            &local::owner_of(owner),
            &scope,
        )?)
    }

    /// Goes on with the objects of a Kustomization among the objects, where that is asked for.
    async fn descend(
        &self,
        object: &Object,
        owner: &Kustomization,
        change: &mut Change,
        above: &mut Vec<(String, String)>,
        errors: &mut Vec<anyhow::Error>,
    ) -> Result<()> {
        if !self.local.args.recursive {
            return Ok(());
        }
        let Some(mut child) = local::child(&object.value, owner)? else {
            return Ok(());
        };
        if child.spec.kube_config.is_some() {
            change.note = Some("skipped: diff not supported for remote clusters".to_owned());
            return Ok(());
        }
        if let Some(live) = self.cluster.get(&Reference::of(&object.value)?).await? {
            child.status = Kustomization::read(&live)?.status;
        }
        let directory = self.local.directory(&child)?;
        let compared = Box::pin(self.of(&child, &directory, above, errors)).await;
        match compared {
            Ok(objects) => change.objects = objects,
            Err(error) => errors.push(error),
        }
        Ok(())
    }

    /// What the inventory has and the set has not, as far as it would be deleted.
    async fn stale(&self, owner: &Kustomization, set: &[Object]) -> Result<Vec<Change>> {
        let Some(inventory) = &owner.status.inventory else {
            return Ok(Vec::new());
        };
        let old = Inventory::from_status(inventory)?;
        let mut deleted = Vec::new();
        for id in old.stale(&Inventory::of(set)) {
            let place = Reference {
                group: id.group.clone(),
                version: old.0.get(&id).cloned().unwrap_or_default(),
                kind: id.kind.clone(),
                namespace: id.namespace.clone(),
                name: id.name.clone(),
            };
            let live = self.cluster.get(&place).await?;
            if let Fate::Deleted { .. } = fate(live.as_ref(), &local::owner_of(owner), "") {
                deleted.push(change(
                    id,
                    Preview::of(Action::Deleted),
                    &Secrets::default(),
                ));
            }
        }
        Ok(deleted)
    }
}

fn change(object: ObjectId, preview: Preview, secrets: &Secrets) -> Change {
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
