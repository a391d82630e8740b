//! The requests that providers prepare, byte by byte, and what they refuse.
#![expect(
    clippy::unwrap_used,
    reason = "clippy sees only `#[test]` functions as tests, not what they call"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use fluvial_api::ProviderSpec;
use fluvial_event::{ObjectRef, Timestamp};
use fluvial_notify::{Address, Delivery, Mail, Request, Security, Verdict, of_type};
use fluvial_view::alert::Note;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_795_429_000_000_000_000);

fn note() -> Note {
    Note {
        id: "0123456789abcdef0123456789abcdef".into(),
        offset: 42,
        time: 1_795_428_960_123_000_000,
        about: ObjectRef {
            group: "kustomize.toolkit.fluxcd.io".into(),
            version: "v1".into(),
            kind: "Kustomization".into(),
            namespace: "apps".into(),
            name: "shop".into(),
        },
        uid: "u-1".into(),
        resource_version: "7".into(),
        reason: "Progressing".into(),
        message: "Deployment/apps/shop configured".into(),
        metadata: BTreeMap::from([
            ("fluvial.dev/correlation".into(), "ab".into()),
            ("revision".into(), "main@sha1:c0ffee".into()),
        ]),
        ..Note::default()
    }
}

fn hostile() -> Note {
    Note {
        is_error: true,
        message: "<!channel> & <javascript:alert(1)|ok>\u{1b}[2J\u{202e}\r\nBcc: evil@example.org\r\n.\r\nGröße".into(),
        metadata: BTreeMap::from([("<!here>".into(), "a\r\nSubject: b".into())]),
        ..note()
    }
}

fn address(spec: &Value, secret: &Value) -> Address {
    let spec: ProviderSpec = serde_json::from_value(spec.clone()).unwrap();
    let data: BTreeMap<String, Vec<u8>> = secret
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap().as_bytes().to_vec()))
        .collect();
    Address::read(&spec, Some(&data)).unwrap()
}

fn prepare(note: &Note, spec: &Value, secret: &Value) -> Result<Delivery, String> {
    let service = of_type(spec["type"].as_str().unwrap()).unwrap();
    let delivery = service.prepare(note, &address(spec, secret), NOW);
    delivery.map_err(|refusal| refusal.to_string())
}

fn request(note: &Note, spec: &Value, secret: &Value) -> Request {
    match prepare(note, spec, secret).unwrap() {
        Delivery::Http(request) => request,
        Delivery::Mail(_) => panic!("a mail"),
    }
}

fn mail(note: &Note, spec: &Value, secret: &Value) -> Mail {
    match prepare(note, spec, secret).unwrap() {
        Delivery::Mail(mail) => mail,
        Delivery::Http(_) => panic!("a POST"),
    }
}

/// As it goes over the wire.
fn check(request: &Request, expected: &Expect) {
    let mut text = format!("POST {}\n", request.url.expose());
    for (name, value) in &request.headers {
        writeln!(text, "{name}: {}", value.expose()).unwrap();
    }
    text.push('\n');
    text.push_str(str::from_utf8(&request.body).unwrap());
    expected.assert_eq(&text);
}

fn hook(kind: &str) -> Value {
    json!({"type": kind, "secretRef": {"name": "hook"}})
}

fn letters() -> (Value, Value) {
    (
        json!({
            "type": "email", "address": "smtp://mail.example.org", "channel": "ops@example.org, jane@example.org",
            "username": "fluvial@example.org", "secretRef": {"name": "mail"},
        }),
        json!({"username": "user", "password": "s3cr3t"}),
    )
}

