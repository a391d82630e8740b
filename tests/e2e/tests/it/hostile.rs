//! What tries to break out, to bring down or to find out gets its verdict on its own object, and nobody
//! else notices. The ids are those of `SECURITY.md`.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_e2e::{PATIENCE, Scenario, Scene, condition, text};
use fluvial_support::{Access, Change, GitServer, Transport, wait};
use serde_json::{Value, json};

use crate::manifests::config_map;

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("rendering-is-confined", rendering_is_confined),
    ("what-is-hostile-harms-itself", what_is_hostile_harms_itself),
    ("no-secret-is-kept-or-told", no_secret_is_kept_or_told),
    (
        "what-is-forged-is-not-believed",
        what_is_forged_is_not_believed,
    ),
];

fn rendering_is_confined(scene: &Scene<'_>) {
    scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    // A worker ends when it has nothing to do; what it was, is read while it is there.
    let seen = wait("a worker, seen whole", PATIENCE, || {
        let number = scene.repository.head("main").unwrap();
        scene.commit(&[("a.yaml", &config_map("a", &number))]);
        scene.request("GitRepository", "source");
        scene.deployed("app");
        let workers = scene.stage.engine.children("fluvial-render");
        let whole = workers.iter().find_map(|worker| Process::see(*worker).ok());
        whole.ok_or_else(|| format!("{} workers, all gone", workers.len()))
    });
    for (field, value) in [
        ("Seccomp", "2"),
        ("NoNewPrivs", "1"),
        ("CapEff", "0000000000000000"),
        ("Threads", "1"),
    ] {
        assert_eq!(seen.status(field), value, "{field} in {}", seen.status);
    }
    assert_ne!(
        seen.status("Uid").split_whitespace().next(),
        Some("0"),
        "{}",
        seen.status
    );
    assert_eq!(seen.environment, "", "the environment is empty");
    assert_eq!(seen.files.len(), 3, "{:?}", seen.files);
    assert!(
        seen.files.iter().all(|file| file.starts_with("pipe:")),
        "{:?}",
        seen.files
    );
    for (limit, value) in [
        ("Max processes", "0"),
        ("Max open files", "0"),
        ("Max file size", "0"),
        ("Max core file size", "0"),
    ] {
        assert_eq!(seen.limit(limit), value, "{limit} in {}", seen.limits);
    }
    for limit in ["Max address space", "Max data size", "Max cpu time"] {
        assert_ne!(seen.limit(limit), "unlimited", "{limit} in {}", seen.limits);
    }
}

/// A process from outside.
struct Process {
    status: String,
    limits: String,
    environment: String,
    files: Vec<String>,
}

impl Process {
    fn see(id: u32) -> std::io::Result<Self> {
        let read = |what: &str| fs::read_to_string(format!("/proc/{id}/{what}"));
        let mut files = Vec::new();
        for file in fs::read_dir(format!("/proc/{id}/fd"))? {
            files.push(fs::read_link(file?.path())?.display().to_string());
        }
        Ok(Self {
            status: read("status")?,
            limits: read("limits")?,
            environment: read("environ")?,
            files,
        })
    }

    fn status(&self, field: &str) -> &str {
        let line = self
            .status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap_or_default().trim()
    }

    fn limit(&self, name: &str) -> &str {
        let line = self.limits.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next())
            .unwrap_or_default()
    }
}

/// An id and a name, the files in a directory of that name, and the words of the verdict.
type Attack = (
    &'static str,
    &'static str,
    Vec<(&'static str, String)>,
    &'static [&'static str],
);

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn attacks() -> Vec<Attack> {
    let one = |text: &str| vec![("a.yaml", text.to_owned())];
    let kustomization = |text: &str| vec![("kustomization.yaml", text.to_owned())];
    let mut laughs = "a0: &a0 [lol]\n".to_owned();
    for level in 1..9 {
        let all = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs = format!("{laughs}a{level}: &a{level} [{all}]\n");
    }
    // Each is within the limits of one file; together they are 80 MB.
    let large = format!(
        "kind: L\napiVersion: v1\nmetadata: {{name: NAME}}\na: &a {}\nb: [{}]\n",
        "x".repeat(8000),
        vec!["*a"; 1000].join(", ")
    );
    let names = [
        "a.yaml", "b.yaml", "c.yaml", "d.yaml", "e.yaml", "f.yaml", "g.yaml", "h.yaml", "i.yaml",
        "j.yaml",
    ];
    let output = names
        .map(|name| (name, large.replace("NAME", &name[..1])))
        .to_vec();
    vec![
        (
            "A1",
            "outside",
            kustomization("resources: [../../../../etc/passwd]\n"),
            &["outside/kustomization.yaml", "leads out of the repository"],
        ),
        (
            "A17",
            "token",
            kustomization(
                "secretGenerator: [{name: x, files: [/var/run/secrets/kubernetes.io/serviceaccount/token]}]\n",
            ),
            &["token/kustomization.yaml", "absolute path"],
        ),
        (
            "A17",
            "remote",
            kustomization("resources: ['http://169.254.169.254/latest/meta-data']\n"),
            &["remote/kustomization.yaml", "a build fetches nothing"],
        ),
        ("B1", "laughs", one(&laughs), &["laughs/a.yaml", "alias"]),
        (
            "B2",
            "output",
            output,
            &["larger than 64 MiB, the limit on output"],
        ),
        (
            "B3",
            "deep",
            one(&"[".repeat(100_000)),
            &["deep/a.yaml", "nested more than"],
        ),
        (
            "B3",
            "unreadable",
            one(&format!(
                "kind: A\napiVersion: v1\nmetadata: {{name: a}}\na: {}{}\n",
                "[".repeat(120),
                "]".repeat(120)
            )),
            &["nested more than 100 deep"],
        ),
        (
            "B6",
            "twice",
            one("kind: A\nkind: B\n"),
            &["twice/a.yaml", "there twice"],
        ),
        (
            "B12",
            "ring",
            kustomization("resources: [../ring]\n"),
            &["ring/kustomization.yaml", "leads back"],
        ),
        (
            "B17",
            "label",
            one(&format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: label, labels: {{a: {}}}}}\n",
                "x".repeat(1 << 20)
            )),
            &["ConfigMap/", "label"],
        ),
    ]
}

