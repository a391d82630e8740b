//! One table per field of a kustomization: a repository, and what `kustomize build` v5.8.2 makes of it.

use fluvial_kustomize::{
    Brought, Built, Means, Options, Remotes, Reorder, Restriction, build, build_with,
};
use fluvial_manifest::{Entry, Tree, yaml};

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: p, annotations: {n: 1.10}}
spec:
  containers:
  - {name: a, image: 'nginx:1', env: [{name: X, valueFrom: {configMapKeyRef: {name: cm, key: k}}}]}
";
const CM: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, data: {k: v}}\n";
const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec: {selector: {matchLabels: {app: d}}, template: {metadata: {labels: {app: d}}}}
";

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new();
    for (path, text) in files {
        let entry = match text.strip_prefix("-> ") {
            Some(target) => Entry::Link {
                target: target.to_owned(),
            },
            None => Entry::file(text.as_bytes()),
        };
        tree.insert(path, entry)
            .expect("the test's paths are normal");
    }
    tree
}

fn options() -> Options {
    Options {
        reorder: Reorder::None,
        ..Options::default()
    }
}

/// Objects are compared as flow YAML, so that a case fits on few lines.
fn check(files: &[(&str, &str)], want: &str) {
    let got =
        build(&tree(files), "k", &options()).unwrap_or_else(|error| panic!("{files:?}: {error}"));
    let want = yaml::documents(want).expect("the test's YAML is good");
    assert_eq!(yaml::to_multi(&got), yaml::to_multi(&want), "{files:?}");
}

fn refused(files: &[(&str, &str)], message: &str) {
    let error = build(&tree(files), "k", &options()).expect_err(message);
    assert_eq!(error.to_string(), message, "{files:?}");
}

fn overlay<'a>(
    kustomization: &'a str,
    resources: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    [("k/kustomization.yaml", kustomization)]
        .into_iter()
        .chain(resources.iter().copied())
        .collect()
}

fn means(remotes: &Remotes) -> Means<'_> {
    Means {
        remotes: Some(remotes),
        ..Means::default()
    }
}

#[test]
fn names_and_namespaces_are_followed_by_their_references() {
    check(
        &overlay(
            "resources: [pod.yaml, cm.yaml]\nnamePrefix: x-\nnameSuffix: -y\nnamespace: ns\n",
            &[("k/pod.yaml", POD), ("k/cm.yaml", CM)],
        ),
        "\
{apiVersion: v1, kind: Pod, metadata: {name: x-p-y, namespace: ns, annotations: {'n': '1.10'}}, spec: {containers: [{name: a, image: 'nginx:1', env: [{name: X, valueFrom: {configMapKeyRef: {name: x-cm-y, key: k}}}]}]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: x-cm-y, namespace: ns}, data: {k: v}}
",
    );
}

#[test]
fn generated_objects_carry_their_hash_into_references() {
    check(
        &overlay(
            "resources: [pod.yaml]\nconfigMapGenerator: [{name: cm, literals: [k=v]}]\n",
            &[("k/pod.yaml", POD)],
        ),
        "\
{apiVersion: v1, kind: Pod, metadata: {name: p, annotations: {'n': '1.10'}}, spec: {containers: [{name: a, image: 'nginx:1', env: [{name: X, valueFrom: {configMapKeyRef: {name: cm-bdg947hgcc, key: k}}}]}]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: cm-bdg947hgcc}, data: {k: v}}
",
    );
}

#[test]
fn generators_merge_and_replace() {
    let base = (
        "base/kustomization.yaml",
        "configMapGenerator: [{name: cm, literals: [a=1, b=2]}]\ngeneratorOptions: {disableNameSuffixHash: true}\n",
    );
    for (behavior, data) in [("merge", "{a: '1', b: '3'}"), ("replace", "{b: '3'}")] {
        let kustomization = format!(
            "resources: [../base]\nconfigMapGenerator: [{{name: cm, behavior: {behavior}, literals: [b=3]}}]\n"
        );
        check(
            &overlay(&kustomization, &[base]),
            &format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: cm}}, data: {data}}}"),
        );
    }
}

