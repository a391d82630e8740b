//! One attempt: look up where to, prepare, send, and say what came of it.

use fluvial_cluster::Cluster;
use fluvial_notify::desk::{Ended, Job};
use fluvial_notify::{Delivery, Verdict};

use crate::address::{Place, place};
use crate::{http, mail, now};

/// The longest message that is recorded.
const MESSAGE_CHARACTERS_MAX: usize = 500;

/// Makes one attempt. It never fails otherwise than by what it answers.
pub(crate) async fn send(cluster: &Cluster, job: &Job) -> Ended {
    let place = match place(cluster, &job.alert.namespace, &job.provider).await {
        Ok(place) => place,
        Err(verdict) => return verdict.into(),
    };
    let sent = tokio::time::timeout(place.timeout, attempt(&place, job)).await;
    let ended = sent.unwrap_or_else(|_elapsed| {
        Verdict::Again(format!("no answer within {:?}", place.timeout)).into()
    });
    Ended {
        verdict: match ended.verdict {
            Verdict::Taken(said) => Verdict::Taken(fit(&place, &said)),
            Verdict::Again(why) => Verdict::Again(fit(&place, &why)),
            Verdict::Never(why) => Verdict::Never(fit(&place, &why)),
        },
        ..ended
    }
}

async fn attempt(place: &Place, job: &Job) -> Ended {
    match place.service.prepare(&job.note, &place.address, now()) {
        Err(refusal) => Verdict::Again(refusal.to_string()).into(),
        Ok(Delivery::Http(request)) => http::send(place, request).await,
        Ok(Delivery::Mail(letter)) => mail::send(place, letter).await.into(),
    }
}

fn fit(place: &Place, text: &str) -> String {
    let text = place.masked(text);
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(MESSAGE_CHARACTERS_MAX).collect()
}
