//! `fluvial create`: Flux objects from flags.

mod alerts;
mod helm;
mod kustomization;
mod source;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use fluvial_api::Duration;
use fluvial_api::kinds::Kind;
use fluvial_cluster::Apply;
use fluvial_manifest::yaml;
use serde_json::{Value, json};

use super::reconcile::{self, MANAGER};
use crate::connect::Globals;
use crate::objects::{self, reference};
use crate::{output, say};

/// Create or update a Flux object, and wait until it is ready
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial create source git app --url https://host/app --branch main
  fluvial create kustomization app --source GitRepository/app --path ./deploy --prune --export
  fluvial create source helm charts --url https://charts.example.org
  fluvial create helmrelease web --source HelmRepository/charts --chart web --values values.yaml")]
pub(crate) struct CreateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// An Alert: which events are told, and through which Provider
    #[command(after_help = alerts::ALERT_EXAMPLES)]
    Alert(alerts::AlertArgs),
    /// A Provider: a place to tell events
    #[command(after_help = alerts::PROVIDER_EXAMPLES)]
    AlertProvider(alerts::ProviderArgs),
    /// A release of a Helm chart
    #[command(visible_alias = "hr", after_help = helm::EXAMPLES)]
    Helmrelease(Box<helm::HelmReleaseArgs>),
    /// A Kustomization
    #[command(visible_alias = "ks", after_help = kustomization::EXAMPLES)]
    Kustomization(Box<kustomization::KustomizationArgs>),
    /// A source
    #[command(after_help = source::EXAMPLES)]
    Source(source::SourceArgs),
}

#[derive(Args, Debug)]
struct Common {
    /// The name
    name: String,
    /// How often to reconcile
    #[arg(long, default_value = "1m")]
    interval: Duration,
    /// Print it as YAML, and create nothing
    #[arg(long)]
    export: bool,
    /// Labels of the object
    #[arg(long = "label", value_name = "KEY=VALUE", value_delimiter = ',')]
    labels: Vec<String>,
}

pub(crate) async fn run(globals: &Globals, args: &CreateArgs) -> Result<ExitCode> {
    let (kind, common, object) = match &args.what {
        What::Alert(args) => return alerts::alert(globals, args).await,
        What::AlertProvider(args) => return alerts::provider(globals, args).await,
        What::Helmrelease(args) => helm::release(globals, args)?,
        What::Kustomization(args) => kustomization::kustomization(globals, args)?,
        What::Source(args) => args.object(globals)?,
    };
    if common.export {
        output::print(&yaml::to_multi(&[object]))?;
        return Ok(ExitCode::SUCCESS);
    }
    let cluster = globals.cluster().await?;
    say::action(&format!("applying {}", kind.kind));
    let apply = Apply {
        field_manager: MANAGER.to_owned(),
        ..Apply::flux()
    };
    cluster.apply(&object, &apply).await?;
    say::success(&format!("{} applied", kind.kind));
    let target = reference(kind, &globals.namespace, &common.name);
    tokio::time::timeout(
        globals.timeout,
        reconcile::reconcile(&cluster, kind, &target, &[]),
    )
    .await
    .with_context(|| {
        format!("cannot wait any longer for {target}: see `fluvial get` for its state")
    })??;
    Ok(ExitCode::SUCCESS)
}

fn metadata(globals: &Globals, common: &Common) -> Result<Value> {
    labelled(globals, &common.name, &common.labels)
}

fn labelled(globals: &Globals, name: &str, labels: &[String]) -> Result<Value> {
    let mut metadata = json!({"name": name, "namespace": globals.namespace});
    for label in labels {
        let (key, value) = label
            .split_once('=')
            .with_context(|| format!("cannot read --label {label}: say key=value"))?;
        metadata["labels"][key] = json!(value);
    }
    Ok(metadata)
}

/// An object of `kind` with this spec.
fn object(globals: &Globals, common: &Common, kind: &Kind, spec: &Value) -> Result<Value> {
    Ok(json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind,
        "metadata": metadata(globals, common)?,
        "spec": spec,
    }))
}

/// Sets a text that was given.
fn set(spec: &mut Value, pointer: &[&str], value: Option<&String>) {
    let Some(value) = value else { return };
    let place = pointer.iter().fold(spec, |place, step| &mut place[*step]);
    *place = json!(value);
}

/// `name`, or `namespace/name`.
fn dependencies(spec: &mut Value, names: &[String]) {
    let dependency = |text: &String| match text.split_once('/') {
        Some((namespace, name)) => json!({"namespace": namespace, "name": name}),
        None => json!({"name": text}),
    };
    if !names.is_empty() {
        spec["dependsOn"] = names.iter().map(dependency).collect();
    }
}

/// `GitRepository/app.apps`; a name alone is that of a `usual` kind.
fn source_reference(text: &str, usual: &'static Kind) -> Result<Value> {
    let (kind, name) = match text.split_once('/') {
        None => (usual.kind, text),
        Some((word, name)) => {
            let (kind, _) = objects::parse_one(&[word.to_owned()])?;
            (kind.kind, name)
        }
    };
    if name.is_empty() {
        bail!(
            "cannot read --source {text}: say Kind/name, such as {}/app",
            usual.kind
        );
    }
    Ok(named(kind, name))
}

/// A reference to `NAME` or `NAME.NAMESPACE`.
fn named(kind: &str, name: &str) -> Value {
    match name.split_once('.') {
        Some((name, namespace)) => json!({"kind": kind, "name": name, "namespace": namespace}),
        None => json!({"kind": kind, "name": name}),
    }
}

#[cfg(test)]
mod tests {
    use fluvial_api::kinds;

    use super::*;

    #[test]
    fn a_source_is_named_by_kind_name_and_namespace() {
        for (text, source) in [
            ("app", json!({"kind": "GitRepository", "name": "app"})),
            (
                "GitRepository/app",
                json!({"kind": "GitRepository", "name": "app"}),
            ),
            (
                "gitrepository/app.apps",
                json!({"kind": "GitRepository", "name": "app", "namespace": "apps"}),
            ),
        ] {
            assert_eq!(
                source_reference(text, &kinds::GIT_REPOSITORY).unwrap(),
                source,
                "{text}"
            );
        }
        for text in ["GitRepository/", "nonsense/app"] {
            assert!(source_reference(text, &kinds::GIT_REPOSITORY).is_err());
        }
    }
}
