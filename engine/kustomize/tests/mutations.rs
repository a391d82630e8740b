//! Texts that nobody would write: small repositories, each changed at random from a fixed seed.
//!
//! Whatever comes of one, it is an answer of bounded size: objects that read back as they were
//! printed, or a refusal that says why. `fuzz/` goes on where these seeds end.

use std::panic::catch_unwind;

use fluvial_kustomize::{Options, build};
use fluvial_manifest::{Entry, Tree, yaml};

/// Changed texts in each test.
const SEEDS: u64 = 1_500;

/// No tree here holds more than two kilobytes; aliases and patches may multiply it, within limits.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

const KUSTOMIZATION: &str = "\
resources: [a.yaml]
namePrefix: p-
nameSuffix: -s
namespace: ns
commonLabels: {team: one}
labels: [{pairs: {l: m}, includeTemplates: true, fields: [{path: spec/labels, create: true}]}]
commonAnnotations: {note: two words}
images: [{name: nginx, newName: other/nginx, newTag: '2'}, {name: redis, digest: 'sha256:ab'}]
replicas: [{name: web, count: 3}]
configMapGenerator: [{name: made, literals: [\"k=v\", j=1], files: [f=a.yaml], behavior: create}]
secretGenerator: [{name: hidden, literals: [k=v], type: Opaque, options: {immutable: true}}]
generatorOptions: {disableNameSuffixHash: false, labels: {g: h}}
vars: [{name: V, objref: {apiVersion: v1, kind: Service, name: web}}]
sortOptions: {order: legacy, legacySortOptions: {orderFirst: [Service], orderLast: []}}
buildMetadata: [originAnnotations, transformerAnnotations]
";

const OBJECTS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: &labels {app: web}, annotations: {n: 1.10, empty: }}
spec:
  replicas: 1
  selector: {matchLabels: *labels}
  template:
    metadata:
      labels:
        <<: *labels
    spec:
      containers:
      - name: one
        image: nginx:1.0
        args: [\"$(V)\", 'it''s', \"a\\tb\", three]
        numbers: [0x1F, 1e3, ~, 2001-01-01 10:00:00, 1.10]
      - image: redis
        name: two
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports: [{port: 80, name: http}, {port: 443}]
text: |
  a literal
   block
folded: >-
  a folded

  block
";

const PATCHES: &str = "\
resources: [a.yaml]
patches:
- path: merge.yaml
- path: json.yaml
  target: {kind: Deployment|Service, name: 'w.*'}
";

const MERGE: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: null, x: y}}
spec:
  replicas: null
  template:
    spec:
      $setElementOrder/containers: [{name: two}, {name: one}]
      containers:
      - {name: two, $patch: delete}
      - {name: three, image: new, ports: [{containerPort: 80, protocol: TCP}]}
      volumes: [{$patch: replace}, {name: v, emptyDir: {}}]
";

const JSON: &str = "\
- {op: test, path: /metadata/name, value: web}
- {op: add, path: /metadata/annotations/a~1b, value: c}
- {op: replace, path: /spec, value: {list: [1, 2]}}
- {op: copy, from: /spec/list/0, path: /spec/list/-}
- {op: move, from: /spec/list, path: /spec/other}
- {op: remove, path: /spec/other/1}
";

const REPLACEMENTS: &str = "\
- source: {kind: Service, name: web, fieldPath: 'spec.ports.[name=http].port', options: {delimiter: ':', index: 0}}
  targets:
  - select: {kind: Deployment}
    reject: [{name: other}]
    fieldPaths: ['spec.template.spec.containers.*.image', metadata.annotations.port]
    options: {delimiter: ':', index: 1, create: true}
- sourceValue: text
  targets:
  - {select: {kind: Deployment, name: web}, fieldPaths: ['spec.template.spec.containers.[name=one].args.0']}
";

/// What a change puts in: whatever means something to a reader.
const PIECES: [&str; 44] = [
    "&a ",
    "*a",
    "*labels",
    "!!binary ",
    "!!int ",
    "! ",
    "!<x> ",
    "<<: ",
    "|2\n",
    ">-\n",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ": ",
    ":",
    "- ",
    "? ",
    ", ",
    "#",
    " #",
    "\t",
    "\u{feff}",
    "\r",
    "\r\n",
    "\u{85}",
    "\u{2028}",
    "\0",
    "\n---\n",
    "\n...\n",
    "\n%YAML 1.1\n",
    "null",
    "$patch: delete\n",
    "../",
    "*",
    "-1",
    "1e999",
    "\\x",
    "\u{e9}",
    "99999999999999999999",
    "0o7",
    "\n  ",
];

/// A source of choices (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let rolled = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(rolled).unwrap_or_default() % sides.max(1)
    }

    /// A place between two characters.
    fn place(&mut self, text: &str) -> usize {
        let at = self.roll(text.len() + 1);
        (0..=at)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0)
    }
}

