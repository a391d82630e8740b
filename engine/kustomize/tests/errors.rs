//! What a person is told when nothing is built: the file, the line, the field, and what to do.

use fluvial_kustomize::{Options, build};
use fluvial_manifest::{Entry, Tree};

/// Files, the first of which is the kustomization, parted by lines `-- path --`; and how the message begins.
type Row = (&'static str, &'static str);

const CM: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}}\n";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // The kustomization itself.
    ("resources: [cm.yaml]\nresource: []", "k/kustomization.yaml: line 2: resource: unknown field; remove it, or check its spelling and indentation"),
    ("resources: [cm.yaml]\nnamePrefix: 1", "k/kustomization.yaml: line 2: namePrefix: text is needed here; quote it if it is text"),
    ("resources: [cm.yaml]\ncommonLabels: {a: 1}", "k/kustomization.yaml: line 2: commonLabels: a map of text to text is needed here; quote numbers"),
    ("resources: [cm.yaml]\n-- Kustomization --\nresources: [cm.yaml]", "k/Kustomization: there is another kustomization in this directory; keep one"),
    ("resources: [d]\n-- d/cm.yaml --\na: b", "k/d: there is no kustomization.yaml, kustomization.yml, Kustomization in this directory; add one, or list its files"),
    // Manifests.
    ("resources: [a.yaml]\n-- a.yaml --\nkind: A\nmetadata: {name: a}\n---\nkind: A", "k/a.yaml: document 2 of the file: a A has no metadata.name; give it one"),
    ("resources: [a.yaml]\n-- a.yaml --\nmetadata: {name: a}", "k/a.yaml: the object \"a\" has no kind; add one, or take the file out of `resources`"),
    ("resources: [a.yaml]\n-- a.yaml --\nkind: A\na: 1\na: 2", "k/a.yaml: line 3: the key \"a\" is there twice in one map; remove one of them"),
    // Generators: literals and what is in files may be secret.
    ("secretGenerator: [{name: s, literals: [a=b, hunter2]}]", "k/kustomization.yaml: line 1: secretGenerator[0].literals[1]: a literal must be key=value"),
    ("secretGenerator:\n- name: s\n  files: [none]", "k/kustomization.yaml: line 3: secretGenerator[0].files[0]: cannot find \"none\""),
    ("configMapGenerator:\n- name: m\n  envs: [none]", "k/kustomization.yaml: line 3: configMapGenerator[0].envs[0]: cannot find \"none\""),
    ("configMapGenerator:\n- name: m\n  literals: [a=b, a=c]", "k/kustomization.yaml: line 2: configMapGenerator[0]: the key \"a\" is there twice; remove one of them"),
    // Patches.
    ("resources: [cm.yaml]\npatches:\n- path: p.yaml\n-- p.yaml --\n{apiVersion: v1, kind: ConfigMap, metadata: {name: no}}", "k/p.yaml: no object ConfigMap.v1/no to patch; add it to `resources`, or correct the patch's apiVersion, kind, name and namespace"),
    ("resources: [cm.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: |-\n    - {op: remove, path: /data}", "k/kustomization.yaml: line 3: patches[0]: cannot patch ConfigMap.v1/cm: remove of \"/data\" in a JSON patch: there is nothing to remove"),
    ("resources: [cm.yaml]\npatches:\n- target: {name: '('}\n  patch: '[]'", "k/kustomization.yaml: line 3: patches[0]: \"^(?:()$\" is not a regular expression: regex parse error"),
    // Transformers.
    ("resources: [a.yaml]\ncommonAnnotations: {x: z}\n-- a.yaml --\n{apiVersion: v1, kind: A, metadata: {name: a, annotations: [b]}}", "k/kustomization.yaml: line 2: commonAnnotations: cannot change A.v1/a at \"metadata/annotations\": a map is needed here, to add labels or annotations to"),
    ("resources: [cm.yaml]\nreplicas: [{name: web, count: 2}]", "k/kustomization.yaml: line 2: replicas: no Deployment, ReplicaSet, ReplicationController or StatefulSet is named \"web\"; correct the name"),
    ("resources: [cm.yaml]\ntransformers: [t.yaml]\n-- t.yaml --\n{apiVersion: builtin, kind: ValueAddTransformer, metadata: {name: t}, value: v, targets: [{fieldPath: ''}]}", "k/kustomization.yaml: line 2: transformers: targets[0].fieldPath of ValueAddTransformer.builtin/t: it must not be empty"),
    // Replacements, which may copy what is secret.
    ("resources: [s.yaml]\nreplacements:\n- source: {kind: Secret, fieldPath: stringData.p}\n  targets: [{select: {kind: Secret}, fieldPaths: [spec.x]}]\n-- s.yaml --\n{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {p: hunter2}}", "k/kustomization.yaml: line 3: replacements[0]: cannot change Secret.v1/s at \"spec.x\": there is no such field; correct the path, or set options.create"),
    ("resources: [s.yaml]\nreplacements:\n- source: {kind: Secret, fieldPath: stringData.p, options: {delimiter: '-', index: 4}}\n  targets: [{select: {kind: Secret}}]\n-- s.yaml --\n{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {p: hunter2}}", "k/kustomization.yaml: line 3: replacements[0]: stringData.p of Secret/ has no part 4 between \"-\"; correct options.index"),
    ("resources: [s.yaml]\nreplacements:\n- source: {kind: Secret, fieldPath: stringData.p}\n  targets: [{select: {kind: Secret}, fieldPaths: [number]}]\n-- s.yaml --\n{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {p: hunter2}, number: 7}", "k/kustomization.yaml: line 3: replacements[0]: cannot change Secret.v1/s at \"number\": what is copied has another type than what is there; take another source"),
    // Vars.
    ("resources: [cm.yaml]\nvars:\n- {name: V, objref: {kind: Service, name: none, apiVersion: v1}}", "k/kustomization.yaml: line 2: vars: the var \"V\" reads from an object that is not there; correct its objref or fieldref"),
    // What is never executed.
    ("resources: [cm.yaml]\ntransformers: [t.yaml]\n-- t.yaml --\n{apiVersion: x/v1, kind: Mine, metadata: {name: t, annotations: {config.kubernetes.io/function: 'exec: {path: ./x}'}}}", "k/kustomization.yaml: line 2: transformers: Mine is an external plugin, and a build runs no programs and no containers; commit what it makes, or use a built-in transformer"),
    ("resources: [cm.yaml]\ngenerators: [g.yaml]\n-- g.yaml --\n{apiVersion: x/v1, kind: Mine, metadata: {name: t, annotations: {config.kubernetes.io/function: 'container: {image: x}'}}}", "k/kustomization.yaml: line 2: generators: Mine is an external plugin, and a build runs no programs and no containers; commit what it makes, or use a built-in transformer"),
];

#[test]
fn errors_name_the_file_the_line_and_the_field_and_no_secret() {
    let mut wrong = Vec::new();
    for (text, want) in ROWS {
        let said = match build(&tree(text), "k", &Options::default()) {
            Ok(objects) => format!("{} objects", objects.len()),
            Err(error) => error.to_string(),
        };
        if !said.starts_with(&format!("cannot build {want}")) || said.contains("hunter2") {
            wrong.push(format!(
                "{text}\n  said: {said}\n  want: cannot build {want}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The directory `k` with the files of a row, and a ConfigMap.
fn tree(text: &str) -> Tree {
    let mut tree = Tree::new();
    let mut add = |path: &str, text: &str| {
        let inserted = tree.insert(&format!("k/{path}"), Entry::file(text.as_bytes()));
        inserted.expect("no path is there twice");
    };
    add("cm.yaml", CM);
    let mut path = "kustomization.yaml";
    for (index, part) in text.split("\n-- ").enumerate() {
        let text = match part.split_once(" --\n") {
            Some((named, text)) if index > 0 => {
                path = named;
                text
            }
            _ => part,
        };
        add(path, &format!("{text}\n"));
    }
    tree
}