#[test]
fn labels_go_where_they_are_asked_to_go() {
    let cases = [
        (
            "labels: [{pairs: {l: m}}]",
            "{name: d, labels: {l: m}}",
            "{app: d}",
            "{app: d}",
        ),
        (
            "labels: [{pairs: {l: m}, includeTemplates: true}]",
            "{name: d, labels: {l: m}}",
            "{app: d}",
            "{app: d, l: m}",
        ),
        (
            "labels: [{pairs: {l: m}, includeSelectors: true}]",
            "{name: d, labels: {l: m}}",
            "{app: d, l: m}",
            "{app: d, l: m}",
        ),
        (
            "commonLabels: {l: m}",
            "{name: d, labels: {l: m}}",
            "{app: d, l: m}",
            "{app: d, l: m}",
        ),
    ];
    for (field, metadata, selector, template) in cases {
        let kustomization = format!("resources: [d.yaml]\n{field}\n");
        check(
            &overlay(&kustomization, &[("k/d.yaml", DEPLOYMENT)]),
            &format!(
                "{{apiVersion: apps/v1, kind: Deployment, metadata: {metadata}, spec: {{selector: {{matchLabels: {selector}}}, template: {{metadata: {{labels: {template}}}}}}}}}"
            ),
        );
    }
}

#[test]
fn patches_of_every_kind_are_applied() {
    let smp = "{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, data: {k: null, z: w}}";
    let json =
        r#"[{"op": "remove", "path": "/data/k"}, {"op": "add", "path": "/data/z", "value": "w"}]"#;
    let kustomizations = [
        format!("patches: [{{patch: '{smp}'}}]"),
        format!("patches: [{{patch: '{smp}', target: {{kind: Config.*}}}}]"),
        format!("patches: [{{patch: '{json}', target: {{name: cm|xx, labelSelector: '!nope'}}}}]"),
        "patches: [{path: patch.yaml}]".to_owned(),
        "patchesStrategicMerge: [patch.yaml]".to_owned(),
        format!("patchesStrategicMerge: ['{smp}']"),
        format!(
            "patchesJson6902: [{{patch: '{json}', target: {{version: v1, kind: ConfigMap, name: cm}}}}]"
        ),
    ];
    for patch in kustomizations {
        let kustomization = format!("resources: [cm.yaml]\n{patch}\n");
        check(
            &overlay(&kustomization, &[("k/cm.yaml", CM), ("k/patch.yaml", smp)]),
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, data: {z: w}}",
        );
    }
}

#[test]
fn images_replicas_replacements_and_vars() {
    check(
        &overlay(
            "\
resources: [d.yaml]
images: [{name: nginx, newName: httpd, newTag: '2'}]
replicas: [{name: d, count: 3}]
replacements:
- source: {kind: Deployment, name: d, fieldPath: spec.replicas}
  targets: [{select: {kind: Deployment}, fieldPaths: [metadata.labels.r], options: {create: true}}]
vars: [{name: V, objref: {apiVersion: apps/v1, kind: Deployment, name: d}}]
",
            &[(
                "k/d.yaml",
                "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, labels: {r: ''}}, spec: {template: {spec: {containers: [{name: a, image: nginx, args: [$(V)]}]}}}}",
            )],
        ),
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, labels: {r: '3'}}, spec: {replicas: 3, template: {spec: {containers: [{name: a, image: 'httpd:2', args: [d]}]}}}}",
    );
}

#[test]
fn components_change_what_their_parent_has_gathered() {
    check(
        &overlay(
            "resources: [cm.yaml]\ncomponents: [../c]\nnamePrefix: a-\n",
            &[
                ("k/cm.yaml", CM),
                (
                    "c/kustomization.yaml",
                    "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -c\n",
                ),
            ],
        ),
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a-cm-c}, data: {k: v}}",
    );
}

