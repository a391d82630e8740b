//! Charts in registries: a real one (distribution), and servers that behave as registries should not.

use fluvial_source::helm::{Built, ChartRequest, From, Limits, Repository, build};
use fluvial_source::{Retry, archive};
use serde_json::json;

use super::shelf::{Answer, Shelf};
use super::{asking, basic, nobody, packed};

const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

fn request(shelf: &Shelf, version: &str) -> ChartRequest {
    let mut repository = Repository::new(format!("oci://{}/org", shelf.host()));
    repository.insecure = true;
    from(&repository, version)
}

fn from(repository: &Repository, version: &str) -> ChartRequest {
    ChartRequest {
        from: From::Registry(repository.clone()),
        version: version.into(),
        ..asking(repository, Vec::new())
    }
}

fn manifest(chart: &[u8]) -> Vec<u8> {
    let manifest = json!({
        "schemaVersion": 2,
        "layers": [{"mediaType": CHART, "digest": archive::digest(chart), "size": chart.len()}],
    });
    manifest.to_string().into_bytes()
}

/// Puts one version of the chart `org/app` on the shelf.
fn stock(shelf: &Shelf, tag: &str, chart: &[u8]) {
    shelf.body(&format!("/v2/org/app/manifests/{tag}"), manifest(chart));
    let blob = format!("/v2/org/app/blobs/{}", archive::digest(chart));
    shelf.body(&blob, chart.to_vec());
}

const TAGS: &str = "/v2/org/app/tags/list?n=10000";

