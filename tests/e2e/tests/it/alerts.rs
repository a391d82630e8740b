//! Alerts reach webhooks, Slack and a real mail server; what is down, slow or wrong delays itself alone.

mod killed;

use std::io::Write as _;
use std::process::{Command, Stdio};

use fluvial_e2e::{Leading, PATIENCE, Scenario, Scene, Stage, play, text};
use fluvial_support::{Answer, Inbox, MailServer, Received, wait};
use serde_json::{Value, json};

use crate::manifests::config_map;

const SCENARIOS: &[Scenario] = &[
    ("a-webhook-is-told-and-signed", a_webhook_is_told_and_signed),
    (
        "a-suspended-alert-tells-nothing",
        a_suspended_alert_tells_nothing,
    ),
    ("slack-is-told-without-markup", slack_is_told_without_markup),
    (
        "a-real-mail-server-takes-the-mail",
        a_real_mail_server_takes_the_mail,
    ),
    (
        "a-place-that-fails-is-told-later",
        a_place_that_fails_is_told_later,
    ),
    (
        "a-place-that-hangs-delays-no-other",
        a_place_that_hangs_delays_no_other,
    ),
    ("what-is-wrong-is-said", what_is_wrong_is_said),
    (
        "the-command-line-makes-alerts",
        the_command_line_makes_alerts,
    ),
];

pub(crate) fn all() {
    let stage = Stage::start(Leading::Alone).unwrap();
    play(&stage, SCENARIOS);
    killed::nothing_is_lost(&Scene::new(&stage, "killed"));
    crate::recovery::the_log_is_sound(&stage);
}

fn secret(scene: &Scene<'_>, name: &str, data: &Value) {
    scene.apply(&json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": scene.namespace},
        "stringData": data,
    }));
}

