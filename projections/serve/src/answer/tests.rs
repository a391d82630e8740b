//! The API of a small world: what is found, what is narrowed, what is withheld, what is refused.

use fluvial_event::{
    Action, AppliedObject, Chain, Draft, Event, Head, Health, Id, ObjectRef, ObjectsApplied,
    Record, Rendered, ResourceObserved, Timestamp, WatchGap,
};
use fluvial_log::BlobStore as _;
use fluvial_log::memory::MemoryBlobs;
use fluvial_view::Projection as _;
use fluvial_view::past::Past;
use serde_json::{Value, json};

use super::{Answer, Request, answer};
use crate::world::{Secrets, World};

pub(crate) const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

pub(crate) fn object(api: (&str, &str, &str), namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        group: api.0.to_owned(),
        version: api.1.to_owned(),
        kind: api.2.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// A stage that a Kustomization has applied.
pub(crate) fn stage(blobs: &MemoryBlobs, all: Vec<(ObjectRef, Value)>) -> ObjectsApplied {
    let applied = all.into_iter().map(|(object, manifest)| AppliedObject {
        rendered: Some(Rendered {
            object: Some(object),
            manifest: blobs
                .put(manifest.to_string().as_bytes())
                .unwrap()
                .to_string(),
            ..Rendered::default()
        }),
        uid: "u".into(),
        action: Action::Created.into(),
        health: Health::Current.into(),
        ..AppliedObject::default()
    });
    ObjectsApplied {
        object: Some(object(
            ("kustomize.toolkit.fluxcd.io", "v1", "Kustomization"),
            "apps",
            "app",
        )),
        applied: applied.collect(),
        ..ObjectsApplied::default()
    }
}

/// What was applied a minute before the end.
fn applied(blobs: &MemoryBlobs) -> ObjectsApplied {
    let (config_map, secret) = (("", "v1", "ConfigMap"), ("", "v1", "Secret"));
    let app = |name: &str| json!({"labels": {"app": name}});
    let all = vec![
        (
            object(("apps", "v1", "Deployment"), "apps", "web"),
            json!({"metadata": app("web"), "spec": {"replicas": 3}}),
        ),
        (
            object(config_map, "apps", "a"),
            json!({"metadata": app("web"), "data": {"key": "hunter2 it is"}}),
        ),
        (
            object(config_map, "apps", "b"),
            json!({"metadata": app("db"), "data": {}}),
        ),
        (
            object(config_map, "other", "c"),
            json!({"metadata": app("web")}),
        ),
        (
            object(secret, "apps", "hunter2"),
            json!({"stringData": {"password": "hunter2"}}),
        ),
        (
            object(("example.org", "v1", "Policy"), "apps", "p"),
            json!({"spec": {"x": 1}}),
        ),
    ];
    stage(blobs, all)
}

fn world(secrets: Secrets) -> World {
    let log = MemoryBlobs::default();
    let declared = ResourceObserved {
        object: Some(object(
            ("kustomize.toolkit.fluxcd.io", "v1", "Kustomization"),
            "apps",
            "app",
        )),
        uid: "k".into(),
        spec: br#"{"interval":"10m"}"#.to_vec(),
        ..ResourceObserved::default()
    };
    let gap = WatchGap {
        group: String::new(),
        kind: "Secret".into(),
        reason: "expired".into(),
    };
    let mut chain = Chain::new(Head::default(), 1);
    let mut past = Past::default();
    let events = [Event::from(declared), applied(&log).into(), gap.into()];
    for (minute, event) in (0..).zip(events) {
        let now = Timestamp(1_795_428_960_000_000_000 + minute * 60_000_000_000);
        let record: Record = chain.seal(Draft::news(event), Id::NONE, now);
        past.apply(&record);
    }
    World::new(past, &log, secrets).unwrap()
}

/// A request without a body.
pub(crate) fn request(method: &str, url: &str, accept: &str) -> Request {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let pair = |it: &str| {
        it.split_once('=')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
    };
    Request {
        method: method.to_owned(),
        path: path.split('/').map(str::to_owned).collect(),
        query: query.split('&').filter_map(pair).collect(),
        accept: accept.to_owned(),
        body: Vec::new(),
    }
}

fn ask(world: &World, method: &str, url: &str, accept: &str) -> Answer {
    answer(world, &request(method, url, accept))
}

fn get(url: &str) -> Answer {
    ask(&world(Secrets::Redacted), "GET", url, "application/json")
}

/// The names in a list.
fn names(list: &Value) -> String {
    let items = list["items"].as_array().unwrap().iter();
    let names: Vec<_> = items
        .map(|it| it["metadata"]["name"].as_str().unwrap())
        .collect();
    names.join(" ")
}

#[test]
fn a_list_has_what_is_asked_for() {
    for (url, expected) in [
        ("api/v1/configmaps", "a b c"),
        ("api/v1/namespaces/apps/configmaps", "a b"),
        ("api/v1/namespaces/none/configmaps", ""),
        ("api/v1/configmaps?labelSelector=app=web", "a c"),
        (
            "api/v1/configmaps?fieldSelector=metadata.namespace=other",
            "c",
        ),
        ("api/v1/configmaps?fieldSelector=metadata.name=b", "b"),
        ("api/v1/namespaces", "apps other"),
        ("api/v1/pods", ""),
        ("apis/example.org/v1/policies", "p"),
        (
            "apis/kustomize.toolkit.fluxcd.io/v1beta2/kustomizations",
            "app",
        ),
    ] {
        let answer = get(url);
        assert_eq!(
            (answer.code, names(&answer.body)),
            (200, expected.to_owned()),
            "{url}"
        );
        assert_eq!(answer.body["metadata"]["resourceVersion"], "3");
    }
    let list = get("apis/kustomize.toolkit.fluxcd.io/v1beta2/kustomizations").body;
    assert_eq!(list["kind"], "KustomizationList");
    assert_eq!(
        list["items"][0]["apiVersion"],
        "kustomize.toolkit.fluxcd.io/v1beta2"
    );
    assert_eq!(list["items"][0]["spec"]["interval"], "10m");
}

#[test]
fn pages_together_are_the_list() {
    let world = world(Secrets::Redacted);
    let mut found = Vec::new();
    let mut more = String::new();
    for behind in [2, 1, 0] {
        let url = format!("api/v1/configmaps?limit=1&continue={more}");
        let page = ask(&world, "GET", &url, "").body;
        found.push(names(&page));
        let metadata = &page["metadata"];
        assert_eq!(
            metadata["remainingItemCount"].as_i64().unwrap_or_default(),
            behind
        );
        more = metadata["continue"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!((found.join(" ").as_str(), more.as_str()), ("a b c", ""));
    let other = crate::page::Token {
        offset: fluvial_event::Offset(2),
        last: (String::new(), String::new()),
    };
    for (token, code) in [(other.write(), 410), ("nonsense".to_owned(), 410)] {
        assert_eq!(
            get(&format!("api/v1/configmaps?continue={token}")).code,
            code
        );
    }
}

#[test]
fn values_of_secrets_are_withheld_and_names_are_not() {
    let secret = "api/v1/namespaces/apps/secrets/hunter2";
    let object = get(secret).body;
    assert_eq!(object["metadata"]["name"], "hunter2");
    assert_eq!(object["data"]["password"], "Kioq");
    assert_eq!(
        get("api/v1/namespaces/apps/configmaps/a").body["data"]["key"],
        "***"
    );
    let shown = world(Secrets::Shown);
    let object = ask(&shown, "GET", secret, "").body;
    assert_eq!(object["data"]["password"], "aHVudGVyMg==");
    assert_eq!(object.get("stringData"), None);
}

#[test]
fn a_table_has_ages_of_then() {
    let world = world(Secrets::Redacted);
    let cells = |url: &str| {
        let table = ask(&world, "GET", url, TABLE).body;
        assert_eq!(table["kind"], "Table");
        table["rows"][0]["cells"].to_string()
    };
    for (url, expected) in [
        (
            "apis/apps/v1/deployments",
            r#"["web","3/3","60s","Current"]"#,
        ),
        (
            "apis/apps/v1/namespaces/apps/deployments/web",
            r#"["web","3/3","60s","Current"]"#,
        ),
        ("api/v1/configmaps", r#"["a","1","60s","Current"]"#),
        ("apis/example.org/v1/policies", r#"["p","60s","Current"]"#),
        (
            "apis/kustomize.toolkit.fluxcd.io/v1/kustomizations",
            r#"["app","2m","",""]"#,
        ),
    ] {
        assert_eq!(cells(url), expected, "{url}");
    }
}

#[test]
fn what_is_not_known_is_warned_of() {
    for (url, words) in [
        ("api/v1/pods", "not those that Kubernetes made"),
        ("api/v1/secrets", "interrupted until offset 3"),
        ("api/v1/namespaces", "2 objects are not wholly known: only"),
        (
            "api/v1/namespaces/apps",
            "1 object is not wholly known: only",
        ),
    ] {
        let warnings = get(url).warnings;
        assert!(warnings[0].contains(words), "{warnings:?}");
    }
    assert_eq!(get("api/v1/pods").warnings.len(), 1);
    assert_eq!(get("api/v1/secrets").warnings.len(), 2);
    assert_eq!(get("api/v1/configmaps").warnings, [""; 0]);
}

#[test]
fn nothing_can_be_written_and_nothing_else_found() {
    let world = world(Secrets::Redacted);
    for (method, url, code, reason) in [
        (
            "DELETE",
            "api/v1/namespaces/apps/configmaps/a",
            405,
            "MethodNotAllowed",
        ),
        (
            "PATCH",
            "api/v1/namespaces/apps/configmaps/a",
            405,
            "MethodNotAllowed",
        ),
        (
            "POST",
            "api/v1/namespaces/apps/configmaps",
            405,
            "MethodNotAllowed",
        ),
        (
            "PUT",
            "apis/apps/v1/namespaces/apps/deployments/web",
            405,
            "MethodNotAllowed",
        ),
        (
            "GET",
            "api/v1/namespaces/apps/configmaps/none",
            404,
            "NotFound",
        ),
        ("GET", "api/v1/namespaces/apps/nothings", 404, "NotFound"),
        ("GET", "apis/apps/v9/deployments", 404, "NotFound"),
        ("GET", "openapi/v3", 404, "NotFound"),
        (
            "GET",
            "api/v1/configmaps?labelSelector=a b",
            400,
            "BadRequest",
        ),
        (
            "GET",
            "api/v1/configmaps?fieldSelector=status.phase=x",
            400,
            "BadRequest",
        ),
        (
            "GET",
            "api/v1/configmaps?watch=true&resourceVersion=2",
            410,
            "Expired",
        ),
    ] {
        let answer = ask(&world, method, url, "");
        let reasons = answer.body["reason"].as_str().unwrap_or_default();
        assert_eq!((answer.code, reasons), (code, reason), "{method} {url}");
    }
}

#[test]
fn both_forms_of_discovery_say_the_same() {
    let accept =
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let all = ask(&world(Secrets::Redacted), "GET", "apis", accept);
    assert!(
        all.content_type.contains("APIGroupDiscoveryList"),
        "{}",
        all.content_type
    );
    let groups = all.body["items"].as_array().unwrap().clone();
    let listed = get("apis").body["groups"].as_array().unwrap().len();
    assert_eq!(groups.len(), listed);
    for group in groups {
        let name = group["metadata"]["name"].as_str().unwrap();
        assert_eq!(get(&format!("apis/{name}")).code, 200, "{name}");
        for version in group["versions"].as_array().unwrap() {
            let url = format!("apis/{name}/{}", version["version"].as_str().unwrap());
            let resources = get(&url).body["resources"].as_array().unwrap().len();
            assert_eq!(
                version["resources"].as_array().unwrap().len(),
                resources,
                "{url}"
            );
        }
    }
    assert_eq!(get("api").body["versions"], json!(["v1"]));
    assert_eq!(get("healthz").code, 200);
    assert!(
        get("version").body["gitVersion"]
            .as_str()
            .unwrap()
            .ends_with("+fluvial.3")
    );
}
