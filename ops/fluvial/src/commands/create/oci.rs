//! `fluvial create source oci`: an artifact in a registry.

use anyhow::{Result, ensure};
use clap::Args;
use fluvial_api::{Duration, OciRepository, kinds};
use serde_json::{Map, Value, json};

use super::{Common, object, set};
use crate::connect::Globals;

pub(super) const EXAMPLES: &str = "Examples:
  fluvial create source oci app --url oci://ghcr.io/org/manifests/app --tag 6.7.1 --interval 10m
  fluvial create source oci app --url oci://ghcr.io/org/manifests/app --tag-semver '6.x' --secret-ref ghcr
  fluvial create source oci web --url oci://ghcr.io/org/charts/web --tag-semver '*' \\
    --layer-selector application/vnd.cncf.helm.chart.content.v1.tar+gzip --layer-operation copy --export";

#[derive(Args, Debug)]
pub(super) struct OciArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// Where: oci://host/path, without a tag
    #[arg(long)]
    url: String,
    /// The tag
    #[arg(long)]
    tag: Option<String>,
    /// The newest tag in this range
    #[arg(long)]
    tag_semver: Option<String>,
    /// The digest of the artifact
    #[arg(long)]
    digest: Option<String>,
    /// How to log in: generic, aws, azure or gcp
    #[arg(long, default_value = "generic")]
    provider: String,
    /// The Secret with logins (kubernetes.io/dockerconfigjson)
    #[arg(long)]
    secret_ref: Option<String>,
    /// The Secret that names a proxy
    #[arg(long)]
    proxy_secret_ref: Option<String>,
    /// The ServiceAccount whose image pull secrets are used
    #[arg(long)]
    service_account: Option<String>,
    /// The Secret with TLS certificates
    #[arg(long)]
    cert_ref: Option<String>,
    /// What made the signature to verify: cosign or notation
    #[arg(long)]
    verify_provider: Option<String>,
    /// The Secret with the keys to verify it with
    #[arg(long, requires = "verify_provider")]
    verify_secret_ref: Option<String>,
    /// Who signed without a key: a regular expression
    #[arg(long, requires_all = ["verify_provider", "verify_issuer"])]
    verify_subject: Option<String>,
    /// Who vouched for that: a regular expression
    #[arg(long, requires_all = ["verify_provider", "verify_subject"])]
    verify_issuer: Option<String>,
    /// Ignore these paths, in the syntax of .gitignore
    #[arg(long, value_delimiter = ',')]
    ignore_paths: Vec<String>,
    /// The registry speaks plain HTTP
    #[arg(long)]
    insecure: bool,
    /// The media type of the layer
    #[arg(long, value_name = "MEDIATYPE")]
    layer_selector: Option<String>,
    /// What becomes of the layer: extract or copy
    #[arg(long)]
    layer_operation: Option<String>,
}

/// The OCIRepository that the flags describe.
pub(super) fn repository(
    globals: &Globals,
    args: &OciArgs,
    timeout: Option<Duration>,
) -> Result<Value> {
    let mut reference = Map::new();
    for (field, value) in [
        ("digest", &args.digest),
        ("semver", &args.tag_semver),
        ("tag", &args.tag),
    ] {
        if let Some(value) = value {
            reference.insert(field.to_owned(), json!(value));
        }
    }
    ensure!(
        !reference.is_empty(),
        "cannot tell what to pull: say --tag, --tag-semver or --digest"
    );
    let mut spec = json!({
        "url": args.url,
        "interval": args.common.interval,
        "provider": args.provider,
        "ref": reference,
    });
    let timeout = timeout.map(|it| it.to_string());
    for (pointer, value) in [
        (["secretRef", "name"].as_slice(), &args.secret_ref),
        (&["proxySecretRef", "name"], &args.proxy_secret_ref),
        (&["certSecretRef", "name"], &args.cert_ref),
        (&["serviceAccountName"], &args.service_account),
        (&["layerSelector", "mediaType"], &args.layer_selector),
        (&["layerSelector", "operation"], &args.layer_operation),
        (&["verify", "provider"], &args.verify_provider),
        (&["verify", "secretRef", "name"], &args.verify_secret_ref),
        (&["timeout"], &timeout),
    ] {
        set(&mut spec, pointer, value.as_ref());
    }
    if let (Some(subject), Some(issuer)) = (&args.verify_subject, &args.verify_issuer) {
        spec["verify"]["matchOIDCIdentity"] = json!([{"subject": subject, "issuer": issuer}]);
    }
    if !args.ignore_paths.is_empty() {
        spec["ignore"] = json!(args.ignore_paths.join("\n"));
    }
    if args.insecure {
        spec["insecure"] = json!(true);
    }
    let identity = &args.common.identity;
    let object = object(globals, identity, &kinds::OCI_REPOSITORY, &spec)?;
    OciRepository::read(&object)?;
    Ok(object)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        globals: Globals,
        #[command(flatten)]
        args: OciArgs,
    }

    fn spec(line: &str) -> Result<Value> {
        let Line { globals, args } = Line::try_parse_from(line.split(' '))?;
        Ok(repository(&globals, &args, None)?["spec"].clone())
    }

    #[test]
    fn an_artifact_is_asked_for_as_flux_asks() {
        for (line, expected) in [
            (
                "oci podinfo --url=oci://ghcr.io/stefanprodan/manifests/podinfo --tag=6.1.6 --interval=10m",
                json!({
                    "url": "oci://ghcr.io/stefanprodan/manifests/podinfo", "interval": "10m0s",
                    "provider": "generic", "ref": {"tag": "6.1.6"},
                }),
            ),
            (
                "oci a --url oci://h/a --tag-semver 1.x --secret-ref s --service-account p --cert-ref c \
                 --proxy-secret-ref x --insecure --ignore-paths /a,/b --layer-selector m --layer-operation copy",
                json!({
                    "url": "oci://h/a", "interval": "1m0s", "provider": "generic", "ref": {"semver": "1.x"},
                    "secretRef": {"name": "s"}, "serviceAccountName": "p", "certSecretRef": {"name": "c"},
                    "proxySecretRef": {"name": "x"}, "insecure": true, "ignore": "/a\n/b",
                    "layerSelector": {"mediaType": "m", "operation": "copy"},
                }),
            ),
            (
                "oci a --url oci://h/a --digest sha256:00 --verify-provider cosign --verify-subject s --verify-issuer i",
                json!({
                    "url": "oci://h/a", "interval": "1m0s", "provider": "generic",
                    "ref": {"digest": "sha256:00"},
                    "verify": {
                        "provider": "cosign", "matchOIDCIdentity": [{"subject": "s", "issuer": "i"}],
                    },
                }),
            ),
        ] {
            assert_eq!(spec(line).unwrap(), expected, "{line}");
        }
        for (line, words) in [
            (
                "oci a --url oci://h/a",
                "say --tag, --tag-semver or --digest",
            ),
            ("oci a --url https://h/a --tag b", "spec.url"),
            (
                "oci a --url oci://h/a --tag b --provider x",
                "spec.provider",
            ),
            (
                "oci a --url oci://h/a --tag b --layer-operation x",
                "spec.layerSelector.operation",
            ),
            (
                "oci a --url oci://h/a --tag b --verify-secret-ref k",
                "--verify-provider",
            ),
        ] {
            let error = spec(line).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
