//! Artifacts in registries: a real one (distribution), and servers that behave as registries should not.

use std::collections::BTreeMap;
use std::time::Duration;

use fluvial_source::oci::{Error, Fetched, Reference, Request, fetch, login_from_secrets};
use fluvial_source::{Credentials, Retry, Secret, archive};
use fluvial_support::{Authority, Registry};
use serde_json::{Value, json};

use crate::helm::shelf::{Answer, Shelf};

const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const TAGS: &str = "/v2/org/app/tags/list?n=10000";

fn plain(url: String) -> Request {
    Request {
        insecure: true,
        ..Request::new(url)
    }
}

fn new(request: &Request) -> (String, Vec<u8>, BTreeMap<String, String>) {
    match fetch(request) {
        Ok(Fetched::New {
            revision,
            content,
            annotations,
        }) => (revision, content, annotations),
        other => panic!("{other:?}"),
    }
}

/// The names and texts of the files of an artifact.
fn files(content: &[u8]) -> Vec<(String, String)> {
    let tree = archive::unpack(content, &fluvial_source::Limits::default()).unwrap();
    let file = |(path, entry): (&str, &fluvial_manifest::Entry)| match entry {
        fluvial_manifest::Entry::File { bytes, .. } => {
            (path.to_owned(), String::from_utf8_lossy(bytes).into_owned())
        }
        fluvial_manifest::Entry::Link { .. } => panic!("{path} is a link"),
    };
    tree.iter().map(file).collect()
}

fn reference(digest: &str, semver: &str, filter: &str, tag: &str) -> Reference {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Reference {
        digest: some(digest),
        semver: some(semver),
        semver_filter: some(filter),
        tag: some(tag),
    }
}

#[test]
fn a_digest_goes_before_a_range_and_that_before_a_tag() {
    let registry = Registry::start().unwrap();
    let push = |tag: &str| {
        let text = format!("tag: {tag}\n");
        let none = json!({});
        (registry.push("org/app", tag, &[("a.yaml", &text)], &none)).unwrap()
    };
    let old = push("1.0.0");
    for tag in ["1.2.0", "1.10.0", "2.0.0-rc.1", "v3.0.0", "latest", "main"] {
        push(tag);
    }
    let mut request = plain(registry.url("org/app"));
    for (digest, semver, filter, tag, expected) in [
        ("", "", "", "", "latest"),
        ("", "", "", "main", "main"),
        ("", "1.x", "", "main", "1.10.0"),
        ("", "1.x", "^1\\.2", "main", "1.2.0"),
        ("", ">=1.0.0-0", ".*-rc.*", "", "2.0.0-rc.1"),
        ("", "*", "", "", "v3.0.0"),
        (old.as_str(), "1.x", "", "main", "1.0.0"),
    ] {
        request.reference = reference(digest, semver, filter, tag);
        let (revision, content, _) = new(&request);
        let expected_text = format!("tag: {expected}\n");
        assert_eq!(files(&content), [("a.yaml".to_owned(), expected_text)]);
        if digest.is_empty() {
            let (tag, digest) = revision.split_once('@').unwrap();
            assert_eq!(tag, expected);
            assert!(digest.starts_with("sha256:"), "{revision}");
        } else {
            assert_eq!(revision, digest);
        }
    }
}

#[test]
fn what_a_reference_does_not_mean_is_said() {
    let registry = Registry::start().unwrap();
    let files = [("a.yaml", "a")];
    (registry.push("org/app", "1.0.0", &files, &json!({}))).unwrap();
    let absent = format!("sha256:{}", "0".repeat(64));
    let mut request = plain(registry.url("org/app"));
    for (reference, retry, expected) in [
        (
            reference("", "2.x", "", ""),
            Retry::Later,
            "no match found for semver: 2.x: of 1 tags none is in it",
        ),
        (
            reference("", "x.y", "", ""),
            Retry::Never,
            "semver 'x.y' parse error",
        ),
        (
            reference("", "*", "(", ""),
            Retry::Never,
            "spec.ref.semverFilter is no regular expression: (",
        ),
        (
            reference("", "", "", "../x"),
            Retry::Never,
            "spec.ref.tag is no tag",
        ),
        (
            reference("sha256:12", "", "", ""),
            Retry::Never,
            "spec.ref.digest is no digest",
        ),
        (
            reference("", "", "", "none"),
            Retry::Later,
            "the registry has no such artifact",
        ),
        (
            reference(&absent, "", "", ""),
            Retry::Later,
            "the registry has no such artifact",
        ),
    ] {
        request.reference = reference;
        let error = fetch(&request).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
        assert_eq!(error.retry, retry, "{error}");
    }
}