#[test]
fn the_order_is_legacy_unless_it_is_said() {
    let files = overlay(
        "resources: [all.yaml]\n",
        &[(
            "k/all.yaml",
            "{kind: Zed, metadata: {name: z}}\n---\n{apiVersion: v1, kind: Service, metadata: {name: s}}\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: n}}\n",
        )],
    );
    let kinds = |reorder| {
        let options = Options {
            reorder,
            ..Options::default()
        };
        let objects = build(&tree(&files), "k", &options).expect("it builds");
        objects
            .iter()
            .map(|object| object["kind"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(Reorder::Legacy), ["Namespace", "Service", "Zed"]);
    assert_eq!(kinds(Reorder::None), ["Zed", "Service", "Namespace"]);
}

#[test]
fn build_metadata_says_where_objects_come_from() {
    check(
        &overlay(
            "resources: [../base]\nbuildMetadata: [originAnnotations, managedByLabel]\n",
            &[
                ("base/kustomization.yaml", "resources: [cm.yaml]\n"),
                ("base/cm.yaml", CM),
            ],
        ),
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: cm, annotations: {config.kubernetes.io/origin: \"path: ../base/cm.yaml\\n\"}, labels: {app.kubernetes.io/managed-by: kustomize-v5.8.2}}, data: {k: v}}",
    );
}

#[test]
fn refusals_name_the_file_the_line_and_the_field() {
    let remote = "\"https://example.com/x\" is remote, and a build fetches nothing; copy it into the repository, make it a source of its own, or render with --allow-remote";
    let cases: [(&str, String); 12] = [
        ("resources: [cm.yaml]\nfoo: 1\n", "line 2: foo: unknown field; remove it, or check its spelling and indentation".into()),
        ("resources: [cm.yaml]\npatches:\n- target: {kindd: A}\n", "line 3: patches[0].target.kindd: unknown field; remove it, or check its spelling and indentation".into()),
        ("resources: nope\n", "line 1: resources: a list of texts is needed here".into()),
        ("resources: [nope.yaml]\n", "line 1: resources[0]: cannot find \"nope.yaml\"".into()),
        ("resources: [/etc/passwd]\n", "line 1: resources[0]: \"/etc/passwd\" is an absolute path; write it relative to the kustomization".into()),
        ("resources: [../../../etc/passwd]\n", "line 1: resources[0]: cannot follow \"../../../etc/passwd\": it leads out of the repository".into()),
        ("resources: ['https://example.com/x']\n", format!("line 1: resources[0]: {remote}")),
        ("resources: [cm.yaml, cm.yaml]\n", "line 1: resources[1]: there is already an object ConfigMap.v1/cm; remove one of the two, or rename it".into()),
        ("resources: ['.']\n", "line 1: resources[0]: \".\" leads back to \"k\", which contains \"k\" that is being built; a base cannot be around its overlay".into()),
        ("kind: Kustomization\n", "it is empty; give it `resources`".into()),
        ("resources: [cm.yaml]\nhelmCharts: [{name: a}]\n", "line 2: helmCharts[0]: charts are rendered by `fluvial render kustomize --enable-helm` alone; make the chart a HelmRelease, or commit what it makes".into()),
        ("a: [\n", "line 2: did not find expected node content".into()),
    ];
    for (kustomization, message) in cases {
        refused(
            &overlay(kustomization, &[("k/cm.yaml", CM)]),
            &format!("cannot build k/kustomization.yaml: {message}"),
        );
    }
}

#[test]
fn files_outside_of_the_directory_are_read_only_when_that_is_allowed() {
    let files = overlay(
        "resources: [../cm.yaml, link.yaml]\n",
        &[
            ("cm.yaml", CM),
            ("k/link.yaml", "-> ../other.yaml"),
            ("other.yaml", DEPLOYMENT),
        ],
    );
    assert!(build(&tree(&files), "k", &options()).is_err());
    let open = Options {
        restriction: Restriction::None,
        ..options()
    };
    assert_eq!(
        build(&tree(&files), "k", &open).map(|objects| objects.len()),
        Ok(2)
    );
}

#[test]
fn traversal_links_and_bombs_get_their_verdict() {
    let bomb = format!("a: &a [{}]\n", vec!["x"; 1_000].join(", "))
        + "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
        + "c: [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n";
    let deep = "a: {".repeat(5_000);
    let cases: Vec<Vec<(&str, &str)>> = vec![
        overlay("resources: [l]\n", &[("k/l", "-> l")]),
        overlay("resources: [l/x]\n", &[("k/l", "-> ../k")]),
        overlay("resources: [l]\n", &[("k/l", "-> /etc/passwd")]),
        overlay("resources: [l]\n", &[("k/l", "-> ../../x")]),
        overlay("resources: ['a\\0b']\n", &[]),
        overlay("resources: ['%2e%2e/x']\n", &[]),
        overlay("resources: ['file:///etc/passwd']\n", &[]),
        overlay("resources: [b.yaml]\n", &[("k/b.yaml", &bomb)]),
        overlay("resources: [b.yaml]\n", &[("k/b.yaml", &deep)]),
        overlay("resources: [b.yaml]\n", &[("k/b.yaml", "a: &a {b: *a}\n")]),
        overlay(
            "resources: [b.yaml]\n",
            &[("k/b.yaml", "kind: A\nkind: B\nmetadata: {name: a}\n")],
        ),
        overlay(
            "resources: [../a]\n",
            &[("a/kustomization.yaml", "resources: [../k]\n")],
        ),
        overlay(
            "generators: [g.yaml]\n",
            &[(
                "k/g.yaml",
                "{apiVersion: x/v1, kind: Exec, metadata: {name: x, annotations: {config.kubernetes.io/function: 'exec: {path: ./x}'}}}",
            )],
        ),
        overlay(
            "patches: [{patch: '[]', target: {name: '('}}]\nresources: [cm.yaml]\n",
            &[("k/cm.yaml", CM)],
        ),
    ];
    for files in cases {
        assert!(
            build(&tree(&files), "k", &options()).is_err(),
            "{:?}",
            files[0]
        );
    }
}

#[test]
fn bases_that_double_at_every_level_are_refused() {
    let texts: Vec<(String, String)> = (0..30)
        .flat_map(|level: usize| {
            let next = level + 1;
            let text = format!("resources: [../a{next}, ../b{next}]\n");
            ["a", "b"].map(|side| (format!("{side}{level}/kustomization.yaml"), text.clone()))
        })
        .chain(["a30", "b30"].map(|dir| {
            (
                format!("{dir}/kustomization.yaml"),
                "namePrefix: x\n".to_owned(),
            )
        }))
        .collect();
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let error = build(&tree(&files), "a0", &options()).expect_err("it doubles");
    assert!(
        error.reason.contains("more than 10000 kustomizations"),
        "{error}"
    );
}

/// The URLs that a build misses, given what was brought.
fn needs(files: &[(&str, &str)], remotes: &Remotes) -> Vec<String> {
    match build_with(&tree(files), "k", &options(), means(remotes)) {
        Ok(Built::Needs(needs)) => needs.into_iter().map(|remote| remote.url).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_remote_is_asked_for_at_once_and_then_used() {
    const FILE: &str = "https://example.com/cm.yaml";
    const BASE: &str = "https://example.com/org/repo//base?ref=v1";
    const COMPONENT: &str = "github.com/org/component";
    const FURTHER: &str = "git@example.com:org/further.git";
    let kustomization = format!("resources: ['{FILE}', '{BASE}']\ncomponents: [{COMPONENT}]\n");
    let files = [("k/kustomization.yaml", kustomization.as_str())];
    let mut remotes = Remotes::new();
    assert_eq!(needs(&files, &remotes), [FILE, BASE, COMPONENT]);

    remotes.insert(FILE.to_owned(), Brought::File(CM.into()));
    let base = format!("namePrefix: b-\nresources: [pod.yaml, '{FURTHER}']\n");
    let base = tree(&[("base/kustomization.yaml", &base), ("base/pod.yaml", POD)]);
    remotes.insert(BASE.to_owned(), Brought::Repository(base));
    let component =
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -c\n";
    let component = tree(&[("kustomization.yaml", component)]);
    remotes.insert(COMPONENT.to_owned(), Brought::Repository(component));
    assert_eq!(needs(&files, &remotes), [FURTHER]);

    let further = tree(&[
        ("kustomization.yaml", "resources: [d.yaml]\n"),
        ("d.yaml", DEPLOYMENT),
    ]);
    remotes.insert(FURTHER.to_owned(), Brought::Repository(further));
    let built = build_with(&tree(&files), "k", &options(), means(&remotes));
    let Ok(Built::Objects(objects)) = built else {
        panic!("{built:?}");
    };
    let names: Vec<_> = objects.iter().map(fluvial_manifest::object::name).collect();
    assert_eq!(names, ["cm-c", "b-p-c", "b-d-c"]);
}

#[test]
fn a_repository_that_is_remote_stays_in_itself() {
    const BASE: &str = "https://example.com/org/repo//base";
    let kustomization = format!("resources: ['{BASE}']\n");
    let files = [
        ("k/kustomization.yaml", kustomization.as_str()),
        ("k/cm.yaml", CM),
    ];
    let reason = |text: &str, restriction| {
        let base = tree(&[("base/kustomization.yaml", text), ("other/cm.yaml", CM)]);
        let remotes = Remotes::from([(BASE.to_owned(), Brought::Repository(base))]);
        let options = Options {
            restriction,
            ..options()
        };
        let error = build_with(&tree(&files), "k", &options, means(&remotes)).expect_err(text);
        error.reason
    };
    for (text, want) in [
        (
            "resources: [../../k]\n".to_owned(),
            "leads out of the repository",
        ),
        (
            format!("resources: ['{BASE}?ref=main']\n"),
            "leads back to a repository",
        ),
        // What its user allows of their own files, they do not allow of its.
        (
            "resources: [../other/cm.yaml]\n".to_owned(),
            "is not in or below",
        ),
    ] {
        let reason = reason(&text, Restriction::None);
        assert!(reason.contains(want), "{text}: {reason}");
    }
}
