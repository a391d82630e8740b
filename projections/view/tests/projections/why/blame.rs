//! Stories, and whom `blame` names for each field.

use super::*;

use fluvial_view::why::blame::blame;
use serde_json::Value;

/// What the manifests say that the stories name.
fn manifest(name: &str) -> Value {
    let container = |name: &str, image: &str| json!({"name": name, "image": image});
    let web = |replicas: u32, containers: &[Value]| json!({"kind": "Deployment", "spec": {"replicas": replicas, "containers": containers}});
    match name {
        "one" => web(1, &[container("app", "app:1")]),
        "scaled" => web(3, &[container("app", "app:1")]),
        "beside" => web(
            3,
            &[container("proxy", "proxy:1"), container("app", "app:1")],
        ),
        "listed" => json!({"kind": "ConfigMap", "data": {"args": ["a", "b"]}}),
        "relisted" => json!({"kind": "ConfigMap", "data": {"args": ["a", "c", "d"], "empty": {}}}),
        "secret" => {
            json!({"kind": "Secret", "data": {"password": "aHVudGVyMg=="}, "type": "Opaque"})
        }
        "leaky" => json!({"kind": "ConfigMap", "data": {"url": "db://hunter2@db"}}),
        other => panic!("no story names a manifest {other}"),
    }
}

fn check(told: &Told, object: &ObjectRef, expected: &Expect) {
    let end = told.records.last().unwrap().offset;
    let Ok(blamed) = blame(told, object, end, |it| Ok(manifest(&it.manifest)));
    let Some(blamed) = blamed else {
        return expected.assert_eq("nothing\n");
    };
    let lines = blamed.fields.iter().map(|it| {
        let by = match &it.commit.rolled_back_by {
            Some(by) => format!("{}, put back by {by}", it.commit.subject),
            None => it.commit.subject.clone(),
        };
        let by_hand = it.by_hand.as_ref();
        let hand = by_hand.map(|it| format!("; by hand {} at {}", it.manager, it.offset));
        let (path, value) = (&it.path, &it.value);
        let hand = hand.unwrap_or_default();
        format!("{} {by}: {path} = {value}{hand}\n", it.offset)
    });
    expected.assert_eq(&lines.collect::<String>());
}

/// A story in which `object` is what these manifests say, one commit after the other.
fn told(object: &ObjectRef, manifests: &[&str]) -> Told {
    let mut told = begun();
    for (count, manifest) in manifests.iter().enumerate() {
        let name = format!("c{}", count + 1);
        told = deploy(told, &name, &[rendered(object.clone(), manifest)]);
    }
    told
}

#[test]
fn a_field_is_of_the_first_commit_that_said_so_and_was_never_contradicted() {
    // Others changed the same object since, and every build says all of it again.
    check(
        &told(&web(), &["one", "one", "scaled", "scaled", "beside"]),
        &web(),
        &expect![[r#"
            8 Change c1: kind = "Deployment"
            44 Change c5: spec.containers[proxy].image = "proxy:1"
            44 Change c5: spec.containers[proxy].name = "proxy"
            8 Change c1: spec.containers[app].image = "app:1"
            8 Change c1: spec.containers[app].name = "app"
            26 Change c3: spec.replicas = 3
        "#]],
    );
    // It was said before, and then something else was.
    check(
        &told(&web(), &["one", "scaled", "one"]),
        &web(),
        &expect![[r#"
            8 Change c1: kind = "Deployment"
            8 Change c1: spec.containers[app].image = "app:1"
            8 Change c1: spec.containers[app].name = "app"
            26 Change c3: spec.replicas = 1
        "#]],
    );
}

#[test]
fn items_without_names_are_found_by_their_place() {
    let settings = object("ConfigMap", "settings");
    check(
        &told(&settings, &["listed", "relisted"]),
        &settings,
        &expect![[r#"
            8 Change c1: data.args[0] = "a"
            17 Change c2: data.args[1] = "c"
            17 Change c2: data.args[2] = "d"
            17 Change c2: data.empty = {}
            8 Change c1: kind = "ConfigMap"
        "#]],
    );
}

#[test]
fn what_was_deleted_and_made_again_is_new() {
    let gone = commit(told(&web(), &["one"]), "c2", &[])
        .so(doom(&[web()], "not in the source any more"))
        .so(pruned(&[web()]));
    check(
        &gone,
        &web(),
        &expect![[r#"
        nothing
    "#]],
    );
    let again = deploy(gone, "c3", &[rendered(web(), "one")]);
    check(
        &again,
        &web(),
        &expect![[r#"
        25 Change c3: kind = "Deployment"
        25 Change c3: spec.containers[app].image = "app:1"
        25 Change c3: spec.containers[app].name = "app"
        25 Change c3: spec.replicas = 1
    "#]],
    );
}

#[test]
fn a_change_by_hand_stands_beside_the_commit() {
    let edited = suspended(told(&web(), &["one", "scaled"]), "").news(
        seen(
            web(),
            &["spec.replicas", "spec.containers[app]"],
            "kubectl-edit",
            Health::Current,
        ),
        "manager:kubectl-edit",
    );
    check(
        &edited,
        &web(),
        &expect![[r#"
        8 Change c1: kind = "Deployment"
        8 Change c1: spec.containers[app].image = "app:1"; by hand kubectl-edit at 23
        8 Change c1: spec.containers[app].name = "app"; by hand kubectl-edit at 23
        17 Change c2: spec.replicas = 3; by hand kubectl-edit at 23
    "#]],
    );
    let edited = told(&web(), &["one"]).news(
        seen(web(), &["spec.replicas"], "kubectl-edit", Health::Current),
        "manager:kubectl-edit",
    );
    let repaired = edited
        .so(order(&[rendered(web(), "one")], "spec.replicas changed"))
        .so(applied(&[rendered(web(), "one")], Action::Configured));
    check(
        &repaired,
        &web(),
        &expect![[r#"
        8 Change c1: kind = "Deployment"
        8 Change c1: spec.containers[app].image = "app:1"
        8 Change c1: spec.containers[app].name = "app"
        8 Change c1: spec.replicas = 1
    "#]],
    );
}

#[test]
fn no_value_of_a_secret_is_told_wherever_it_stands() {
    let (secret, leaky) = (object("Secret", "db"), object("ConfigMap", "leaky"));
    let set = [
        rendered(secret.clone(), "secret"),
        rendered(leaky.clone(), "leaky"),
    ];
    let told = deploy(begun(), "c1", &set);
    check(
        &told,
        &secret,
        &expect![[r#"
        8 Change c1: data.password = "***"
        8 Change c1: kind = "Secret"
        8 Change c1: type = "Opaque"
    "#]],
    );
    check(
        &told,
        &leaky,
        &expect![[r#"
        8 Change c1: data.url = "***"
        8 Change c1: kind = "ConfigMap"
    "#]],
    );
}

#[test]
fn a_field_is_asked_for_with_all_its_parts() {
    let told = told(&web(), &["beside"]);
    let end = told.records.last().unwrap().offset;
    let Ok(blamed) = blame(&told, &web(), end, |it| Ok(manifest(&it.manifest)));
    let fields = blamed.unwrap().fields;
    for (path, count) in [
        ("spec", 5),
        ("spec.containers[app]", 2),
        ("spec.containers[app].image", 1),
        ("spec.rep", 0),
        ("spec.replicas", 1),
    ] {
        let found = fields.iter().filter(|it| it.is_in(path)).count();
        assert_eq!(found, count, "{path}");
    }
}
