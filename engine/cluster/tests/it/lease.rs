//! Leadership: one holder at a time, through release, silence, theft and an unreachable server.

use std::time::{Duration, Instant};

use fluvial_cluster::{Cause, Cluster, Leadership, Lease, Lost, Reference, ServiceAccount};
use fluvial_support::wait;
use serde_json::json;

use crate::{make_namespace, on_a_control_plane};

const DURATION: Duration = Duration::from_secs(3);

#[test]
fn one_leads_at_a_time() {
    on_a_control_plane(async |plane, cluster| {
        make_namespace(&cluster, "lead").await;
        released_it_passes_on_with_its_pins(&cluster).await;
        silent_it_passes_on_after_its_time(&cluster).await;
        alone_it_writes_nothing_and_asked_it_answers(&cluster).await;
        who_does_not_answer_and_promised_less_is_believed(&cluster).await;
        contenders_agree(&cluster).await;
        a_thief_is_noticed(&cluster).await;
        without_rights_nobody_waits(&cluster).await;

        let mut leader = lead(&cluster, "cut-off", "a").await;
        let acting = cluster.while_leading(leader.standing());
        acting.version().await.unwrap();
        plane.stop_apiserver();
        let stopped = Instant::now();
        assert!(matches!(soon(leader.lost()).await, Lost::Expired { .. }));
        assert_eq!(leader.remaining(), Duration::ZERO);
        assert!(
            stopped.elapsed() < DURATION,
            "it gives up before anybody else may begin"
        );
        plane.start_apiserver().unwrap();
        wait("the API server", Duration::from_mins(1), || {
            plane
                .kubectl(&["get", "namespaces"])
                .map_err(|error| error.to_string())
        });
        assert_eq!(lead(&cluster, "cut-off", "b").await.transitions(), 1);
        // Who lost the lead does nothing any more, under any name.
        let account = ServiceAccount::new("lead", "tenant").unwrap();
        let sent = cluster.requests().total();
        for acting in [acting.impersonate(account), acting] {
            let refused = acting.version().await.unwrap_err();
            assert_eq!(*refused.cause(), Cause::Deposed);
        }
        assert_eq!(cluster.requests().total(), sent);
    });
}

async fn released_it_passes_on_with_its_pins(cluster: &Cluster) {
    let first = lead(cluster, "released", "a").await;
    assert_eq!((first.transitions(), first.found().len()), (0, 0));
    assert!(first.remaining() > Duration::ZERO && first.remaining() <= DURATION);
    first.pin("fluvial.dev/head", "41:abc");
    let mut second = Box::pin(lead(cluster, "released", "b"));
    // Longer than a silent holder would keep it: the first one is renewing.
    let waited = tokio::time::timeout(DURATION * 2, &mut second).await;
    assert!(waited.is_err(), "two lead");
    first.pin("fluvial.dev/head", "42:def");
    let released = Instant::now();
    first.release().await.unwrap();
    let second = second.await;
    assert!(
        released.elapsed() < DURATION,
        "a released lease is free at once"
    );
    assert_eq!(
        second.found().get("fluvial.dev/head").map(String::as_str),
        Some("42:def")
    );
    assert_eq!(second.transitions(), 1);
}

async fn silent_it_passes_on_after_its_time(cluster: &Cluster) {
    let first = lead(cluster, "silent", "a").await;
    drop(first);
    let silent = Instant::now();
    let second = lead(cluster, "silent", "b").await;
    assert!(
        silent.elapsed() >= DURATION,
        "it was taken from a holder who may be alive"
    );
    drop(second);
    let again = Instant::now();
    assert_eq!(lead(cluster, "silent", "b").await.transitions(), 1);
    assert!(
        again.elapsed() < DURATION,
        "one's own lease is there to be taken"
    );
}

