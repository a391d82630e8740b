//! What differs is found and named, and no value of a Secret is ever shown.

use fluvial_event::ObjectRef;
use fluvial_manifest::{ObjectId, Value};
use serde_json::json;

use super::{Change, Manifests, Secrets, fields, objects};

/// `path: old -> new` for each field, `-` where there is none.
fn shown(old: &Value, new: &Value) -> Vec<String> {
    let secrets = Secrets::of([old, new]);
    let word = |value: Option<Value>| value.map_or_else(|| "-".to_owned(), |it| it.to_string());
    fields(Some(old), Some(new), &secrets)
        .into_iter()
        .map(|it| {
            let mask = if it.masked { " (masked)" } else { "" };
            format!("{}: {} -> {}{mask}", it.path, word(it.old), word(it.new))
        })
        .collect()
}

#[test]
fn each_field_that_differs_is_named_with_both_values() {
    let cases: [(Value, Value, &[&str]); 14] = [
        (json!({"a": 1}), json!({"a": 1}), &[]),
        (
            json!({"spec": {"replicas": 2}}),
            json!({"spec": {"replicas": 3}}),
            &["spec.replicas: 2 -> 3"],
        ),
        (
            json!({}),
            json!({"a": {"b": 1, "c.d": "x"}}),
            &["a.b: - -> 1", "a[c.d]: - -> \"x\""],
        ),
        (json!({"a": {"b": [1]}}), json!({}), &["a.b[0]: 1 -> -"]),
        (
            json!({"a": {"b": 1}}),
            json!({"a": "x"}),
            &["a.b: 1 -> -", "a: - -> \"x\""],
        ),
        (
            json!({"a": {"b": 1}}),
            json!({"a": [2]}),
            &["a.b: 1 -> -", "a[0]: - -> 2"],
        ),
        (json!({"a": {}}), json!({"a": {"b": 1}}), &["a.b: - -> 1"]),
        (json!({"a": {}}), json!({"a": []}), &["a: {} -> []"]),
        (json!({"a": 1}), json!({"a": null}), &["a: 1 -> null"]),
        (
            json!({"containers": [{"name": "a", "image": "x"}, {"name": "b"}]}),
            json!({"containers": [{"name": "a", "image": "y"}, {"name": "c"}]}),
            &[
                "containers[a].image: \"x\" -> \"y\"",
                "containers[b].name: \"b\" -> -",
                "containers[c].name: - -> \"c\"",
            ],
        ),
        (
            json!({"env": [{"name": "a"}, {"name": "b"}]}),
            json!({"env": [{"name": "b"}, {"name": "a"}]}),
            &["env (order): [\"a\",\"b\"] -> [\"b\",\"a\"]"],
        ),
        (
            json!({"args": ["a", "b", "c"]}),
            json!({"args": ["a", "x", "b", "c"]}),
            &["args[1]: - -> \"x\""],
        ),
        (
            json!({"args": ["a", "b", "c"]}),
            json!({"args": ["a", "c"]}),
            &["args[1]: \"b\" -> -"],
        ),
        (
            json!({"args": ["a", "b"]}),
            json!({"args": ["c", "b"]}),
            &["args[0]: \"a\" -> \"c\""],
        ),
    ];
    for (old, new, want) in cases {
        assert_eq!(shown(&old, &new), want, "{old} {new}");
    }
}

/// Nothing of a value may be in what is shown, nor in what is serialised.
#[test]
fn values_of_secrets_are_never_shown_wherever_they_stand() {
    // base64 of hunter2-old and hunter2-new
    let (old, new) = ("aHVudGVyMi1vbGQ=", "aHVudGVyMi1uZXc=");
    let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": value}});
    let plain = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"password": value}});
    let (a, b) = ("hunter2-old", "hunter2-new");
    let last_applied = |value: &str| {
        json!({"kind": "ConfigMap", "metadata": {"annotations":
        {"kubectl.kubernetes.io/last-applied-configuration": secret(value).to_string()}}})
    };
    let file = |value: &str| json!({"kind": "ConfigMap", "data": {"s.yaml": format!("apiVersion: v1\nkind: \"Secret\"\nstringData:\n  p: {value}\n")}});
    let list = |value: &str| json!({"kind": "Template", "objects": [plain(value)]});
    let cases = [
        (
            secret(old),
            secret(new),
            "data.password: \"***\" -> \"***\" (masked)",
        ),
        (
            plain(a),
            plain(b),
            "stringData.password: \"***\" -> \"***\" (masked)",
        ),
        (
            last_applied(old),
            last_applied(new),
            "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]: \"***\" -> \"***\" (masked)",
        ),
        (
            file(a),
            file(b),
            "data[s.yaml]: \"***\" -> \"***\" (masked)",
        ),
        (
            list(a),
            list(b),
            "objects[0].stringData.password: \"***\" -> \"***\" (masked)",
        ),
        (
            json!({"url": "https://jane:hunter2-old@host/a"}),
            json!({"url": "https://jane:hunter2-new@host/b"}),
            "url: \"https://***@host/a\" -> \"https://***@host/b\" (masked)",
        ),
    ];
    for (before, after, want) in cases {
        assert_eq!(shown(&before, &after), [want]);
        let secrets = Secrets::of([&before, &after]);
        let all = serde_json::to_string(&fields(Some(&before), Some(&after), &secrets)).unwrap();
        let said = format!("{all} {secrets:?}");
        for value in ["hunter2", old, new] {
            assert!(!said.contains(value), "{said}");
        }
        for side in [Some(&before), None] {
            let one = fields(side, side.is_none().then_some(&after), &secrets);
            assert!(!format!("{one:?}").contains("hunter2"), "{one:?}");
        }
    }
}

