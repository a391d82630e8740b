//! Carries commands to an executor, so many of each kind at a time, and their outcomes back.

use std::sync::Arc;

use fluvial_event::{Draft, Event, command};
use fluvial_log::Producer;
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
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            fetch: 8,
            build: 32,
            apply: 16,
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
    let [fetch, build, apply] =
        [lanes.fetch, lanes.build, lanes.apply].map(|places| Arc::new(Semaphore::new(places)));
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
            Some(command::Kind::FetchGit(_)) => &fetch,
            Some(command::Kind::BuildKustomization(_)) => &build,
            Some(
                command::Kind::ApplyObjects(_)
                | command::Kind::PruneObjects(_)
                | command::Kind::SetFinalizer(_)
                | command::Kind::RecallManifests(_),
            )
            | None => &apply,
        };
        let (lane, producer, id) = (Arc::clone(lane), producer.clone(), order.id);
        let outcome = execute(order);
        running.spawn(async move {
            let Ok(_place) = lane.acquire_owned().await else {
                return;
            };
            let event = outcome.await;
            let draft = Draft::outcome(id, event);
            // The log says itself when it has stopped; the command then stays without an outcome and
            // is carried out again after the restart.
            tokio::task::spawn_blocking(move || producer.submit(vec![draft]).unwrap_or_default())
                .await
                .unwrap_or_default();
        });
    }
}
