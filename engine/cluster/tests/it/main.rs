//! What the door to Kubernetes promises, on a real control plane, and on a scripted server for what a
//! real one does too rarely.
#![expect(
    clippy::unwrap_used,
    reason = "clippy sees only `#[test]` functions as tests, not what they call"
)]

mod connect;
mod guards;
mod lease;
mod objects;
mod script;
mod watch;

use std::time::Duration;

use fluvial_cluster::{Apply, Cluster, Options, Reference};
use fluvial_support::ControlPlane;
use serde_json::{Value, json};

/// Runs `test` on a control plane of its own.
fn on_a_control_plane(test: impl AsyncFnOnce(&ControlPlane, Cluster)) {
    let plane = ControlPlane::start().unwrap();
    block_on(async {
        let options = Options {
            kubeconfig: Some(plane.kubeconfig()),
            ..Options::default()
        };
        test(&plane, Cluster::connect(&options).await.unwrap()).await;
    });
}

/// On several threads: the test's own one may block while the crate's tasks go on.
fn block_on(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

fn config_map(namespace: &str, name: &str, data: &Value) -> Value {
    let metadata = json!({"namespace": namespace, "name": name});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
}

async fn make_namespace(cluster: &Cluster, name: &str) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    cluster.apply(&namespace, &Apply::flux()).await.unwrap();
}

async fn read(cluster: &Cluster, object: &Value) -> Option<Value> {
    cluster.get(&Reference::of(object).unwrap()).await.unwrap()
}

fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// What `attempt` comes to, at the server's own pace: some of its parts learn from others by watching.
async fn eventually<T>(attempt: impl AsyncFn() -> Option<T>) -> T {
    let attempts = async {
        loop {
            if let Some(result) = attempt().await {
                return result;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), attempts)
        .await
        .expect("it takes too long")
}
