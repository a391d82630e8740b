//! `fluvial install`: what the cluster needs before anything can be reconciled.

mod roles;

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fluvial_api::crd;
use fluvial_cluster::{Action, Apply, Cluster, Reference, Selector, Watched};
use fluvial_manifest::yaml;
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::connect::Globals;
use crate::{json as read, output, say};

/// The field manager of what is installed, as with Flux.
pub(super) const MANAGER: &str = "flux";

/// Install the CRDs of Flux, the namespace and the roles
///
/// What is there already is updated. Nothing else in the cluster is touched.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial install
  fluvial install --export > fluvial.yaml
  fluvial install --namespace gitops")]
pub(crate) struct InstallArgs {
    /// Print what would be applied, as YAML, and apply nothing
    #[arg(long)]
    export: bool,
}

pub(crate) async fn run(globals: &Globals, args: &InstallArgs) -> Result<ExitCode> {
    let definitions = crd::all();
    let others = others(&globals.namespace);
    if args.export {
        let all: Vec<Value> = others.into_iter().chain(definitions).collect();
        output::print(&yaml::to_multi(&all))?;
        return Ok(ExitCode::SUCCESS);
    }
    let cluster = globals.cluster().await?;
    let version = cluster.version().await?;
    say::action(&format!(
        "installing into Kubernetes {version} at {}",
        cluster.address()
    ));
    for object in others.iter().chain(&definitions) {
        let applied = cluster.apply(object, &apply()).await?;
        let verb = match applied.action {
            Action::Created => "created",
            Action::Configured => "configured",
            Action::Unchanged => "unchanged",
        };
        let (kind, name) = (read::text(object, "/kind"), read::name(object));
        say::success(&format!("{kind}/{name} {verb}"));
    }
    let names = definitions.iter().map(|it| read::name(it).to_owned());
    tokio::time::timeout(globals.timeout, established(&cluster, names.collect()))
        .await
        .context("cannot finish: the CRDs are not served in time; try again, or look into the API server's log")??;
    say::success("install finished");
    Ok(ExitCode::SUCCESS)
}

fn apply() -> Apply {
    Apply {
        field_manager: MANAGER.to_owned(),
        ..Apply::flux()
    }
}

/// The namespace and the roles.
fn others(namespace: &str) -> Vec<Value> {
    let mut namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace},
    });
    namespace["metadata"]["labels"] = json!({
        "app.kubernetes.io/instance": namespace["metadata"]["name"],
        "app.kubernetes.io/part-of": "flux",
        "pod-security.kubernetes.io/warn": "restricted",
        "pod-security.kubernetes.io/warn-version": "latest",
    });
    std::iter::once(namespace).chain(roles::all()).collect()
}

/// Waits until the server serves every one of `missing`.
async fn established(cluster: &Cluster, mut missing: BTreeSet<String>) -> Result<()> {
    say::waiting(&format!("waiting for {} CRDs to be served", missing.len()));
    let resource = cluster
        .preferred("apiextensions.k8s.io", "CustomResourceDefinition")
        .await?;
    let mut watch = cluster.watch(&resource, &Selector::default());
    while let Some(news) = watch.next().await {
        match news {
            Watched::Listed(object) | Watched::Applied(object) => {
                if is_established(&object) {
                    missing.remove(read::name(&object));
                }
            }
            Watched::Failed(error) => say::waiting(&error.to_string()),
            Watched::ListStarted
            | Watched::ListEnded { .. }
            | Watched::Deleted(_)
            | Watched::Bookmark { .. }
            | Watched::Gap { .. } => {}
        }
        if missing.is_empty() {
            cluster.doubt_kinds();
            return Ok(());
        }
    }
    bail!("cannot watch the CRDs: the watch ended");
}

/// Whether the server serves the kind that this CRD defines.
pub(super) fn is_established(definition: &Value) -> bool {
    let condition = read::condition(definition, "Established");
    condition.is_some_and(|it| read::text(it, "/status") == "True")
}

/// A CRD by name.
pub(super) fn definition(name: &str) -> Reference {
    Reference::new(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "",
        name,
    )
}
