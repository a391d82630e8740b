//! Carries commands to an executor, so many of each kind at a time, and their outcomes back.

use std::sync::Arc;

use fluvial_event::{CommandFailed, Draft, Event, Id, ObjectRef, command};
use fluvial_log::{Error, Producer};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::runtime::Order;

/// How many commands of each kind are carried out at a time. An object has one command at a time, so a
/// failing object takes one place at most and cannot starve the others.
#[derive(Clone, Copy, Debug)]
pub struct Lanes {
    /// Fetches.
    pub fetch: usize,
    /// Builds. Most of them wait for a renderer, which keeps tenants from waiting for each other.
    pub build: usize,
    /// Applies, prunes, finalizers, and what a rollback reads.
    pub apply: usize,
    /// Hooks, each of which waits for its end.
    pub hook: usize,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            fetch: 8,
            build: 32,
            apply: 16,
            hook: 64,
        }
    }
}

/// Hands out `orders` until they end or the log stops. `execute` is the world outside, as a function: a
/// failure is an event, too.
pub async fn dispatch<E, F>(
    mut orders: mpsc::UnboundedReceiver<Order>,
    producer: Producer,
    lanes: Lanes,
    execute: E,
) where
    E: Fn(Order) -> F,
    F: Future<Output = Event> + Send + 'static,
{
    let [fetch, build, apply, hook] = [lanes.fetch, lanes.build, lanes.apply, lanes.hook]
        .map(|places| Arc::new(Semaphore::new(places)));
    let mut running = JoinSet::new();
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            Some(done) = running.join_next() => {
                if let Err(error) = done && error.is_panic() {
                    std::panic::resume_unwind(error.into_panic());
                }
                continue;
            }
        };
        let Some(order) = order else { return };
        let lane = match &order.command.kind {
            Some(
                command::Kind::FetchGit(_)
                | command::Kind::FetchOci(_)
                | command::Kind::FetchHelmRepository(_)
                | command::Kind::FetchHelmChart(_),
            ) => &fetch,
            Some(
                command::Kind::BuildKustomization(_)
                | command::Kind::InspectRelease(_)
                | command::Kind::RenderRelease(_)
                | command::Kind::RecallRelease(_),
            ) => &build,
            Some(command::Kind::RunHook(_)) => &hook,
            Some(
                command::Kind::ApplyObjects(_)
                | command::Kind::PruneObjects(_)
                | command::Kind::SetFinalizer(_)
                | command::Kind::RecallManifests(_)
                | command::Kind::DeclareChart(_)
                | command::Kind::StoreRelease(_),
            )
            | None => &apply,
        };
        let (lane, producer, id) = (Arc::clone(lane), producer.clone(), order.id);
        let object = order.command.object().cloned();
        let outcome = execute(order);
        running.spawn(async move {
            let Ok(_place) = lane.acquire_owned().await else {
                return;
            };
            let event = outcome.await;
            tokio::task::spawn_blocking(move || submit(&producer, id, object, event))
                .await
                .unwrap_or_default();
        });
    }
}

/// Hands an outcome to the log. One that no record can hold must not be waited for in vain: then that is
/// what came of the command.
fn submit(producer: &Producer, id: Id, object: Option<ObjectRef>, event: Event) {
    let name = event.name();
    let mut submitted = producer.submit(vec![Draft::outcome(id, event)]);
    if let Err(Error::TooLarge { bytes, .. }) = submitted {
        let message = format!(
            "cannot record what came of it: {name} has {bytes} bytes, more than a record may have; divide {} into smaller ones",
            object
                .as_ref()
                .map_or("it".to_owned(), ObjectRef::to_string)
        );
        let failed = CommandFailed { object, message };
        submitted = producer.submit(vec![Draft::outcome(id, failed.into())]);
    }
    // The log says itself when it has stopped; the command then stays without an outcome and is carried
    // out again after the restart.
    submitted.unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fluvial_event::{
        Command, Event, FetchGit, Id, ObjectRef, Offset, SourceUnchanged, Timestamp, command,
    };
    use fluvial_log::memory::MemoryLog;
    use fluvial_log::{EventLog as _, GroupCommit, Limits, Plain};
    use tokio::sync::mpsc;

    use super::{Lanes, dispatch};
    use crate::Order;

    #[tokio::test]
    async fn an_outcome_that_no_record_can_hold_is_a_failure_and_the_log_goes_on() {
        let log = Arc::new(MemoryLog::default());
        let stage = Plain::new(log.head(), 1);
        let group =
            GroupCommit::start(log.clone(), stage, || Timestamp(1), Limits::default()).unwrap();
        let object = Some(ObjectRef {
            kind: "GitRepository".into(),
            name: "app".into(),
            ..ObjectRef::default()
        });
        let (send, orders) = mpsc::unbounded_channel();
        for (id, bytes) in [(1, 100 << 20), (2, 10)] {
            let fetch = FetchGit {
                object: object.clone(),
                generation: bytes,
                ..FetchGit::default()
            };
            let kind = Some(command::Kind::FetchGit(fetch));
            let command = Command { kind };
            send.send(Order {
                id: Id([id; 16]),
                command,
            })
            .unwrap();
        }
        let work = tokio::spawn(dispatch(
            orders,
            group.producer(),
            Lanes::default(),
            |order| async {
                let Some(command::Kind::FetchGit(fetch)) = order.command.kind else {
                    unreachable!("nothing else was ordered")
                };
                let revision = "x".repeat(usize::try_from(fetch.generation).unwrap());
                let object = fetch.object;
                SourceUnchanged {
                    object,
                    revision,
                    ..SourceUnchanged::default()
                }
                .into()
            },
        ));
        while log.head().offset < Offset(2) {
            tokio::task::yield_now().await;
        }
        work.abort();
        group.stop().unwrap();
        let records: Vec<_> = log.read(Offset::FIRST).map(Result::unwrap).collect();
        let of = |id| {
            let outcome = records.iter().find(|it| it.cause == Id([id; 16]));
            &outcome.unwrap().event
        };
        let Event::CommandFailed(failed) = of(1) else {
            panic!("{:?}", of(1))
        };
        assert_eq!(failed.object, object);
        assert!(
            failed.message.contains("SourceUnchanged has 10485"),
            "{}",
            failed.message
        );
        assert!(matches!(of(2), Event::SourceUnchanged(_)));
    }
}
