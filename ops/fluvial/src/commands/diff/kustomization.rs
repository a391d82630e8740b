//! `fluvial diff kustomization`: what local files would change in the cluster.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use clap::{ArgAction, Args};
use fluvial_api::Kustomization;
use fluvial_apply::prune::{Fate, fate};
use fluvial_apply::{Inventory, Object, normalize};
use fluvial_cluster::{Apply, Cluster, Reference};
use fluvial_execute::scopes;
use fluvial_manifest::ObjectId;
use fluvial_view::difference::Secrets;
use futures::{StreamExt as _, stream};
use indicatif::ProgressBar;

use super::changes::{self, AT_A_TIME, Change, change};
use super::live::{self, Action, Preview};
use crate::connect::Globals;
use crate::local::{self, Found, Local, LocalArgs};
use crate::output::Plain;

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

/// Prints it; whether anything would change.
pub(super) async fn run(globals: &Globals, args: &KustomizationArgs) -> Result<bool> {
    let cluster = globals.cluster().await?;
    let bar = changes::spinner("Kustomization", args.progress_bar);
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
    changes::print(&changes, &errors, args.output)
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
        let (made, how) = (&made, &Apply::flux());
        let previews: Vec<_> = stream::iter(&set)
            .map(|it| live::preview(&self.cluster, it, made, force, how))
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