#[test]
fn the_layer_that_is_asked_for_is_unpacked_or_copied() {
    let registry = Registry::start().unwrap();
    let rules = "*.md\n!keep.md\n";
    let all = [
        ("a.yaml", "a: 1\n"),
        ("b/read.md", "no"),
        ("b/keep.md", "yes"),
        (".sourceignore", rules),
    ];
    let said = json!({
        "org.opencontainers.image.source": "https://host/org/app",
        "org.opencontainers.image.revision": "main@sha1:0123456789",
    });
    registry.push("org/app", "1.0.0", &all, &said).unwrap();
    let mut request = plain(registry.url("org/app"));
    request.reference = reference("", "", "", "1.0.0");
    let names = |request: &Request| {
        let (_, content, _) = new(request);
        files(&content).into_iter().map(|(name, _)| name).collect()
    };
    let (_, _, annotations) = new(&request);
    assert_eq!(json!(annotations), said);
    let kept: Vec<String> = names(&request);
    assert_eq!(kept, [".sourceignore", "a.yaml", "b/keep.md"]);
    request.ignore = Some("a.yaml\n".to_owned());
    let kept: Vec<String> = names(&request);
    assert!(!kept.contains(&"a.yaml".to_owned()), "{kept:?}");

    let layers: [(&str, &[u8]); 2] = [("text/plain", b"first"), (CHART, b"not even a tar")];
    (registry.push_layers("org/app", "2.0.0", &layers, &Value::Null)).unwrap();
    request.reference = reference("", "", "", "2.0.0");
    request.copies = true;
    for (media_type, expected) in [
        (None, Ok(b"first".as_slice())),
        (Some("text/plain"), Ok(b"first")),
        (Some(CHART), Ok(b"not even a tar")),
        (
            Some("text/html"),
            Err("failed to find layer with media type 'text/html'"),
        ),
    ] {
        request.media_type = media_type.map(str::to_owned);
        match expected {
            Ok(bytes) => assert_eq!(new(&request).1, bytes),
            Err(why) => {
                let error = fetch(&request).unwrap_err();
                assert_eq!(error.reason, "OCIArtifactLayerOperationFailed");
                assert!(error.message.contains(why), "{error}");
            }
        }
    }
    request.media_type = None;
    request.copies = false;
    let error = fetch(&request).unwrap_err();
    assert!(
        (error.message).contains("failed to extract layer contents from artifact"),
        "{error}"
    );
}

#[test]
fn a_registry_with_users_and_its_own_authority_lets_in_who_logs_in() {
    let authority = Authority::new("registry").unwrap();
    let registry = Registry::start_guarded(&authority).unwrap();
    let files = [("a.yaml", "a")];
    (registry.push("org/app", "latest", &files, &json!({}))).unwrap();
    let url = registry.url("org/app");
    let (user, password) = Registry::login();
    let secret = |host: &str, password: &str| {
        let logins = json!({"auths": {host: {"username": user, "password": password}}});
        let data = logins.to_string().into_bytes();
        BTreeMap::from([(".dockerconfigjson".to_owned(), data)])
    };
    let asking = |secret| {
        let mut request = Request::new(url.as_str());
        request.tls.ca = Some(authority.certificate().to_owned());
        request.credentials = login_from_secrets(&url, &[secret]).unwrap();
        request
    };
    let host = registry.host();
    new(&asking(secret(&host, password)));
    for (host, password) in [(host.as_str(), "wrong"), ("127.0.0.1:1", password)] {
        let error = fetch(&asking(secret(host, password))).unwrap_err();
        assert!(!error.message.contains(password), "{error}");
        assert!(error.message.contains("401"), "{error}");
    }
    let mut stranger = asking(secret(&host, password));
    stranger.tls.ca = None;
    let error = fetch(&stranger).unwrap_err();
    assert!(error.message.contains("certificate"), "{error}");
}

/// A request for `org/app:1.0.0` of the shelf.
fn asking(shelf: &Shelf) -> Request {
    let mut request = plain(format!("oci://{}/org/app", shelf.host()));
    request.reference = reference("", "", "", "1.0.0");
    request
}

fn manifest(layer: &[u8]) -> Vec<u8> {
    let described = json!({"mediaType": "any", "digest": archive::digest(layer)});
    json!({"layers": [described]}).to_string().into_bytes()
}

fn blob(layer: &[u8]) -> String {
    format!("/v2/org/app/blobs/{}", archive::digest(layer))
}

/// Puts a manifest on the shelf, under the tag and under its digest.
fn stock(shelf: &Shelf, manifest: &[u8]) {
    for reference in ["1.0.0", &archive::digest(manifest)] {
        let target = format!("/v2/org/app/manifests/{reference}");
        shelf.body(&target, manifest);
    }
}

fn refused(request: &Request) -> Error {
    fetch(request).unwrap_err()
}

#[test]
fn what_is_at_hand_is_not_pulled_again() {
    let shelf = Shelf::start();
    let manifest = manifest(b"layer");
    let digest = archive::digest(&manifest);
    let told = vec![("Docker-Content-Digest", digest.clone())];
    let target = "/v2/org/app/manifests/1.0.0";
    shelf.put(target, Answer::Whole(200, told, Vec::new()));
    let mut request = asking(&shelf);
    let revision = format!("1.0.0@{digest}");
    request.observed = Some(revision.clone());
    assert_eq!(fetch(&request).unwrap(), Fetched::Unchanged { revision });
    let asked = shelf.asked();
    let asked: Vec<_> = asked.iter().map(|it| it.target.as_str()).collect();
    assert_eq!(asked, [target]);
}