#[test]
fn generic_is_the_event_as_it_is() {
    let secret = json!({"address": "https://hook.example.org/x\n", "headers": "X-Team: shop\nAuthorization: 'Bearer t'\n"});
    check(
        &request(&note(), &hook("generic"), &secret),
        &expect![[r#"
            POST https://hook.example.org/x
            content-type: application/json
            gotk-component: kustomize-controller
            webhook-id: msg_0123456789abcdef0123456789abcdef
            webhook-timestamp: 1795429000
            authorization: Bearer t
            x-team: shop

            {"involvedObject":{"kind":"Kustomization","namespace":"apps","name":"shop","uid":"u-1","apiVersion":"kustomize.toolkit.fluxcd.io/v1","resourceVersion":"7"},"severity":"info","timestamp":"2026-11-23T10:16:00Z","message":"Deployment/apps/shop configured","reason":"Progressing","metadata":{"fluvial.dev/correlation":"ab","revision":"main@sha1:c0ffee"},"reportingController":"kustomize-controller","reportingInstance":"fluvial"}"#]],
    );
}

#[test]
fn generic_hmac_signs_what_is_sent() {
    let secret = json!({"address": "http://hook.example.org", "token": "k3y"});
    let signed = request(&note(), &hook("generic-hmac"), &secret);
    check(
        &signed,
        &expect![[r#"
        POST http://hook.example.org
        content-type: application/json
        gotk-component: kustomize-controller
        webhook-id: msg_0123456789abcdef0123456789abcdef
        webhook-timestamp: 1795429000
        x-signature: sha256=447dc2801ee2ad873b9f475aad7709b1afe30a7a15a9579e554df54ef3a8ecbd
        webhook-signature: v1,m/kTas+B0mBM1nHpHrqnp8D04NMIsoZhpr+lM7LHp6U=

        {"involvedObject":{"kind":"Kustomization","namespace":"apps","name":"shop","uid":"u-1","apiVersion":"kustomize.toolkit.fluxcd.io/v1","resourceVersion":"7"},"severity":"info","timestamp":"2026-11-23T10:16:00Z","message":"Deployment/apps/shop configured","reason":"Progressing","metadata":{"fluvial.dev/correlation":"ab","revision":"main@sha1:c0ffee"},"reportingController":"kustomize-controller","reportingInstance":"fluvial"}"#]],
    );
    // Both signatures are what Python's hmac makes of the same bytes.
    // A key in the form of standard-webhooks counts as what it encodes: YWJj is abc.
    let signature = |token: &str| {
        let secret = json!({"address": "http://hook.example.org", "token": token});
        let request = request(&note(), &hook("generic-hmac"), &secret);
        let found = request
            .headers
            .into_iter()
            .find(|(name, _)| name == "webhook-signature");
        found.unwrap().1.expose().to_owned()
    };
    assert_eq!(signature("whsec_YWJj"), signature("abc"));
    assert_ne!(signature("whsec_YWJj"), signature("whsec_YWJk"));
}

#[test]
fn slack_shows_text_and_never_markup() {
    let webhook = json!({"type": "slack", "channel": "ops", "address": "https://hooks.slack.com/services/T/B/x"});
    check(
        &request(&note(), &webhook, &json!({})),
        &expect![[r#"
        POST https://hooks.slack.com/services/T/B/x
        content-type: application/json; charset=utf-8

        {"channel":"ops","username":"kustomize-controller","attachments":[{"fallback":"kustomization/shop.apps: Deployment/apps/shop configured","color":"good","author_name":"kustomization/shop.apps","text":"Deployment/apps/shop configured","mrkdwn_in":["text"],"fields":[{"title":"revision","value":"main@sha1:c0ffee","short":false}]}]}"#]],
    );
    let bot = json!({"type": "slack", "channel": "ops", "username": "deploys", "secretRef": {"name": "bot"}});
    check(
        &request(&hostile(), &bot, &json!({"token": "xoxb-1"})),
        &expect![[r#"
            POST https://slack.com/api/chat.postMessage
            content-type: application/json; charset=utf-8
            authorization: Bearer xoxb-1

            {"channel":"ops","username":"deploys","attachments":[{"fallback":"kustomization/shop.apps: &lt;!channel&gt; &amp; &lt;javascript:alert(1)|ok&gt;[2J","color":"danger","author_name":"kustomization/shop.apps","text":"&lt;!channel&gt; &amp; &lt;javascript:alert(1)|ok&gt;[2J\nBcc: evil@example.org\n.\nGröße","mrkdwn_in":["text"],"fields":[{"title":"&lt;!here&gt;","value":"a\nSubject: b","short":false}]}]}"#]],
    );
}

#[test]
fn a_mail_is_plain_and_says_no_more_than_it_should() {
    let (spec, secret) = letters();
    let letter = mail(&note(), &spec, &secret);
    assert_eq!(
        (letter.host.as_str(), letter.port, letter.security),
        ("mail.example.org", 587, Security::StartTls)
    );
    assert_eq!(letter.to, ["ops@example.org", "jane@example.org"]);
    assert_eq!(
        letter.login.as_ref().map(|(user, _)| user.as_str()),
        Some("user")
    );
    expect![[r"
        From: Fluvial <fluvial@example.org>
        To: ops@example.org,
         jane@example.org
        Subject: [info] kustomization/shop.apps: Progressing
        Date: Mon, 23 Nov 2026 10:16:00 +0000
        Message-ID: <0123456789abcdef0123456789abcdef@example.org>
        Auto-Submitted: auto-generated
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: quoted-printable

        kustomization/shop.apps

        Deployment/apps/shop configured

        fluvial.dev/correlation: ab

        revision: main@sha1:c0ffee
    "]]
    .assert_eq(&letter.message.replace("\r\n", "\n"));
    let hostile = mail(&hostile(), &spec, &secret).message;
    expect![[r"
        From: Fluvial <fluvial@example.org>
        To: ops@example.org,
         jane@example.org
        Subject: [error] kustomization/shop.apps: Progressing
        Date: Mon, 23 Nov 2026 10:16:00 +0000
        Message-ID: <0123456789abcdef0123456789abcdef@example.org>
        Auto-Submitted: auto-generated
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: quoted-printable

        kustomization/shop.apps

        <!channel> & <javascript:alert(1)|ok>[2J
        Bcc: evil@example.org
        .
        Gr=C3=B6=C3=9Fe

        <!here>: a
        Subject: b
    "]]
    .assert_eq(&hostile.replace("\r\n", "\n"));
    assert!(
        hostile
            .split("\r\n")
            .all(|line| line.len() <= 76 && !line.contains(['\r', '\n']))
    );
}

#[test]
fn mail_servers_are_named_by_a_url() {
    let (spec, secret) = letters();
    for (url, expected) in [
        ("smtp://host", Some(("host", 587, Security::StartTls))),
        (
            "smtp://host:2525/",
            Some(("host", 2525, Security::StartTls)),
        ),
        ("smtps://host", Some(("host", 465, Security::Tls))),
        ("smtp://[::1]:25", Some(("::1", 25, Security::StartTls))),
        ("smtp://host?starttls=maybe", None),
        ("smtps://host?starttls=never", None),
        ("smtp://user:pass@host", None),
        ("smtp://host:port", None),
        ("smtp://host\r\nRCPT", None),
        ("smtp://", None),
        ("http://host", None),
        ("", None),
    ] {
        let mut spec = spec.clone();
        spec["address"] = json!(url);
        let found = prepare(&note(), &spec, &secret).ok();
        let found = found.map(|it| match it {
            Delivery::Mail(it) => (it.host, it.port, it.security),
            Delivery::Http(_) => panic!("a POST"),
        });
        let expected = expected.map(|(host, port, security)| (host.to_owned(), port, security));
        assert_eq!(found, expected, "{url:?}");
    }
    let mut plain = spec.clone();
    plain["address"] = json!("smtp://host?starttls=never");
    assert!(
        prepare(&note(), &plain, &secret)
            .unwrap_err()
            .contains("plain connection")
    );
    assert_eq!(mail(&note(), &plain, &json!({})).security, Security::Plain);
}

#[test]
fn what_could_add_a_header_or_a_recipient_is_refused() {
    let (spec, secret) = letters();
    for (field, value) in [
        ("channel", "a@b\r\nBcc: c@d"),
        ("channel", "a@b, <c@d>"),
        ("channel", "a@b>,c"),
        ("channel", "a b@c"),
        ("channel", "a@b@c"),
        ("channel", "@b"),
        ("channel", ""),
        ("username", "a@b\nSubject: x"),
        ("username", "nobody"),
        ("username", "ä@b"),
    ] {
        let mut spec = spec.clone();
        spec[field] = json!(value);
        let refused = prepare(&note(), &spec, &secret).unwrap_err();
        assert!(
            refused.contains("name@host"),
            "{field} {value:?}: {refused}"
        );
    }
    for headers in [
        "X: \"a\\r\\nY: b\"",
        "'X Y': a",
        "Content-Length: '1'",
        "X: [a]",
        "- a",
        "{",
        "X: 1",
    ] {
        let secret = json!({"address": "http://host", "headers": headers});
        let refused = prepare(&note(), &hook("generic"), &secret).unwrap_err();
        assert!(
            refused.contains("the key 'headers' of the Secret hook"),
            "{headers}: {refused}"
        );
    }
}

#[test]
fn what_is_missing_is_named() {
    for (spec, secret, words) in [
        (
            hook("generic"),
            json!({}),
            "the key 'address' of its Secret",
        ),
        (
            hook("generic"),
            json!({"address": "ftp://host"}),
            "is no URL",
        ),
        (
            hook("generic-hmac"),
            json!({"address": "http://host"}),
            "the Secret hook has no key 'token'",
        ),
        (
            json!({"type": "generic-hmac", "address": "http://host"}),
            json!({}),
            "names no Secret",
        ),
        (
            hook("generic-hmac"),
            json!({"address": "http://host", "token": "whsec_?"}),
            "is not base64",
        ),
        (
            json!({"type": "slack", "address": "https://slack.com/api/chat.postMessage", "channel": "a"}),
            json!({}),
            "names no Secret",
        ),
        (hook("slack"), json!({"token": "t"}), "needs a channel"),
        (
            letters().0,
            json!({"password": "p"}),
            "the Secret mail has no key 'username'",
        ),
    ] {
        let refused = prepare(&note(), &spec, &secret).unwrap_err();
        assert!(refused.contains(words), "{spec}: {refused}");
    }
}

#[test]
fn answers_mean_what_they_say() {
    let slack = of_type("slack").unwrap();
    let generic = of_type("generic").unwrap();
    let word = |verdict| match verdict {
        Verdict::Taken(_) => "taken",
        Verdict::Again(_) => "again",
        Verdict::Never(_) => "never",
    };
    for (status, body, of_generic, of_slack) in [
        (200, "ok", "taken", "taken"),
        (204, "", "taken", "taken"),
        (200, r#"{"ok": true}"#, "taken", "taken"),
        (
            200,
            r#"{"ok": false, "error": "channel_not_found"}"#,
            "taken",
            "never",
        ),
        (
            200,
            r#"{"ok": false, "error": "ratelimited"}"#,
            "taken",
            "again",
        ),
        (302, "", "never", "never"),
        (400, "", "never", "never"),
        (401, "", "never", "never"),
        (407, "", "never", "never"),
        (408, "", "again", "again"),
        (429, "", "again", "again"),
        (499, "", "never", "never"),
        (500, "", "again", "again"),
        (503, "", "again", "again"),
    ] {
        let found = [generic, slack].map(|it| word(it.judge(status, body.as_bytes())));
        assert_eq!(found, [of_generic, of_slack], "{status} {body}");
    }
}

#[test]
fn nothing_that_is_printed_shows_a_credential() {
    let (spec, secret) = letters();
    let mail = format!(
        "{:?} {:?}",
        mail(&note(), &spec, &secret),
        address(&spec, &secret)
    );
    let secret = json!({"address": "https://u:s3cr3t@host/s3cr3t", "token": "s3cr3t", "headers": "X: s3cr3t"});
    let request = format!(
        "{:?} {:?}",
        request(&note(), &hook("generic-hmac"), &secret),
        address(&hook("generic-hmac"), &secret)
    );
    assert!(
        !mail.contains("s3cr3t") && !request.contains("s3cr3t"),
        "{mail} {request}"
    );
}
