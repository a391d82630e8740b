//! Following a kind: what is said, and what is never said.

use std::{collections::BTreeMap, time::Duration};

use fluvial_cluster::{
    Apply, Cause, Delete, Gap, Reference, Resource, Retry, Selector, Watch, Watched,
};
use fluvial_support::wait;
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    block_on, config_map, make_namespace, on_a_control_plane,
    script::{Answer, Server},
};

#[test]
fn a_watch_survives_the_api_server() {
    on_a_control_plane(async |plane, cluster| {
        make_namespace(&cluster, "watched").await;
        let labelled = |name: &str, key: &str| {
            let mut object = config_map("watched", name, &json!({"key": key}));
            object["metadata"]["labels"] = json!({"watched": "yes"});
            object
        };
        let apply = async |object: &Value| cluster.apply(object, &Apply::flux()).await.unwrap();
        apply(&labelled("a", "1")).await;
        apply(&config_map("watched", "unlabelled", &json!({}))).await;

        let resource = cluster.resource("", "v1", "ConfigMap").await.unwrap();
        let selector = Selector {
            labels: "watched=yes".into(),
            ..Selector::namespace("watched")
        };
        let mut watch = cluster.watch(&resource, &selector);
        let mut view = View::default();
        view.follow(&mut watch, |view| view.complete).await;
        assert_eq!(view.keys(), [("a", "1")]);

        apply(&labelled("a", "2")).await;
        apply(&labelled("b", "1")).await;
        view.follow(&mut watch, |view| view.keys() == [("a", "2"), ("b", "1")])
            .await;
        let reference = Reference::of(&labelled("a", "2")).unwrap();
        cluster
            .delete(&reference, &Delete::default())
            .await
            .unwrap();
        view.follow(&mut watch, |view| view.keys() == [("b", "1")])
            .await;
        assert_eq!(
            view.deleted.last().unwrap()["data"]["key"],
            "2",
            "a deletion carries the final state"
        );
        assert!(view.gaps.is_empty());

        plane.stop_apiserver();
        view.follow(&mut watch, |view| {
            !view.gaps.is_empty() && view.failures > 0
        })
        .await;
        assert_eq!(
            view.keys(),
            [("b", "1")],
            "an unreachable server deletes nothing"
        );
        plane.start_apiserver().unwrap();
        wait("the API server", Duration::from_mins(1), || {
            plane
                .apply(&labelled("c", "1").to_string())
                .map_err(|error| error.to_string())
        });
        view.follow(&mut watch, |view| view.keys() == [("b", "1"), ("c", "1")])
            .await;
        let disconnected = view
            .gaps
            .iter()
            .filter(|gap| matches!(gap, Gap::Disconnected { .. }));
        assert_eq!(
            disconnected.count(),
            1,
            "one interruption is one gap: {:?}",
            view.gaps
        );
    });
}

/// What a listener knows who does what the documentation says.
#[derive(Default)]
struct View {
    objects: BTreeMap<String, Value>,
    listing: BTreeMap<String, Value>,
    complete: bool,
    deleted: Vec<Value>,
    gaps: Vec<Gap>,
    failures: usize,
}

impl View {
    async fn follow(&mut self, watch: &mut Watch, until: impl Fn(&Self) -> bool) {
        let follow = async {
            while !until(self) {
                self.hear(watch.next().await.expect("a watch never ends"));
            }
        };
        let followed = tokio::time::timeout(Duration::from_mins(1), follow).await;
        assert!(
            followed.is_ok(),
            "stuck at {:?} after {:?}",
            self.keys(),
            self.gaps
        );
    }

    fn hear(&mut self, news: Watched) {
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        match news {
            Watched::ListStarted => self.listing.clear(),
            Watched::Listed(object) => {
                self.listing.insert(name(&object), object);
            }
            Watched::ListEnded { .. } => {
                self.objects = std::mem::take(&mut self.listing);
                self.complete = true;
            }
            Watched::Applied(object) => {
                self.objects.insert(name(&object), object);
            }
            Watched::Deleted(object) => {
                self.objects.remove(&name(&object));
                self.deleted.push(object);
            }
            Watched::Bookmark { .. } => {}
            Watched::Gap { reason } => self.gaps.push(reason),
            Watched::Failed(_) => self.failures += 1,
        }
    }

    fn keys(&self) -> Vec<(&str, &str)> {
        let pairs = self.objects.iter();
        pairs
            .map(|(name, object)| (name.as_str(), object["data"]["key"].as_str().unwrap()))
            .collect()
    }
}

const LIST: &str = r#"{"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"a"}}]}"#;
const NEXT_LIST: &str = r#"{"metadata":{"resourceVersion":"9"},"items":[]}"#;
const FIRST_PAGE: &str =
    r#"{"metadata":{"resourceVersion":"5","continue":"x"},"items":[{"metadata":{"name":"a"}}]}"#;
