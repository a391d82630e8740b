//! Small repositories made from a seed: the same seed, the same tree.

use std::fmt::{Arguments, Write as _};

use fluvial_conformance::Case;

/// A source of choices (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let rolled = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(rolled).unwrap_or_default() % sides
    }

    fn of<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }
}

const NAMES: &[&str] = &["a", "b", "web", "web-2"];
const KINDS: &[(&str, &str)] = &[
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "CronJob"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Pod"),
    ("v1", "ServiceAccount"),
    ("v1", "Namespace"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("networking.k8s.io/v1", "Ingress"),
    ("example.com/v1", "Foo"),
];
const SCALARS: &[&str] = &[
    "x",
    "\"x\"",
    "'1'",
    "1",
    "1.50",
    "true",
    "\"true\"",
    "null",
    "yes",
    "\"\"",
    "a b c",
    "\"a: b\"",
    "'it''s'",
    "$(VAR)",
    "${VAR}",
    "nginx:1.0",
    "é",
    "\"a\\nb\"",
    "-5",
    "\"- a\"",
    "web",
    "\"web\"",
];
const KEYS: &[&str] = &["key", "app", "tier", "b.c/d", "long-key_1", "Z"];

fn put(text: &mut String, added: Arguments<'_>) {
    text.write_fmt(added).expect("a String takes everything");
}

/// The tree of a seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..4 {
        dice.roll(2);
    }
    let mut case = Case {
        title: format!("seed {seed}"),
        path: "over".to_owned(),
        ..Case::default()
    };
    let mut base = "resources: [r.yaml]\n".to_owned();
    let resources = resources(&mut dice);
    operators(&mut dice, &mut base);
    case.files.insert("base/r.yaml".to_owned(), resources);
    case.files
        .insert("base/kustomization.yaml".to_owned(), base);
    let mut over = "resources: [../base]\n".to_owned();
    operators(&mut dice, &mut over);
    if dice.chance(30) {
        over.push_str("components: [../comp]\n");
        let mut component =
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n".to_owned();
        operators(&mut dice, &mut component);
        component.push_str("commonAnnotations: {c: d}\n");
        case.files
            .insert("comp/kustomization.yaml".to_owned(), component);
    }
    case.files
        .insert("over/kustomization.yaml".to_owned(), over);
    case
}

fn resources(dice: &mut Dice) -> String {
    let mut made = String::new();
    let text = &mut made;
    let first = dice.roll(KINDS.len());
    for at in 0..=dice.roll(6) {
        // Each kind once, so that no two objects have one id.
        let (api_version, kind) = KINDS[(first + at * 5) % KINDS.len()];
        put(
            text,
            format_args!(
                "---\napiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {}\n",
                dice.of(NAMES)
            ),
        );
        if dice.chance(20) {
            put(
                text,
                format_args!("  namespace: {}\n", dice.of(&["ns", "other", "default"])),
            );
        }
        for field in ["labels", "annotations"] {
            if dice.chance(40) {
                put(text, format_args!("  {field}: {}\n", map(dice)));
            }
        }
        body(dice, kind, text);
    }
    made
}

