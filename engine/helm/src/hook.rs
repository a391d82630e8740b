//! The hooks of a release: whose work an object is, what is deleted when, and how a run ended.
//!
//! helm v4.3: `execHook` in `pkg/action/hooks.go`. Creating, watching and deleting is the engine's business.

use fluvial_event::{Hook, RunHook};
use fluvial_manifest::{Value, object};

/// On a hook's object: which attempt made it, and for which event.
pub const ATTEMPT: &str = "fluvial.dev/attempt";
const BEFORE_CREATION: &str = "before-hook-creation";
const SUCCEEDED: &str = "hook-succeeded";
const FAILED: &str = "hook-failed";

/// How a hook begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// It was created before, by this very command: it is waited for.
    UnderWay,
    /// What is left of an earlier one goes first.
    Replaced,
    /// It is created; where another is there under its name, that fails, as by helm.
    Made,
}

/// What tells the object of a command from those of others.
pub fn stamp(command: &RunHook) -> String {
    format!("{}/{}", command.attempt, command.event)
}

/// How `hook` begins, where `live` is there under its name.
pub fn beginning(hook: &Hook, live: Option<&Value>, stamp: &str) -> Beginning {
    match live {
        Some(live) if object::annotation(live, ATTEMPT) == Some(stamp) => Beginning::UnderWay,
        Some(_) if has_policy(hook, BEFORE_CREATION) => Beginning::Replaced,
        Some(_) | None => Beginning::Made,
    }
}

/// The hooks that go once that of `command` has ended, in this order.
pub fn doomed(command: &RunHook, is_success: bool) -> Vec<&Hook> {
    let own = command.hook.iter();
    let mut doomed: Vec<_> = own
        .clone()
        .filter(|hook| !is_success && has_policy(hook, FAILED))
        .collect();
    if !is_success || command.is_last {
        let ended = own
            .filter(|_| is_success)
            .chain(command.before.iter().rev());
        doomed.extend(ended.filter(|hook| has_policy(hook, SUCCEEDED)));
    }
    doomed
}

/// Whether a hook may be deleted at all. A definition never goes: everything of its kind would.
pub fn may_go(hook: &Hook) -> bool {
    hook.kind != "CustomResourceDefinition"
}

fn has_policy(hook: &Hook, policy: &str) -> bool {
    hook.delete_policies.iter().any(|it| it == policy)
        || hook.delete_policies.is_empty() && policy == BEFORE_CREATION
}

/// Whether objects of a kind run, and end; others are through when they are there.
pub fn runs(group: &str, kind: &str) -> bool {
    matches!((group, kind), ("batch", "Job") | ("", "Pod"))
}

/// How an object of a kind that [`runs`] ended, with the reason of a failure; `None` while it has not.
pub fn end_of(group: &str, kind: &str, live: &Value) -> Option<Result<(), String>> {
    match (group, kind) {
        ("", "Pod") => end_of_pod(live),
        ("batch", "Job") => end_of_job(live),
        _ => Some(Ok(())),
    }
}

fn end_of_pod(live: &Value) -> Option<Result<(), String>> {
    match live.pointer("/status/phase").and_then(Value::as_str) {
        Some("Succeeded") => Some(Ok(())),
        Some("Failed") => {
            let message = live.pointer("/status/message").and_then(Value::as_str);
            let why = message.unwrap_or("its containers ended with an error");
            Some(Err(why.to_owned()))
        }
        _ => None,
    }
}

fn end_of_job(live: &Value) -> Option<Result<(), String>> {
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
    Some(Err(format!("{}: {}", text("reason"), text("message"))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hook(name: &str, policies: &[&str]) -> Hook {
        Hook {
            name: name.into(),
            delete_policies: policies.iter().map(|it| (*it).to_owned()).collect(),
            ..Hook::default()
        }
    }

    #[test]
    fn a_hook_is_known_for_what_this_attempt_made() {
        let live = |stamp: &str| json!({"metadata": {"annotations": {ATTEMPT: stamp}}});
        let (own, other) = (live("a/pre-install"), live("b/pre-install"));
        for (policies, live, expected) in [
            (&[][..], None, Beginning::Made),
            (&[], Some(&own), Beginning::UnderWay),
            (&[], Some(&other), Beginning::Replaced),
            (&[BEFORE_CREATION], Some(&other), Beginning::Replaced),
            (&[SUCCEEDED], Some(&other), Beginning::Made),
            (&[SUCCEEDED], Some(&own), Beginning::UnderWay),
        ] {
            let found = beginning(&hook("h", policies), live, "a/pre-install");
            assert_eq!(found, expected, "{policies:?} {live:?}");
        }
    }

    #[test]
    fn what_goes_is_what_the_policies_say_and_not_before_all_are_through() {
        let both = &[SUCCEEDED, FAILED];
        for (own, before, is_last, is_success, expected) in [
            (&both[..], &both[..], false, true, &[][..]),
            (both, both, true, true, &["own", "before"]),
            (both, both, false, false, &["own", "before"]),
            (&[SUCCEEDED], &[FAILED], true, true, &["own"]),
            (&[SUCCEEDED], &[FAILED], true, false, &[]),
            (&[], &[], true, true, &[]),
        ] {
            let command = RunHook {
                hook: Some(hook("own", own)),
                before: vec![hook("before", before)],
                is_last,
                ..RunHook::default()
            };
            let found: Vec<_> = doomed(&command, is_success)
                .into_iter()
                .map(|it| it.name.as_str())
                .collect();
            assert_eq!(found, expected, "{own:?} {before:?} {is_last} {is_success}");
        }
    }

    #[test]
    fn a_job_and_a_pod_say_how_they_ended() {
        let job = |aspect: &str, status: &str| {
            let conditions = json!([
                {"type": "SuccessCriteriaMet", "status": "True"},
                {"type": aspect, "status": status, "reason": "DeadlineExceeded", "message": "too slow"},
            ]);
            (
                "batch",
                "Job",
                json!({"status": {"conditions": conditions}}),
            )
        };
        let pod = |phase: &str| ("", "Pod", json!({"status": {"phase": phase}}));
        let failed = |why: &str| Some(Err(why.to_owned()));
        for ((group, kind, live), expected) in [
            (("batch", "Job", json!({})), None),
            (job("Complete", "True"), Some(Ok(()))),
            (job("Failed", "False"), None),
            (job("Failed", "True"), failed("DeadlineExceeded: too slow")),
            (pod("Running"), None),
            (pod("Succeeded"), Some(Ok(()))),
            (pod("Failed"), failed("its containers ended with an error")),
            (("", "ConfigMap", json!({})), Some(Ok(()))),
        ] {
            assert_eq!(end_of(group, kind, &live), expected, "{live}");
            assert_eq!(runs(group, kind), kind != "ConfigMap");
        }
    }
}
