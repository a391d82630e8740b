//! `fluvial suspend` and `fluvial resume`: leave objects alone, and no longer.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use fluvial_api::kinds::{self, Kind};
use fluvial_api::rollback;
use fluvial_cluster::{Cluster, Reference, Selector};
use serde_json::json;

use super::reconcile::{self, MANAGER};
use crate::connect::Globals;
use crate::objects::{self, reference};
use crate::{json as read, say};

/// Leave objects as they are until they are resumed
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial suspend kustomization app
  fluvial suspend ks app infra -n apps
  fluvial suspend alert on-call
  fluvial suspend source git --all")]
pub(crate) struct SuspendArgs {
    #[command(flatten)]
    which: Which,
}

/// Reconcile suspended or held objects again
///
/// Of a Kustomization that was rolled back, it also ends the hold: what its source has is applied again.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial resume kustomization app
  fluvial resume ks app infra --wait
  fluvial resume source git --all")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    which: Which,
    /// Wait until each has been reconciled
    #[arg(long)]
    wait: bool,
}

#[derive(Args, Debug)]
struct Which {
    /// The objects: `kustomization app infra`, `ks/app`, `source git app`
    #[arg(required = true, value_name = "KIND NAME")]
    words: Vec<String>,
    /// Every object of the kind in the namespace
    #[arg(long)]
    all: bool,
}

impl Which {
    async fn find(
        &self,
        globals: &Globals,
        cluster: &Cluster,
    ) -> Result<(&'static Kind, Vec<Reference>)> {
        let (kind, mut names) = objects::parse_one(&self.words)?;
        if self.all {
            let resource = cluster.preferred(kind.group, kind.kind).await?;
            let selector = Selector::namespace(&globals.namespace);
            let objects = cluster.list_all(&resource, &selector).await?;
            names = objects
                .iter()
                .map(|object| read::name(object).to_owned())
                .collect();
        } else if names.is_empty() {
            bail!(
                "cannot tell which {} is meant: name it, or say --all",
                kind.kind
            );
        }
        let found = names
            .iter()
            .map(|name| reference(kind, &globals.namespace, name));
        Ok((kind, found.collect()))
    }
}

pub(crate) async fn suspend(globals: &Globals, args: &SuspendArgs) -> Result<ExitCode> {
    let cluster = globals.cluster().await?;
    let (kind, targets) = args.which.find(globals, &cluster).await?;
    let kind = kind.kind;
    for target in targets {
        let Reference {
            namespace, name, ..
        } = &target;
        say::action(&format!(
            "suspending {kind} {name} in {namespace} namespace"
        ));
        let patch = json!({"spec": {"suspend": true}});
        cluster.merge_patch(&target, &patch, MANAGER).await?;
        say::success(&format!("{kind} suspended"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn resume(globals: &Globals, args: &ResumeArgs) -> Result<ExitCode> {
    let cluster = globals.cluster().await?;
    let (kind, targets) = args.which.find(globals, &cluster).await?;
    for target in &targets {
        let Reference {
            namespace, name, ..
        } = target;
        say::action(&format!(
            "resuming {} {name} in {namespace} namespace",
            kind.kind
        ));
        let mut patch = json!({"spec": {"suspend": false}});
        if *kind == kinds::KUSTOMIZATION {
            patch["metadata"] = json!({"annotations": {rollback::ANNOTATION: null}});
        }
        cluster.merge_patch(target, &patch, MANAGER).await?;
        say::success(&format!("{} resumed", kind.kind));
    }
    // Alerts and Providers have no status to wait for: they count from now on.
    if args.wait && kind.category != kinds::ALERT.category {
        for target in &targets {
            tokio::time::timeout(
                globals.timeout,
                reconcile::reconcile(&cluster, kind, target, &[]),
            )
            .await??;
        }
    }
    Ok(ExitCode::SUCCESS)
}
