//! `RunHook`: create a hook and wait for its end.
//!
//! Run twice it runs once: its object says which attempt made it, so after a crash the same object is
//! waited for. Only one that was deleted after its end, as its policy has it, would be made again.
//! helm v4.3: `execHook` in `pkg/action/hooks.go`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fluvial_cluster::{Cluster, Delete, Error, Reference, Retry, Selector, Watched};
use fluvial_event::{Event, Hook, HookRan, HookRun, RunHook, Timestamp};
use fluvial_helm::hook::{self, ATTEMPT, Beginning};
use fluvial_manifest::object;
use futures::StreamExt;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::{Executor, Trouble, field_manager, named};

/// The hooks of one command.
struct Runner {
    cluster: Cluster,
    field_manager: &'static str,
    deadline: Instant,
    timeout: Duration,
}

/// Why a hook has not succeeded.
enum Hitch {
    Cluster(Error),
    Failed(String),
}

impl From<Error> for Hitch {
    fn from(error: Error) -> Self {
        Self::Cluster(error)
    }
}

impl Executor {
    pub(crate) async fn run_hook(self, command: RunHook) -> Result<Event, Trouble> {
        let object = named(command.object.clone())?;
        let hook = command
            .hook
            .clone()
            .ok_or_else(|| Trouble::Command("it names no hook".into()))?;
        let timeout = Duration::from_millis(u64::try_from(command.timeout_ms).unwrap_or_default());
        let runner = Runner {
            cluster: self.acting_as(&object, &command.service_account)?,
            field_manager: field_manager(&object),
            deadline: Instant::now() + timeout,
            timeout,
        };
        let manifest = self.hook_object(&hook).await?;
        let mut doomed = hook::doomed(&command, true);
        let ran = match runner.run(&hook, manifest.clone(), &command).await {
            Ok(()) => Ok(()),
            Err(Hitch::Cluster(error)) if error.retry() == Retry::Soon => return Err(error.into()),
            // It never ran, so what is there under its name is another's. helm leaves it, too.
            Err(Hitch::Cluster(error)) => {
                doomed.clear();
                Err(error.to_string())
            }
            Err(Hitch::Failed(why)) => {
                doomed = hook::doomed(&command, false);
                Err(why)
            }
        };
        let completed_at = now().to_string();
        let mut ended = Vec::new();
        for each in doomed {
            ended.push((each, self.hook_object(each).await?));
        }
        runner.clean_up(&ended).await?;
        Ok(HookRan {
            object: Some(object),
            event: command.event.clone(),
            run: Some(HookRun {
                path: hook.path.clone(),
                name: hook.name.clone(),
                started_at: command.at.clone(),
                completed_at,
                phase: if ran.is_ok() { "Succeeded" } else { "Failed" }.to_owned(),
            }),
            message: ran
                .err()
                .map_or_else(String::new, |why| sentence(&command.event, &why)),
        }
        .into())
    }

    async fn hook_object(&self, hook: &Hook) -> Result<Value, Trouble> {
        let bytes = self.kept(&hook.manifest).await?;
        serde_json::from_slice(&bytes).map_err(|error| Trouble::Command(error.to_string()))
    }
}

/// As helm says that hooks of an event failed.
fn sentence(event: &str, why: &str) -> String {
    match event {
        "pre-upgrade" | "post-upgrade" => format!("{event} hooks failed: {why}"),
        "test" | "pre-rollback" | "post-rollback" => why.to_owned(),
        _ => format!("failed {event}: {why}"),
    }
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(i64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX))
}

impl Runner {
    async fn run(&self, hook: &Hook, mut manifest: Value, command: &RunHook) -> Result<(), Hitch> {
        let stamp = hook::stamp(command);
        object::set_annotation(&mut manifest, ATTEMPT, &stamp);
        let target = Reference::of(&manifest)?;
        let live = self.cluster.get(&target).await?;
        let beginning = hook::beginning(hook, live.as_ref(), &stamp);
        if beginning == Beginning::Replaced {
            self.delete(hook, &target).await?;
        }
        if beginning != Beginning::UnderWay {
            // Not applied: what is there under its name would count for this hook, and may have run long ago.
            self.cluster.create(&manifest, self.field_manager).await?;
        }
        self.wait(&target).await
    }

    /// Waits until a Job or a Pod is through; anything else is when it is there.
    async fn wait(&self, target: &Reference) -> Result<(), Hitch> {
        if !hook::runs(&target.group, &target.kind) {
            return Ok(());
        }
        let late = || {
            let timeout = self.timeout.as_secs_f64();
            Hitch::Failed(format!(
                "{target} is not complete after {timeout}s, the timeout"
            ))
        };
        let resource = self
            .cluster
            .resource(&target.group, &target.version, &target.kind)
            .await?;
        let one = Selector::namespace(&target.namespace).named(&target.name);
        let mut news = self.cluster.watch(&resource, &one);
        let mut is_listed = false;
        loop {
            let next = timeout_at(self.deadline, news.next()).await;
            let Ok(Some(news)) = next else {
                return Err(late());
            };
            let gone = || Hitch::Failed(format!("{target} was deleted before it was complete"));
            match news {
                Watched::ListStarted => is_listed = false,
                Watched::Listed(live) | Watched::Applied(live) => {
                    is_listed = true;
                    match hook::end_of(&target.group, &target.kind, &live) {
                        Some(Ok(())) => return Ok(()),
                        Some(Err(why)) => {
                            return Err(Hitch::Failed(format!("{target} failed: {why}")));
                        }
                        None => {}
                    }
                }
                Watched::ListEnded { .. } if !is_listed => return Err(gone()),
                Watched::Deleted(_) => return Err(gone()),
                Watched::Failed(error) if error.retry() != Retry::Soon => return Err(error.into()),
                Watched::ListEnded { .. }
                | Watched::Bookmark { .. }
                | Watched::Gap { .. }
                | Watched::Failed(_) => {}
            }
        }
    }

    /// Deletes what the policies of the hooks say, once a hook has ended. What cannot be deleted stays: the
    /// hook ended as it did.
    async fn clean_up(&self, doomed: &[(&Hook, Value)]) -> Result<(), Trouble> {
        for (hook, manifest) in doomed {
            let target = Reference::of(manifest)?;
            match self.delete(hook, &target).await {
                Ok(()) => {}
                Err(Hitch::Cluster(error)) if error.retry() == Retry::Soon => {
                    return Err(error.into());
                }
                Err(Hitch::Cluster(error)) => {
                    tracing::warn!(%target, %error, "A hook cannot be deleted.");
                }
                Err(Hitch::Failed(why)) => {
                    tracing::warn!(%target, why, "A hook is not gone.");
                }
            }
        }
        Ok(())
    }

    /// Deletes a hook that may go, and waits until it is gone.
    async fn delete(&self, hook: &Hook, target: &Reference) -> Result<(), Hitch> {
        if !hook::may_go(hook) {
            return Ok(());
        }
        self.cluster.delete(target, &Delete::default()).await?;
        let mut pause = Duration::from_millis(20);
        while self.cluster.get(target).await?.is_some() {
            if Instant::now() >= self.deadline {
                return Err(Hitch::Failed(format!("{target} does not go")));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        Ok(())
    }
}
