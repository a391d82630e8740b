//! `load`: N Kustomizations of three objects each on a control plane of their own: how long until all are
//! Ready, what it costs, what a minute without news costs, and how fast drift is repaired.
//!
//! The limit is the API server's: the same objects applied by a client that does nothing else, as many at a
//! time, on the same control plane just before and just after.

mod audit;
mod drift;
mod objects;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fluvial_support::{ControlPlane, GitServer, Process, built};
use serde::Serialize;
use tokio::time::{sleep, timeout};

use self::audit::{Audit, Requests};
use self::drift::{Drift, is_ready};
use self::objects::NAMESPACE;
use crate::cluster::Raw;
use crate::report::{Row, Table};
use crate::usage::{self, Memory};

/// How long the engine may take to be done. Generous: it is reached only when something is wrong.
const PATIENCE: Duration = Duration::from_mins(10);
const ENGINE: &str = "engine";

/// What is measured, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many Kustomizations.
    pub(crate) count: usize,
    /// How many edits are made; fewer where there are fewer Kustomizations.
    pub(crate) edits: usize,
    /// How long nothing happens.
    pub(crate) idle: Duration,
    /// Whether the engine was started once before, so that whatever is done once is done.
    pub(crate) warm: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measured {
    kustomizations: usize,
    objects: usize,
    /// From the source's declaration until the last Kustomization says that it is Ready.
    pub(crate) ready_seconds: f64,
    /// The same objects, applied by a client that does nothing else: the mean of before and after.
    limit_seconds: f64,
    of_limit: f64,
    applies_per_second: f64,
    /// Of the engine and its children, since it was started.
    pub(crate) engine_cpu_seconds: f64,
    pub(crate) peak_mebibytes: f64,
    /// Of the API server and of etcd, while the engine worked and while the other client did.
    cluster_cpu_seconds: f64,
    limit_cluster_cpu_seconds: f64,
    requests: Requests,
    idle: Idle,
    drift: Option<Drift>,
}

/// Time in which nothing happened.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Idle {
    seconds: f64,
    engine_cpu_seconds: f64,
    cluster_cpu_seconds: f64,
    mebibytes: f64,
    requests: Requests,
}

/// A control plane, and what is needed to measure on it.
struct Place {
    plane: ControlPlane,
    git: GitServer,
    raw: Raw,
    /// A client that the API server takes for the engine.
    double: Raw,
    audit: Audit,
}

/// Measures as planned, with the engine's data in `data`, which may have a history.
pub(crate) async fn run(plan: Plan, data: &Path) -> Result<Measured> {
    let mut place = Place::prepare(plan.count).await?;
    let before = place.limit("before", plan.count).await?;
    if plan.warm {
        place.warm(data).await?;
    }
    let mut engine = place.start(data)?;
    let memory = Memory::watch(engine.id());
    place.declare(&mut engine, plan.count).await?;

    let cluster_before = place.cluster_cpu()?;
    place.audit.news()?;
    let began = Instant::now();
    let source = objects::source(&place.git.url("load"));
    place.raw.apply(&source).await?;
    place.until(&mut engine, plan.count, true).await?;
    let ready = began.elapsed().as_secs_f64();
    let engine_cpu = usage::cpu(engine.id())?;
    let cluster_cpu = place.cluster_cpu()? - cluster_before;

    let requests = place.requests().await?;
    place.audit.until_quiet().await?;
    let idle = place.idle(&engine, &memory, plan.idle).await?;
    let edits = plan.edits.min(plan.count);
    let drift = match edits {
        0 => None,
        _ => Some(drift::measure(&place.raw, edits).await?),
    };
    engine.check()?;
    let peak = memory.peak();
    drop(engine);
    let after = place.limit("after", plan.count).await?;

    let limit = f64::midpoint(before.seconds, after.seconds);
    Ok(Measured {
        kustomizations: plan.count,
        objects: plan.count * 3,
        ready_seconds: ready,
        limit_seconds: limit,
        of_limit: ready / limit,
        applies_per_second: float(plan.count * 3) / limit,
        engine_cpu_seconds: engine_cpu,
        peak_mebibytes: mebibytes(peak),
        cluster_cpu_seconds: cluster_cpu,
        limit_cluster_cpu_seconds: f64::midpoint(before.cluster_cpu, after.cluster_cpu),
        requests,
        idle,
        drift,
    })
}

/// What the API server can do.
struct Limit {
    seconds: f64,
    cluster_cpu: f64,
}

impl Place {
    async fn prepare(count: usize) -> Result<Self> {
        let plane = ControlPlane::start_audited(ENGINE)?;
        let git = GitServer::start()?;
        let files = objects::files(count);
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        git.repository("load")?.commit("main", "Load", &files)?;
        let installed = Command::new(built("fluvial")?)
            .arg("install")
            .arg("--kubeconfig")
            .arg(plane.kubeconfig())
            .output()?;
        let said = String::from_utf8_lossy(&installed.stderr);
        ensure!(installed.status.success(), "cannot install: {said}");
        let raw = Raw::connect(&plane.kubeconfig()).await?;
        raw.create_namespace(NAMESPACE).await?;
        let kubeconfig = plane.user_kubeconfig(ENGINE, Some("system:masters"))?;
        let double = Raw::connect(&kubeconfig).await?;
        let audit = Audit::of(&plane.audit_log());
        Ok(Self {
            plane,
            git,
            raw,
            double,
            audit,
        })
    }

    async fn limit(&self, namespace: &str, count: usize) -> Result<Limit> {
        self.raw.create_namespace(namespace).await?;
        let objects = (1..=count).flat_map(|number| objects::rendered(number, namespace));
        let before = self.cluster_cpu()?;
        let took = self.raw.apply_all(objects.collect()).await?;
        Ok(Limit {
            seconds: took.as_secs_f64(),
            cluster_cpu: self.cluster_cpu()? - before,
        })
    }

