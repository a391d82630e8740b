//! `fluvial trace`: which Flux objects an object comes from, as `flux trace` prints it.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use fluvial_api::kinds::{self, Kind};
use fluvial_api::oci_repository::{REVISION_ANNOTATION, SOURCE_ANNOTATION};
use fluvial_cluster::{Cluster, Reference};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::connect::Globals;
use crate::json as read;
use crate::objects::reference;
use crate::output::{self, Plain};
use crate::say;

/// How far up owners are followed.
const OWNERS_MAX: usize = 16;

/// Print which Kustomization or HelmRelease an object comes from, and that from which source
///
/// Asks the cluster what is now; `fluvial why` asks the log, goes back to the commit and its author, and says why
/// nothing newer came. Exits with 1 where an object is not found or not managed.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial trace -n apps deployment podinfo
  fluvial trace -n apps pod/podinfo-5d9b cm/settings
  fluvial trace kustomization podinfo
  fluvial trace podinfo --kind Deployment --api-version apps/v1 -n apps -o json")]
pub(crate) struct TraceArgs {
    /// The objects: `deployment podinfo`, `deploy/podinfo cm/settings`; names alone with --kind
    #[arg(required = true, value_name = "KIND NAME")]
    words: Vec<String>,
    /// Their kind
    #[arg(long, requires = "api_version")]
    kind: Option<String>,
    /// Its group and version, such as apps/v1
    #[arg(long, requires = "kind")]
    api_version: Option<String>,
    /// How to print
    #[arg(short, long)]
    output: Option<Plain>,
}

/// One object on the way, with what flux says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    fields: Vec<(&'static str, String)>,
    /// How wide flux makes the column of labels.
    width: usize,
}

impl Step {
    fn new(label: &'static str, name: &str, namespace: &str, width: usize) -> Self {
        let mut step = Self {
            fields: vec![(label, name.to_owned())],
            width,
        };
        step.say("Namespace", namespace);
        step
    }

    /// What is empty is not said.
    fn say(&mut self, label: &'static str, text: &str) {
        if !text.is_empty() {
            self.fields.push((label, text.to_owned()));
        }
    }

    /// What the condition Ready says. Only a source says here that it failed.
    fn conclude(&mut self, object: &Value, may_fail: bool) {
        let Some(ready) = read::condition(object, "Ready") else {
            return self.say("Status", "Unknown");
        };
        let has_failed = may_fail && read::text(ready, "/status") == "False";
        let verb = if has_failed {
            "Last reconciliation failed"
        } else {
            "Last reconciled"
        };
        let time = read::text(ready, "/lastTransitionTime");
        self.say("Status", &format!("{verb} at {}", as_go(time)));
        self.say("Message", read::text(ready, "/message"));
    }

    fn text(&self) -> String {
        let line = |(label, text): &(&str, String)| {
            let label = format!("{label}:");
            format!("{label:width$}{text}\n", width = self.width)
        };
        self.fields.iter().map(line).collect()
    }
}

/// A time as Go prints one that is in UTC.
fn as_go(time: &str) -> String {
    match time.strip_suffix('Z').and_then(|it| it.split_once('T')) {
        Some((day, clock)) => format!("{day} {clock} +0000 UTC"),
        None => time.to_owned(),
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (label, text) in &self.fields {
            map.serialize_entry(&label.to_lowercase().replace(' ', "_"), text)?;
        }
        map.end()
    }
}

pub(crate) async fn run(globals: &Globals, args: &TraceArgs) -> Result<ExitCode> {
    let cluster = globals.cluster().await?;
    let mut traces = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for wanted in wanted(&cluster, globals, args).await? {
        match trace(&cluster, &wanted).await {
            Ok(steps) => traces.push(steps),
            Err(error) => {
                say::failure(&format!("cannot trace {wanted}: {error:#}"));
                code = ExitCode::FAILURE;
            }
        }
    }
    if let Some(format) = args.output {
        output::plain(format, &traces)?;
    } else {
        let traces: Vec<_> = traces.iter().map(|it| text(it)).collect();
        output::print(&output::clean(&traces.join("---\n")))?;
    }
    Ok(code)
}

fn text(steps: &[Step]) -> String {
    let steps: Vec<_> = steps.iter().map(Step::text).collect();
    format!("\n{}", steps.join("---\n"))
}

/// The objects that were named.
async fn wanted(cluster: &Cluster, globals: &Globals, args: &TraceArgs) -> Result<Vec<Reference>> {
    let namespace = &globals.namespace;
    if let (Some(kind), Some(api_version)) = (&args.kind, &args.api_version) {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let resource = cluster.resource(group, version, kind).await?;
        let namespace = if resource.namespaced { namespace } else { "" };
        let named = |name| Reference::new(api_version, kind, namespace, name);
        return Ok(args.words.iter().map(|name| named(name)).collect());
    }
    let mut wanted = Vec::new();
    for (word, name) in pairs(&args.words)? {
        let resource = cluster.called(word).await?;
        let namespace = if resource.namespaced { namespace } else { "" };
        let (api_version, kind) = (resource.api_version(), &resource.kind);
        wanted.push(Reference::new(&api_version, kind, namespace, name));
    }
    Ok(wanted)
}

