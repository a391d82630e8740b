//! `fluvial create`: Flux objects from flags.

mod alerts;
mod credentials;
mod helm;
mod kustomization;
mod oci;
mod secret;
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
use crate::json::is_static;
use crate::objects::{self, reference};
use crate::{output, say};

/// Create or update a Flux object, and wait until it is ready
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial create source git app --url https://host/app --branch main
  fluvial create kustomization app --source GitRepository/app --path ./deploy --prune --export
  fluvial create source helm charts --url https://charts.example.org
  fluvial create secret git app --url https://host/app --username me --password TOKEN
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
    /// A Secret with the credentials of a source
    #[command(after_help = secret::EXAMPLES)]
    Secret(secret::SecretArgs),
    /// A source
    #[command(after_help = source::EXAMPLES)]
    Source(source::SourceArgs),
}

/// What every object has.
#[derive(Args, Debug)]
struct Identity {
    /// The name
    name: String,
    /// Print it as YAML, and create nothing
    #[arg(long)]
    export: bool,
    /// Labels of the object
    #[arg(long = "label", value_name = "KEY=VALUE", value_delimiter = ',')]
    labels: Vec<String>,
}

/// What every object has that is reconciled.
#[derive(Args, Debug)]
struct Common {
    #[command(flatten)]
    identity: Identity,
    /// How often to reconcile
    #[arg(long, default_value = "1m")]
    interval: Duration,
}

/// An object that the flags describe: its kind, how it was named, and itself.
type Described<'a> = (&'static Kind, &'a Identity, Value);

pub(crate) async fn run(globals: &Globals, args: &CreateArgs) -> Result<ExitCode> {
    let (kind, identity, object) = match &args.what {
        What::Secret(args) => return secret::run(globals, args).await,
        What::Alert(args) => alerts::alert(globals, args)?,
        What::AlertProvider(args) => alerts::provider(globals, args)?,
        What::Helmrelease(args) => helm::release(globals, args)?,
        What::Kustomization(args) => kustomization::kustomization(globals, args)?,
        What::Source(args) => args.object(globals)?,
    };
    let secret = match &args.what {
        What::Source(args) => args.secret(globals)?,
        What::Alert(_)
        | What::AlertProvider(_)
        | What::Helmrelease(_)
        | What::Kustomization(_)
        | What::Secret(_) => None,
    };
    if identity.export {
        output::print(&yaml::to_multi(&[object]))?;
        return Ok(ExitCode::SUCCESS);
    }
    let cluster = globals.cluster().await?;
    let apply = Apply {
        field_manager: MANAGER.to_owned(),
        ..Apply::flux()
    };
    if let Some(secret) = secret {
        say::action("applying secret with repository credentials");
        cluster.apply(&secret, &apply).await?;
        say::success("authentication configured");
    }
    say::action(&format!("applying {}", kind.kind));
    cluster.apply(&object, &apply).await?;
    if is_static(kind, &object) {
        say::success(&format!("{} {} is ready", kind.kind, identity.name));
        return Ok(ExitCode::SUCCESS);
    }
    say::success(&format!("{} applied", kind.kind));
    let target = reference(kind, &globals.namespace, &identity.name);
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

/// An object of `kind` with this spec.
fn object(globals: &Globals, identity: &Identity, kind: &Kind, spec: &Value) -> Result<Value> {
    Ok(json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind,
        "metadata": metadata(globals, identity)?,
        "spec": spec,
    }))
}

/// The metadata that the flags describe.
fn metadata(globals: &Globals, identity: &Identity) -> Result<Value> {
    let mut metadata = json!({"name": identity.name, "namespace": globals.namespace});
    for label in &identity.labels {
        let (key, value) = label
            .split_once('=')
            .with_context(|| format!("cannot read --label {label}: say key=value"))?;
        metadata["labels"][key] = json!(value);
    }
    Ok(metadata)
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
