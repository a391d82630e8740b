//! `fluvial diff kustomization`: what local files would change in the cluster.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use clap::{ArgAction, Args};
use fluvial_api::Kustomization;
use fluvial_apply::Object;
use fluvial_cluster::{Apply, Cluster, Reference};
use indicatif::ProgressBar;

use super::changes::{self, Change};
use super::comparison::Comparison;
use super::live::{self, Action};
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
        let comparison = Comparison {
            cluster: &self.cluster,
            owner: local::owner_of(owner),
            apply: Apply::flux(),
            force: owner.spec.force,
        };
        let manifests = self.local.build(owner, directory).await?;
        let set = comparison.normalized(manifests).await?;
        let all: Vec<_> = set.iter().collect();
        let made = |place: &Reference| live::makes(&set, place);
        let failed = errors.len();
        let mut changes = Vec::new();
        above.push(key);
        for (object, change) in set.iter().zip(comparison.changes(&all, &made).await) {
            match change {
                Err(error) => errors.push(error),
                Ok(mut change) => {
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
            let inventory = owner.status.inventory.as_ref();
            changes.extend(comparison.stale(inventory, &set).await?);
        }
        changes.retain(|it| {
            it.action != Action::Unchanged || it.note.is_some() || !it.objects.is_empty()
        });
        Ok(changes)
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
}
