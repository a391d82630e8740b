//! Getting as far as the server: what can be wrong with the way there, and what must not be repeated.

use fluvial_cluster::{Cause, Cluster, Error, Options, Retry};

use crate::{block_on, script};

const TOKEN: &str = "hunter2";

fn kubeconfig(user: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Config, current-context: a, \
         clusters: [{{name: a, cluster: {{server: 'http://127.0.0.1:1'}}}}], users: [{{name: a, user: {user}}}], \
         contexts: [{{name: a, context: {{cluster: a, user: a}}}}]}}"
    )
}

fn plugin(script: &str) -> String {
    kubeconfig(&format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: Never, \
         args: ['-c', '{script}']}}}}"
    ))
}

#[test]
fn says_what_is_wrong_and_repeats_no_credential() {
    let broken = format!("users:\n- name: a\n  user: {{token: {TOKEN}, token: [");
    let failing = plugin(&format!("echo {TOKEN}; echo log in first >&2; exit 3"));
    let babbling = plugin(&format!("echo {{{TOKEN}"));
    let token = kubeconfig(&format!("{{token: {TOKEN}}}"));
    for (text, expected) in [
        (broken, "the kubeconfig is no valid YAML at line"),
        (failing, "log in first"),
        (
            babbling,
            "the output of the kubeconfig's credential plugin cannot be read",
        ),
        (token, "unreachable: "),
        (
            kubeconfig("{}").replace("current-context: a", "current-context: b"),
            "context",
        ),
    ] {
        block_on(async {
            let error = first_request(&text).await;
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
        });
    }
}

#[test]
fn an_unreachable_server_is_worth_another_try() {
    block_on(async {
        let error = first_request(&kubeconfig("{}")).await;
        assert!(
            matches!(error.cause(), Cause::Unreachable { .. }),
            "{error}"
        );
        assert_eq!(error.retry(), Retry::Soon);
        let missing = Options {
            kubeconfig: Some("/nowhere/kubeconfig".into()),
            ..Options::default()
        };
        let Err(error) = Cluster::connect(&missing).await else {
            panic!("there is no such file")
        };
        assert!(error.to_string().contains("/nowhere/kubeconfig"), "{error}");
        assert_eq!(error.retry(), Retry::Never);
    });
}

async fn first_request(kubeconfig: &str) -> Error {
    match script::connect(kubeconfig).await {
        Ok(cluster) => cluster.version().await.unwrap_err(),
        Err(error) => error,
    }
}