/// One or two changes: something in, something out, a line twice or elsewhere, an end cut off.
fn changed(text: &str, seed: u64) -> String {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut text = text.to_owned();
    for _ in 0..=dice.roll(2) {
        let (one, other) = (dice.place(&text), dice.place(&text));
        let range = one.min(other)..one.max(other).min(one.min(other) + 12);
        let range = range.start
            ..(range.start..=range.end)
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(range.start);
        match dice.roll(6) {
            0 | 1 => text.insert_str(one, PIECES[dice.roll(PIECES.len())]),
            2 => text.replace_range(range, ""),
            3 => text.replace_range(range, PIECES[dice.roll(PIECES.len())]),
            4 => {
                let lines: Vec<&str> = text.split_inclusive('\n').collect();
                let line = lines
                    .get(dice.roll(lines.len()))
                    .copied()
                    .unwrap_or_default()
                    .to_owned();
                text.insert_str(one, &line);
            }
            _ => text.truncate(one.max(text.len() / 2).min(text.len())),
        }
        while !text.is_char_boundary(text.len()) {
            text.pop();
        }
    }
    text
}

/// Builds trees of which the file `changing` is changed, and holds every answer to its promise.
fn hold(files: &[(&str, &str)], changing: &str) {
    let tree_of = |text_of: &dyn Fn(&str, &str) -> String| {
        let mut tree = Tree::new();
        for (path, text) in files {
            tree.insert(path, Entry::file(text_of(path, text).into_bytes()))
                .expect("the test's paths are normal");
        }
        tree
    };
    let unchanged = tree_of(&|_, text| text.to_owned());
    if let Err(error) = build(&unchanged, "", &Options::default()) {
        panic!("{changing} is refused as it is: {error}");
    }
    let (mut built, mut refused) = (0, 0);
    for seed in 1..=SEEDS {
        let tree = tree_of(&|path, text| {
            if path == changing {
                changed(text, seed)
            } else {
                text.to_owned()
            }
        });
        let answer = catch_unwind(|| build(&tree, "", &Options::default()))
            .unwrap_or_else(|_| panic!("seed {seed} of {changing} panics: {tree:?}"));
        match answer {
            Ok(objects) => {
                built += 1;
                let text = yaml::to_multi(&objects);
                assert!(
                    text.len() <= OUTPUT_BYTES_MAX,
                    "seed {seed} of {changing} prints {} bytes",
                    text.len()
                );
                assert_eq!(
                    yaml::documents(&text),
                    Ok(objects),
                    "seed {seed} of {changing} reads back:\n{text}"
                );
            }
            Err(error) => {
                refused += 1;
                let message = error.to_string();
                assert!(
                    message.starts_with("cannot build") && message.len() < 8_000,
                    "seed {seed} of {changing}: {message}"
                );
            }
        }
    }
    // Changes that are all harmless, or all fatal, would show nothing.
    assert!(
        built > SEEDS / 50 && refused > SEEDS / 50,
        "{changing}: {built} built, {refused} refused"
    );
}

#[test]
fn any_manifest_is_read_or_refused() {
    hold(
        &[
            ("kustomization.yaml", "resources: [a.yaml]\n"),
            ("a.yaml", OBJECTS),
        ],
        "a.yaml",
    );
}

#[test]
fn any_kustomization_is_built_or_refused() {
    hold(
        &[("kustomization.yaml", KUSTOMIZATION), ("a.yaml", OBJECTS)],
        "kustomization.yaml",
    );
}

#[test]
fn any_patch_is_applied_or_refused() {
    let files = [
        ("kustomization.yaml", PATCHES),
        ("a.yaml", OBJECTS),
        ("merge.yaml", MERGE),
        ("json.yaml", JSON),
    ];
    for changing in ["merge.yaml", "json.yaml"] {
        hold(&files, changing);
    }
}

#[test]
fn any_replacement_is_made_or_refused() {
    let kustomization = "resources: [a.yaml]\nreplacements: [{path: r.yaml}]\n";
    hold(
        &[
            ("kustomization.yaml", kustomization),
            ("a.yaml", OBJECTS),
            ("r.yaml", REPLACEMENTS),
        ],
        "r.yaml",
    );
}
