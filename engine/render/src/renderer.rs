//! What the engine asks: a job in, manifests out.

use fluvial_manifest::Value;

use crate::breach::Breach;
use crate::confine::{Confinement, Fence};
use crate::job::{Answer, Job, Refusal};
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
        let request = serde_json::to_vec(job).map_err(|error| Error::Start(error.to_string()))?;
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

    /// The limits that a job is held to.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}

fn refusal(job: &Job, breach: &Breach) -> Refusal {
    let path = job.spec.path.as_deref().unwrap_or("./");
    Refusal::build(format!("cannot build {path}: {breach}"))
}
