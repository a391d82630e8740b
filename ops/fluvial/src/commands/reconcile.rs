//! `fluvial reconcile`: ask for a run now, and wait for how it ends.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use fluvial_api::kinds::{self, Kind};
use fluvial_api::metadata::annotation;
use fluvial_cluster::{Cluster, Reference, Selector, Watched};
use futures::StreamExt as _;
use serde_json::Value;

use crate::connect::Globals;
use crate::objects::{self, reference};
use crate::{json as read, say};

/// The field manager of what people ask for on the command line, as with Flux.
pub(super) const MANAGER: &str = "flux";

/// Reconcile an object now, and wait until it is done
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial reconcile kustomization app
  fluvial reconcile ks app -n apps --with-source
  fluvial reconcile source git app --timeout 1m")]
pub(crate) struct ReconcileArgs {
    /// The object: `kustomization app`, `ks/app`, `source git app`
    #[arg(required = true, value_name = "KIND NAME")]
    words: Vec<String>,
    /// Reconcile its source first
    #[arg(long)]
    with_source: bool,
}

pub(crate) async fn run(globals: &Globals, args: &ReconcileArgs) -> Result<ExitCode> {
    let (kind, names) = objects::parse_one(&args.words)?;
    ensure!(
        names.len() == 1,
        "cannot tell which {} to reconcile: name one",
        kind.kind
    );
    let cluster = globals.cluster().await?;
    let target = reference(kind, &globals.namespace, &names[0]);
    let run = async {
        if args.with_source {
            let object = found(&cluster, &target).await?;
            let (kind, source) = source(&object, &target)?;
            reconcile(&cluster, kind, &source).await?;
        }
        reconcile(&cluster, kind, &target).await
    };
    tokio::time::timeout(globals.timeout, run)
        .await
        .with_context(|| {
            format!(
                "cannot wait any longer for {target}: see `fluvial get` for its state, and whether `fluvial run` is running"
            )
        })??;
    Ok(ExitCode::SUCCESS)
}

async fn found(cluster: &Cluster, target: &Reference) -> Result<Value> {
    let object = cluster.get(target).await?;
    object.with_context(|| format!("cannot find {target}: see `fluvial get all -A`"))
}

/// The source that a reconciler refers to.
fn source(object: &Value, target: &Reference) -> Result<(&'static Kind, Reference)> {
    let field = |name: &str| read::text(object, &format!("/spec/sourceRef/{name}"));
    let kind = kinds::ALL
        .into_iter()
        .find(|kind| kind.kind == field("kind"))
        .with_context(|| format!("cannot reconcile the source of {target}: it has none"))?;
    let namespace = match field("namespace") {
        "" => &target.namespace,
        other => other,
    };
    Ok((kind, reference(kind, namespace, field("name"))))
}

/// Asks for a run of `target`, and waits until it was made.
pub(super) async fn reconcile(cluster: &Cluster, kind: &Kind, target: &Reference) -> Result<()> {
    let object = found(cluster, target).await?;
    if read::is_suspended(&object) {
        bail!("cannot reconcile {target}: it is suspended; run `fluvial resume` first");
    }
    let Reference {
        namespace, name, ..
    } = target;
    say::action(&format!(
        "annotating {} {name} in {namespace} namespace",
        kind.kind
    ));
    let requested = fluvial_runtime::now().to_string();
    let annotation = (annotation::REQUESTED_AT.to_owned(), Some(requested.clone()));
    cluster
        .annotate(target, &BTreeMap::from([annotation]), MANAGER)
        .await?;
    say::success(&format!("{} annotated", kind.kind));
    wait(cluster, kind, target, &requested).await
}

/// Waits until the run asked for as `requested` has ended.
pub(super) async fn wait(
    cluster: &Cluster,
    kind: &Kind,
    target: &Reference,
    requested: &str,
) -> Result<()> {
    say::waiting(&format!("waiting for {} reconciliation", kind.kind));
    let resource = cluster.preferred(kind.group, kind.kind).await?;
    let selector = Selector::namespace(&target.namespace).named(&target.name);
    let mut watch = cluster.watch(&resource, &selector);
    while let Some(news) = watch.next().await {
        match news {
            Watched::Listed(object) | Watched::Applied(object) => match end(&object, requested) {
                None => {}
                Some(Ok(revision)) => {
                    let verb = if *kind == kinds::KUSTOMIZATION {
                        "applied"
                    } else {
                        "fetched"
                    };
                    say::success(&format!("{verb} revision {revision}"));
                    return Ok(());
                }
                Some(Err(message)) => {
                    bail!("{} reconciliation failed: '{message}'", kind.kind);
                }
            },
            Watched::Deleted(_) => bail!("cannot reconcile {target}: it was deleted"),
            Watched::Failed(error) => say::waiting(&error.to_string()),
            Watched::ListStarted
            | Watched::ListEnded { .. }
            | Watched::Bookmark { .. }
            | Watched::Gap { .. } => {}
        }
    }
    bail!("cannot wait for {target}: the watch ended");
}

/// How the run asked for as `requested` ended, if it has: the revision, or what went wrong.
fn end(object: &Value, requested: &str) -> Option<Result<String, String>> {
    if read::text(object, "/status/lastHandledReconcileAt") != requested {
        return None;
    }
    let (status, message) = read::ready(object);
    match status {
        "True" if is_current(object) => {
            let applied = read::text(object, "/status/lastAppliedRevision");
            let revision = match applied {
                "" => read::text(object, "/status/artifact/revision"),
                applied => applied,
            };
            Some(Ok(revision.to_owned()))
        }
        "False" => Some(Err(message.to_owned())),
        _ => None,
    }
}

fn is_current(object: &Value) -> bool {
    object.pointer("/status/observedGeneration") == object.pointer("/metadata/generation")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_has_ended_when_it_was_handled_and_says_how() {
        let object = |handled: &str, ready: &str, observed: i64| {
            json!({
                "metadata": {"generation": 2},
                "status": {
                    "lastHandledReconcileAt": handled,
                    "observedGeneration": observed,
                    "lastAppliedRevision": "main@sha1:1",
                    "conditions": [{"type": "Ready", "status": ready, "message": "said"}],
                },
            })
        };
        let ok = || Some(Ok("main@sha1:1".to_owned()));
        let failed = || Some(Err("said".to_owned()));
        for (handled, ready, observed, expected) in [
            ("old", "True", 2, None),
            ("now", "Unknown", 2, None),
            ("now", "True", 1, None),
            ("now", "True", 2, ok()),
            ("now", "False", 1, failed()),
        ] {
            assert_eq!(end(&object(handled, ready, observed), "now"), expected);
        }
    }
}