fn what_is_hostile_harms_itself(scene: &Scene<'_>) {
    /// Far above what the engine needs, and far below what any of these would take.
    const MEMORY_MIB_MAX: u64 = 300;
    let attacks = attacks();
    let mut files = vec![("good/a.yaml".to_owned(), config_map("good", "one"))];
    for (_, directory, texts, _) in &attacks {
        for (name, text) in texts {
            files.push((format!("{directory}/{name}"), text.clone()));
        }
    }
    let write: Vec<_> = files
        .iter()
        .map(|(path, text)| (&**path, &**text))
        .collect();
    scene
        .repository
        .change(&Change {
            write: &write,
            ..Change::default()
        })
        .unwrap();
    scene.source("1h");
    for (_, name, ..) in &attacks {
        scene.kustomization(name, json!({"path": name, "retryInterval": "1h"}));
    }
    // B15: a time that nobody lives to see, which stops the whole kind where the reader gives up.
    scene.kustomization("patient", json!({"path": "good", "interval": "99999999h"}));
    scene.kustomization("good", json!({"path": "good"}));
    scene.deployed("good");
    let words = ["spec.interval", "at most 2562047h"];
    scene.refused("Kustomization", "patient", "InvalidSpec", &words);
    for (id, name, _, words) in &attacks {
        let refused = scene.until(
            "Kustomization",
            name,
            &format!("{id} refused for {words:?}"),
            |it| {
                let ready = condition(it, "Ready");
                let reason = text(ready, "/reason");
                text(ready, "/status") == "False"
                    && (reason == "BuildFailed" || reason == "ReconciliationFailed")
                    && words
                        .iter()
                        .all(|word| text(ready, "/message").contains(word))
            },
        );
        let message = text(condition(&refused, "Ready"), "/message");
        assert!(
            message.len() < 20_000,
            "{id} {name}: {} bytes",
            message.len()
        );
    }
    scene.commit(&[("good/a.yaml", &config_map("good", "two"))]);
    scene.fetch();
    scene.deployed("good");
    let peak = scene.stage.engine.peak_memory_bytes() >> 20;
    assert!(peak < MEMORY_MIB_MAX, "the engine took {peak} MiB");
}

