//! `fluvial create kustomization`.

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fluvial_api::kinds;
use fluvial_api::{Duration, Kustomization};
use serde_json::{Value, json};

use super::{Common, Described, dependencies, object, set, source_reference};
use crate::connect::Globals;

pub(super) const EXAMPLES: &str = "Examples:
  fluvial create kustomization app --source GitRepository/app --path ./deploy --prune
  fluvial create ks app --source app --path ./deploy --prune=true --health-check Deployment/app.default \\
    --timeout 2m --export";

#[derive(Args, Debug)]
pub(super) struct KustomizationArgs {
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
    /// What must be healthy: Kind/name.namespace of a workload or a HelmRelease
    #[arg(long, value_name = "KIND/NAME.NAMESPACE", value_delimiter = ',')]
    health_check: Vec<String>,
    /// How long that may take
    #[arg(long, default_value = "2m")]
    health_check_timeout: Duration,
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
    /// How Secrets in the source are encrypted: sops
    #[arg(long)]
    decryption_provider: Option<String>,
    /// The Secret with the keys for that
    #[arg(long, requires = "decryption_provider")]
    decryption_secret: Option<String>,
    /// The Secret with the kubeconfig of another cluster
    #[arg(long)]
    kubeconfig_secret_ref: Option<String>,
}

/// The Kustomization that the flags describe.
pub(super) fn kustomization<'a>(
    globals: &Globals,
    args: &'a KustomizationArgs,
) -> Result<Described<'a>> {
    let mut spec = json!({
        "interval": args.common.interval,
        "path": args.path,
        "prune": args.prune,
        "sourceRef": source_reference(&args.source, &kinds::GIT_REPOSITORY)?,
    });
    if args.wait {
        spec["wait"] = json!(true);
        spec["timeout"] = json!(args.health_check_timeout);
    } else if !args.health_check.is_empty() {
        let checks = args.health_check.iter().map(|it| health_check(it));
        spec["healthChecks"] = Value::Array(checks.collect::<Result<_>>()?);
        spec["timeout"] = json!(args.health_check_timeout);
    }
    dependencies(&mut spec, &args.depends_on);
    if let Some(interval) = args.retry_interval {
        spec["retryInterval"] = json!(interval);
    }
    for (pointer, value) in [
        (&["targetNamespace"][..], &args.target_namespace),
        (&["serviceAccountName"], &args.service_account),
        (&["decryption", "provider"], &args.decryption_provider),
        (
            &["decryption", "secretRef", "name"],
            &args.decryption_secret,
        ),
        (
            &["kubeConfig", "secretRef", "name"],
            &args.kubeconfig_secret_ref,
        ),
    ] {
        set(&mut spec, pointer, value.as_ref());
    }
    let object = object(globals, &args.common.identity, &kinds::KUSTOMIZATION, &spec)?;
    Kustomization::read(&object)?;
    Ok((&kinds::KUSTOMIZATION, &args.common.identity, object))
}

/// The workloads whose health can be asked for.
const WORKLOADS: [&str; 3] = ["Deployment", "DaemonSet", "StatefulSet"];

/// flux takes workloads and HelmReleases.
fn health_check(text: &str) -> Result<Value> {
    let read = || {
        let (kind, name) = text.split_once('/')?;
        let (name, namespace) = name.split_once('.')?;
        (!name.is_empty() && !namespace.is_empty()).then_some((kind, name, namespace))
    };
    let (kind, name, namespace) = read().with_context(|| {
        format!("cannot read --health-check {text}: say Kind/name.namespace, such as Deployment/app.default")
    })?;
    let known = WORKLOADS
        .into_iter()
        .find(|it| it.eq_ignore_ascii_case(kind));
    let (version, kind) = match known {
        Some(kind) => ("apps/v1".to_owned(), kind),
        None if kinds::HELM_RELEASE.kind.eq_ignore_ascii_case(kind) => {
            (kinds::HELM_RELEASE.api_version(), kinds::HELM_RELEASE.kind)
        }
        None => bail!(
            "cannot check the health of a {kind}: name a {}, or a HelmRelease, or say --wait for all",
            WORKLOADS.join(", ")
        ),
    };
    Ok(json!({"apiVersion": version, "kind": kind, "name": name, "namespace": namespace}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_check_names_a_workload_and_its_namespace() {
        for (text, version, kind) in [
            ("Deployment/app.default", "apps/v1", "Deployment"),
            ("statefulset/app.default", "apps/v1", "StatefulSet"),
            (
                "HelmRelease/app.default",
                "helm.toolkit.fluxcd.io/v2",
                "HelmRelease",
            ),
        ] {
            let expected =
                json!({"apiVersion": version, "kind": kind, "name": "app", "namespace": "default"});
            assert_eq!(health_check(text).unwrap(), expected, "{text}");
        }
        for text in [
            "app",
            "Deployment/app",
            "Deployment/.default",
            "Pod/app.default",
            "",
        ] {
            let error = health_check(text).unwrap_err().to_string();
            assert!(error.starts_with("cannot "), "{error}");
        }
    }
}