    /// As a user of its own, whose requests are noted.
    fn start(&self, data: &Path) -> Result<Process> {
        let kubeconfig = self.plane.user_kubeconfig(ENGINE, Some("system:masters"))?;
        let args = ["run", "--data"].map(AsRef::as_ref).into_iter();
        let args = args.chain([
            data.as_os_str(),
            "--kubeconfig".as_ref(),
            kubeconfig.as_os_str(),
        ]);
        let log = data.with_extension("log");
        Process::start("fluvial", &built("fluvial")?, args, &log)
    }

    /// Starts the engine until it has nothing to do.
    async fn warm(&self, data: &Path) -> Result<()> {
        const LOOK: Duration = Duration::from_secs(2);
        const QUIET_CPU_SECONDS: f64 = 0.05;
        let mut engine = self.start(data)?;
        let mut before = 0.0;
        loop {
            sleep(LOOK).await;
            engine.check()?;
            let now = usage::cpu(engine.id())?;
            if now - before < QUIET_CPU_SECONDS {
                break;
            }
            before = now;
        }
        let ended = engine.terminate(PATIENCE)?;
        ensure!(ended.success(), "the engine ended with {ended}");
        Ok(())
    }

    /// Declares the Kustomizations, and waits until each says that there is no source.
    async fn declare(&self, engine: &mut Process, count: usize) -> Result<()> {
        let all = (1..=count).map(objects::kustomization).collect();
        self.raw.apply_all(all).await?;
        self.until(engine, count, false).await
    }

    async fn until(&self, engine: &mut Process, count: usize, ready: bool) -> Result<()> {
        let api = "/apis/kustomize.toolkit.fluxcd.io/v1";
        let mut done = std::collections::BTreeSet::new();
        let all = async {
            while done.len() < count {
                // It begins with all that are there.
                let mut watch = self.raw.watch(api, NAMESPACE, "kustomizations").await?;
                while done.len() < count
                    && let Some(object) = watch.next().await?
                {
                    if is_ready(&object) == Some(ready) {
                        done.insert(object["metadata"]["name"].to_string());
                    }
                }
            }
            Ok::<_, anyhow::Error>(())
        };
        let ended = timeout(PATIENCE, all).await;
        engine.check()?;
        ended.with_context(|| format!("{} of {count} in time; {}", done.len(), engine.log_end()))?
    }

    /// What the engine asked since this was last asked, up to now: the API server notes a request a moment
    /// after it answered, so one more is sent and looked for.
    async fn requests(&mut self) -> Result<Requests> {
        const MARKER: &str = "/version?marker";
        self.double.get(MARKER).await?;
        let marker = format!("get {MARKER}");
        let mut requests = timeout(PATIENCE, self.audit.until(&marker))
            .await
            .context("the audit log does not tell of a request that was answered")??;
        requests.remove(&marker);
        Ok(requests)
    }

    fn cluster_cpu(&self) -> Result<f64> {
        let mut sum = 0.0;
        for program in ["kube-apiserver", "etcd"] {
            let pid = self.plane.process(program);
            sum += usage::cpu(pid.with_context(|| format!("{program} does not run"))?)?;
        }
        Ok(sum)
    }

    async fn idle(&mut self, engine: &Process, memory: &Memory, time: Duration) -> Result<Idle> {
        self.audit.news()?;
        let (engine_before, cluster_before) = (usage::cpu(engine.id())?, self.cluster_cpu()?);
        sleep(time).await;
        Ok(Idle {
            seconds: time.as_secs_f64(),
            engine_cpu_seconds: usage::cpu(engine.id())? - engine_before,
            cluster_cpu_seconds: self.cluster_cpu()? - cluster_before,
            mebibytes: mebibytes(memory.now()),
            requests: self.audit.news()?,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few digits are printed")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[expect(clippy::cast_precision_loss, reason = "a few digits are printed")]
fn float(count: usize) -> f64 {
    count as f64
}

/// As people read it.
pub(crate) fn table(all: &[Measured]) -> Table {
    let line = |it: &Measured| {
        let mut cells = vec![
            it.kustomizations.to_string(),
            format!("{:.2} s", it.ready_seconds),
            format!("{:.2} s", it.limit_seconds),
            format!("{:.2}", it.of_limit),
            format!("{:.2} s", it.engine_cpu_seconds),
            format!("{:.0} MiB", it.peak_mebibytes),
            format!("{:.1} s", it.cluster_cpu_seconds),
            format!("{:.1} s", it.limit_cluster_cpu_seconds),
            format!("{:.2} s", it.idle.engine_cpu_seconds),
            asked(&it.idle.requests),
        ];
        cells.extend(it.drift.as_ref().map(|drift| {
            format!(
                "{:.0} / {:.0} ms",
                drift.p50_milliseconds, drift.p99_milliseconds
            )
        }));
        Row(cells)
    };
    Table {
        title: "The load: N Kustomizations of three objects each".to_owned(),
        head: vec![
            "N",
            "all Ready",
            "limit",
            "ratio",
            "CPU",
            "peak",
            "cluster CPU",
            "at limit",
            "idle CPU",
            "idle requests",
            "drift p50 / p99",
        ],
        rows: all.iter().map(line).collect(),
    }
}

fn asked(requests: &Requests) -> String {
    if requests.is_empty() {
        return "none".to_owned();
    }
    let each = requests
        .iter()
        .map(|(name, number)| format!("{number} {name}"));
    each.collect::<Vec<_>>().join(", ")
}
