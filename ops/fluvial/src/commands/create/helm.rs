//! `fluvial create helmrelease`, `source helm` and `source chart`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use fluvial_api::kinds;
use fluvial_api::{Duration, HelmChart, HelmRepository};
use fluvial_manifest::yaml;
use serde_json::{Map, Value, json};

use super::credentials::CredentialArgs;
use super::{Common, Described, dependencies, object, set, source_reference};
use crate::connect::Globals;

pub(super) const EXAMPLES: &str = "Examples:
  fluvial create helmrelease web --source HelmRepository/charts --chart web --chart-version '1.x'
  fluvial create hr web --source GitRepository/app --chart ./charts/web --values values.yaml,prod.yaml
  fluvial create hr web --chart-ref OCIRepository/web.flux-system --values-from Secret/web-values
  fluvial create hr web --source HelmRepository/charts --chart web --target-namespace apps \\
    --create-target-namespace --export > web.yaml";
pub(super) const REPOSITORY_EXAMPLES: &str = "Examples:
  fluvial create source helm charts --url https://charts.example.org --interval 1h
  fluvial create source helm charts --url https://charts.example.org --secret-ref charts --pass-credentials
  fluvial create source helm charts --url https://charts.example.org --username me --password \"$PASSWORD\" \\
    --ca-file ./ca.crt
  fluvial create source helm images --url oci://registry.example.org/charts --export";
pub(super) const CHART_EXAMPLES: &str = "Examples:
  fluvial create source chart web --source HelmRepository/charts --chart web --chart-version '1.x'
  fluvial create source chart web --source GitRepository/app --chart ./charts/web --export";

#[derive(Args, Debug)]
pub(super) struct HelmReleaseArgs {
    #[command(flatten)]
    common: Common,
    /// The name of the release; else the namespace it is for, if one is given, and the object's name
    #[arg(long, value_name = "NAME")]
    release_name: Option<String>,
    /// Where the chart is: Kind/name or Kind/name.namespace, of a HelmRepository, GitRepository or Bucket
    #[arg(long, value_name = "KIND/NAME")]
    source: Option<String>,
    /// The chart: its name in a HelmRepository, else its path
    #[arg(
        long,
        requires = "source",
        required_unless_present = "chart_ref",
        conflicts_with = "chart_ref"
    )]
    chart: Option<String>,
    /// The chart's version, or a range
    #[arg(long, value_name = "RANGE")]
    chart_version: Option<String>,
    /// A chart that is an object: OCIRepository/name.namespace or HelmChart/name.namespace
    #[arg(long, value_name = "KIND/NAME")]
    chart_ref: Option<String>,
    /// How often to look for a newer chart
    #[arg(long, value_name = "DURATION")]
    chart_interval: Option<Duration>,
    /// What makes a new chart
    #[arg(long, default_value = "ChartVersion", value_name = "WHAT")]
    reconcile_strategy: Strategy,
    /// HelmReleases that must be ready first: name, or namespace/name
    #[arg(long, value_delimiter = ',')]
    depends_on: Vec<String>,
    /// The namespace to install into
    #[arg(long)]
    target_namespace: Option<String>,
    /// The namespace of what Helm remembers; else the one to install into
    #[arg(long)]
    storage_namespace: Option<String>,
    /// Make that namespace if it is not there
    #[arg(long)]
    create_target_namespace: bool,
    /// The account to act as
    #[arg(long)]
    service_account: Option<String>,
    /// Files with values; later ones win
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    values: Vec<PathBuf>,
    /// Objects with values under values.yaml: Secret/name or ConfigMap/name
    #[arg(long, value_name = "KIND/NAME", value_delimiter = ',')]
    values_from: Vec<String>,
    /// What an upgrade does with the chart's CRDs
    #[arg(long, value_name = "POLICY")]
    crds: Option<Crds>,
    /// The Secret with the kubeconfig of another cluster
    #[arg(long)]
    kubeconfig_secret_ref: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct RepositoryArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// Where: http, https or oci
    #[arg(long)]
    url: String,
    /// The Secret with credentials or certificates
    #[arg(long)]
    secret_ref: Option<String>,
    /// Whose registry an oci address is: generic, aws, azure or gcp
    #[arg(long, value_name = "PROVIDER")]
    oci_provider: Option<String>,
    /// Send the credentials to other hosts too, where charts are
    #[arg(long)]
    pass_credentials: bool,
    #[command(flatten)]
    pub(super) credentials: CredentialArgs,
}