#[test]
fn a_value_of_a_secret_is_recognised_where_it_was_copied_to() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"p": "aHVudGVyMg==", "short": "MTIz", "pin": "MTIzNA=="}});
    let secrets = Secrets::of([&secret]);
    for (value, is_masked) in [
        (json!("hunter2"), true),
        (json!("--password=hunter2"), true),
        (json!("aHVudGVyMg=="), true),
        (json!("hunter"), false),
        // The PIN alone is one; a longer text that has the digits in it need not be.
        (json!("1234"), true),
        (json!("51234"), false),
        // Too short to say anything.
        (json!("123"), false),
        (json!(7), false),
    ] {
        let field = &fields(
            Some(&json!({"env": value})),
            Some(&json!({"env": "other"})),
            &secrets,
        )[0];
        assert_eq!(field.masked, is_masked, "{value}");
        assert_eq!(
            field.new == Some(json!("other")),
            !is_masked,
            "neither side is shown"
        );
    }
}

#[test]
fn objects_come_go_and_change() {
    let manifest = |name: &str, value: u32| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "ns"}, "spec": value});
    let set = |values: &[(&str, u32)]| -> Manifests {
        let named = values.iter().map(|(name, value)| {
            let manifest = manifest(name, *value);
            let ObjectId {
                group,
                kind,
                namespace,
                name,
            } = ObjectId::of(&manifest).unwrap();
            let version = String::new();
            (
                ObjectRef {
                    group,
                    version,
                    kind,
                    namespace,
                    name,
                },
                manifest,
            )
        });
        named.collect()
    };
    let found = objects(
        &set(&[("a", 1), ("b", 1), ("c", 1)]),
        &set(&[("b", 1), ("c", 2), ("d", 1)]),
    );
    let found: Vec<_> = found
        .iter()
        .map(|it| (it.object.to_string(), it.change, it.fields.len()))
        .collect();
    let name = |name: &str| format!("Deployment/ns/{name}");
    assert_eq!(
        found,
        [
            (name("a"), Change::Removed, 5),
            (name("c"), Change::Changed, 1),
            (name("d"), Change::Added, 5)
        ]
    );
    assert!(objects(&set(&[("a", 1)]), &set(&[("a", 1)])).is_empty());
}

#[test]
fn a_single_object_shows_no_secret_either() {
    let secret =
        json!({"kind": "Secret", "type": "Opaque", "data": {"a": "aHVudGVyMg==", "b": "eA=="}});
    let secrets = Secrets::of([&secret]);
    for (object, shown) in [
        (
            secret.clone(),
            json!({"kind": "Secret", "type": "Opaque", "data": {"a": "Kioq", "b": "Kioq"}}),
        ),
        (
            json!({"kind": "Secret", "stringData": {"a": "x"}}),
            json!({"kind": "Secret", "stringData": {"a": "***"}}),
        ),
        (
            json!({"kind": "ConfigMap", "data": {"a": "hunter2", "b": "plain", "c": ["is hunter2"]}, "n": 3}),
            json!({"kind": "ConfigMap", "data": {"a": "***", "b": "plain", "c": ["***"]}, "n": 3}),
        ),
        (
            json!({"items": [{"kind": "Secret", "data": {"a": "eA=="}}]}),
            json!({"items": [{"kind": "Secret", "data": {"a": "Kioq"}}]}),
        ),
        (
            json!({"spec": {"url": "https://me:pw@host/x", "none": null}}),
            json!({"spec": {"url": "https://***@host/x", "none": null}}),
        ),
    ] {
        let mut redacted = object;
        secrets.redact(&mut redacted);
        assert_eq!(redacted, shown);
    }
}
