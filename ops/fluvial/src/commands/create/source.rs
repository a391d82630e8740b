//! `fluvial create source`: where things come from.

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use fluvial_api::kinds;
use fluvial_api::{Duration, GitRepository};
use serde_json::{Map, Value, json};

use super::{Common, Described, helm, object, oci, set};
use crate::connect::Globals;

pub(super) const EXAMPLES: &str = "Examples:
  fluvial create source git app --url https://host/app --branch main
  fluvial create source oci app --url oci://ghcr.io/org/manifests/app --tag-semver '6.x'
  fluvial create source helm charts --url https://charts.example.org --interval 1h
  fluvial create source chart web --source HelmRepository/charts --chart web --chart-version '1.x'";

#[derive(Args, Debug)]
pub(super) struct SourceArgs {
    #[command(subcommand)]
    what: Source,
    /// How long one fetch may take
    #[arg(long, global = true, value_name = "DURATION")]
    fetch_timeout: Option<Duration>,
}

#[derive(Debug, Subcommand)]
enum Source {
    /// A chart of a repository of charts, of git or of a bucket
    #[command(after_help = helm::CHART_EXAMPLES)]
    Chart(Box<helm::ChartArgs>),
    /// A place in git
    #[command(after_help = "Examples:
  fluvial create source git app --url https://host/app --branch main
  fluvial create source git app --url ssh://git@host/app --tag-semver '>=1.0' --secret-ref app --export")]
    Git(Box<GitArgs>),
    /// A repository of Helm charts
    #[command(after_help = helm::REPOSITORY_EXAMPLES)]
    Helm(Box<helm::RepositoryArgs>),
    /// An artifact in a registry
    #[command(after_help = oci::EXAMPLES)]
    Oci(Box<oci::OciArgs>),
}

impl SourceArgs {
    /// The Secret that the source refers to, if the flags describe one.
    pub(super) fn secret(&self, globals: &Globals) -> Result<Option<Value>> {
        match &self.what {
            Source::Helm(args) => args.credentials.secret(globals, &args.common.identity),
            Source::Chart(_) | Source::Git(_) | Source::Oci(_) => Ok(None),
        }
    }

    /// The source that the flags describe.
    pub(super) fn object(&self, globals: &Globals) -> Result<Described<'_>> {
        Ok(match &self.what {
            Source::Chart(args) => (
                &kinds::HELM_CHART,
                &args.common.identity,
                helm::chart(globals, args)?,
            ),
            Source::Git(args) => (
                &kinds::GIT_REPOSITORY,
                &args.common.identity,
                git_repository(globals, args, self.fetch_timeout)?,
            ),
            Source::Helm(args) => (
                &kinds::HELM_REPOSITORY,
                &args.common.identity,
                helm::repository(globals, args, self.fetch_timeout)?,
            ),
            Source::Oci(args) => (
                &kinds::OCI_REPOSITORY,
                &args.common.identity,
                oci::repository(globals, args, self.fetch_timeout)?,
            ),
        })
    }
}

#[derive(Args, Debug)]
pub(super) struct GitArgs {
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

fn git_repository(globals: &Globals, args: &GitArgs, timeout: Option<Duration>) -> Result<Value> {
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
    set(&mut spec, &["secretRef", "name"], args.secret_ref.as_ref());
    set(
        &mut spec,
        &["timeout"],
        timeout.map(|it| it.to_string()).as_ref(),
    );
    if !args.ignore_paths.is_empty() {
        spec["ignore"] = json!(args.ignore_paths.join("\n"));
    }
    if args.recurse_submodules {
        spec["recurseSubmodules"] = json!(true);
    }
    let object = object(
        globals,
        &args.common.identity,
        &kinds::GIT_REPOSITORY,
        &spec,
    )?;
    GitRepository::read(&object)?;
    Ok(object)
}