const GONE: &str = r#"{"kind":"Status","message":"too old","reason":"Expired","code":410}"#;
const GONE_EVENT: &str =
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"message\":\"too old\",\"code\":410}}\n";
const TOO_LARGE: &str =
    r#"{"kind":"Status","message":"Too large resource version: 5, current: 3","code":504}"#;
const EVENT: &str =
    "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"b\",\"resourceVersion\":\"6\"}}}\n";
const BOOKMARK: &str =
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\"}}}\n";
const EVENT_AND_A_HALF: &str = concat!(
    "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"b\",\"resourceVersion\":\"6\"}}}\n",
    "{\"type\":\"DELETED\",\"obj"
);

#[test]
fn a_watch_says_what_happened_and_no_more() {
    use Answer::{Broken, Open, Whole};
    check(
        "an expired watch is a gap and a new listing",
        vec![
            Whole(200, LIST),
            Open(GONE_EVENT),
            Whole(200, NEXT_LIST),
            Open(EVENT),
        ],
        "list(a)5 expired list()9 +b",
        &["", "5", "", "9"],
    );
    check(
        "so is one that is refused for its age, or because the server went back in time",
        vec![
            Whole(200, LIST),
            Whole(410, GONE),
            Whole(200, LIST),
            Whole(504, TOO_LARGE),
            Whole(200, NEXT_LIST),
        ],
        "list(a)5 expired list(a)5 expired list()9",
        &["", "5", "", "5", ""],
    );
    check(
        "a broken watch resumes after the last whole event, and says so once",
        vec![
            Whole(200, LIST),
            Broken(EVENT_AND_A_HALF),
            Whole(503, ""),
            Broken(""),
            Open(BOOKMARK),
        ],
        "list(a)5 +b disconnected failed @7",
        &["", "5", "6", "6", "6"],
    );
    check(
        "a failed listing is no listing",
        vec![
            Whole(500, "{}"),
            Whole(404, "<html>"),
            Whole(200, "{}"),
            Whole(200, "{"),
            Whole(200, FIRST_PAGE),
            Whole(410, GONE),
            Whole(200, LIST),
        ],
        "failed failed failed failed list(a failed list(a)5",
        &["", "", "", "", "", "", ""],
    );
}

/// Follows a server that gives `answers`; expects `story`, and requests from these positions.
#[track_caller]
fn check(promise: &str, answers: Vec<Answer>, story: &str, positions: &[&str]) {
    block_on(async {
        let server = Server::start(answers);
        let mut watch = server
            .connect()
            .await
            .watch(&config_maps(), &Selector::default());
        let mut heard = String::new();
        while heard != story {
            let news = tokio::time::timeout(Duration::from_secs(30), watch.next()).await;
            let Ok(Some(news)) = news else {
                panic!("{promise}: {heard:?} and nothing more")
            };
            heard.push_str(&word(&news));
            let spoken = heard.trim_start().to_owned();
            assert!(
                story.starts_with(&spoken),
                "{promise}: expected {story:?}, heard {spoken:?}"
            );
            heard = spoken;
        }
        drop(watch);
        let asked = server.asked();
        let asked: Vec<_> = asked
            .iter()
            .map(|path| position(path))
            .take(positions.len())
            .collect();
        assert_eq!(asked, positions, "{promise}");
    });
}

fn word(news: &Watched) -> String {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    match news {
        Watched::ListStarted => " list(".to_owned(),
        Watched::Listed(object) => name(object),
        Watched::ListEnded { resource_version } => format!("){resource_version}"),
        Watched::Applied(object) => format!(" +{}", name(object)),
        Watched::Deleted(object) => format!(" -{}", name(object)),
        Watched::Bookmark { resource_version } => format!(" @{resource_version}"),
        Watched::Gap {
            reason: Gap::Disconnected { .. },
        } => " disconnected".to_owned(),
        Watched::Gap {
            reason: Gap::Expired { .. },
        } => " expired".to_owned(),
        Watched::Failed(_) => " failed".to_owned(),
    }
}

fn position(path: &str) -> &str {
    let version = path
        .split(['?', '&'])
        .find_map(|pair| pair.strip_prefix("resourceVersion="));
    version.unwrap_or_default()
}

fn config_maps() -> Resource {
    Resource {
        group: String::new(),
        version: "v1".into(),
        kind: "ConfigMap".into(),
        plural: "configmaps".into(),
        aliases: Vec::new(),
        namespaced: true,
        status: false,
        verbs: Vec::new(),
    }
}

const CORE: &str = r#"{"kind":"APIGroupDiscoveryList","items":[{"metadata":{},"versions":[{"version":"v1",
    "resources":[{"resource":"configmaps","scope":"Namespaced","responseKind":{"kind":"ConfigMap"}}]}]}]}"#;