#[test]
fn tags_come_in_pages_and_the_highest_in_the_range_is_pulled() {
    let shelf = Shelf::start();
    let chart = packed("app", "1.2.0+b");
    let next = vec![(
        "Link",
        "</v2/org/app/tags/list?last=x>; rel=\"next\"".to_owned(),
    )];
    shelf.put(
        TAGS,
        Answer::Whole(200, next, br#"{"tags": ["1.0.0", "2.0.0"]}"#.to_vec()),
    );
    shelf.body(
        "/v2/org/app/tags/list?last=x",
        r#"{"tags": ["1.2.0_b", "latest"]}"#,
    );
    stock(&shelf, "1.2.0_b", &chart);
    let Built::New {
        version, archive, ..
    } = build(&request(&shelf, "1.x"), &nobody).unwrap()
    else {
        panic!("nothing was at hand")
    };
    assert_eq!((version.as_str(), archive), ("1.2.0+b", chart));
    // A version that is written out needs no list.
    let asked = shelf.asked().len();
    build(&request(&shelf, "1.2.0+b"), &nobody).unwrap();
    assert!(
        shelf.asked()[asked..]
            .iter()
            .all(|it| !it.target.contains("tags"))
    );
}

#[test]
fn a_list_without_end_is_given_up() {
    let shelf = Shelf::start();
    let next = vec![("Link", format!("<{TAGS}>; rel=\"next\""))];
    shelf.put(
        TAGS,
        Answer::Whole(200, next, br#"{"tags": ["1.0.0"]}"#.to_vec()),
    );
    let mut endless = request(&shelf, "*");
    endless.limits = Limits {
        tag_pages_max: 3,
        ..Limits::default()
    };
    let error = build(&endless, &nobody).unwrap_err();
    assert!(
        error.message.contains("more than 3 pages of tags"),
        "{error}"
    );
    assert_eq!(shelf.asked().len(), 3);
    let away = vec![("Link", "<http://127.0.0.2:1/v2/>; rel=\"next\"".to_owned())];
    shelf.put(
        TAGS,
        Answer::Whole(200, away, br#"{"tags": ["1.0.0"]}"#.to_vec()),
    );
    let error = build(&request(&shelf, "*"), &nobody).unwrap_err();
    assert!(error.message.contains("on another host"), "{error}");
}

#[test]
fn a_version_that_is_not_there_yet_is_looked_for_again() {
    let shelf = Shelf::start();
    shelf.body(TAGS, r#"{"tags": null}"#);
    let error = build(&request(&shelf, "*"), &nobody).unwrap_err();
    assert_eq!(error.reason, "InvalidChartReference");
    assert_ne!(
        error.retry,
        Retry::Never,
        "a registry has no revision that would be news"
    );
    let error = build(&request(&shelf, "9.9.9"), &nobody).unwrap_err();
    assert_eq!(error.reason, "ChartPullError");
}

#[test]
fn what_is_not_the_chart_that_the_manifest_names_is_refused() {
    let shelf = Shelf::start();
    let chart = packed("app", "1.0.0");
    let blob = format!("/v2/org/app/blobs/{}", archive::digest(&chart));
    stock(&shelf, "1.0.0", &chart);
    shelf.body(&blob, packed("app", "1.0.1"));
    let error = build(&request(&shelf, "1.0.0"), &nobody).unwrap_err();
    assert!(error.message.contains("and its manifest says"), "{error}");
    for manifest in [
        json!({"layers": []}),
        json!({"manifests": [{"digest": "sha256:00"}]}),
        json!({"layers": [{"mediaType": "text/plain", "digest": archive::digest(&chart)}]}),
        json!({"layers": [{"mediaType": CHART, "digest": "sha256:../../../x"}]}),
        json!({"layers": [{"mediaType": CHART, "digest": "md5:00"}]}),
    ] {
        shelf.body("/v2/org/app/manifests/1.0.0", manifest.to_string());
        let error = build(&request(&shelf, "1.0.0"), &nobody).unwrap_err();
        assert_eq!(error.reason, "ChartPullError", "{manifest}: {error}");
    }
}

/// Everything of `org/app` needs a token, which `realm` gives.
fn guard(shelf: &Shelf, realm: &str, chart: &[u8]) {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"registry\"");
    let blob = format!("/v2/org/app/blobs/{}", archive::digest(chart));
    for (target, body) in [
        ("/v2/org/app/manifests/1.0.0", manifest(chart)),
        (blob.as_str(), chart.to_vec()),
    ] {
        let then = Box::new(Answer::Whole(200, Vec::new(), body));
        shelf.put(
            target,
            Answer::Guarded("Bearer t0ken".into(), challenge.clone(), then),
        );
    }
}

const TOKEN: &str = "/token?scope=repository%3Aorg%2Fapp%3Apull&service=registry";

#[test]
fn a_token_is_asked_for_and_used() {
    let shelf = Shelf::start();
    let chart = packed("app", "1.0.0");
    guard(&shelf, &shelf.url("/token"), &chart);
    let mut repository = Repository::new(format!("oci://{}/org", shelf.host()));
    repository.insecure = true;
    let proof = basic(&mut repository);
    let given = Box::new(Answer::Whole(
        200,
        Vec::new(),
        br#"{"token": "t0ken"}"#.to_vec(),
    ));
    shelf.put(TOKEN, Answer::Guarded(proof.clone(), "Basic".into(), given));
    build(&from(&repository, "1.0.0"), &nobody).unwrap();
    let bearer = || Some("Bearer t0ken".to_owned());
    assert_eq!(shelf.proofs(), [None, Some(proof), bearer(), bearer()]);
}

#[test]
fn a_realm_elsewhere_gets_no_password() {
    let shelf = Shelf::start();
    // Another name of this machine, as another host is.
    let port = shelf.host().rsplit(':').next().unwrap().to_owned();
    let realm = format!("http://localhost:{port}/token");
    let chart = packed("app", "1.0.0");
    guard(&shelf, &realm, &chart);
    shelf.body(TOKEN, r#"{"access_token": "t0ken"}"#);
    let mut repository = Repository::new(format!("oci://{}/org", shelf.host()));
    repository.insecure = true;
    basic(&mut repository);
    build(&from(&repository, "1.0.0"), &nobody).unwrap();
    let asked = shelf.asked();
    let token = asked.iter().find(|it| it.target == TOKEN).unwrap();
    assert_eq!(token.headers.get("authorization"), None, "{token:?}");
    guard(&shelf, "http://169.254.169.254/token", &chart);
    let error = build(&from(&repository, "1.0.0"), &nobody).unwrap_err();
    assert!(
        error
            .message
            .contains("is a link-local, metadata or unspecified address"),
        "{error}"
    );
}
