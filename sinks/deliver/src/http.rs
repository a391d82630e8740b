//! Sends a POST, through the one way out that checks addresses and follows no redirect.

use fluvial_notify::desk::Ended;
use fluvial_notify::{Request, Verdict};
use fluvial_source::{Secret, outbound};

use crate::address::Place;

pub(crate) async fn send(place: &Place, request: Request) -> Ended {
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), Secret::new(value.expose())))
        .collect();
    let answer = outbound::post(
        request.url.expose(),
        &headers,
        request.body,
        &place.tls,
        place.proxy.as_ref(),
        place.timeout,
    );
    match answer.await {
        Err(why) => Verdict::Again(why).into(),
        Ok(answer) => Ended {
            verdict: place.service.judge(answer.status, &answer.body),
            retry_after: answer.retry_after,
        },
    }
}