const STALE: &str = r#"{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"metrics.k8s.io"},
    "versions":[{"version":"v1","freshness":"Stale","resources":[]}]}]}"#;

#[test]
fn absence_is_what_the_server_says_and_nothing_else() {
    use Answer::Whole;
    let config_map = || Reference::new("v1", "ConfigMap", "a", "b");
    let metrics = || Reference::new("metrics.k8s.io/v1", "PodMetrics", "a", "b");
    let named =
        r#"{"kind":"Status","message":"no","details":{"name":"b","kind":"configmaps"},"code":404}"#;
    let ready = || Whole(200, "ok");
    let (core, groups) = (|| Whole(200, CORE), || Whole(200, STALE));
    for (promise, reference, answers, expected) in [
        (
            "a named object is gone",
            config_map(),
            vec![ready(), core(), groups(), Whole(404, named)],
            Ok(None),
        ),
        (
            "some proxy's page says nothing of the object",
            config_map(),
            vec![
                ready(),
                core(),
                groups(),
                Whole(404, "<html>"),
                ready(),
                core(),
                groups(),
            ],
            Err("not served"),
        ),
        (
            "a group whose server is away may have the kind",
            metrics(),
            vec![ready(), core(), groups()],
            Err("is not available"),
        ),
        (
            "discovery itself can fail",
            config_map(),
            vec![ready(), core()],
            Err("unreachable"),
        ),
        (
            "an old server is named as such",
            config_map(),
            vec![ready(), Whole(200, "{}")],
            Err("1.30"),
        ),
    ] {
        check_absence(promise, &reference, answers, expected);
    }
}

#[test]
fn a_kind_is_absent_where_a_server_that_is_ready_does_not_name_it() {
    use Answer::Whole;
    let widget = Reference::new("example.com/v1", "Widget", "a", "b");
    let (core, groups) = (|| Whole(200, CORE), || Whole(200, STALE));
    for (promise, answers, expected) in [
        (
            "a kind that the server does not know has no objects",
            vec![Whole(200, "ok"), core(), groups()],
            Ok(None),
        ),
        (
            "a server that has just begun may not know its kinds yet",
            vec![
                Whole(500, "[-]autoregister-completion failed"),
                core(),
                groups(),
            ],
            Err("it is not ready"),
        ),
        (
            "a server that keeps to itself whether it is ready is believed",
            vec![Whole(403, "no"), core(), groups()],
            Ok(None),
        ),
    ] {
        check_absence(promise, &widget, answers, expected);
    }
}

/// Whether an object that is asked for is absent, where the server gives these answers.
#[track_caller]
fn check_absence(
    promise: &str,
    reference: &Reference,
    answers: Vec<Answer>,
    expected: Result<Option<Value>, &str>,
) {
    block_on(async {
        let cluster = Server::start(answers).connect().await;
        let got = cluster.get(reference).await;
        let got = got.map_err(|error| error.to_string());
        match (got, expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{promise}"),
            (Err(error), Err(words)) => assert!(error.contains(words), "{promise}: {error}"),
            (got, _) => panic!("{promise}: {got:?}"),
        }
    });
}

#[test]
fn a_server_that_had_just_begun_is_asked_again() {
    let server = Server::start(vec![
        Answer::Whole(500, "[-]autoregister-completion failed"),
        Answer::Whole(200, STALE),
        Answer::Whole(200, STALE),
        Answer::Whole(200, "ok"),
        Answer::Whole(200, CORE),
        Answer::Whole(200, STALE),
    ]);
    block_on(async {
        let cluster = server.connect().await;
        let error = cluster.api_versions().await.unwrap_err();
        assert_eq!(error.retry(), Retry::Soon, "half a list is none: {error}");
        assert!(cluster.resource("", "v1", "ConfigMap").await.is_ok());
        let versions = cluster.api_versions().await.unwrap();
        assert!(
            versions.contains(&"v1/ConfigMap".to_owned()),
            "{versions:?}"
        );
    });
}

#[test]
fn a_server_that_asks_for_patience_is_heard() {
    block_on(async {
        let throttled =
            r#"{"kind":"Status","message":"wait","details":{"retryAfterSeconds":7},"code":429}"#;
        let answers = vec![
            Answer::Whole(200, "ok"),
            Answer::Whole(200, CORE),
            Answer::Whole(200, STALE),
            Answer::Whole(429, throttled),
        ];
        let server = Server::start(answers);
        let cluster = server.connect().await;
        let error = cluster
            .get(&Reference::new("v1", "ConfigMap", "a", "b"))
            .await
            .unwrap_err();
        assert_eq!(
            error.cause(),
            &Cause::Throttled {
                retry_after: Duration::from_secs(7)
            }
        );
        assert_eq!(
            server.asked().len(),
            4,
            "nothing is retried behind the caller's back"
        );
    });
}