#[derive(Args, Debug)]
pub(super) struct ChartArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// The chart: its name in a HelmRepository, else its path
    #[arg(long)]
    chart: String,
    /// The chart's version, or a range
    #[arg(long, value_name = "RANGE")]
    chart_version: Option<String>,
    /// Where it is: Kind/name of a HelmRepository, GitRepository or Bucket
    #[arg(long, value_name = "KIND/NAME")]
    source: String,
    /// What makes a new chart
    #[arg(long, default_value = "ChartVersion", value_name = "WHAT")]
    reconcile_strategy: Strategy,
    /// How its signature is verified: cosign or notation
    #[arg(long, value_name = "PROVIDER")]
    verify_provider: Option<String>,
    /// The Secret with the keys for that
    #[arg(long, requires = "verify_provider")]
    verify_secret_ref: Option<String>,
    /// Who must have issued the signer's identity, as a regular expression
    #[arg(long, requires = "verify_provider")]
    verify_issuer: Option<String>,
    /// Whose identity it must be, as a regular expression
    #[arg(long, requires = "verify_provider")]
    verify_subject: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Strategy {
    /// A new version of the chart
    #[value(name = "ChartVersion")]
    ChartVersion,
    /// A new revision of its source
    #[value(name = "Revision")]
    Revision,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Crds {
    /// Nothing
    #[value(name = "Skip")]
    Skip,
    /// Those that are missing are made
    #[value(name = "Create")]
    Create,
    /// All are replaced
    #[value(name = "CreateReplace")]
    CreateReplace,
}

fn word(value: &impl ValueEnum) -> String {
    let name = value.to_possible_value();
    name.map_or_else(String::new, |it| it.get_name().to_owned())
}

/// The HelmRelease that the flags describe.
pub(super) fn release<'a>(globals: &Globals, args: &'a HelmReleaseArgs) -> Result<Described<'a>> {
    let mut spec = json!({"interval": args.common.interval});
    match (&args.chart, &args.source, &args.chart_ref) {
        (_, _, Some(reference)) => {
            let reference = source_reference(reference, &kinds::OCI_REPOSITORY)?;
            let kinds = [kinds::OCI_REPOSITORY.kind, kinds::HELM_CHART.kind];
            ensure!(
                kinds.iter().any(|kind| reference["kind"] == *kind),
                "cannot take a chart from a {}: --chart-ref names one of {}",
                reference["kind"].as_str().unwrap_or_default(),
                kinds.join(", ")
            );
            spec["chartRef"] = reference;
        }
        (chart, source, None) => {
            let source = source.as_deref().unwrap_or_default();
            let mut template = json!({
                "chart": chart,
                "sourceRef": chart_source(source)?,
                "reconcileStrategy": word(&args.reconcile_strategy),
            });
            set(&mut template, &["version"], args.chart_version.as_ref());
            if let Some(interval) = args.chart_interval {
                template["interval"] = json!(interval);
            }
            spec["chart"] = json!({"spec": template});
        }
    }
    // flux keeps what Helm remembers beside what it installs.
    let storage = args
        .storage_namespace
        .as_ref()
        .or(args.target_namespace.as_ref());
    for (pointer, value) in [
        (&["releaseName"][..], args.release_name.as_ref()),
        (&["targetNamespace"], args.target_namespace.as_ref()),
        (&["storageNamespace"], storage),
        (&["serviceAccountName"], args.service_account.as_ref()),
        (
            &["kubeConfig", "secretRef", "name"],
            args.kubeconfig_secret_ref.as_ref(),
        ),
    ] {
        set(&mut spec, pointer, value);
    }
    dependencies(&mut spec, &args.depends_on);
    if args.create_target_namespace {
        spec["install"]["createNamespace"] = json!(true);
    }
    if let Some(crds) = args.crds {
        spec["install"]["crds"] = json!("Create");
        spec["upgrade"]["crds"] = json!(word(&crds));
    }
    if !args.values.is_empty() {
        spec["values"] = values(&args.values)?;
    }
    if !args.values_from.is_empty() {
        let from = args.values_from.iter().map(|it| values_from(it));
        spec["valuesFrom"] = Value::Array(from.collect::<Result<_>>()?);
    }
    let object = object(globals, &args.common.identity, &kinds::HELM_RELEASE, &spec)?;
    Ok((&kinds::HELM_RELEASE, &args.common.identity, object))
}