/// Kinds and names: `KIND NAME…` or `KIND/NAME…`.
fn pairs(words: &[String]) -> Result<Vec<(&str, &str)>> {
    let with_slash: Vec<_> = words.iter().filter_map(|it| it.split_once('/')).collect();
    if with_slash.len() == words.len() {
        return Ok(with_slash);
    }
    ensure!(
        with_slash.is_empty(),
        "cannot tell which objects are meant: say `KIND NAME…` or `KIND/NAME…`, not both"
    );
    match words {
        [kind, names @ ..] if !names.is_empty() => {
            Ok(names.iter().map(|name| (&**kind, &**name)).collect())
        }
        _ => bail!("cannot tell which object is meant: say its name, such as `deployment podinfo`"),
    }
}

/// The object, what applied it, and where that came from.
async fn trace(cluster: &Cluster, wanted: &Reference) -> Result<Vec<Step>> {
    let object = cluster.get(wanted).await?;
    let object = object.context("it is not there")?;
    let chain = owners(cluster, object).await?;
    let by = |kind: &'static Kind| chain.iter().find_map(|it| managed_by(kind, it));
    let (kind, owner) = by(&kinds::KUSTOMIZATION)
        .or_else(|| by(&kinds::HELM_RELEASE))
        .context("it is not managed by Flux: neither it nor its owners have the labels")?;
    let owner = existing(cluster, &owner).await?;
    let is_release = *kind == kinds::HELM_RELEASE;
    let width = if is_release { 16 } else { 17 };
    let name = format!("{}/{}", wanted.kind, wanted.name);
    let mut first = Step::new("Object", &name, &wanted.namespace, width);
    first.say("Status", "Managed by Flux");
    let mut steps = vec![first];
    if is_release {
        steps.extend(release(cluster, &owner).await?);
    } else {
        steps.push(kustomization(&owner));
        let source = owner.pointer("/spec/sourceRef");
        steps.extend(source_of(cluster, &owner, source, false).await?);
    }
    Ok(steps)
}

/// The object and its owners, the nearest first.
async fn owners(cluster: &Cluster, object: Value) -> Result<Vec<Value>> {
    let mut chain = vec![object];
    let mut at = 0;
    while at < chain.len() && chain.len() < OWNERS_MAX {
        let references = chain[at].pointer("/metadata/ownerReferences").cloned();
        let namespace = read::namespace(&chain[at]).to_owned();
        at += 1;
        for owner in references
            .as_ref()
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let (kind, name) = (read::text(owner, "/kind"), read::text(owner, "/name"));
            let place = Reference::new(read::text(owner, "/apiVersion"), kind, &namespace, name);
            chain.extend(cluster.get(&place).await?);
        }
    }
    Ok(chain)
}

/// What the labels of an object say.
fn managed_by(kind: &'static Kind, object: &Value) -> Option<(&'static Kind, Reference)> {
    let label = |key: &str| {
        let labels = object.pointer("/metadata/labels")?;
        labels.get(format!("{}/{key}", kind.group))?.as_str()
    };
    let name = label("name")?;
    let namespace = label("namespace").unwrap_or_else(|| read::namespace(object));
    Some((kind, reference(kind, namespace, name)))
}

async fn existing(cluster: &Cluster, place: &Reference) -> Result<Value> {
    let object = cluster.get(place).await?;
    object.with_context(|| format!("{place} is not there"))
}

fn kustomization(object: &Value) -> Step {
    let mut step = Step::new(
        "Kustomization",
        read::name(object),
        read::namespace(object),
        17,
    );
    step.say("Target", read::text(object, "/spec/targetNamespace"));
    step.say("Path", read::text(object, "/spec/path"));
    step.say(
        "Revision",
        read::text(object, "/status/lastAppliedRevision"),
    );
    step.conclude(object, false);
    step
}

/// A HelmRelease, its HelmChart where it has one, and the source of that.
async fn release(cluster: &Cluster, object: &Value) -> Result<Vec<Step>> {
    let (name, namespace) = (read::name(object), read::namespace(object));
    let mut step = Step::new("HelmRelease", name, namespace, 16);
    step.say("Target", read::text(object, "/spec/targetNamespace"));
    let revision = read::text(object, "/status/lastAttemptedRevision");
    step.say("Revision", revision);
    step.conclude(object, false);
    let mut steps = vec![step];
    if let Some((namespace, name)) = read::text(object, "/status/helmChart").split_once('/') {
        let chart = existing(cluster, &reference(&kinds::HELM_CHART, namespace, name)).await?;
        let mut step = Step::new("HelmChart", name, namespace, 16);
        step.say("Chart", read::text(&chart, "/spec/chart"));
        step.say("Version", read::text(&chart, "/spec/version"));
        step.say("Revision", read::text(&chart, "/status/artifact/revision"));
        step.conclude(&chart, false);
        steps.push(step);
    }
    let source = object.pointer("/spec/chart/spec/sourceRef");
    let source = source.or_else(|| object.pointer("/spec/chartRef"));
    steps.extend(source_of(cluster, object, source, true).await?);
    Ok(steps)
}

