//! The engine: the log, the loop, and everything that feeds it and follows it, joined together.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fluvial_cluster::{Cluster, Leadership, Lease};
use fluvial_deliver::Namespaces;
use fluvial_event::{Head, Offset};
use fluvial_execute::Executor;
use fluvial_ingest::Ingest;
use fluvial_log::{EventLog, Key};
use fluvial_log_rocksdb::{Data, Found, Mode, RocksLog, RocksState};
use fluvial_publish::Target;
use fluvial_reduce::World;
use fluvial_render::Renderer;
use fluvial_runtime::{Lanes, Runtime, dispatch};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::index;

/// How the engine is run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Whether to wait for the Lease, so that one engine acts at a time.
    pub(crate) leader_election: bool,
    /// What an Alert may tell of.
    pub(crate) alerts: Namespaces,
    /// The namespace of the Lease.
    pub(crate) namespace: String,
    /// How much one build may take.
    pub(crate) rendering: fluvial_render::Limits,
    /// Whether to render where the kernel cannot confine it.
    pub(crate) allow_unconfined: bool,
    /// Where the story is published.
    pub(crate) publish: Option<Target>,
}

/// The annotation of the Lease that pins the head of the log outside its volume.
const PIN: &str = "fluvial.dev/log-head";
/// How long a silent leader keeps the lead.
const LEASE: Duration = Duration::from_secs(15);
/// A snapshot of the state is taken after so many records.
const SNAPSHOT_RECORDS: u64 = 100_000;

/// Runs until it is told to stop, loses the lead, or the log takes no more.
pub(crate) async fn run(cluster: Cluster, options: Options) -> Result<()> {
    let identity = identity();
    let data = Data::new(&options.data);
    tracing::info!(directory = %options.data.display(), identity, "Starting.");
    let renderer = Renderer::start(options.rendering, options.allow_unconfined).await?;
    let told = told_to_stop();
    tokio::pin!(told);
    // Whoever waits for its turn may be told to stop, too.
    let (cluster, mut leadership) = tokio::select! {
        led = lead(cluster, &options, &identity) => led?,
        told = &mut told => return told,
    };
    let (log, state) = open(data.clone()).await?;
    if let Some(leadership) = &leadership {
        check_pin(&*log, leadership)?;
    }
    let (runtime, orders) = {
        let (log, state, identity) = (Arc::clone(&log), Arc::clone(&state), identity.clone());
        tokio::task::spawn_blocking(move || Runtime::start(log, state, &identity)).await??
    };

    let mut tasks = JoinSet::new();
    let key = Key::open_file(&data.key_file())?;
    let executor = Executor::new(
        cluster.clone(),
        log.clone(),
        log.clone(),
        key.clone(),
        options.data.join("cache"),
        renderer,
    );
    tasks.spawn(dispatch(
        orders,
        runtime.producer(),
        Lanes::default(),
        move |order| executor.clone().execute(order.command),
    ));
    let ingest = Ingest::new(
        cluster.clone(),
        log.clone(),
        key,
        runtime.shared_world(),
        runtime.producer(),
    );
    tasks.spawn(ingest.run(runtime.head()));
    tasks.spawn(runtime.timers());
    tasks.spawn(index::follow(data.clone(), log.clone(), runtime.head()));
    tasks.spawn(snapshots(data, Arc::clone(&state), runtime.head()));
    tell(&mut tasks, &cluster, &log, &state, &runtime, &options);

    let ended = until_the_end(&runtime, told, leadership.as_mut(), &log).await;
    tasks.shutdown().await;
    let stopped = tokio::task::spawn_blocking(move || runtime.stop()).await?;
    if let (Ok(()), Some(leadership)) = (&ended, leadership) {
        leadership.pin(PIN, &pin(&*log, &log_id(&*log)?));
        if let Err(error) = leadership.release().await {
            tracing::warn!(%error, "The Lease was not released; the next leader waits for it to run out.");
        }
    }
    ended?;
    stopped.context("cannot commit what was waiting")?;
    tokio::task::spawn_blocking(move || log.settle())
        .await?
        .unwrap_or_else(|error| tracing::warn!(%error, "The next start takes a little longer."));
    Ok(())
}