/// The values of all files, maps merged; later files win.
fn values(files: &[PathBuf]) -> Result<Value> {
    let mut values = json!({});
    for file in files {
        let shown = file.display();
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read the values in {shown}"))?;
        let documents =
            yaml::documents(&text).with_context(|| format!("cannot read the values in {shown}"))?;
        match documents.into_iter().next() {
            None | Some(Value::Null) => {}
            Some(Value::Object(more)) => merge(&mut values, more),
            Some(_) => bail!("cannot take the values in {shown}: they are no map"),
        }
    }
    Ok(values)
}

fn merge(into: &mut Value, more: Map<String, Value>) {
    for (key, value) in more {
        match value {
            Value::Object(more) if into[&key].is_object() => merge(&mut into[&key], more),
            other => into[&key] = other,
        }
    }
}

fn values_from(text: &str) -> Result<Value> {
    const KINDS: [&str; 2] = ["Secret", "ConfigMap"];
    let named = text.split_once('/').filter(|(_, name)| !name.is_empty());
    let known = named.and_then(|(kind, name)| {
        let kind = KINDS.into_iter().find(|it| it.eq_ignore_ascii_case(kind))?;
        Some(json!({"kind": kind, "name": name}))
    });
    known.with_context(|| {
        format!("cannot read --values-from {text}: say Secret/name or ConfigMap/name")
    })
}

/// A source that charts can be in; a name alone is that of a HelmRepository.
fn chart_source(text: &str) -> Result<Value> {
    let source = source_reference(text, &kinds::HELM_REPOSITORY)?;
    let kinds = [
        kinds::HELM_REPOSITORY.kind,
        kinds::GIT_REPOSITORY.kind,
        kinds::BUCKET.kind,
    ];
    ensure!(
        kinds.iter().any(|kind| source["kind"] == *kind),
        "cannot take a chart from a {}: --source names one of {}",
        source["kind"].as_str().unwrap_or_default(),
        kinds.join(", ")
    );
    Ok(source)
}

/// The HelmRepository that the flags describe.
pub(super) fn repository(
    globals: &Globals,
    args: &RepositoryArgs,
    timeout: Option<Duration>,
) -> Result<Value> {
    let (scheme, rest) = args.url.split_once("://").unwrap_or_default();
    ensure!(
        matches!(scheme, "http" | "https" | "oci") && !rest.is_empty() && !rest.starts_with('/'),
        "cannot read --url {}: say http://, https:// or oci:// and a host",
        args.url
    );
    let mut spec = json!({"url": args.url, "interval": args.common.interval});
    if scheme == "oci" {
        spec["type"] = json!("oci");
        set(&mut spec, &["provider"], args.oci_provider.as_ref());
    }
    let made = CredentialArgs::secret_name(&args.common.identity.name);
    let own = args.credentials.has_user().then_some(&made);
    let secret = args.secret_ref.as_ref().or(own);
    set(&mut spec, &["secretRef", "name"], secret);
    let certificates = args.credentials.has_certificates().then_some(&made);
    set(&mut spec, &["certSecretRef", "name"], certificates);
    if args.pass_credentials {
        ensure!(
            secret.is_some(),
            "cannot pass credentials on: give --secret-ref, or --username and --password"
        );
        spec["passCredentials"] = json!(true);
    }
    set(
        &mut spec,
        &["timeout"],
        timeout.map(|it| it.to_string()).as_ref(),
    );
    let object = object(
        globals,
        &args.common.identity,
        &kinds::HELM_REPOSITORY,
        &spec,
    )?;
    HelmRepository::read(&object)?;
    Ok(object)
}