/// An Alert on every Kustomization of the scene.
fn alert(scene: &Scene<'_>, name: &str, provider: &str, more: &Value) {
    let mut spec = json!({
        "providerRef": {"name": provider},
        "eventSources": [{"kind": "Kustomization", "name": "*"}, {"kind": "GitRepository", "name": "*"}],
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    scene.declare("Alert", name, &spec);
    // What happens before it is on record is not told.
    let object = format!("Alert/{}/{name}", scene.namespace);
    wait("the Alert on record", PATIENCE, || {
        let tail = ["log", "tail", "--limit", "100000", "--for", &object];
        let records = scene.stage.engine.of_data(&tail).unwrap();
        if records.contains("Concluded") {
            Ok(())
        } else {
            Err(records)
        }
    });
}

/// The first request that `is_it`, and all of them.
fn received(inbox: &Inbox, what: &str, is_it: impl Fn(&Received) -> bool) -> Received {
    wait(what, PATIENCE, || {
        let all = inbox.received();
        all.iter()
            .find(|it| is_it(it))
            .cloned()
            .ok_or_else(|| format!("{all:#?}"))
    })
}

fn event(request: &Received) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

/// What openssl makes of the key and the bytes.
fn hmac(key: &str, bytes: &str) -> String {
    let mut child = Command::new("openssl")
        .args([
            "dgst",
            "-sha256",
            "-mac",
            "HMAC",
            "-macopt",
            &format!("key:{key}"),
            "-hex",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(bytes.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().rsplit(' ').next().unwrap().to_owned()
}

fn a_webhook_is_told_and_signed(scene: &Scene<'_>) {
    let inbox = Inbox::start().unwrap();
    secret(
        scene,
        "hook",
        &json!({"token": "k3y", "address": inbox.url("hook"), "headers": "X-Team: shop\n"}),
    );
    scene.declare(
        "Provider",
        "hook",
        &json!({"type": "generic-hmac", "secretRef": {"name": "hook"}}),
    );
    alert(
        scene,
        "all",
        "hook",
        &json!({"eventMetadata": {"env": "prod"}}),
    );
    let commit = scene.begin(&[("a.yaml", &config_map("a", "1"))]);
    scene.kustomization("app", json!({}));

    let request = received(&inbox, "the applied objects", |it| {
        it.body.contains("\"Progressing\"")
    });
    let told = event(&request);
    assert_eq!(told["involvedObject"]["kind"], "Kustomization");
    assert_eq!(told["involvedObject"]["name"], "app");
    assert_eq!(told["severity"], "info");
    assert_eq!(told["reportingController"], "kustomize-controller");
    assert_eq!(told["metadata"]["env"], "prod");
    assert_eq!(told["metadata"]["revision"], format!("main@sha1:{commit}"));
    assert!(text(&told, "/message").contains("ConfigMap/"), "{told}");
    assert!(
        text(&told, "/metadata/fluvial.dev~1offset")
            .parse::<u64>()
            .is_ok(),
        "{told}"
    );
    let header = |name: &str| request.headers[name].as_str();
    assert_eq!(
        header("x-signature"),
        format!("sha256={}", hmac("k3y", &request.body))
    );
    assert_eq!(header("gotk-component"), "kustomize-controller");
    assert_eq!(header("x-team"), "shop");
    assert!(header("webhook-id").starts_with("msg_"));
    assert!(header("webhook-signature").starts_with("v1,"));
    // Routine is for machines, and this is one.
    received(&inbox, "the end of the run", |it| {
        it.body.contains("\"commit_status\":\"update\"")
    });

    // No credential is on record.
    let tail = ["log", "tail", "--limit", "100000", "-o", "json"];
    let records = scene.stage.engine.of_data(&tail).unwrap();
    assert!(!records.contains("k3y") && !records.contains(&inbox.url("hook")));
}

/// Waits until so much of an Alert is on record.
fn on_record(scene: &Scene<'_>, name: &str, what: &str, is_there: impl Fn(&str) -> bool) {
    let object = format!("Alert/{}/{name}", scene.namespace);
    let tail = ["log", "tail", "--limit", "100000", "--for", &object];
    wait(what, PATIENCE, || {
        let records = scene.stage.engine.of_data(&tail).unwrap();
        if is_there(&records) {
            Ok(())
        } else {
            Err(records)
        }
    });
}

fn a_suspended_alert_tells_nothing(scene: &Scene<'_>) {
    let inbox = Inbox::start().unwrap();
    scene.declare(
        "Provider",
        "hook",
        &json!({"type": "generic", "address": inbox.url("hook")}),
    );
    alert(scene, "all", "hook", &json!({}));
    scene.begin(&[("a.yaml", &config_map("a", "1"))]);
    scene.kustomization("app", json!({}));
    let is_progress = |it: &Received| it.body.contains("\"Progressing\"");
    received(&inbox, "the applied objects", is_progress);

    let concluded = |count| move |records: &str| records.matches("Concluded").count() >= count;
    scene.patch("Alert", "all", &json!({"spec": {"suspend": true}}));
    on_record(scene, "all", "the suspension on record", concluded(2));
    scene.commit(&[("a.yaml", &config_map("a", "2"))]);
    scene.fetch();
    scene.deployed("app");
    scene.patch("Alert", "all", &json!({"spec": {"suspend": false}}));
    on_record(scene, "all", "the resumption on record", concluded(3));
    let commit = scene.commit(&[("a.yaml", &config_map("a", "3"))]);
    scene.fetch();
    let revision = format!("main@sha1:{commit}");
    received(&inbox, "what came after", |it| {
        is_progress(it) && it.body.contains(&revision)
    });
    let told = inbox.received().into_iter().filter(is_progress).count();
    assert_eq!(told, 2, "what happened while it was suspended was told");
    let deliveries = ["deliveries", "all", "-n", &scene.namespace];
    let printed = scene.stage.engine.of_data(&deliveries).unwrap();
    assert!(
        printed.contains("delivered") && printed.contains("hook"),
        "{printed}"
    );
}

fn slack_is_told_without_markup(scene: &Scene<'_>) {
    let inbox = Inbox::start().unwrap();
    inbox.answer(Answer::Now(
        "200 OK",
        "Content-Type: application/json\r\n",
        r#"{"ok": true}"#,
    ));
    secret(scene, "bot", &json!({"token": "xoxb-s3cr3t"}));
    scene.declare("Provider", "chat", &json!({
        "type": "slack", "channel": "ops", "address": inbox.url("api/chat.postMessage"), "secretRef": {"name": "bot"},
    }));
    alert(scene, "chat", "chat", &json!({}));
    scene
        .repository
        .change(&fluvial_support::Change {
            write: &[("a.yaml", &config_map("a", "1"))],
            message: "<!channel> & <https://evil|click>",
            ..fluvial_support::Change::default()
        })
        .unwrap();
    scene.source("1h");
    scene.kustomization("app", json!({}));
    let request = received(&inbox, "the new artifact", |it| {
        it.body.contains("stored artifact")
    });
    assert_eq!(request.headers["authorization"], "Bearer xoxb-s3cr3t");
    let told = event(&request);
    assert_eq!(told["channel"], "ops");
    assert_eq!(told["username"], "source-controller");
    let message = text(&told, "/attachments/0/text");
    assert!(
        message.contains("&lt;!channel&gt; &amp; &lt;https://evil|click&gt;"),
        "{message}"
    );
    assert!(
        !request.body.contains("<!") && !request.body.contains("<http"),
        "{}",
        request.body
    );
    scene.deployed("app");
    received(&inbox, "the applied objects", |it| {
        it.body.contains("ConfigMap/")
    });
    // Routine is not for people.
    assert!(
        inbox
            .received()
            .iter()
            .all(|it| !it.body.contains("Reconciliation finished"))
    );

    // Slack refuses with 200: given up, with its reason, and the next is told.
    inbox.answer(Answer::Now(
        "200 OK",
        "",
        r#"{"ok": false, "error": "channel_not_found"}"#,
    ));
    scene.commit(&[("a.yaml", &config_map("a", "2"))]);
    scene.fetch();
    scene.told("chat", "NotificationDispatchFailed", "channel_not_found");
    let parked = [
        "deliveries",
        "chat",
        "--parked",
        "-o",
        "json",
        "-n",
        &scene.namespace,
    ];
    let parked = scene.stage.engine.of_data(&parked).unwrap();
    assert!(
        parked.contains("channel_not_found") && !parked.contains("xoxb"),
        "{parked}"
    );
}

fn a_real_mail_server_takes_the_mail(scene: &Scene<'_>) {
    let server = MailServer::start().unwrap();
    let (user, password) = MailServer::login();
    secret(
        scene,
        "mail",
        &json!({"username": user, "password": password}),
    );
    secret(
        scene,
        "mail-ca",
        &json!({"ca.crt": server.authority().certificate()}),
    );
    scene.declare(
        "Provider",
        "mail",
        &json!({
            "type": "email", "address": server.url(), "username": "fluvial@example.org",
            "channel": "ops@example.org, jane@example.org",
            "secretRef": {"name": "mail"}, "certSecretRef": {"name": "mail-ca"},
        }),
    );
    alert(
        scene,
        "mail",
        "mail",
        &json!({"eventSources": [{"kind": "GitRepository", "name": "*"}]}),
    );
    scene
        .repository
        .change(&fluvial_support::Change {
            write: &[("a.yaml", &config_map("a", "1"))],
            message: "Größe\r\n.\r\nBcc: evil@example.org",
            ..fluvial_support::Change::default()
        })
        .unwrap();
    scene.source("1h");
    let mail = wait("the mail", PATIENCE, || {
        let mails = server.mails().unwrap();
        mails.into_iter().next().ok_or_else(|| {
            let printed =
                scene
                    .stage
                    .engine
                    .of_data(&["deliveries", "mail", "-n", &scene.namespace]);
            format!("no mail; {}", printed.unwrap_or_default())
        })
    });
    let (headers, body) = mail.split_once("\n\n").unwrap();
    for header in [
        "From: Fluvial <fluvial@example.org>",
        "To: ops@example.org,",
        "Subject: [info] gitrepository/source.",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(headers.contains(header), "{header} is not in\n{headers}");
    }
    // It came over TLS and with the login: exim writes so.
    assert!(headers.contains("with esmtpsa"), "{headers}");
    assert!(!headers.contains("Bcc"), "{headers}");
    assert!(body.contains("Gr=C3=B6=C3=9Fe"), "{body}");
}

fn a_place_that_fails_is_told_later(scene: &Scene<'_>) {
    let inbox = Inbox::start().unwrap();
    inbox.answer(Answer::Now("500 Internal Server Error", "", ""));
    scene.declare(
        "Provider",
        "hook",
        &json!({"type": "generic", "address": inbox.url("hook")}),
    );
    alert(
        scene,
        "all",
        "hook",
        &json!({"eventSources": [{"kind": "GitRepository", "name": "*"}]}),
    );
    scene.begin(&[("a.yaml", &config_map("a", "1"))]);
    let failed = received(&inbox, "a first attempt", |_| true);
    scene.told(
        "all",
        "NotificationDispatchFailed",
        "the server answered 500",
    );
    inbox.answer(Answer::Now("204 No Content", "", ""));
    wait("the delivery", PATIENCE, || {
        let printed = scene
            .stage
            .engine
            .of_data(&["deliveries", "all", "-n", &scene.namespace])
            .unwrap();
        if printed.contains("delivered") {
            Ok(())
        } else {
            Err(printed)
        }
    });
    let all = inbox.received();
    assert!(all.len() > 1);
    for again in &all {
        assert_eq!(again.body, failed.body);
        assert_eq!(again.headers["webhook-id"], failed.headers["webhook-id"]);
    }
}

fn a_place_that_hangs_delays_no_other(scene: &Scene<'_>) {
    let (slow, quick) = (Inbox::start().unwrap(), Inbox::start().unwrap());
    slow.answer(Answer::Never);
    for (name, inbox) in [("slow", &slow), ("quick", &quick)] {
        let spec = json!({"type": "generic", "address": inbox.url(name), "timeout": "50s"});
        scene.declare("Provider", name, &spec);
        alert(
            scene,
            name,
            name,
            &json!({"eventSources": [{"kind": "GitRepository", "name": "*"}]}),
        );
    }
    scene.begin(&[("a.yaml", &config_map("a", "1"))]);
    received(&slow, "the one that hangs", |_| true);
    for value in ["2", "3"] {
        scene.commit(&[("a.yaml", &config_map("a", value))]);
        scene.fetch();
    }
    wait("the quick one to have it all", PATIENCE, || {
        let count = quick.received().len();
        if count >= 3 {
            Ok(())
        } else {
            Err(count.to_string())
        }
    });
    assert_eq!(
        slow.received().len(),
        1,
        "one at a time, and that one hangs"
    );
    slow.answer(Answer::Now("200 OK", "", ""));
    wait("the slow one to have it all", PATIENCE, || {
        let count = slow.received().len();
        if count >= 3 {
            Ok(())
        } else {
            Err(count.to_string())
        }
    });
}

fn what_is_wrong_is_said(scene: &Scene<'_>) {
    scene.declare(
        "Provider",
        "pager",
        &json!({"type": "pagerduty", "channel": "s3cr3t-key"}),
    );
    scene.told("pager", "ProviderNotSupported", "type pagerduty yet");
    let table = scene.cli(&["get", "alert-providers"]).unwrap();
    assert!(
        table.contains("False") && table.contains("type pagerduty yet"),
        "{table}"
    );

    let inbox = Inbox::start().unwrap();
    let spec = json!({"type": "generic-hmac", "address": inbox.url("hook"), "secretRef": {"name": "hook"}});
    scene.declare("Provider", "hook", &spec);
    alert(
        scene,
        "all",
        "hook",
        &json!({"eventSources": [{"kind": "GitRepository", "name": "*"}]}),
    );
    scene.begin(&[("a.yaml", &config_map("a", "1"))]);
    scene.told("all", "NotificationDispatchFailed", "/hook is not there");
    secret(scene, "hook", &json!({"word": "k3y"}));
    scene.told("all", "NotificationDispatchFailed", "has no key 'token'");
    assert!(inbox.received().is_empty());
    secret(scene, "hook", &json!({"token": "k3y"}));
    received(&inbox, "what waited for its Secret", |_| true);

    // What the other side refuses for good is given up at once.
    inbox.answer(Answer::Now("400 Bad Request", "", ""));
    scene.commit(&[("a.yaml", &config_map("a", "2"))]);
    scene.fetch();
    scene.told(
        "all",
        "NotificationDispatchFailed",
        "the server answered 400",
    );
}

fn the_command_line_makes_alerts(scene: &Scene<'_>) {
    let provider = [
        "create",
        "alert-provider",
        "chat",
        "--type",
        "slack",
        "--channel",
        "ops",
        "--address",
        "https://hooks.slack.com/x",
    ];
    scene.cli(&provider).unwrap();
    let refused = scene.cli(&["create", "alert-provider", "pager", "--type", "pagerduty"]);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("type pagerduty yet")
    );
    let alert = [
        "create",
        "alert",
        "on-call",
        "--provider-ref",
        "chat",
        "--event-severity",
        "error",
        "--event-source",
        "Kustomization/*,GitRepository/app.apps",
    ];
    scene.cli(&alert).unwrap();
    let seen = scene.get("Alert", "on-call");
    assert_eq!(seen["spec"]["eventSources"][1]["namespace"], "apps");
    scene.cli(&["suspend", "alert", "on-call"]).unwrap();
    let table = scene.cli(&["get", "alerts"]).unwrap();
    let cells: Vec<_> = table.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(cells, ["on-call", "True", "True", "Alert", "is", "Ready"]);
    scene.cli(&["resume", "alert", "on-call"]).unwrap();
    scene.cli(&["suspend", "alert-provider", "chat"]).unwrap();
    let export = scene.cli(&["export", "alert-provider", "chat"]).unwrap();
    assert!(export.contains("suspend: true"), "{export}");
    scene
        .cli(&["delete", "alert", "on-call", "--silent"])
        .unwrap();
    scene.gone("Alert", "on-call");
}