/// Starts the sinks: they follow the log, each behind its head at its own pace.
fn tell(
    tasks: &mut JoinSet<()>,
    cluster: &Cluster,
    log: &Arc<RocksLog>,
    state: &Arc<RocksState>,
    runtime: &Runtime,
    options: &Options,
) {
    let writeback = fluvial_writeback::run(
        cluster.clone(),
        log.clone(),
        state.clone(),
        runtime.head(),
        fluvial_writeback::Options::default(),
    );
    tasks.spawn(async move {
        if let Err(error) = writeback.await {
            tracing::error!(%error, "Statuses are not written any more.");
        }
    });
    let deliver = fluvial_deliver::run(
        cluster.clone(),
        log.clone(),
        state.clone(),
        runtime.producer(),
        runtime.head(),
        options.alerts,
    );
    tasks.spawn(async move {
        if let Err(error) = deliver.await {
            tracing::error!(%error, "Alerts are not told any more.");
        }
    });
    let Some(target) = options.publish.clone() else {
        return;
    };
    let publish = fluvial_publish::run(log.clone(), state.clone(), target, runtime.head());
    tasks.spawn(async move {
        if let Err(error) = publish.await {
            tracing::error!(%error, "Nothing is published any more.");
        }
    });
}

/// Waits for a signal (all is well), for the lead to be lost or for the log to stop.
async fn until_the_end(
    runtime: &Runtime,
    mut told: Pin<&mut impl Future<Output = Result<()>>>,
    leadership: Option<&mut Leadership>,
    log: &RocksLog,
) -> Result<()> {
    let (mut stopped, mut head) = (runtime.stopped(), runtime.head());
    let Some(leadership) = leadership else {
        return tokio::select! {
            told = told => told,
            why = stopped.wait_for(Option::is_some) => Err(log_stopped(why.ok().and_then(|why| why.clone()))),
        };
    };
    // The loop has begun a term, so there is a first record, which stays.
    let id = log_id(log)?;
    loop {
        tokio::select! {
            told = &mut told => return told,
            lost = leadership.lost() => {
                bail!("the Lease was lost ({lost:?}): another engine may act now; restart this one to wait for its turn")
            }
            why = stopped.wait_for(Option::is_some) => {
                return Err(log_stopped(why.ok().and_then(|why| why.clone())));
            }
            changed = head.changed() => {
                if changed.is_err() {
                    return Err(log_stopped(None));
                }
                // Kept in memory until the next renewal writes it.
                leadership.pin(PIN, &pin(log, &id));
            }
        }
    }
}

/// Waits for SIGTERM or Ctrl-C.
async fn told_to_stop() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        _ = terminate.recv() => Ok(()),
    }
}

fn log_stopped(why: Option<String>) -> anyhow::Error {
    let why = why.unwrap_or_else(|| "its thread ended".into());
    let advice = advice(&why);
    anyhow::anyhow!("the log takes no more, so nothing more is done: {why}; {advice}")
}

/// What to do about a disk. Nothing that was acknowledged is lost by any of it.
fn advice(why: &str) -> &'static str {
    if why.contains("No space left on device") {
        "free space on the volume of the data directory, or make it larger, and restart: nothing that was acknowledged is lost"
    } else if why.contains("Read-only file system") {
        "make the volume of the data directory writable, and restart"
    } else {
        "mend the disk, check what is there with `fluvial log verify`, and restart"
    }
}

async fn open(data: Data) -> Result<(Arc<RocksLog>, Arc<RocksState>)> {
    tokio::task::spawn_blocking(move || {
        let opened = data.open_log(Mode::Write).and_then(|log| {
            let (state, found) = data.open_state(&log, World::FORMAT)?;
            Ok((log, state, found))
        });
        let (log, state, found) = opened.map_err(|error| {
            let root = data.root().display();
            match &error {
                fluvial_log::Error::Storage { why, .. } => {
                    anyhow::anyhow!("cannot open the log in {root}: {error}; {}", advice(why))
                }
                _ => anyhow::anyhow!("cannot open the log in {root}: {error}"),
            }
        })?;
        match found {
            Found::Kept => {}
            Found::Restored(offset, why) => {
                tracing::warn!(
                    offset = offset.0,
                    why,
                    "The state was restored from a snapshot."
                );
            }
            Found::Nothing(why) => tracing::info!(why, "The state is made from the log."),
        }
        Ok((Arc::new(log), Arc::new(state)))
    })
    .await?
}