fn no_secret_is_kept_or_told(scene: &Scene<'_>) {
    // In text that breaks what it is put into, in a Secret that is applied, and in a URL.
    let (broken, kept, login) = ("br0ken-t0ps3cret: [", "kept-t0ps3cret", "l0gin-t0ps3cret");
    scene.apply(&json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "values", "namespace": scene.namespace},
        "stringData": {"broken": broken, "kept": kept},
    }));
    let uses = |name: &str, variable: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n  value: ${{{variable}}}\n"
        )
    };
    scene.begin(&[
        ("broken/a.yaml", &uses("broken", "broken")),
        ("kept/a.yaml", &uses("kept", "kept")),
    ]);
    let values = json!({"substituteFrom": [{"kind": "Secret", "name": "values"}]});
    for name in ["broken", "kept"] {
        scene.kustomization(
            name,
            json!({"path": name, "postBuild": values, "retryInterval": "1h"}),
        );
    }
    let access = Access::Basic {
        username: "robot".into(),
        password: login.into(),
    };
    let server = GitServer::start_with(&access, Transport::Http).unwrap();
    let files = [("a.yaml", &*config_map("private", "one"))];
    let private = server.repository("private").unwrap();
    private.commit("main", "One", &files).unwrap();
    let urls = urls_with(login, &server);
    for (name, url) in &urls {
        let spec = json!({"url": url, "interval": "1h", "ref": {"branch": "main"}});
        scene.declare("GitRepository", name, &spec);
    }
    scene.ready("GitRepository", "private");
    scene.deployed("kept");
    let refused = scene.refused("Kustomization", "broken", "BuildFailed", &["broken"]);
    for (name, _) in &urls[1..] {
        scene.until("GitRepository", name, "not Ready", |it| {
            text(condition(it, "Ready"), "/status") == "False"
        });
    }
    let sources = urls.map(|(name, _)| scene.get("GitRepository", name)["status"].clone());
    // A repair has the live object compared and applied again.
    scene.patch(
        "Secret",
        "kept",
        &json!({"data": {"value": STANDARD.encode("somebody else's")}}),
    );
    scene.until("Secret", "kept", "repaired", |it| {
        text(it, "/data/value") == STANDARD.encode(kept)
    });
    scene.settled("kept");
    let engine = &scene.stage.engine;
    let records = engine
        .of_data(&["log", "tail", "--limit", "100000", "-o", "json"])
        .unwrap();
    let events = Value::from(scene.stage.cluster.list("Event", &scene.namespace).unwrap());
    let told = [
        refused["status"].to_string(),
        Value::from(sources.to_vec()).to_string(),
        events.to_string(),
        engine.printed(),
        records,
    ];
    for secret in [&broken[..16], kept, login] {
        nowhere(secret, &told, &engine.data());
    }
}

/// Sources whose URLs hold a password: one that is let in, and others that are not.
fn urls_with(login: &str, server: &GitServer) -> [(&'static str, String); 5] {
    let private = server.url("private");
    let with = |user: &str, path: &str| {
        let url = server.url(path);
        url.replace("://", &format!("://{user}@"))
    };
    [
        ("private", with(&format!("robot:{login}"), "private")),
        ("elsewhere", with(&format!("robot:{login}"), "nothing")),
        ("token", with(login, "private")),
        ("query", format!("{private}?token={login}")),
        ("malformed", with(&format!("robot:{login}/x"), "private")),
    ]
}

/// Asserts that a secret, plain or in base64, is in none of the texts and in no file of the directory.
fn nowhere(secret: &str, told: &[String], data: &Path) {
    for form in [secret.to_owned(), STANDARD.encode(secret)] {
        // Encoded, it may begin something longer; all but the end is the same.
        let core = form.trim_end_matches('=').as_bytes();
        let core = &core[..core.len() - 1];
        for (number, text) in told.iter().enumerate() {
            assert!(
                !contains(text.as_bytes(), core),
                "{secret} is told in {number}: {text}"
            );
        }
        let found = files_with(data, core);
        assert!(found.is_empty(), "{secret} is kept in {found:?}");
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The files below a directory that have these bytes anywhere.
fn files_with(directory: &Path, part: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, part));
        } else if fs::read(&path).is_ok_and(|bytes| contains(&bytes, part)) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn what_is_forged_is_not_believed(scene: &Scene<'_>) {
    // F5: an object that says it is ours, and is not in what we own.
    let labels = json!({
        "kustomize.toolkit.fluxcd.io/name": "app",
        "kustomize.toolkit.fluxcd.io/namespace": scene.namespace,
    });
    scene.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "forged", "namespace": scene.namespace, "labels": labels},
        "data": {"value": "theirs"},
    }));
    scene.begin(&[
        ("app/a.yaml", &config_map("a", "one")),
        ("app/b.yaml", &config_map("b", "one")),
        ("named/c.yaml", &config_map("c", "one")),
        ("other/d.yaml", &config_map("d", "one")),
    ]);
    scene.kustomization("app", json!({"path": "app"}));
    scene.deployed("app");
    scene.change(&[], &["app/b.yaml"]);
    scene.fetch();
    scene.deployed("app");
    scene.gone("ConfigMap", "b");
    assert_eq!(scene.get("ConfigMap", "forged")["data"]["value"], "theirs");
    // F10: who applied it does not follow from a name.
    scene.kustomization("kube-controller-manager", json!({"path": "named"}));
    scene.deployed("kube-controller-manager");
    let managers = scene.get("ConfigMap", "c")["metadata"]["managedFields"].to_string();
    assert!(!managers.contains("kube-controller-manager"), "{managers}");
    // F3: an account that is not there is not replaced by the engine's own.
    scene.kustomization(
        "nobody",
        json!({"path": "other", "serviceAccountName": "no-such-account"}),
    );
    scene.refused(
        "Kustomization",
        "nobody",
        "ReconciliationFailed",
        &["forbidden", "no-such-account"],
    );
    assert!(scene.find("ConfigMap", "d").is_none());
    scene.delete("Kustomization", "app");
    scene.gone("Kustomization", "app");
    assert_eq!(scene.get("ConfigMap", "forged")["data"]["value"], "theirs");
}