fn body(dice: &mut Dice, kind: &str, text: &mut String) {
    match kind {
        "Deployment" | "StatefulSet" => {
            if dice.chance(60) {
                put(
                    text,
                    format_args!(
                        "spec:\n  replicas: {}\n",
                        dice.of(&["1", "\"2\"", "null", "3"])
                    ),
                );
            } else {
                text.push_str("spec:\n");
            }
            put(
                text,
                format_args!(
                    "  selector: {{matchLabels: {}}}\n  template:\n    spec:\n",
                    map(dice)
                ),
            );
            pod(dice, "      ", text);
        }
        "CronJob" => {
            text.push_str("spec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n");
            pod(dice, "          ", text);
        }
        "Pod" => {
            text.push_str("spec:\n");
            pod(dice, "  ", text);
        }
        "Service" => put(
            text,
            format_args!(
                "spec:\n  selector: {}\n  ports: [{{port: 80, name: http}}, {{port: {}}}]\n",
                map(dice),
                dice.of(&["443", "81", "80"])
            ),
        ),
        "ConfigMap" | "Secret" => put(text, format_args!("data: {}\n", map(dice))),
        "RoleBinding" => put(
            text,
            format_args!(
                "roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {}}}\nsubjects: [{{kind: ServiceAccount, name: {}, namespace: {}}}, {{kind: ServiceAccount, name: default}}]\n",
                dice.of(NAMES),
                dice.of(NAMES),
                dice.of(&["ns", "default", "other"])
            ),
        ),
        "Ingress" => put(
            text,
            format_args!(
                "spec:\n  tls: [{{secretName: {}}}]\n  rules: [{{http: {{paths: [{{backend: {{service: {{name: {}}}}}}}]}}}}]\n",
                dice.of(NAMES),
                dice.of(NAMES)
            ),
        ),
        "Foo" => put(
            text,
            format_args!(
                "spec:\n  a: {}\n  list: [{{name: x, v: {}}}, {{name: y}}]\n  map: {}\n",
                dice.of(SCALARS),
                dice.of(SCALARS),
                map(dice)
            ),
        ),
        _ => {}
    }
}

fn pod(dice: &mut Dice, indent: &str, text: &mut String) {
    put(text, format_args!("{indent}containers:\n"));
    for name in ["one", "two"].iter().take(1 + dice.roll(2)) {
        put(
            text,
            format_args!(
                "{indent}- name: {name}\n{indent}  image: {}\n{indent}  args: [{}, \"$(VAR)\"]\n{indent}  env: [{{name: A, value: {}}}, {{name: B, valueFrom: {{configMapKeyRef: {{name: {}, key: k}}}}}}]\n{indent}  envFrom: [{{secretRef: {{name: {}}}}}]\n",
                dice.of(&[
                    "nginx",
                    "nginx:1.0",
                    "reg.io:5000/nginx@sha256:abc",
                    "\"redis:2\"",
                    "a/nginx:1"
                ]),
                dice.of(&["a", "\"b\"", "'1'"]),
                dice.of(SCALARS),
                dice.of(NAMES),
                dice.of(NAMES),
            ),
        );
    }
    if dice.chance(50) {
        put(
            text,
            format_args!(
                "{indent}volumes: [{{name: v, configMap: {{name: {}}}}}, {{name: w, secret: {{secretName: {}}}}}]\n",
                dice.of(NAMES),
                dice.of(NAMES)
            ),
        );
    }
    if dice.chance(30) {
        put(
            text,
            format_args!("{indent}serviceAccountName: {}\n", dice.of(NAMES)),
        );
    }
}

fn map(dice: &mut Dice) -> String {
    let mut pairs: Vec<String> = Vec::new();
    let mut used = Vec::new();
    for _ in 0..dice.roll(4) {
        let key = dice.of(KEYS);
        if !used.contains(&key) {
            used.push(key);
            pairs.push(format!("{key}: {}", flow(dice.of(SCALARS))));
        }
    }
    format!("{{{}}}", pairs.join(", "))
}

/// A scalar that may stand between braces.
fn flow(scalar: &str) -> String {
    if scalar.starts_with(['$']) {
        format!("\"{scalar}\"")
    } else {
        scalar.to_owned()
    }
}

fn operators(dice: &mut Dice, text: &mut String) {
    for _ in 0..=dice.roll(4) {
        let added = if dice.chance(70) {
            field(dice)
        } else {
            change(dice)
        };
        let name = added.split(':').next().unwrap_or_default().to_owned();
        // A field once: of two the last counts, which hides the first.
        if !text
            .lines()
            .any(|line| line.split(':').next() == Some(&name))
        {
            text.push_str(&added);
        }
    }
}

