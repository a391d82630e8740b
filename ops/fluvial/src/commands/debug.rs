//! `fluvial debug`: what an object comes to, put together from all that it refers to.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use fluvial_api::HelmRelease;
use fluvial_api::kinds::{self, Kind};
use fluvial_api::kustomization::PostBuild;
use fluvial_cluster::Cluster;
use fluvial_execute::{values, variables};
use fluvial_manifest::{Value, yaml};
use fluvial_render::helm::values_here;
use serde_json::json;

use crate::connect::Globals;
use crate::objects::reference;
use crate::output;

/// Print the status, the history, or the values and variables of one object
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial debug kustomization app --show-vars
  fluvial debug helmrelease web --show-values")]
pub(crate) struct DebugArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What a HelmRelease comes to
    ///
    /// --show-values prints what it takes from Secrets in the clear.
    #[command(
        visible_alias = "hr",
        after_help = "Examples:
  fluvial debug helmrelease web --show-status
  fluvial debug hr web --show-values > values.yaml
  fluvial debug hr web --show-history"
    )]
    Helmrelease(HelmReleaseArgs),
    /// What a Kustomization comes to
    ///
    /// --show-vars prints what it takes from Secrets in the clear.
    #[command(
        visible_alias = "ks",
        after_help = "Examples:
  fluvial debug kustomization app --show-status
  fluvial debug ks app --show-vars > app.env
  fluvial debug ks app --show-history"
    )]
    Kustomization(KustomizationArgs),
}

#[derive(Args, Debug)]
struct HelmReleaseArgs {
    /// The name of the HelmRelease
    name: String,
    #[command(flatten)]
    shown: HelmReleaseShown,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct HelmReleaseShown {
    /// Print its status
    #[arg(long)]
    show_status: bool,
    /// Print its values, put together from all that it refers to
    #[arg(long)]
    show_values: bool,
    /// Print the releases that it made
    #[arg(long)]
    show_history: bool,
}

#[derive(Args, Debug)]
struct KustomizationArgs {
    /// The name of the Kustomization
    name: String,
    #[command(flatten)]
    shown: KustomizationShown,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct KustomizationShown {
    /// Print its status
    #[arg(long)]
    show_status: bool,
    /// Print the variables that it substitutes, as KEY=VALUE
    #[arg(long)]
    show_vars: bool,
    /// Print what it deployed
    #[arg(long)]
    show_history: bool,
}

/// What is printed.
enum Shown {
    Status,
    History,
    /// Values or variables.
    Composed,
}

impl Shown {
    fn of(status: bool, history: bool) -> Self {
        match (status, history) {
            (true, _) => Self::Status,
            (false, true) => Self::History,
            (false, false) => Self::Composed,
        }
    }
}

pub(crate) async fn run(globals: &Globals, args: &DebugArgs) -> Result<ExitCode> {
    let (kind, name, shown) = match &args.what {
        What::Helmrelease(it) => (
            &kinds::HELM_RELEASE,
            &it.name,
            Shown::of(it.shown.show_status, it.shown.show_history),
        ),
        What::Kustomization(it) => (
            &kinds::KUSTOMIZATION,
            &it.name,
            Shown::of(it.shown.show_status, it.shown.show_history),
        ),
    };
    let cluster = globals.cluster().await?;
    let place = reference(kind, &globals.namespace, name);
    let object = cluster.get(&place).await?;
    let object =
        object.with_context(|| format!("cannot find {place}: see `fluvial get all -A`"))?;
    let text = match shown {
        Shown::Status => {
            let status = object.get("status").cloned().unwrap_or_else(|| json!({}));
            documented(
                "Status",
                &anchor(kind, &format!("{}-status", kind.kind.to_lowercase())),
                &status,
            )
        }
        Shown::History => {
            let history = object.pointer("/status/history").cloned();
            documented(
                "History",
                &anchor(kind, "history"),
                &history.unwrap_or_else(|| json!([])),
            )
        }
        Shown::Composed if *kind == kinds::HELM_RELEASE => {
            yaml::to_string(&values(&cluster, &globals.namespace, &object).await?)
        }
        Shown::Composed => vars(&cluster, &globals.namespace, &object).await?,
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Where Flux's documentation says what the fields mean.
fn anchor(kind: &Kind, section: &str) -> String {
    let family = kind.controller.split('-').next().unwrap_or_default();
    format!(
        "https://fluxcd.io/flux/components/{family}/{}/#{section}",
        kind.plural
    )
}

fn documented(what: &str, link: &str, value: &Value) -> String {
    format!("# {what} documentation: {link}\n{}", yaml::to_string(value))
}

/// The values of a HelmRelease, put together from all that it refers to, as the engine does.
async fn values(cluster: &Cluster, namespace: &str, object: &Value) -> Result<Value> {
    let release = HelmRelease::read(object)?;
    let layers = values::layers(cluster, namespace, &release.spec).await?;
    let values = layers.and_then(|layers| values_here(None, &layers));
    let values = values.map_err(|refusal| anyhow::Error::msg(refusal.message));
    Ok(Value::Object(values.context("cannot show values")?))
}

/// The variables of a Kustomization, one a line.
async fn vars(cluster: &Cluster, namespace: &str, object: &Value) -> Result<String> {
    let Some(post_build) = object.pointer("/spec/postBuild") else {
        bail!("cannot show variables: spec.postBuild names none");
    };
    let post_build: PostBuild =
        serde_json::from_value(post_build.clone()).context("cannot read spec.postBuild")?;
    let variables = variables::of(Some(cluster), namespace, &post_build)
        .await?
        .map_err(|refusal| anyhow::Error::msg(refusal.message))?;
    let lines = variables
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={value}\n"));
    Ok(lines.collect())
}
