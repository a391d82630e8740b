//! A cluster to measure on, and a client that does nothing but send requests: what it reaches is what the
//! API server can do.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::io::Lines;
use futures::{AsyncBufRead, AsyncBufReadExt as _, StreamExt as _, stream};
use http::Request;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

/// As many as the engine applies at once.
pub(crate) const CONCURRENCY: usize = 16;

/// A client of one control plane.
#[derive(Clone)]
pub(crate) struct Raw {
    client: Client,
}

impl Raw {
    /// Connects as the kubeconfig says.
    pub(crate) async fn connect(kubeconfig: &Path) -> Result<Self> {
        let config = Kubeconfig::read_from(kubeconfig)?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(config, &options).await?;
        let client = Client::try_from(config).context("cannot connect")?;
        Ok(Self { client })
    }

    async fn send(&self, method: &str, path: &str, kind: &str, body: &Value) -> Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(body.to_string().into_bytes())?;
        let answer = self.client.request(request).await;
        answer.with_context(|| format!("cannot {method} {path}"))
    }

    /// What is there.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let request = Request::builder().uri(path).body(Vec::new())?;
        let answer = self.client.request(request).await;
        answer.with_context(|| format!("cannot get {path}"))
    }

    /// Makes a namespace.
    pub(crate) async fn create_namespace(&self, name: &str) -> Result<()> {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let path = "/api/v1/namespaces";
        self.send("POST", path, "application/json", &namespace)
            .await?;
        Ok(())
    }

    /// Server-side apply, as Flux's controllers do it.
    pub(crate) async fn apply(&self, object: &Value) -> Result<Value> {
        let path = format!(
            "{}?fieldManager=kustomize-controller&force=true",
            path(object)
        );
        let kind = "application/apply-patch+yaml";
        self.send("PATCH", &path, kind, object).await
    }

    /// A merge patch, as somebody else.
    pub(crate) async fn edit(&self, object: &Value, patch: &Value) -> Result<Value> {
        let path = format!("{}?fieldManager=kubectl-edit", path(object));
        let kind = "application/merge-patch+json";
        self.send("PATCH", &path, kind, patch).await
    }

    /// Applies all, so many at a time, and answers how long it took.
    pub(crate) async fn apply_all(&self, objects: Vec<Value>) -> Result<Duration> {
        let began = Instant::now();
        let mut answers = stream::iter(objects)
            .map(|object| async move { self.apply(&object).await })
            .buffer_unordered(CONCURRENCY);
        while let Some(answer) = answers.next().await {
            answer?;
        }
        Ok(began.elapsed())
    }

    /// What happens to the objects of a kind in a namespace from now on, those that are there first.
    pub(crate) async fn watch(&self, api: &str, namespace: &str, plural: &str) -> Result<Watch> {
        let path = format!("{api}/namespaces/{namespace}/{plural}?watch=true");
        let request = Request::builder().uri(path).body(Vec::new())?;
        let stream = self.client.request_stream(request).await?;
        let stream: Box<dyn AsyncBufRead + Send + Unpin> = Box::new(stream);
        Ok(Watch(stream.lines()))
    }
}

/// A watch.
pub(crate) struct Watch(Lines<Box<dyn AsyncBufRead + Send + Unpin>>);

impl Watch {
    /// The next object that appeared or changed; `None` when the server ended the watch, as it does
    /// when the definition of the kind changes.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>> {
        while let Some(line) = self.0.next().await {
            let mut event: Value = serde_json::from_str(&line?)?;
            ensure!(event["type"] != "ERROR", "the watch failed: {event}");
            if event["type"] != "BOOKMARK" {
                return Ok(Some(event["object"].take()));
            }
        }
        Ok(None)
    }
}

fn path(object: &Value) -> String {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("")
    };
    let api = match text("/apiVersion") {
        "v1" => "/api/v1".to_owned(),
        version => format!("/apis/{version}"),
    };
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let plural = match text("/kind") {
        "GitRepository" => "gitrepositories".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    format!("{api}/namespaces/{namespace}/{plural}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_the_paths_that_the_api_server_serves() {
        for (version, kind, wanted) in [
            ("v1", "ConfigMap", "/api/v1/namespaces/n/configmaps/x"),
            (
                "source.toolkit.fluxcd.io/v1",
                "GitRepository",
                "/apis/source.toolkit.fluxcd.io/v1/namespaces/n/gitrepositories/x",
            ),
        ] {
            let metadata = json!({"namespace": "n", "name": "x"});
            let object = json!({"apiVersion": version, "kind": kind, "metadata": metadata});
            assert_eq!(path(&object), wanted);
        }
    }
}