/// The source that `owner` refers to.
async fn source_of(
    cluster: &Cluster,
    owner: &Value,
    reference: Option<&Value>,
    is_release: bool,
) -> Result<Option<Step>> {
    let Some(named) = reference else {
        return Ok(None);
    };
    let known = kinds::ALL
        .iter()
        .find(|it| it.kind == read::text(named, "/kind"));
    let Some(kind) = known.filter(|it| **it != &kinds::HELM_CHART) else {
        return Ok(None);
    };
    let namespace = match read::text(named, "/namespace") {
        "" => read::namespace(owner),
        namespace => namespace,
    };
    let name = read::text(named, "/name");
    let source = existing(cluster, &self::reference(kind, namespace, name)).await?;
    Ok(Some(source_step(kind, &source, is_release)))
}

fn source_step(kind: &'static Kind, source: &Value, is_release: bool) -> Step {
    let at = |pointer: &str| read::text(source, pointer);
    let width = match kind.kind {
        "HelmRepository" => 16,
        "GitRepository" if is_release => 15,
        _ => 17,
    };
    let mut step = Step::new(
        kind.kind,
        at("/metadata/name"),
        at("/metadata/namespace"),
        width,
    );
    step.say("URL", at("/spec/url"));
    step.say("Endpoint", at("/spec/endpoint"));
    step.say("Bucket", at("/spec/bucketName"));
    if let Some(origin) = source.pointer("/spec/sourceRef") {
        let [kind, namespace, name] =
            ["/kind", "/namespace", "/name"].map(|part| read::text(origin, part));
        step.say("Source", &format!("{kind}/{namespace}/{name}"));
    }
    let pinned = [
        ("Tag", "/spec/ref/tag"),
        ("Tag", "/spec/ref/semver"),
        ("Branch", "/spec/ref/branch"),
        ("Digest", "/spec/ref/digest"),
    ];
    if let Some((label, pointer)) = pinned.into_iter().find(|it| !at(it.1).is_empty()) {
        step.say(label, at(pointer));
    }
    step.say("Revision", at("/status/artifact/revision"));
    if let Some(metadata) = source.pointer("/status/artifact/metadata") {
        let said = |key: &str| {
            metadata
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        step.say("Origin Revision", said(REVISION_ANNOTATION));
        step.say("Origin Source", said(SOURCE_ANNOTATION));
    }
    step.conclude(source, true);
    step
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trace_reads_as_flux_prints_it() {
        let owner = json!({
            "metadata": {"name": "infrastructure", "namespace": "flux-system"},
            "spec": {"path": "./infrastructure"},
            "status": {
                "lastAppliedRevision": "main@sha1:696f",
                "conditions": [{
                    "type": "Ready",
                    "status": "False",
                    "lastTransitionTime": "2021-08-01T04:52:56Z",
                    "message": "Applied revision: main@sha1:696f",
                }],
            },
        });
        let source = json!({
            "metadata": {"name": "flux-system", "namespace": "flux-system"},
            "spec": {"url": "ssh://git@host/repo", "ref": {"branch": "main", "tag": ""}},
            "status": {"conditions": [{
                "type": "Ready",
                "status": "False",
                "lastTransitionTime": "2021-07-20T00:48:16Z",
                "message": "no such branch",
            }]},
        });
        let mut object = Step::new("Object", "HelmRelease/podinfo", "apps", 17);
        object.say("Status", "Managed by Flux");
        let steps = [
            object,
            kustomization(&owner),
            source_step(&kinds::GIT_REPOSITORY, &source, false),
        ];
        assert_eq!(
            text(&steps),
            "
Object:          HelmRelease/podinfo
Namespace:       apps
Status:          Managed by Flux
---
Kustomization:   infrastructure
Namespace:       flux-system
Path:            ./infrastructure
Revision:        main@sha1:696f
Status:          Last reconciled at 2021-08-01 04:52:56 +0000 UTC
Message:         Applied revision: main@sha1:696f
---
GitRepository:   flux-system
Namespace:       flux-system
URL:             ssh://git@host/repo
Branch:          main
Status:          Last reconciliation failed at 2021-07-20 00:48:16 +0000 UTC
Message:         no such branch
"
        );
        let as_json = serde_json::to_value(&steps[1]).unwrap();
        assert_eq!(as_json["kustomization"], "infrastructure");
    }

    #[test]
    fn objects_are_named_as_kubectl_names_them() {
        let named = |words: &str| {
            let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
            let pairs = pairs(&words).map_err(|error| error.to_string());
            pairs.map(|it| {
                it.iter()
                    .map(|(a, b)| format!("{a} {b}"))
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(named("deploy a b").unwrap(), ["deploy a", "deploy b"]);
        assert_eq!(named("deploy/a cm/b").unwrap(), ["deploy a", "cm b"]);
        for (words, said) in [("deploy", "say its name"), ("deploy/a b", "not both")] {
            let error = named(words).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