/// The HelmChart that the flags describe.
pub(super) fn chart(globals: &Globals, args: &ChartArgs) -> Result<Value> {
    let source = chart_source(&args.source)?;
    ensure!(
        source.get("namespace").is_none(),
        "cannot take --source {}: a HelmChart's source is in its own namespace",
        args.source
    );
    let mut spec = json!({
        "chart": args.chart,
        "interval": args.common.interval,
        "sourceRef": source,
        "reconcileStrategy": word(&args.reconcile_strategy),
    });
    for (pointer, value) in [
        (&["version"][..], &args.chart_version),
        (&["verify", "provider"], &args.verify_provider),
        (&["verify", "secretRef", "name"], &args.verify_secret_ref),
    ] {
        set(&mut spec, pointer, value.as_ref());
    }
    let mut identity = json!({});
    set(&mut identity, &["issuer"], args.verify_issuer.as_ref());
    set(&mut identity, &["subject"], args.verify_subject.as_ref());
    if identity != json!({}) {
        spec["verify"]["matchOIDCIdentity"] = json!([identity]);
    }
    let object = object(globals, &args.common.identity, &kinds::HELM_CHART, &spec)?;
    HelmChart::read(&object)?;
    Ok(object)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    /// What the command line makes, with `--export`.
    #[derive(Parser)]
    struct Release {
        #[command(flatten)]
        globals: Globals,
        #[command(flatten)]
        args: HelmReleaseArgs,
    }

    fn spec(line: &str) -> Result<Value> {
        let Release { globals, args } = Release::try_parse_from(line.split(' '))?;
        Ok(release(&globals, &args)?.2["spec"].clone())
    }

    #[test]
    fn a_release_is_as_flux_makes_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "auth: {enabled: false}\nreplicas: 1\n").unwrap();
        let more = tempfile::NamedTempFile::new().unwrap();
        fs::write(&more, "auth: {user: x}\nreplicas: 2\n").unwrap();
        let (file, more) = (file.path().display(), more.path().display());
        for (line, expected) in [
            (
                "hr redis --source=HelmRepository/bitnami --chart=redis --chart-version=17.x --interval 5m"
                    .to_owned(),
                json!({"interval": "5m0s", "chart": {"spec": {
                    "chart": "redis", "version": "17.x", "reconcileStrategy": "ChartVersion",
                    "sourceRef": {"kind": "HelmRepository", "name": "bitnami"},
                }}}),
            ),
            (
                format!("hr a --chart-ref HelmChart/a.apps --values {file},{more} --values-from secret/v"),
                json!({
                    "interval": "1m0s",
                    "chartRef": {"kind": "HelmChart", "name": "a", "namespace": "apps"},
                    "values": {"auth": {"enabled": false, "user": "x"}, "replicas": 2},
                    "valuesFrom": [{"kind": "Secret", "name": "v"}],
                }),
            ),
            (
                "hr a --chart-ref OCIRepository/a --target-namespace b --create-target-namespace --crds CreateReplace"
                    .to_owned(),
                json!({
                    "interval": "1m0s", "chartRef": {"kind": "OCIRepository", "name": "a"},
                    "targetNamespace": "b", "storageNamespace": "b",
                    "install": {"createNamespace": true, "crds": "Create"},
                    "upgrade": {"crds": "CreateReplace"},
                }),
            ),
        ] {
            assert_eq!(spec(&line).unwrap(), expected, "{line}");
        }
        for (line, words) in [
            ("hr a", "--chart"),
            ("hr a --chart b", "--source"),
            ("hr a --chart b --source Kustomization/c", "names one of"),
            ("hr a --chart-ref Bucket/b", "names one of"),
            (
                "hr a --chart-ref HelmChart/b --values-from Pod/b",
                "--values-from",
            ),
        ] {
            let error = spec(line).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }

    #[test]
    fn every_command_of_the_workshop_is_understood() {
        for line in [
            "create source git podinfo --url=https://github.com/stefanprodan/podinfo --branch=master --interval=1m --namespace=flux-system",
            "create kustomization podinfo --source=GitRepository/podinfo --path=./kustomize --prune=true --interval=5m --health-check=Deployment/podinfo.default --timeout=2m --namespace=flux-system",
            "create source helm bitnami --url=https://charts.bitnami.com/bitnami --interval=1h --namespace=flux-system",
            "create helmrelease redis --source=HelmRepository/bitnami --chart=redis --chart-version=17.x --values=values.yaml --namespace=flux-system",
            "get sources all",
            "get kustomizations",
            "get helmreleases",
            "get source git podinfo -v",
            "suspend kustomization podinfo",
            "resume kustomization podinfo",
            "reconcile kustomization podinfo --with-source",
            "debug helmrelease redis --show-values",
            "debug hr redis --show-history=true",
            "check --pre",
        ] {
            let words = ["fluvial"].into_iter().chain(line.split(' '));
            let read = Cli::grammar().try_get_matches_from(words);
            assert!(read.is_ok(), "{line}: {}", read.unwrap_err());
        }
    }
}