/// Waits for the lead, where one is to be had; the cluster then serves only while it is held.
async fn lead(
    cluster: Cluster,
    options: &Options,
    identity: &str,
) -> Result<(Cluster, Option<Leadership>)> {
    if !options.leader_election {
        return Ok((cluster, None));
    }
    tracing::info!(namespace = options.namespace, "Waiting for the lead.");
    let lease = Lease {
        namespace: options.namespace.clone(),
        name: "fluvial".to_owned(),
        identity: identity.to_owned(),
        duration: LEASE,
    };
    let leadership = cluster.lead(&lease).await.context(
        "cannot take the lead; `fluvial install` makes the namespace and the rights, --leader-election=false does without",
    )?;
    let cluster = cluster.while_leading(leadership.standing());
    Ok((cluster, Some(leadership)))
}

/// `<log>/<offset>/<hash>`: which log, how far, and with what history.
fn pin(log: &dyn EventLog, id: &str) -> String {
    let Head { offset, hash, .. } = log.head();
    format!("{id}/{offset}/{hash}")
}

/// The name of a log is the hash of its first record; none while it is empty.
fn log_id(log: &dyn EventLog) -> Result<String> {
    Ok(match log.read(Offset::FIRST).next() {
        Some(first) => first?.hash.to_string(),
        None => "none".to_owned(),
    })
}

/// A log that is behind what its last leader pinned, or has another history, lost its end.
fn check_pin(log: &dyn EventLog, leadership: &Leadership) -> Result<()> {
    let Some(pinned) = leadership.found().get(PIN) else {
        return Ok(());
    };
    let mut parts = pinned.split('/');
    let (Some(id), Some(offset), Some(hash)) = (parts.next(), parts.next(), parts.next()) else {
        bail!(
            "the Lease's annotation {PIN} reads {pinned:?}: want <log>/<offset>/<hash>; remove it if nobody knows better"
        );
    };
    if log_id(log)? != id {
        tracing::warn!(
            pinned,
            "This cluster was run from another log before; its history is there."
        );
        return Ok(());
    }
    let offset = Offset(
        offset
            .parse()
            .with_context(|| format!("cannot read the pinned head {pinned:?}"))?,
    );
    match log.read(offset).next() {
        Some(record)
            if record
                .as_ref()
                .is_ok_and(|record| record.hash.to_string() == hash) =>
        {
            Ok(())
        }
        _ => bail!(
            "the log ends at {}, but the Lease says that it went on to {offset}: its end is missing or was replaced; restore it from a backup",
            log.head().offset
        ),
    }
}

async fn snapshots(data: Data, state: Arc<RocksState>, mut head: watch::Receiver<Offset>) {
    let mut last = head.borrow().0;
    while head.changed().await.is_ok() {
        let now = head.borrow_and_update().0;
        if now < last + SNAPSHOT_RECORDS {
            continue;
        }
        last = now;
        let (data, state) = (data.clone(), Arc::clone(&state));
        let taken = tokio::task::spawn_blocking(move || data.snapshot(&state, World::FORMAT)).await;
        match taken {
            Ok(Ok(applied)) => tracing::info!(offset = applied.offset.0, "Took a snapshot."),
            Ok(Err(error)) => tracing::error!(%error, "A snapshot was not taken."),
            Err(error) => tracing::error!(%error, "A snapshot was not taken."),
        }
    }
}

/// Who this process is among those that wait for the lead.
fn identity() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| host.trim().to_owned());
    format!("{host}_{}_{}", std::process::id(), fluvial_runtime::now().0)
}