/// A field that sets something everywhere, or generates.
fn field(dice: &mut Dice) -> String {
    match dice.roll(10) {
        0 => format!("namePrefix: {}\n", dice.of(&["p-", "\"1-\"", "''"])),
        1 => format!("nameSuffix: {}\n", dice.of(&["-s", "\"-1\""])),
        2 => format!("namespace: {}\n", dice.of(&["ns", "other", "\"12\""])),
        3 => format!(
            "commonLabels: {{team: {}}}\n",
            dice.of(&["x", "\"1\"", "\"true\""])
        ),
        4 => format!(
            "labels: [{{pairs: {{l: m}}, {}: true}}]\n",
            dice.of(&[
                "includeSelectors",
                "includeTemplates",
                "includeVolumeClaimTemplates"
            ])
        ),
        5 => "commonAnnotations: {note: \"two words\"}\n".to_owned(),
        6 => format!(
            "images: [{{name: {}, newTag: v2}}, {{name: redis, newName: valkey}}]\n",
            dice.of(&["nginx", "a/nginx", "\"reg.io:5000/nginx\""])
        ),
        7 => format!("replicas: [{{name: {}, count: 7}}]\n", dice.of(NAMES)),
        8 => format!(
            "configMapGenerator: [{{name: {}, behavior: {}, literals: [\"k={}\", j=1]}}]\n",
            dice.of(NAMES),
            dice.of(&["create", "merge", "replace"]),
            dice.of(&["v", "a b", "1", "a\\nb"])
        ),
        _ => format!(
            "secretGenerator: [{{name: {}, literals: [\"k=v\"]}}]\ngeneratorOptions: {{disableNameSuffixHash: {}}}\n",
            dice.of(NAMES),
            dice.of(&["true", "false"])
        ),
    }
}

/// A field that changes what is selected.
fn change(dice: &mut Dice) -> String {
    let target = |dice: &mut Dice| {
        dice.of(&[
            "{kind: Deployment}",
            "{name: web}",
            "{name: 'web.*'}",
            "{kind: Service|ConfigMap}",
            "{labelSelector: app=x}",
            "{version: v1}",
            "{namespace: ns}",
        ])
    };
    match dice.roll(4) {
        0 => format!(
            "patches:\n- target: {}\n  patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {{name: x, labels: {}}}\n    spec: {{replicas: {}, template: {{spec: {{containers: [{{name: {}, image: new, args: [z]}}, {{name: three}}]}}}}}}\n",
            target(dice),
            map(dice),
            dice.of(&["5", "null", "\"6\""]),
            dice.of(&["one", "two"])
        ),
        1 => format!(
            "patches:\n- target: {}\n  patch: |-\n    - op: {}\n      path: {}\n      value: {}\n",
            target(dice),
            dice.of(&["add", "replace", "remove"]),
            dice.of(&[
                "/metadata/labels/app",
                "/spec/replicas",
                "/data",
                "/metadata/annotations",
                "/spec/new"
            ]),
            dice.of(&["x", "{app: y}", "[1, 2]", "1", "\"1\"", "null"])
        ),
        2 => format!(
            "replacements:\n- source: {{kind: {}, name: {}, fieldPath: {}}}\n  targets: [{{select: {}, fieldPaths: [{}], options: {{create: {}}}}}]\n",
            dice.of(&["Service", "ConfigMap", "Deployment", "Foo"]),
            dice.of(NAMES),
            dice.of(&[
                "metadata.name",
                "spec.a",
                "data",
                "metadata.labels",
                "spec.ports.0.port",
                "spec.replicas"
            ]),
            target(dice),
            dice.of(&[
                "metadata.annotations.x",
                "spec.replicas",
                "spec.new.deep",
                "metadata.labels.app",
                "data.key"
            ]),
            dice.of(&["true", "false"])
        ),
        _ => format!(
            "vars: [{{name: VAR, objref: {{kind: {}, name: {}, apiVersion: v1}}}}]\n",
            dice.of(&["Service", "ConfigMap", "Pod"]),
            dice.of(NAMES)
        ),
    }
}
