//! Who is told, outside: carries what Alerts want to know to the places that Providers name.
//!
//! [`run`] is the one entry point. It follows the log behind its head with `view::alert`, which knows what
//! is left to be told; `notify::desk` decides when; `address` reads the Provider and its Secrets, at the moment
//! they are used; `notify` prepares the request; `http` and `mail` send it.
//!
//! What always holds:
//! - what became of a notification is a record, appended before the next of its subscription is sent. So
//!   after a crash nothing is lost, and at most the one that was under way is sent again, under the same id;
//! - one subscription tells one thing at a time, in the order of the log, and waits for nobody: a place
//!   that is down, slow or flooded delays itself alone;
//! - what cannot be delivered is on record with its reason and without a credential, and never vanishes.
//!
//! Dropping the future stops sending at once: a deposed leader tells nothing.

mod address;
mod http;
mod mail;
mod send;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fluvial_cluster::Cluster;
use fluvial_event::{Draft, Id, Offset, Timestamp};
use fluvial_log::{EventLog, Producer, StateStore};
use fluvial_notify::desk::{Desk, Ended, Job};
use fluvial_view::alert::Alerts;
use fluvial_writeback::Kept;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use fluvial_view::alert::Namespaces;

/// How many records are folded between two looks at what else there is to do.
const BATCH_RECORDS_MAX: usize = 4096;

/// Why nothing is told any more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be read, or takes no more.
    #[error("cannot follow the log: {0}")]
    Log(#[from] fluvial_log::Error),
    /// The log was said to be longer than it is.
    #[error("cannot follow the log up to {goal}: it ends at {end}; run `fluvial log verify`")]
    Short {
        /// The head, as it was told.
        goal: Offset,
        /// The last record.
        end: Offset,
    },
    /// A thread or task died.
    #[error("cannot go on telling: a task stopped: {0}; restart")]
    Task(#[from] tokio::task::JoinError),
}

/// What a task came back with.
enum Back {
    Sent(Job, Ended),
    Recorded(Job),
}

/// Tells what `log` says that somebody wants to know, up to `head` and behind it, until `head` is closed.
pub async fn run(
    cluster: Cluster,
    log: Arc<dyn EventLog>,
    state: Arc<dyn StateStore>,
    producer: Producer,
    mut head: watch::Receiver<Offset>,
    namespaces: Namespaces,
) -> Result<(), Error> {
    let mut alerts = restore(Arc::clone(&log), state, namespaces).await?;
    let mut desk = Desk::default();
    let mut tasks: JoinSet<Result<Back, Error>> = JoinSet::new();
    loop {
        let goal = *head.borrow_and_update();
        while alerts.offset() < goal {
            let before = alerts.offset();
            alerts = read(alerts, Arc::clone(&log)).await?;
            if alerts.offset() == before {
                return Err(Error::Short { goal, end: before });
            }
        }
        let next = desk.take(alerts.view.due(), now());
        for job in next.jobs {
            let cluster = cluster.clone();
            tasks.spawn(async move {
                let ended = send::send(&cluster, &job).await;
                Ok(Back::Sent(job, ended))
            });
        }
        for (job, ended) in next.given_up {
            record(&mut tasks, &mut desk, &producer, job, ended);
        }
        let pause = next.wakes.map(|at| at.since_ms(now()).max(1));
        let pause = pause.and_then(|ms| u64::try_from(ms).ok());
        tokio::select! {
            changed = head.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            Some(back) = tasks.join_next() => match back?? {
                Back::Sent(job, ended) => record(&mut tasks, &mut desk, &producer, job, ended),
                Back::Recorded(job) => desk.recorded(&job),
            },
            () = tokio::time::sleep(Duration::from_millis(pause.unwrap_or_default())), if pause.is_some() => {}
        }
    }
}

/// Says what came of a job where it is news, and lets the subscription go on once that is durable.
fn record(
    tasks: &mut JoinSet<Result<Back, Error>>,
    desk: &mut Desk,
    producer: &Producer,
    job: Job,
    ended: Ended,
) {
    let event = desk.ended(&job, ended, now());
    let producer = producer.clone();
    let draft = event.map(|event| Draft::outcome(Id(job.note.cause), event).by(ACTOR));
    tasks.spawn(async move {
        if let Some(draft) = draft {
            tokio::task::spawn_blocking(move || producer.append(vec![draft])).await??;
        }
        Ok(Back::Recorded(job))
    });
}

/// The actor of what is recorded here.
const ACTOR: &str = "controller:fluvial";

async fn restore(
    log: Arc<dyn EventLog>,
    state: Arc<dyn StateStore>,
    namespaces: Namespaces,
) -> Result<Kept<Alerts>, Error> {
    let restore = move || Kept::restore(&|| Alerts::new(namespaces), "alert", &*log, &*state);
    Ok(tokio::task::spawn_blocking(restore).await??)
}

/// Folds the next records in, on a thread that may block.
async fn read(mut alerts: Kept<Alerts>, log: Arc<dyn EventLog>) -> Result<Kept<Alerts>, Error> {
    let read = move || {
        for record in log.read(alerts.offset().next()).take(BATCH_RECORDS_MAX) {
            alerts.apply(&record?);
        }
        alerts.store();
        Ok::<_, fluvial_log::Error>(alerts)
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