async fn alone_it_writes_nothing_and_asked_it_answers(cluster: &Cluster) {
    let mut leader = lead(cluster, "alone", "a").await;
    let read = async || {
        let reference = Reference::new("coordination.k8s.io/v1", "Lease", "lead", "alone");
        cluster.get(&reference).await.unwrap().unwrap()
    };
    let before = read().await;
    let kept = tokio::time::timeout(DURATION * 2, leader.lost()).await;
    assert!(kept.is_err(), "{kept:?}");
    assert!(leader.remaining() > Duration::ZERO);
    assert_eq!(read().await, before, "it was written though nothing is new");

    let mut contender = Box::pin(lead(cluster, "alone", "b"));
    let waited = tokio::time::timeout(DURATION * 2, &mut contender).await;
    assert!(waited.is_err(), "it was taken from a holder who answers");
    let asked = read().await;
    assert_eq!(
        asked["metadata"]["annotations"]["fluvial.dev/asked-by"],
        "b"
    );
    assert_ne!(asked["spec"]["renewTime"], before["spec"]["renewTime"]);
    drop(leader);
    let silent = Instant::now();
    let taken = contender.await;
    assert!(silent.elapsed() >= DURATION / 2);
    assert_eq!(taken.found().len(), 0, "{:?}", taken.found());
    drop(taken);
    assert_eq!(lead(cluster, "alone", "c").await.transitions(), 2);
}

/// A holder of an earlier version, or of client-go: it renews without being asked.
async fn who_does_not_answer_and_promised_less_is_believed(cluster: &Cluster) {
    let reference = Reference::new("coordination.k8s.io/v1", "Lease", "lead", "earlier");
    drop(lead(cluster, "earlier", "a").await);
    let patch = json!({
        "metadata": {"annotations": {"fluvial.dev/answers-within": null}},
        "spec": {"leaseDurationSeconds": DURATION.as_secs() * 2},
    });
    cluster
        .merge_patch(&reference, &patch, "test")
        .await
        .unwrap();
    let silent = Instant::now();
    assert_eq!(lead(cluster, "earlier", "b").await.transitions(), 1);
    assert!(silent.elapsed() >= DURATION * 2);
}

async fn contenders_agree(cluster: &Cluster) {
    let mut contenders = tokio::task::JoinSet::new();
    for identity in ["a", "b", "c", "d"] {
        let cluster = cluster.clone();
        contenders.spawn(async move {
            let won =
                tokio::time::timeout(DURATION / 2, lead(&cluster, "contended", identity)).await;
            (won.is_ok(), won)
        });
    }
    let winners = contenders
        .join_all()
        .await
        .into_iter()
        .filter(|(won, _)| *won)
        .count();
    assert_eq!(winners, 1);
}

async fn a_thief_is_noticed(cluster: &Cluster) {
    let mut leader = lead(cluster, "stolen", "a").await;
    let reference = Reference::new("coordination.k8s.io/v1", "Lease", "lead", "stolen");
    // An annotation by somebody else is no theft.
    let annotation = json!({"metadata": {"annotations": {"example.com/note": "hello"}}});
    cluster
        .merge_patch(&reference, &annotation, "somebody")
        .await
        .unwrap();
    let kept = tokio::time::timeout(DURATION, leader.lost()).await;
    assert!(kept.is_err(), "{kept:?}");
    let theft = json!({"spec": {"holderIdentity": "thief"}});
    cluster
        .merge_patch(&reference, &theft, "thief")
        .await
        .unwrap();
    assert_eq!(
        soon(leader.lost()).await,
        Lost::Taken { by: "thief".into() }
    );
    leader.release().await.unwrap();
    let lease = cluster.get(&reference).await.unwrap().unwrap();
    assert_eq!(
        lease["spec"]["holderIdentity"], "thief",
        "what is lost is not released"
    );
    assert_eq!(
        lease["metadata"]["annotations"]["example.com/note"],
        "hello"
    );
}

async fn without_rights_nobody_waits(cluster: &Cluster) {
    let stranger = cluster.impersonate(ServiceAccount::new("lead", "stranger").unwrap());
    let error = soon(stranger.lead(&lease("forbidden", "a")))
        .await
        .unwrap_err();
    assert!(matches!(error.cause(), Cause::Forbidden { .. }), "{error}");
}

async fn lead(cluster: &Cluster, name: &str, identity: &str) -> Leadership {
    cluster.lead(&lease(name, identity)).await.unwrap()
}

fn lease(name: &str, identity: &str) -> Lease {
    Lease {
        namespace: "lead".into(),
        name: name.into(),
        identity: identity.into(),
        duration: DURATION,
    }
}

async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), event)
        .await
        .expect("it takes too long")
}
