//! `fluvial create alert` and `alert-provider`: who is told what. They are ready as soon as they are there.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fluvial_api::kinds::{self, Kind};
use fluvial_api::{Alert, Provider};
use fluvial_cluster::Apply;
use fluvial_manifest::yaml;
use serde_json::{Value, json};

use super::super::reconcile::MANAGER;
use super::labelled;
use crate::connect::Globals;
use crate::{output, say};

pub(super) const ALERT_EXAMPLES: &str = "Examples:
  fluvial create alert on-call --provider-ref chat --event-severity error --event-source Kustomization/*
  fluvial create alert all --provider-ref hook --event-source 'GitRepository/app,Kustomization/app.apps' --export";
pub(super) const PROVIDER_EXAMPLES: &str = "Examples:
  fluvial create alert-provider chat --type slack --channel general --secret-ref slack-url
  fluvial create alert-provider mail --type email --address smtp://mail.example.org --channel ops@example.org --username fluvial@example.org --secret-ref mail";

#[derive(Args, Debug)]
struct Common {
    /// The name
    name: String,
    /// Print it as YAML, and create nothing
    #[arg(long)]
    export: bool,
    /// Labels of the object
    #[arg(long = "label", value_name = "KEY=VALUE", value_delimiter = ',')]
    labels: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct AlertArgs {
    #[command(flatten)]
    common: Common,
    /// The Provider
    #[arg(long)]
    provider_ref: String,
    /// The least severity: info or error
    #[arg(long, default_value = "info")]
    event_severity: String,
    /// Whose events: Kind/name, Kind/name.namespace or Kind/*
    #[arg(long, required = true, value_delimiter = ',')]
    event_source: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct ProviderArgs {
    #[command(flatten)]
    common: Common,
    /// The service: generic, generic-hmac, slack or email
    #[arg(long)]
    r#type: String,
    /// The channel, or the recipients of a mail
    #[arg(long)]
    channel: Option<String>,
    /// The name, or the mail address, to send under
    #[arg(long)]
    username: Option<String>,
    /// Where: a URL
    #[arg(long)]
    address: Option<String>,
    /// The Secret with credentials
    #[arg(long)]
    secret_ref: Option<String>,
}

pub(super) async fn alert(globals: &Globals, args: &AlertArgs) -> Result<ExitCode> {
    let sources: Vec<Value> = args
        .event_source
        .iter()
        .map(|text| source(text))
        .collect::<Result<_>>()?;
    let spec = json!({
        "providerRef": {"name": args.provider_ref},
        "eventSeverity": args.event_severity,
        "eventSources": sources,
    });
    let object = object(globals, &kinds::ALERT, &args.common, &spec)?;
    Alert::read(&object)?;
    finish(globals, &kinds::ALERT, &args.common, object).await
}

pub(super) async fn provider(globals: &Globals, args: &ProviderArgs) -> Result<ExitCode> {
    let mut spec = json!({"type": args.r#type});
    for (field, value) in [
        ("channel", &args.channel),
        ("username", &args.username),
        ("address", &args.address),
    ] {
        if let Some(value) = value {
            spec[field] = json!(value);
        }
    }
    if let Some(secret) = &args.secret_ref {
        spec["secretRef"] = json!({"name": secret});
    }
    let object = object(globals, &kinds::PROVIDER, &args.common, &spec)?;
    if let Some(why) = Provider::read(&object)?.spec.unsupported() {
        bail!("cannot create the Provider: {why}");
    }
    finish(globals, &kinds::PROVIDER, &args.common, object).await
}

fn object(globals: &Globals, kind: &Kind, common: &Common, spec: &Value) -> Result<Value> {
    Ok(json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind,
        "metadata": labelled(globals, &common.name, &common.labels)?,
        "spec": spec,
    }))
}

async fn finish(
    globals: &Globals,
    kind: &Kind,
    common: &Common,
    object: Value,
) -> Result<ExitCode> {
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
    say::success(&format!("{} {} is ready", kind.kind, common.name));
    Ok(ExitCode::SUCCESS)
}

/// `Kustomization/app.apps`; a name may be `*`.
fn source(text: &str) -> Result<Value> {
    let (kind, name) = text
        .split_once('/')
        .filter(|(kind, name)| !kind.is_empty() && !name.is_empty())
        .with_context(|| {
            format!("cannot read --event-source {text}: say Kind/name, such as Kustomization/*")
        })?;
    Ok(super::named(kind, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_source_is_kind_name_and_namespace() {
        for (text, read) in [
            (
                "Kustomization/*",
                json!({"kind": "Kustomization", "name": "*"}),
            ),
            (
                "GitRepository/app.apps",
                json!({"kind": "GitRepository", "name": "app", "namespace": "apps"}),
            ),
        ] {
            assert_eq!(source(text).unwrap(), read, "{text}");
        }
        assert!(source("Kustomization").is_err() && source("/app").is_err());
    }
}
