//! How long a build takes inside a process, ours beside the real kustomize: the tree in memory, the
//! output as text, the fastest of several builds on both sides.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fluvial_conformance::{Case, Peer};
use fluvial_kustomize::{Options, Reorder, Restriction, build};
use fluvial_manifest::yaml;
use serde_json::Value;

/// A folder with more than this is not one repository but a collection of them.
const REPOSITORY_BYTES_MAX: u64 = 5 << 20;

/// Builds of one case on each side.
const BUILDS: usize = 5;

/// Objects of the one large kustomization, and how long it may take.
const LARGE: (usize, Duration) = (4_000, Duration::from_millis(500));

/// Races over a list of cases as the conformance suite has them, then builds the large one.
pub(crate) fn run(cases: &Path) -> ExitCode {
    let folder = cases.parent().unwrap_or(Path::new("."));
    let text = fs::read_to_string(cases).unwrap_or_default();
    let Ok(listed) = serde_json::from_str::<Value>(&text) else {
        eprintln!("cannot read {}", cases.display());
        return ExitCode::FAILURE;
    };
    let mut peer = Peer::start(&Peer::program(&std::env::temp_dir()));
    let mut ratios = Vec::new();
    let mut sums = (Duration::ZERO, Duration::ZERO);
    for listed in listed.as_array().into_iter().flatten() {
        let case = read(folder, listed);
        let Some(ours) = fastest(&case) else {
            continue;
        };
        let Ok((_, theirs)) = peer.race(&case, BUILDS) else {
            continue;
        };
        ratios.push(theirs.as_secs_f64() / ours.as_secs_f64());
        sums = (sums.0 + ours, sums.1 + theirs);
    }
    ratios.sort_by(f64::total_cmp);
    if ratios.is_empty() {
        eprintln!("no case was built by both");
        return ExitCode::FAILURE;
    }
    let at = |part: usize| ratios[(ratios.len() - 1) * part / 100];
    println!(
        "in process, {} cases: ours is {:.0} times as fast in the median (a tenth below {:.0}, a tenth above {:.0}); \
         all of them {:.3} s to {:.3} s",
        ratios.len(),
        at(50),
        at(10),
        at(90),
        sums.0.as_secs_f64(),
        sums.1.as_secs_f64(),
    );
    let took = fastest(&large(LARGE.0)).unwrap_or(Duration::MAX);
    println!(
        "one kustomization of {} objects: {:.3} s",
        LARGE.0,
        took.as_secs_f64()
    );
    if took < LARGE.1 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn fastest(case: &Case) -> Option<Duration> {
    let tree = case.tree();
    let mut fastest: Option<Duration> = None;
    for _ in 0..BUILDS {
        let start = Instant::now();
        let objects = build(&tree, &case.path, &case.options).ok()?;
        let text = yaml::to_multi(&objects);
        let took = start.elapsed();
        assert!(!text.contains('\0'), "the text is used");
        fastest = Some(fastest.map_or(took, |other| other.min(took)));
    }
    fastest
}

/// One case: the repository that it is in, and its flags.
pub(crate) fn read(folder: &Path, listed: &Value) -> Case {
    let root = listed["root"].as_str().unwrap_or_default();
    let args = listed["args"].as_array().cloned().unwrap_or_default();
    let has = |arg: &str| args.iter().any(|own| own == arg);
    let mut parts: Vec<&str> = root.split('/').collect();
    let rest = parts.split_off(1.min(parts.len()));
    let mut repository = folder.join(parts.join("/"));
    let mut rest = rest.into_iter();
    if bytes(&repository) > REPOSITORY_BYTES_MAX
        && let Some(next) = rest.next()
    {
        repository.push(next);
    }
    let mut case = Case {
        title: root.to_owned(),
        path: rest.collect::<Vec<_>>().join("/"),
        options: Options {
            restriction: if has("LoadRestrictionsNone") {
                Restriction::None
            } else {
                Restriction::RootOnly
            },
            reorder: if has("none") {
                Reorder::None
            } else {
                Reorder::Legacy
            },
            managed_by_label: has("--enable-managedby-label"),
        },
        ..Case::default()
    };
    gather(&repository, "", &mut case);
    case
}

fn bytes(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return fs::metadata(path).map_or(0, |metadata| metadata.len());
    };
    entries.flatten().map(|entry| bytes(&entry.path())).sum()
}

fn gather(folder: &Path, prefix: &str, case: &mut Case) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == ".git" {
            continue;
        }
        let path = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}/{name}")
        };
        if entry.path().is_dir() {
            gather(&entry.path(), &path, case);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            case.files.insert(path, text);
        }
    }
}

/// Deployments, their Services, ConfigMaps and Secrets, with everything a kustomization sets.
fn large(count: usize) -> Case {
    let mut resources = String::new();
    for at in 0..count / 4 {
        write!(
            resources,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: app-{at}, labels: {{app: app-{at}}}}}\nspec:\n  replicas: 1\n  selector: {{matchLabels: {{app: app-{at}}}}}\n  template:\n    metadata: {{labels: {{app: app-{at}}}}}\n    spec:\n      containers:\n      - name: main\n        image: nginx:1.0\n        envFrom: [{{configMapRef: {{name: config-{at}}}}}, {{secretRef: {{name: secret-{at}}}}}]\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: service-{at}}}\nspec: {{selector: {{app: app-{at}}}, ports: [{{port: 80}}]}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: config-{at}}}\ndata: {{key: value-{at}}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: secret-{at}}}\nstringData: {{key: value-{at}}}\n---\n"
        )
        .expect("a String takes everything");
    }
    let kustomization = "namespace: large\nnamePrefix: pre-\ncommonLabels: {team: one}\ncommonAnnotations: {note: two}\nimages: [{name: nginx, newTag: '2.0'}]\nresources: [all.yaml]\npatches:\n- target: {kind: Deployment}\n  patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: any}\n    spec: {template: {spec: {containers: [{name: main, imagePullPolicy: Always}]}}}\n";
    Case {
        title: "large".to_owned(),
        files: [
            ("kustomization.yaml".to_owned(), kustomization.to_owned()),
            ("all.yaml".to_owned(), resources),
        ]
        .into(),
        ..Case::default()
    }
}
