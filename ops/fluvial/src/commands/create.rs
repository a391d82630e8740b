//! `fluvial create`: sources, Kustomizations, Alerts and Providers from flags.

mod alerts;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Subcommand};
use fluvial_api::{Duration, GitRepository, Kustomization, kinds};
use fluvial_cluster::Apply;
use fluvial_manifest::yaml;
use serde_json::{Map, Value, json};

use super::reconcile::{self, MANAGER};
use crate::connect::Globals;
use crate::objects::{self, reference};
use crate::{output, say};

/// Create or update a source, a Kustomization, an Alert or a Provider, and wait until it is ready
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial create source git app --url https://host/app --branch main
  fluvial create kustomization app --source GitRepository/app --path ./deploy --prune --export")]
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
    /// A Kustomization
    #[command(
        visible_alias = "ks",
        after_help = "Examples:
  fluvial create kustomization app --source GitRepository/app --path ./deploy --prune"
    )]
    Kustomization(Box<KustomizationArgs>),
    /// A source
    #[command(after_help = "Examples:
  fluvial create source git app --url https://host/app --branch main")]
    Source(SourceArgs),
}

#[derive(Args, Debug)]
struct SourceArgs {
    #[command(subcommand)]
    what: Source,
}

#[derive(Debug, Subcommand)]
enum Source {
    /// A place in git
    #[command(after_help = "Examples:
  fluvial create source git app --url https://host/app --branch main
  fluvial create source git app --url ssh://git@host/app --tag-semver '>=1.0' --secret-ref app --export")]
    Git(Box<GitArgs>),
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

#[derive(Args, Debug)]
struct GitArgs {
    #[command(flatten)]
    common: Common,
    /// Where: http, https or ssh
    #[arg(long)]
    url: String,
    /// The branch
    #[arg(long)]
    branch: Option<String>,
    /// The tag
    #[arg(long)]
    tag: Option<String>,
    /// The newest tag in this range
    #[arg(long)]
    tag_semver: Option<String>,
    /// The full name of a reference, such as refs/pull/1/head
    #[arg(long)]
    ref_name: Option<String>,
    /// The commit
    #[arg(long)]
    commit: Option<String>,
    /// The Secret with credentials
    #[arg(long)]
    secret_ref: Option<String>,
    /// Ignore these paths, in the syntax of .gitignore
    #[arg(long, value_delimiter = ',')]
    ignore_paths: Vec<String>,
    /// Fetch submodules too
    #[arg(long)]
    recurse_submodules: bool,
}

#[derive(Args, Debug)]
struct KustomizationArgs {
    #[command(flatten)]
    common: Common,
    /// The source: Kind/name, or Kind/name.namespace
    #[arg(long)]
    source: String,
    /// The directory in the source
    #[arg(long, default_value = "./")]
    path: String,
    /// Delete what left the source
    #[arg(long)]
    prune: bool,
    /// Wait until everything that was applied is healthy
    #[arg(long)]
    wait: bool,
    /// Kustomizations that must be ready first: name, or namespace/name
    #[arg(long, value_delimiter = ',')]
    depends_on: Vec<String>,
    /// The namespace of everything that is applied
    #[arg(long)]
    target_namespace: Option<String>,
    /// The account to act as
    #[arg(long)]
    service_account: Option<String>,
    /// How soon to try again after a failure
    #[arg(long)]
    retry_interval: Option<Duration>,
}

pub(crate) async fn run(globals: &Globals, args: &CreateArgs) -> Result<ExitCode> {
    let (kind, common, object) = match &args.what {
        What::Source(SourceArgs {
            what: Source::Git(args),
        }) => {
            let object = git_repository(globals, args)?;
            GitRepository::read(&object)?;
            (&kinds::GIT_REPOSITORY, &args.common, object)
        }
        What::Alert(args) => return alerts::alert(globals, args).await,
        What::AlertProvider(args) => return alerts::provider(globals, args).await,
        What::Kustomization(args) => {
            let object = kustomization(globals, args)?;
            Kustomization::read(&object)?;
            (&kinds::KUSTOMIZATION, &args.common, object)
        }
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
        reconcile::reconcile(&cluster, kind, &target),
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

fn git_repository(globals: &Globals, args: &GitArgs) -> Result<Value> {
    let mut reference = Map::new();
    for (field, value) in [
        ("branch", &args.branch),
        ("tag", &args.tag),
        ("semver", &args.tag_semver),
        ("name", &args.ref_name),
        ("commit", &args.commit),
    ] {
        if let Some(value) = value {
            reference.insert(field.to_owned(), json!(value));
        }
    }
    ensure!(
        !reference.is_empty(),
        "cannot tell what to fetch: say --branch, --tag, --tag-semver, --ref-name or --commit"
    );
    let mut spec = json!({
        "url": args.url,
        "interval": args.common.interval,
        "ref": reference,
    });
    if let Some(secret) = &args.secret_ref {
        spec["secretRef"] = json!({"name": secret});
    }
    if !args.ignore_paths.is_empty() {
        spec["ignore"] = json!(args.ignore_paths.join("\n"));
    }
    if args.recurse_submodules {
        spec["recurseSubmodules"] = json!(true);
    }
    Ok(json!({
        "apiVersion": kinds::GIT_REPOSITORY.api_version(),
        "kind": "GitRepository",
        "metadata": metadata(globals, &args.common)?,
        "spec": spec,
    }))
}

fn kustomization(globals: &Globals, args: &KustomizationArgs) -> Result<Value> {
    let mut spec = json!({
        "interval": args.common.interval,
        "path": args.path,
        "prune": args.prune,
        "sourceRef": source_reference(&args.source)?,
    });
    if args.wait {
        spec["wait"] = json!(true);
    }
    let depends_on = args
        .depends_on
        .iter()
        .map(|text| match text.split_once('/') {
            Some((namespace, name)) => json!({"namespace": namespace, "name": name}),
            None => json!({"name": text}),
        });
    let depends_on: Vec<Value> = depends_on.collect();
    if !depends_on.is_empty() {
        spec["dependsOn"] = json!(depends_on);
    }
    if let Some(namespace) = &args.target_namespace {
        spec["targetNamespace"] = json!(namespace);
    }
    if let Some(account) = &args.service_account {
        spec["serviceAccountName"] = json!(account);
    }
    if let Some(interval) = args.retry_interval {
        spec["retryInterval"] = json!(interval);
    }
    Ok(json!({
        "apiVersion": kinds::KUSTOMIZATION.api_version(),
        "kind": "Kustomization",
        "metadata": metadata(globals, &args.common)?,
        "spec": spec,
    }))
}

/// `GitRepository/app.apps`; a name alone is that of a GitRepository.
fn source_reference(text: &str) -> Result<Value> {
    let (kind, name) = match text.split_once('/') {
        None => ("GitRepository", text),
        Some((word, name)) => {
            let (kind, _) = objects::parse_one(&[word.to_owned()])?;
            (kind.kind, name)
        }
    };
    if name.is_empty() {
        bail!("cannot read --source {text}: say Kind/name, such as GitRepository/app");
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
            assert_eq!(source_reference(text).unwrap(), source, "{text}");
        }
        assert!(source_reference("GitRepository/").is_err());
        assert!(source_reference("nonsense/app").is_err());
    }
}