#[test]
fn what_has_another_digest_is_refused() {
    let shelf = Shelf::start();
    let told = manifest(b"layer");
    stock(&shelf, &told);
    shelf.body(&blob(b"layer"), "another layer");
    let error = refused(&asking(&shelf));
    assert!(error.message.contains("and its manifest says"), "{error}");
    let target = format!("/v2/org/app/manifests/{}", archive::digest(&told));
    shelf.body(&target, manifest(b"another layer"));
    let error = refused(&asking(&shelf));
    assert!(error.message.contains("has the digest"), "{error}");
    for digest in ["sha256:../../../x", "md5:00", ""] {
        stock(
            &shelf,
            json!({"layers": [{"digest": digest}]})
                .to_string()
                .as_bytes(),
        );
        let error = refused(&asking(&shelf));
        assert!(error.message.contains("no digest by SHA-256"), "{error}");
    }
}

#[test]
fn what_is_too_large_is_refused_as_it_arrives() {
    let shelf = Shelf::start();
    let target = "/v2/org/app/manifests/1.0.0";
    shelf.put(target, Answer::Endless(b"{\"layers\": [                "));
    let error = refused(&asking(&shelf));
    assert!(error.message.contains("bytes"), "{error}");

    stock(&shelf, &manifest(b"layer"));
    shelf.put(&blob(b"layer"), Answer::Endless(&[0; 4096]));
    let mut request = asking(&shelf);
    request.layer_bytes_max = 1 << 20;
    let error = refused(&request);
    assert!(error.message.contains("bytes"), "{error}");

    let annotations = json!({"a": "a".repeat(64 << 10)});
    let described = json!({"layers": [], "annotations": annotations});
    stock(&shelf, described.to_string().as_bytes());
    let error = refused(&asking(&shelf));
    assert!(error.message.contains("its annotations have"), "{error}");
}

#[test]
fn a_layer_that_leads_out_of_itself_is_refused() {
    let shelf = Shelf::start();
    for name in ["../x", "/x", "a/../../x"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        // The builder's own check would refuse to write it.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append(&header, b"x".as_slice()).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &tar.into_inner().unwrap()).unwrap();
        let layer = gzip.finish().unwrap();
        stock(&shelf, &manifest(&layer));
        shelf.body(&blob(&layer), layer.clone());
        let error = refused(&asking(&shelf));
        assert_eq!(error.reason, "OCIArtifactLayerOperationFailed", "{name}");
    }
}

#[test]
fn a_list_of_tags_without_end_is_given_up() {
    let shelf = Shelf::start();
    let next = vec![("Link", format!("<{TAGS}>; rel=\"next\""))];
    let page = br#"{"tags": ["1.0.0"]}"#.to_vec();
    shelf.put(TAGS, Answer::Whole(200, next, page));
    let mut request = asking(&shelf);
    request.reference = reference("", "*", "", "");
    let error = refused(&request);
    assert!(error.message.contains("pages of tags"), "{error}");
    shelf.put(TAGS, Answer::Endless(b"[\"1.0.0\", \"1.0.1\"]      "));
    let error = refused(&request);
    assert!(error.message.contains("bytes"), "{error}");
}

#[test]
fn a_password_does_not_follow_a_redirect_to_another_host() {
    let (shelf, other) = (Shelf::start(), Shelf::start());
    let layer = b"layer".as_slice();
    let proof = "Basic bWU6czNjcjN0".to_owned();
    let told = manifest(layer);
    for reference in ["1.0.0", &archive::digest(&told)] {
        let then = Box::new(Answer::Whole(200, Vec::new(), told.clone()));
        shelf.put(
            &format!("/v2/org/app/manifests/{reference}"),
            Answer::Guarded(proof.clone(), "Basic".into(), then),
        );
    }
    // Registries keep their blobs elsewhere. Another name of this machine is another host.
    let port = other.host().rsplit(':').next().unwrap().to_owned();
    let elsewhere = vec![("Location", format!("http://localhost:{port}/layer"))];
    let then = Box::new(Answer::Whole(307, elsewhere, Vec::new()));
    let guarded = Answer::Guarded(proof.clone(), "Basic".into(), then);
    shelf.put(&blob(layer), guarded);
    other.body("/layer", layer);
    let mut request = asking(&shelf);
    request.copies = true;
    request.credentials = Credentials::Basic {
        username: "me".into(),
        password: Secret::new("s3cr3t"),
    };
    assert_eq!(new(&request).1, layer);
    assert!(shelf.proofs().contains(&Some(proof)));
    assert_eq!(other.proofs(), [None]);
}

#[test]
fn a_registry_that_is_silent_is_given_up() {
    let shelf = Shelf::start();
    shelf.put("/v2/org/app/manifests/1.0.0", Answer::Silent);
    let mut request = asking(&shelf);
    request.timeout = Duration::from_millis(200);
    let error = refused(&request);
    assert_ne!(error.retry, Retry::Never, "{error}");
}
