//! `RunHook`: create a hook and wait for its end.
//!
//! Run twice it runs once: its object says which attempt made it, so after a crash the same object is
//! waited for. Only one that was deleted after its end, as its policy has it, would be made again.
//! helm v4.3: `execHook` in `pkg/action/hooks.go`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fluvial_cluster::{
    Apply, Cluster, Delete, Error, Reference, Retry, Selector, Takeover, Watched,
};
use fluvial_event::{Event, Hook, HookRan, HookRun, RunHook, Timestamp};
use fluvial_manifest::object;
use futures::StreamExt;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::{Executor, Trouble, field_manager, named};

/// On a hook's object: which attempt made it, and for which event.
const ATTEMPT: &str = "fluvial.dev/attempt";
const BEFORE_CREATION: &str = "before-hook-creation";
const SUCCEEDED: &str = "hook-succeeded";
const FAILED: &str = "hook-failed";

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
        let ran = match runner.run(&hook, manifest.clone(), &command).await {
            Ok(()) => Ok(()),
            Err(Hitch::Cluster(error)) if error.retry() == Retry::Soon => return Err(error.into()),
            Err(Hitch::Cluster(error)) => Err(error.to_string()),
            Err(Hitch::Failed(why)) => Err(why),
        };
        let completed_at = now().to_string();
        let mut ended = Vec::new();
        for before in &command.before {
            ended.push((before.clone(), self.hook_object(before).await?));
        }
        runner
            .clean_up(&command, &ended, (&hook, &manifest), ran.is_ok())
            .await?;
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

fn has_policy(hook: &Hook, policy: &str) -> bool {
    hook.delete_policies.iter().any(|it| it == policy)
        || hook.delete_policies.is_empty() && policy == BEFORE_CREATION
}

impl Runner {
    async fn run(&self, hook: &Hook, mut manifest: Value, command: &RunHook) -> Result<(), Hitch> {
        let stamp = format!("{}/{}", command.attempt, command.event);
        object::set_annotation(&mut manifest, ATTEMPT, &stamp);
        let target = Reference::of(&manifest)?;
        let live = self.cluster.get(&target).await?;
        let is_ours = live
            .as_ref()
            .is_some_and(|live| object::annotation(live, ATTEMPT) == Some(&stamp));
        if !is_ours {
            if live.is_some() && has_policy(hook, BEFORE_CREATION) {
                self.delete(hook, &target).await?;
            }
            let how = Apply {
                field_manager: self.field_manager.to_owned(),
                takeover: Takeover::Nobody,
                ..Apply::flux()
            };
            self.cluster.apply(&manifest, &how).await?;
        }
        self.wait(&target).await
    }

    /// Waits until a Job or a Pod is through; anything else is when it is there.
    async fn wait(&self, target: &Reference) -> Result<(), Hitch> {
        let is_run = matches!(
            (target.group.as_str(), target.kind.as_str()),
            ("batch", "Job") | ("", "Pod")
        );
        if !is_run {
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
                    match end_of(target, &live) {
                        Some(Ok(())) => return Ok(()),
                        Some(Err(why)) => return Err(Hitch::Failed(why)),
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
    async fn clean_up(
        &self,
        command: &RunHook,
        before: &[(Hook, Value)],
        (hook, manifest): (&Hook, &Value),
        is_success: bool,
    ) -> Result<(), Trouble> {
        let mut doomed = Vec::new();
        if !is_success && has_policy(hook, FAILED) {
            doomed.push((hook, manifest));
        }
        if !is_success || command.is_last {
            let own = is_success.then_some((hook, manifest));
            let before = before.iter().rev().map(|(hook, manifest)| (hook, manifest));
            let ended = own.into_iter().chain(before);
            doomed.extend(ended.filter(|(hook, _)| has_policy(hook, SUCCEEDED)));
        }
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

    /// Deletes a hook and waits until it is gone. A definition never goes: everything of its kind would.
    async fn delete(&self, hook: &Hook, target: &Reference) -> Result<(), Hitch> {
        if hook.kind == "CustomResourceDefinition" {
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

/// How a Job or a Pod ended; `None` while it has not.
fn end_of(target: &Reference, live: &Value) -> Option<Result<(), String>> {
    let failed = |why: &str| Some(Err(format!("{target} failed: {why}")));
    if target.kind == "Pod" {
        return match live.pointer("/status/phase").and_then(Value::as_str) {
            Some("Succeeded") => Some(Ok(())),
            Some("Failed") => {
                let message = live.pointer("/status/message").and_then(Value::as_str);
                failed(message.unwrap_or("its containers ended with an error"))
            }
            _ => None,
        };
    }
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
    let is = |aspect: &str| {
        let mut all = conditions.into_iter().flatten();
        all.find(|it| it["type"] == aspect && it["status"] == "True")
    };
    if is("Complete").is_some() {
        return Some(Ok(()));
    }
    let end = is("Failed")?;
    let text = |field: &str| end[field].as_str().unwrap_or_default();
    failed(&format!("{}: {}", text("reason"), text("message")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hook(policies: &[&str]) -> Hook {
        Hook {
            delete_policies: policies.iter().map(|it| (*it).to_owned()).collect(),
            ..Hook::default()
        }
    }

    #[test]
    fn a_hook_without_a_policy_is_deleted_before_the_next_of_its_name() {
        for (policies, before, succeeded) in [
            (&[][..], true, false),
            (&[SUCCEEDED], false, true),
            (&[SUCCEEDED, BEFORE_CREATION], true, true),
        ] {
            let hook = hook(policies);
            let found = (
                has_policy(&hook, BEFORE_CREATION),
                has_policy(&hook, SUCCEEDED),
            );
            assert_eq!(found, (before, succeeded), "{policies:?}");
            assert!(!has_policy(&hook, FAILED));
        }
    }

    #[test]
    fn a_job_and_a_pod_say_how_they_ended() {
        let job = Reference::new("batch/v1", "Job", "team", "a");
        let pod = Reference::new("v1", "Pod", "team", "a");
        let condition = |aspect: &str, status: &str| {
            json!({"status": {"conditions": [
                {"type": "SuccessCriteriaMet", "status": "True"},
                {"type": aspect, "status": status, "reason": "DeadlineExceeded", "message": "too slow"},
            ]}})
        };
        let phase = |phase: &str| json!({"status": {"phase": phase}});
        for (target, live, expected) in [
            (&job, json!({}), None),
            (&job, condition("Complete", "True"), Some(Ok(()))),
            (&job, condition("Failed", "False"), None),
            (
                &job,
                condition("Failed", "True"),
                Some(Err(
                    "Job/team/a failed: DeadlineExceeded: too slow".to_owned()
                )),
            ),
            (&pod, phase("Running"), None),
            (&pod, phase("Succeeded"), Some(Ok(()))),
            (
                &pod,
                phase("Failed"),
                Some(Err(
                    "Pod/team/a failed: its containers ended with an error".to_owned()
                )),
            ),
        ] {
            assert_eq!(end_of(target, &live), expected, "{live}");
        }
    }
}
