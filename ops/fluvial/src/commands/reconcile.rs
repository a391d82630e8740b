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
  fluvial reconcile source git app --timeout 1m
  fluvial reconcile helmrelease web --with-source
  fluvial reconcile hr web --reset                  # after it has failed as often as it may
  fluvial reconcile source chart apps-web")]
pub(crate) struct ReconcileArgs {
    /// The object: `kustomization app`, `ks/app`, `source git app`
    #[arg(required = true, value_name = "KIND NAME")]
    words: Vec<String>,
    /// Reconcile its source first
    #[arg(long)]
    with_source: bool,
    /// Of a HelmRelease: install or upgrade it even if nothing is new
    #[arg(long)]
    force: bool,
    /// Of a HelmRelease: forget how often it failed
    #[arg(long)]
    reset: bool,
}

pub(crate) async fn run(globals: &Globals, args: &ReconcileArgs) -> Result<ExitCode> {
    let (kind, names) = objects::parse_one(&args.words)?;
    ensure!(
        names.len() == 1,
        "cannot tell which {} to reconcile: name one",
        kind.kind
    );
    ensure!(
        *kind == kinds::HELM_RELEASE || !(args.force || args.reset),
        "cannot force or reset a {}: only a HelmRelease",
        kind.kind
    );
    let cluster = globals.cluster().await?;
    let target = reference(kind, &globals.namespace, &names[0]);
    let mut more = Vec::new();
    if args.force {
        more.push(annotation::FORCE_AT);
    }
    if args.reset {
        more.push(annotation::RESET_AT);
    }
    let run = async {
        if args.with_source {
            let object = found(&cluster, &target).await?;
            let (of, source) = source(kind, &object, &target)?;
            // flux: what a release is made of is a chart, which has a source of its own.
            if *of == kinds::HELM_CHART {
                let chart = found(&cluster, &source).await?;
                let (of, repository) = self::source(of, &chart, &source)?;
                reconcile(&cluster, of, &repository, &[]).await?;
            }
            reconcile(&cluster, of, &source, &[]).await?;
        }
        reconcile(&cluster, kind, &target, &more).await
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

/// What an object of `kind` is made of.
fn source(kind: &Kind, object: &Value, target: &Reference) -> Result<(&'static Kind, Reference)> {
    let own = |namespace: &str| match namespace {
        "" => target.namespace.clone(),
        other => other.to_owned(),
    };
    if *kind == kinds::HELM_RELEASE && object.pointer("/spec/chartRef").is_none() {
        // The chart of a template is an object of its own, beside its source.
        let namespace = own(read::text(object, "/spec/chart/spec/sourceRef/namespace"));
        let name = format!("{}-{}", target.namespace, target.name);
        return Ok((
            &kinds::HELM_CHART,
            reference(&kinds::HELM_CHART, &namespace, &name),
        ));
    }
    let place = if *kind == kinds::HELM_RELEASE {
        "/spec/chartRef"
    } else {
        "/spec/sourceRef"
    };
    let field = |name: &str| read::text(object, &format!("{place}/{name}"));
    let kind = kinds::ALL
        .into_iter()
        .find(|kind| kind.kind == field("kind"))
        .with_context(|| format!("cannot reconcile the source of {target}: it has none"))?;
    Ok((
        kind,
        reference(kind, &own(field("namespace")), field("name")),
    ))
}

/// Asks for a run of `target`, by `more` annotations too, and waits until it was made.
pub(super) async fn reconcile(
    cluster: &Cluster,
    kind: &Kind,
    target: &Reference,
    more: &[&str],
) -> Result<()> {
    let object = found(cluster, target).await?;
    if read::is_static(kind, &object) {
        say::success(&format!(
            "{} {} is never reconciled: it counts as it is declared",
            kind.kind, target.name
        ));
        return Ok(());
    }
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
    let names = [annotation::REQUESTED_AT]
        .into_iter()
        .chain(more.iter().copied());
    let annotations: BTreeMap<_, _> = names
        .map(|name| (name.to_owned(), Some(requested.clone())))
        .collect();
    cluster.annotate(target, &annotations, MANAGER).await?;
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
                    let is_applied = kind.category == kinds::KUSTOMIZATION.category;
                    let verb = if is_applied { "applied" } else { "fetched" };
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
            let places = [
                "/status/lastAppliedRevision",
                "/status/history/0/chartVersion",
                "/status/artifact/revision",
            ];
            let revisions = places.map(|place| read::text(object, place));
            let revision = revisions.into_iter().find(|it| !it.is_empty());
            Some(Ok(revision.unwrap_or_default().to_owned()))
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
    fn the_source_of_a_release_is_its_chart() {
        let target = reference(&kinds::HELM_RELEASE, "apps", "web");
        for (kind, spec, named) in [
            (
                &kinds::HELM_RELEASE,
                json!({"chart": {"spec": {"sourceRef": {"kind": "HelmRepository", "name": "charts"}}}}),
                "HelmChart/apps/apps-web",
            ),
            (
                &kinds::HELM_RELEASE,
                json!({"chart": {"spec": {"sourceRef": {"name": "charts", "namespace": "flux"}}}}),
                "HelmChart/flux/apps-web",
            ),
            (
                &kinds::HELM_RELEASE,
                json!({"chartRef": {"kind": "OCIRepository", "name": "web", "namespace": "flux"}}),
                "OCIRepository/flux/web",
            ),
            (
                &kinds::HELM_CHART,
                json!({"sourceRef": {"kind": "HelmRepository", "name": "charts"}}),
                "HelmRepository/apps/charts",
            ),
        ] {
            let (of, found) = source(kind, &json!({"spec": spec}), &target).unwrap();
            assert_eq!((found.to_string().as_str(), of.kind), (named, &*found.kind));
        }
        assert!(source(&kinds::HELM_CHART, &json!({}), &target).is_err());
    }

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
