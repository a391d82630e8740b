//! `fluvial create alert` and `alert-provider`: who is told what. They are ready as soon as they are there.

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fluvial_api::kinds;
use fluvial_api::{Alert, Provider};
use serde_json::{Value, json};

use super::{Described, Identity, object, set};
use crate::connect::Globals;

pub(super) const ALERT_EXAMPLES: &str = "Examples:
  fluvial create alert on-call --provider-ref chat --event-severity error --event-source Kustomization/*
  fluvial create alert all --provider-ref hook --event-source 'GitRepository/app,Kustomization/app.apps' --export";
pub(super) const PROVIDER_EXAMPLES: &str = "Examples:
  fluvial create alert-provider chat --type slack --channel general --secret-ref slack-url
  fluvial create alert-provider mail --type email --address smtp://mail.example.org --channel ops@example.org --username fluvial@example.org --secret-ref mail";

#[derive(Args, Debug)]
pub(super) struct AlertArgs {
    #[command(flatten)]
    identity: Identity,
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
    identity: Identity,
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

/// The Alert that the flags describe.
pub(super) fn alert<'a>(globals: &Globals, args: &'a AlertArgs) -> Result<Described<'a>> {
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
    let object = object(globals, &args.identity, &kinds::ALERT, &spec)?;
    Alert::read(&object)?;
    Ok((&kinds::ALERT, &args.identity, object))
}

/// The Provider that the flags describe.
pub(super) fn provider<'a>(globals: &Globals, args: &'a ProviderArgs) -> Result<Described<'a>> {
    let mut spec = json!({"type": args.r#type});
    for (pointer, value) in [
        (&["channel"][..], &args.channel),
        (&["username"], &args.username),
        (&["address"], &args.address),
        (&["secretRef", "name"], &args.secret_ref),
    ] {
        set(&mut spec, pointer, value.as_ref());
    }
    let object = object(globals, &args.identity, &kinds::PROVIDER, &spec)?;
    if let Some(why) = Provider::read(&object)?.spec.unsupported() {
        bail!("cannot create the Provider: {why}");
    }
    Ok((&kinds::PROVIDER, &args.identity, object))
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
