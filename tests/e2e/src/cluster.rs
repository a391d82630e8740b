//! The administrator's view of the cluster, cheap enough to ask twenty times a second; what kubectl
//! itself does to objects is asked of kubectl.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use http::Request;
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::runtime::Runtime;

/// Kind, API version, plural, and whether it lives in a namespace.
const KINDS: [(&str, &str, &str, bool); 26] = [
    (
        "Alert",
        "notification.toolkit.fluxcd.io/v1beta3",
        "alerts",
        true,
    ),
    ("Bucket", "source.toolkit.fluxcd.io/v1", "buckets", true),
    (
        "ClusterRole",
        "rbac.authorization.k8s.io/v1",
        "clusterroles",
        false,
    ),
    ("ConfigMap", "v1", "configmaps", true),
    (
        "CustomResourceDefinition",
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        false,
    ),
    ("Deployment", "apps/v1", "deployments", true),
    ("Event", "v1", "events", true),
    ("Gauge", "e2e.example.org/v1", "gauges", true),
    (
        "GitRepository",
        "source.toolkit.fluxcd.io/v1",
        "gitrepositories",
        true,
    ),
    (
        "HelmChart",
        "source.toolkit.fluxcd.io/v1",
        "helmcharts",
        true,
    ),
    (
        "HelmRelease",
        "helm.toolkit.fluxcd.io/v2",
        "helmreleases",
        true,
    ),
    (
        "HelmRepository",
        "source.toolkit.fluxcd.io/v1",
        "helmrepositories",
        true,
    ),
    (
        "HorizontalPodAutoscaler",
        "autoscaling/v2",
        "horizontalpodautoscalers",
        true,
    ),
    ("Job", "batch/v1", "jobs", true),
    (
        "Kustomization",
        "kustomize.toolkit.fluxcd.io/v1",
        "kustomizations",
        true,
    ),
    ("Lease", "coordination.k8s.io/v1", "leases", true),
    ("Namespace", "v1", "namespaces", false),
    (
        "OCIRepository",
        "source.toolkit.fluxcd.io/v1",
        "ocirepositories",
        true,
    ),
    ("Pod", "v1", "pods", true),
    (
        "Provider",
        "notification.toolkit.fluxcd.io/v1beta3",
        "providers",
        true,
    ),
    ("ReplicaSet", "apps/v1", "replicasets", true),
    ("Role", "rbac.authorization.k8s.io/v1", "roles", true),
    (
        "RoleBinding",
        "rbac.authorization.k8s.io/v1",
        "rolebindings",
        true,
    ),
    ("Secret", "v1", "secrets", true),
    ("Service", "v1", "services", true),
    ("ServiceAccount", "v1", "serviceaccounts", true),
];

/// A connection as the cluster's administrator. Calls block, and may be made from any thread.
pub struct Cluster {
    runtime: Runtime,
    client: Client,
}

impl Cluster {
    /// Connects to what a kubeconfig names. Nothing is sent yet.
    pub fn connect(kubeconfig: &Path) -> Result<Self> {
        let runtime = Runtime::new().context("cannot start threads")?;
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
            let options = KubeConfigOptions::default();
            let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
            anyhow::Ok(Client::try_from(config)?)
        })?;
        Ok(Self { runtime, client })
    }

    /// The object, or `None` where there is none or its kind is not served.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>> {
        self.send(Request::get(path(kind, namespace, name)), "", Vec::new())
    }

    /// Every object of a kind in a namespace.
    pub fn list(&self, kind: &str, namespace: &str) -> Result<Vec<Value>> {
        let found = self.send(Request::get(path(kind, namespace, "")), "", Vec::new())?;
        let items = found.and_then(|mut list| list.get_mut("items").map(Value::take));
        Ok(items
            .and_then(|items| items.as_array().cloned())
            .unwrap_or_default())
    }

    /// Creates or updates an object by server-side apply, as the manager `e2e`.
    pub fn apply(&self, object: &Value) -> Result<Value> {
        let kind = text(object, "/kind");
        let path = path(
            kind,
            text(object, "/metadata/namespace"),
            text(object, "/metadata/name"),
        );
        let request = Request::patch(format!("{path}?fieldManager=e2e&force=true"));
        self.send(
            request,
            "application/apply-patch+yaml",
            serde_json::to_vec(object)?,
        )?
        .ok_or_else(|| anyhow!("cannot apply a {kind}: its namespace or its kind is not there"))
    }

    /// Merges `patch` into an object; `subresource` is empty or `status`.
    pub fn patch(
        &self,
        (kind, namespace, name): (&str, &str, &str),
        subresource: &str,
        patch: &Value,
    ) -> Result<Value> {
        let mut path = path(kind, namespace, name);
        if !subresource.is_empty() {
            path = format!("{path}/{subresource}");
        }
        let request = Request::patch(format!("{path}?fieldManager=e2e"));
        self.send(
            request,
            "application/merge-patch+json",
            serde_json::to_vec(patch)?,
        )?
        .ok_or_else(|| anyhow!("cannot patch {kind}/{namespace}/{name}: it is not there"))
    }

    /// Asks for an object's deletion.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<()> {
        let request = Request::delete(format!(
            "{}?propagationPolicy=Background",
            path(kind, namespace, name)
        ));
        self.send(request, "", Vec::new())?
            .map(drop)
            .ok_or_else(|| anyhow!("cannot delete {kind}/{namespace}/{name}: it is not there"))
    }

    fn send(
        &self,
        request: http::request::Builder,
        content: &str,
        body: Vec<u8>,
    ) -> Result<Option<Value>> {
        let request = request.header("content-type", content).body(body)?;
        let what = format!("cannot {} {}", request.method(), request.uri());
        match self.runtime.block_on(self.client.request::<Value>(request)) {
            Ok(answer) => Ok(Some(answer)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(anyhow!(error).context(what)),
        }
    }
}

/// A text in an object, empty where there is none.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Where an object is served; with an empty name, all of its kind.
fn path(kind: &str, namespace: &str, name: &str) -> String {
    let known = KINDS.iter().find(|known| known.0 == kind);
    let (_, version, plural, namespaced) = known.expect("the kind is in KINDS");
    let root = if version.contains('/') { "apis" } else { "api" };
    let place = if *namespaced {
        format!("namespaces/{namespace}/")
    } else {
        String::new()
    };
    let path = format!("/{root}/{version}/{place}{plural}/{name}");
    path.trim_end_matches('/').to_owned()
}
