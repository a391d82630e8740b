//! `fluvial uninstall`: take the CRDs and roles out of the cluster, and leave what was deployed.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use fluvial_api::kinds;
use fluvial_cluster::{Cluster, Delete, Propagation, Reference, Selector};

use super::delete::confirm;
use super::install;
use crate::connect::Globals;
use crate::objects::reference;
use crate::{json as read, say};

/// Remove all Flux objects, their CRDs and the roles; what they deployed stays
///
/// Stop the engine first, or it prunes what it sees deleted.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial uninstall --dry-run
  fluvial uninstall --silent")]
pub(crate) struct UninstallArgs {
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    silent: bool,
}

pub(crate) async fn run(globals: &Globals, args: &UninstallArgs) -> Result<ExitCode> {
    let cluster = globals.cluster().await?;
    let what = format!("remove Fluvial from the cluster at {}", cluster.address());
    if !args.dry_run && !args.silent && !confirm(&what)? {
        say::failure("nothing was removed");
        return Ok(ExitCode::FAILURE);
    }
    for kind in kinds::ALL {
        // Without its finalizer an object goes with its CRD, and nobody prunes what it deployed.
        for target in with_finalizer(&cluster, kind).await? {
            if let (Some(finalizer), false) = (kind.finalizer, args.dry_run) {
                cluster
                    .remove_finalizer(&target, finalizer, install::MANAGER)
                    .await?;
            }
            say::success(&format!("{target} finalizer removed{}", suffix(args)));
        }
    }
    let definitions = kinds::ALL
        .iter()
        .map(|kind| install::definition(&kind.definition()));
    let roles = ["crd-controller", "flux-view", "flux-edit"];
    let roles =
        roles.map(|name| Reference::new("rbac.authorization.k8s.io/v1", "ClusterRole", "", name));
    for target in definitions.chain(roles) {
        if cluster.get(&target).await?.is_none() {
            continue;
        }
        if !args.dry_run {
            cluster.delete(&target, &background()).await?;
        }
        say::success(&format!("{target} deleted{}", suffix(args)));
    }
    say::success(&format!("uninstall finished{}", suffix(args)));
    Ok(ExitCode::SUCCESS)
}

fn suffix(args: &UninstallArgs) -> &'static str {
    if args.dry_run { " (dry run)" } else { "" }
}

fn background() -> Delete {
    Delete {
        uid: None,
        resource_version: None,
        propagation: Propagation::Background,
    }
}

/// The objects of a kind, in all namespaces, that the kind's finalizer holds.
async fn with_finalizer(cluster: &Cluster, kind: &kinds::Kind) -> Result<Vec<Reference>> {
    let definition = install::definition(&kind.definition());
    if cluster.get(&definition).await?.is_none() {
        return Ok(Vec::new());
    }
    let resource = cluster.preferred(kind.group, kind.kind).await?;
    let objects = cluster.list_all(&resource, &Selector::default()).await?;
    let held = objects.iter().filter(|object| {
        let finalizers = object.pointer("/metadata/finalizers");
        let mut finalizers = finalizers
            .and_then(|it| it.as_array())
            .into_iter()
            .flatten();
        finalizers.any(|it| it.as_str() == kind.finalizer)
    });
    Ok(held
        .map(|object| reference(kind, read::namespace(object), read::name(object)))
        .collect())
}
