//! What goes wrong is said on the object that it is about, with what to do; all others go on.

use fluvial_e2e::{Scenario, Scene, condition, text};
use fluvial_support::{Access, GitServer, Transport};
use serde_json::{Value, json};

use crate::manifests::config_map;

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "each-error-stays-on-its-object",
        each_error_stays_on_its_object,
    ),
    (
        "a-git-server-that-is-away-comes-back",
        a_git_server_that_is_away_comes_back,
    ),
    (
        "credentials-are-checked-and-corrected",
        credentials_are_checked_and_corrected,
    ),
    ("a-bad-spec-is-refused", a_bad_spec_is_refused),
    (
        "what-the-api-refuses-is-told-by-object",
        what_the_api_refuses_is_told_by_object,
    ),
    ("unsupported-kinds-say-so", unsupported_kinds_say_so),
];

/// A Kustomization's name, its spec, and the reason and words that it must be refused with.
type Refusal = (&'static str, Value, &'static str, &'static [&'static str]);

fn refusals() -> [Refusal; 8] {
    let secret = json!({"substituteFrom": [{"kind": "Secret", "name": "no-such-secret"}]});
    let unknown = json!({"kind": "GitRepository", "name": "no-such-source"});
    let sops = json!({"provider": "sops"});
    let (build, artifact) = ("BuildFailed", "ArtifactFailed");
    [
        ("bad", json!({"path": "bad"}), build, &["bad/a.yaml"]),
        ("nameless", json!({"path": "nameless"}), build, &["name"]),
        ("away", json!({"path": "away"}), build, &["not-there.yaml"]),
        ("twice", json!({"path": "twice"}), build, &["twice"]),
        (
            "nowhere",
            json!({"path": "./no/such/path"}),
            artifact,
            &["kustomization path not found", "no/such/path", "spec.path"],
        ),
        (
            "unsubstituted",
            json!({"path": "good", "postBuild": secret}),
            build,
            &["no-such-secret", "create it"],
        ),
        (
            "sourceless",
            json!({"sourceRef": unknown}),
            artifact,
            &["no-such-source", "not found", "sourceRef"],
        ),
        (
            "sealed",
            json!({"path": "good", "decryption": sops}),
            build,
            &["spec.decryption", "not supported"],
        ),
    ]
}

