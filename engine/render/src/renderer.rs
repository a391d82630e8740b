//! What the engine asks: a job in, manifests out.

use std::pin::Pin;

use fluvial_manifest::Value;

use crate::breach::Breach;
use crate::confine::{Confinement, Fence};
use crate::helm::{
    self, ChartValues, ReadRecord, RecordJob, ReleaseJob, RenderedRelease, ValuesJob,
};
use crate::job::{Answer, Job, Question, Refusal};
use crate::limits::Limits;
use crate::pool::{Error, Fetch, Pool, list};

/// Renders in workers. Clones share them.
#[derive(Clone, Debug)]
pub struct Renderer {
    pool: Pool,
    limits: Limits,
}

impl Renderer {
    /// Makes sure that a worker can be started and confined, and says in the engine's log what this system
    /// lacks. Without a fence that is needed there is no renderer, unless `allow_unconfined`.
    pub async fn start(limits: Limits, allow_unconfined: bool) -> Result<Self, Error> {
        let pool = Pool::new(limits, allow_unconfined);
        let Confinement { fences, missing } = pool.probe().await?;
        let fences: Vec<_> = fences.into_iter().map(Fence::name).collect();
        let fences = fences.join(", ");
        if missing.is_empty() {
            tracing::info!(fences, "Rendering is confined.");
        } else {
            let missing = list(&missing);
            tracing::warn!(
                fences,
                missing,
                "Rendering is confined, but not as well as it could be."
            );
        }
        Ok(Self { pool, limits })
    }

    /// The manifests of a job, rendered by a worker of `tenant`; `artifact` brings the bytes that the job
    /// names. A refusal is about the input, an error is not.
    pub async fn render(
        &self,
        tenant: &str,
        job: &Job,
        artifact: Fetch<'_>,
    ) -> Result<Result<Vec<Value>, Refusal>, Error> {
        let question = Question::Kustomization(Box::new(job.clone()));
        let request =
            serde_json::to_vec(&question).map_err(|error| Error::Start(error.to_string()))?;
        let answer = match self.pool.ask(tenant, &request, artifact).await {
            Ok(answer) => answer,
            Err(Error::Breach(breach)) => return Ok(Err(refusal(job, &breach))),
            Err(error) => return Err(error),
        };
        Ok(match serde_json::from_slice(&answer) {
            Ok(Answer::Built(objects)) => Ok(objects),
            Ok(Answer::Refused(refusal)) => Err(refusal),
            Err(error) => Err(refusal(
                job,
                &Breach::Crash(format!("its answer is broken: {error}")),
            )),
        })
    }

    /// A chart's facts and the values that it is released with.
    pub async fn values(
        &self,
        tenant: &str,
        job: ValuesJob,
        chart: Fetch<'_>,
    ) -> Result<Result<ChartValues, Refusal>, Error> {
        let question = helm::Question::Values(job);
        Ok(match self.ask_of_helm(tenant, question, chart).await? {
            helm::Answer::Values(values) => Ok(values),
            helm::Answer::Refused(refusal) => Err(refusal),
            helm::Answer::Release(_) | helm::Answer::Record(_) => Err(out_of_turn()),
        })
    }

    /// What a chart renders to.
    pub async fn release(
        &self,
        tenant: &str,
        job: ReleaseJob,
        chart: Fetch<'_>,
    ) -> Result<Result<RenderedRelease, Refusal>, Error> {
        let question = helm::Question::Release(Box::new(job));
        Ok(match self.ask_of_helm(tenant, question, chart).await? {
            helm::Answer::Release(release) => Ok(*release),
            helm::Answer::Refused(refusal) => Err(refusal),
            helm::Answer::Values(_) | helm::Answer::Record(_) => Err(out_of_turn()),
        })
    }

    /// The objects in a release record.
    pub async fn record(
        &self,
        tenant: &str,
        job: RecordJob,
    ) -> Result<Result<ReadRecord, Refusal>, Error> {
        let nothing =
            || Box::pin(async { Ok(Vec::new()) }) as Pin<Box<dyn Future<Output = _> + Send>>;
        let question = helm::Question::Record(job);
        Ok(match self.ask_of_helm(tenant, question, &nothing).await? {
            helm::Answer::Record(record) => Ok(record),
            helm::Answer::Refused(refusal) => Err(refusal),
            helm::Answer::Values(_) | helm::Answer::Release(_) => Err(out_of_turn()),
        })
    }

    async fn ask_of_helm(
        &self,
        tenant: &str,
        question: helm::Question,
        chart: Fetch<'_>,
    ) -> Result<helm::Answer, Error> {
        let question = Question::Helm(question, self.limits.output_bytes_max);
        let request =
            serde_json::to_vec(&question).map_err(|error| Error::Start(error.to_string()))?;
        let refuse = |breach: &Breach| {
            helm::Answer::Refused(Refusal::build(format!("cannot render the chart: {breach}")))
        };
        let answer = match self.pool.ask(tenant, &request, chart).await {
            Ok(answer) => answer,
            Err(Error::Breach(breach)) => return Ok(refuse(&breach)),
            Err(error) => return Err(error),
        };
        let broken = |error| Breach::Crash(format!("its answer is broken: {error}"));
        Ok(serde_json::from_slice(&answer).unwrap_or_else(|error| refuse(&broken(error))))
    }

    /// The limits that a job is held to.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}

fn out_of_turn() -> Refusal {
    let breach = Breach::Crash("it answered another question".into());
    Refusal::build(format!("cannot render the chart: {breach}"))
}

fn refusal(job: &Job, breach: &Breach) -> Refusal {
    let path = job.spec.path.as_deref().unwrap_or("./");
    Refusal::build(format!("cannot build {path}: {breach}"))
}