fn each_error_stays_on_its_object(scene: &Scene<'_>) {
    let unclosed = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [unclosed\n";
    scene.begin(&[
        ("good/a.yaml", &config_map("good", "one")),
        ("bad/a.yaml", unclosed),
        (
            "nameless/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n",
        ),
        ("away/kustomization.yaml", "resources: [not-there.yaml]\n"),
        ("twice/a.yaml", &config_map("twice", "one")),
        ("twice/b.yaml", &config_map("twice", "two")),
    ]);
    let refusals = refusals();
    for (name, spec, ..) in &refusals {
        scene.kustomization(name, spec.clone());
    }
    scene.kustomization("fine", json!({"path": "good"}));
    scene.deployed("fine");
    for (name, _, reason, words) in &refusals {
        scene.refused("Kustomization", name, reason, words);
    }
    scene.told("bad", "BuildFailed", "bad/a.yaml");
    // What is corrected recovers; the others go on.
    scene.commit(&[
        ("good/a.yaml", &config_map("good", "two")),
        ("bad/a.yaml", &config_map("bad", "one")),
    ]);
    scene.fetch();
    scene.deployed("fine");
    scene.deployed("bad");
    assert_eq!(scene.get("ConfigMap", "good")["data"]["value"], "two");
}

fn a_git_server_that_is_away_comes_back(scene: &Scene<'_>) {
    let server = GitServer::start().unwrap();
    let repository = server.repository("app").unwrap();
    repository
        .commit("main", "One", &[("a.yaml", &config_map("a", "one"))])
        .unwrap();
    let spec = json!({"url": server.url("app"), "interval": "1s", "timeout": "5s", "ref": {"branch": "main"}});
    scene.declare("GitRepository", "source", &spec);
    scene.kustomization("app", json!({}));
    scene.ready("Kustomization", "app");
    server.stop();
    let words = [&*server.url("app")];
    let source = scene.refused("GitRepository", "source", "GitOperationFailed", &words);
    assert_eq!(
        text(condition(&source, "FetchFailed"), "/status"),
        "True",
        "{source}"
    );
    assert!(
        source.pointer("/status/artifact").is_some(),
        "the last artifact stays: {source}"
    );
    // What was applied stays, and is still looked after.
    scene.ready("Kustomization", "app");
    scene.delete("ConfigMap", "a");
    scene.until("ConfigMap", "a", "made again", |it| {
        it["data"]["value"] == "one"
    });
    server.restart().unwrap();
    let commit = repository
        .commit("main", "Two", &[("a.yaml", &config_map("a", "two"))])
        .unwrap();
    scene.until("Kustomization", "app", "the new commit applied", |it| {
        text(it, "/status/lastAppliedRevision").ends_with(&commit)
    });
    scene.ready("GitRepository", "source");
}

fn credentials_are_checked_and_corrected(scene: &Scene<'_>) {
    let access = Access::Basic {
        username: "robot".into(),
        password: "right-and-secret".into(),
    };
    let server = GitServer::start_with(&access, Transport::Tls).unwrap();
    let repository = server.repository("app").unwrap();
    let commit = repository
        .commit("main", "One", &[("a.yaml", &config_map("a", "one"))])
        .unwrap();
    let spec = json!({
        "url": server.url("app"),
        "interval": "1h",
        "timeout": "10s",
        "ref": {"branch": "main"},
        "secretRef": {"name": "login"},
    });
    scene.declare("GitRepository", "source", &spec);
    scene.kustomization("app", json!({}));
    let words = [&*format!("{}/login", scene.namespace)];
    scene.refused("GitRepository", "source", "AuthenticationFailed", &words);
    let login = |password: &str, authority: &str| {
        scene.apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "login", "namespace": scene.namespace},
            "stringData": {"username": "robot", "password": password, "ca.crt": authority},
        }));
        scene.request("GitRepository", "source");
    };
    let authority = server.authority().unwrap().certificate();
    login("wrong-and-secret", authority);
    let words = [&*server.url("app"), "cannot authenticate", "spec.secretRef"];
    let source = scene.refused("GitRepository", "source", "AuthenticationFailed", &words);
    assert!(
        !source["status"].to_string().contains("and-secret"),
        "{source}"
    );
    scene.refused("Kustomization", "app", "ArtifactFailed", &["source"]);
    login("right-and-secret", authority);
    scene.ready("GitRepository", "source");
    let app = scene.ready("Kustomization", "app");
    assert!(text(&app, "/status/lastAppliedRevision").ends_with(&commit));
    assert!(
        !scene.stage.engine.printed().contains("and-secret"),
        "a password is in the log"
    );
}

fn a_bad_spec_is_refused(scene: &Scene<'_>) {
    // By the definition, before it is stored.
    let bad = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "negative", "namespace": scene.namespace},
        "spec": {"interval": "-1s", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "source"}},
    });
    let refused = scene.stage.cluster.apply(&bad).unwrap_err();
    let refused = format!("{refused:#}");
    assert!(refused.contains("spec.interval"), "{refused}");
    // By us, where the definition cannot know.
    let spec = json!({"url": scene.stage.git.url("x"), "interval": "1h", "ref": {"semver": "not a range"}});
    scene.declare("GitRepository", "ranged", &spec);
    scene.refused(
        "GitRepository",
        "ranged",
        "GitOperationFailed",
        &["not a range"],
    );
    let spec = json!({"url": scene.stage.git.url("x"), "interval": "1h", "verify": {
        "mode": "HEAD", "secretRef": {"name": "keys"},
    }});
    scene.declare("GitRepository", "verified", &spec);
    let words = ["spec.verify", "not supported"];
    let verified = scene.refused("GitRepository", "verified", "GitOperationFailed", &words);
    assert_eq!(
        text(condition(&verified, "Stalled"), "/status"),
        "True",
        "{verified}"
    );
}

fn what_the_api_refuses_is_told_by_object(scene: &Scene<'_>) {
    scene.begin(&[
        ("a.yaml", &config_map("good", "one")),
        ("b.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 99999}]}\n"),
        ("c.yaml", "apiVersion: example.org/v1\nkind: Unheard\nmetadata: {name: of}\n"),
    ]);
    scene.kustomization("app", json!({"retryInterval": "1h"}));
    let service = format!("Service/{}/bad", scene.namespace);
    let words = [&*service, "spec.ports[0].port", "Unheard"];
    scene.refused("Kustomization", "app", "ReconciliationFailed", &words);
    scene.get("ConfigMap", "good");
}

fn unsupported_kinds_say_so(scene: &Scene<'_>) {
    let spec = json!({"bucketName": "app", "endpoint": "minio.example.org", "interval": "1h"});
    scene.declare("Bucket", "source", &spec);
    let words = ["does not reconcile Bucket"];
    scene.refused("Bucket", "source", "KindNotSupported", &words);
}
