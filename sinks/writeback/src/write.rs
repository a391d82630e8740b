//! The requests: a merge patch of what differs in a status, or an Event.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use fluvial_api::kinds;
use fluvial_cluster::{Cause, Cluster, Error, Event, Reference, Retry, Severity};
use fluvial_event::ObjectRef;
use fluvial_view::status::Status;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::follow::{Change, Told};
use crate::turns::{Kind, Turn, Turns};

/// How often an Event is tried before it is given up.
const NOTICE_ATTEMPTS_MAX: u32 = 5;

/// Writes what is put into it, so many requests at a time.
pub(crate) struct Writer {
    cluster: Cluster,
    requests_max: usize,
    /// Events with how often each was tried.
    turns: Turns<Status, (Told, u32)>,
    /// What stands in the cluster, by all we know.
    standing: BTreeMap<ObjectRef, Standing>,
    running: JoinSet<Ended>,
}

/// A status that we wrote, or found to be what we would have written.
#[derive(Clone, Debug)]
struct Standing {
    uid: String,
    value: Value,
}

/// How a request ended.
enum Ended {
    Status {
        status: Status,
        result: Result<bool, Error>,
    },
    Notice {
        told: Told,
        attempts: u32,
        result: Result<(), Error>,
    },
}

impl Writer {
    pub(crate) fn new(cluster: Cluster, requests_max: usize) -> Self {
        Self {
            cluster,
            requests_max: requests_max.max(1),
            turns: Turns::new(Instant::now()),
            standing: BTreeMap::new(),
            running: JoinSet::new(),
        }
    }

    /// Takes a change over. Nothing is sent before [`work`](Self::work) or [`start`](Self::start).
    pub(crate) fn put(&mut self, change: Change) {
        let now = Instant::now();
        match change {
            Change::Status(status) => {
                let (object, kind) = (status.object.identity(), kind(&status));
                self.turns.put_status(object, status, kind, now);
            }
            Change::Gone(object) => {
                self.turns.cancel(&object);
                self.standing.remove(&object);
            }
            Change::Notice(told) => self.turns.put_event(told.offset, (told, 0), now),
        }
    }

    /// Sends what may be sent now.
    pub(crate) fn start(&mut self) {
        let now = Instant::now();
        while self.running.len() < self.requests_max
            && let Some(turn) = self.turns.next(now)
        {
            let cluster = self.cluster.clone();
            match turn {
                Turn::Status(object, status) => {
                    let standing = self.standing.get(&object);
                    let standing = standing.filter(|it| it.uid == status.uid).cloned();
                    self.running.spawn(async move {
                        let result = write(&cluster, &status, standing).await;
                        Ended::Status { status, result }
                    });
                }
                Turn::Event(_, (told, attempts)) => {
                    self.running.spawn(async move {
                        let result = cluster.create_event(&event(&told)).await;
                        Ended::Notice {
                            told,
                            attempts: attempts + 1,
                            result,
                        }
                    });
                }
            }
        }
    }

    /// Sends what may be sent, and comes back when a request ended or a pause did. With nothing to do
    /// it does not come back. It can be dropped at any time: what is under way goes on.
    pub(crate) async fn work(&mut self) {
        self.start();
        let wakes = self.turns.wakes(Instant::now());
        // At the limit a pause that ended changes nothing: only the end of a request does.
        let wakes = wakes.filter(|_| self.running.len() < self.requests_max);
        let pause = async {
            match wakes {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let ended = async {
            match self.running.join_next().await {
                Some(ended) => ended,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pause => {}
            ended = ended => match ended {
                Ok(ended) => self.settle(ended),
                Err(error) => tracing::error!(%error, "A write did not end."),
            },
        }
    }

    fn settle(&mut self, ended: Ended) {
        let now = Instant::now();
        match ended {
            Ended::Status { status, result } => {
                let (key, kind) = (status.object.identity(), kind(&status));
                let again = match result {
                    Ok(true) => {
                        let standing = Standing {
                            uid: status.uid,
                            value: status.value,
                        };
                        self.standing.insert(key.clone(), standing);
                        None
                    }
                    Ok(false) => {
                        self.standing.remove(&key);
                        None
                    }
                    Err(error) => {
                        self.standing.remove(&key);
                        let is_final = error.retry() == Retry::Never;
                        let object = status.object.to_string();
                        tracing::warn!(object, %error, is_final, "A status was not written.");
                        (!is_final).then_some(status)
                    }
                };
                self.turns.status_ended(&key, kind, again, now);
            }
            Ended::Notice {
                told,
                attempts,
                result,
            } => {
                let offset = told.offset;
                let again = result.err().and_then(|error| {
                    let is_final = error.retry() == Retry::Never || attempts >= NOTICE_ATTEMPTS_MAX;
                    let object = told.notice.object.to_string();
                    tracing::warn!(object, %error, is_final, "An Event was not written.");
                    (!is_final).then_some((told, attempts))
                });
                self.turns.event_ended(offset, again, now);
            }
        }
    }
}

fn kind(status: &Status) -> Kind {
    if status.is_under_way() {
        Kind::UnderWay
    } else {
        Kind::Final
    }
}

/// Brings the status to what it should be; false where there is nothing to write to.
async fn write(
    cluster: &Cluster,
    status: &Status,
    standing: Option<Standing>,
) -> Result<bool, Error> {
    let object = &status.object;
    let kind = cluster
        .resource(&object.group, &object.version, &object.kind)
        .await;
    match kind {
        Ok(kind) if !kind.status => return Ok(false),
        Ok(_) => {}
        Err(error) => return none_if_gone(error),
    }
    let reference = reference(object);
    let (before, absent) = match standing {
        Some(standing) => (standing.value, Absent::Remove),
        None => match cluster.get(&reference).await? {
            Some(live) if uid(&live) == status.uid => (
                live.get("status").cloned().unwrap_or_default(),
                Absent::Keep,
            ),
            Some(_) | None => return Ok(false),
        },
    };
    let Some(patch) = difference(&before, &status.value, absent) else {
        return Ok(true);
    };
    let patch = json!({"metadata": {"uid": status.uid}, "status": patch});
    let written = cluster
        .patch_status(&reference, &patch, manager(object))
        .await;
    match written {
        Ok(_) => Ok(true),
        Err(error) => none_if_gone(error),
    }
}

fn none_if_gone(error: Error) -> Result<bool, Error> {
    match error.cause() {
        Cause::NotFound { .. } | Cause::UnknownKind { .. } => Ok(false),
        _ => Err(error),
    }
}

fn uid(object: &Value) -> &str {
    object
        .pointer("/metadata/uid")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn reference(object: &ObjectRef) -> Reference {
    let ObjectRef {
        group,
        version,
        kind,
        namespace,
        name,
    } = object.clone();
    Reference {
        group,
        version,
        kind,
        namespace,
        name,
    }
}

/// The controller of Flux that writes this kind.
fn manager(object: &ObjectRef) -> &'static str {
    kinds::find(&object.group, &object.kind).map_or("fluvial", |kind| kind.controller)
}

/// What to do about fields that stand there and are not in what is desired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absent {
    /// Somebody else's: leave them.
    Keep,
    /// Ours, and no longer so.
    Remove,
}

/// The merge patch that leads from `before` to `after`, if there is a difference.
fn difference(before: &Value, after: &Value, absent: Absent) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let mut patch = Map::new();
    for (key, value) in after {
        let known = before.get(key).unwrap_or(&Value::Null);
        // What is inside of a field is the field's owner's.
        if let Some(changed) = difference(known, value, Absent::Remove) {
            patch.insert(key.clone(), changed);
        }
    }
    if absent == Absent::Remove {
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

fn event(told: &Told) -> Event {
    let notice = &told.notice;
    let object = &notice.object;
    let since = Duration::from_nanos(u64::try_from(told.time.0).unwrap_or_default());
    let mut annotations = BTreeMap::new();
    if !notice.revision.is_empty() {
        let key = format!("{}/revision", object.group);
        annotations.insert(key, notice.revision.clone());
    }
    Event {
        involved: reference(object),
        uid: notice.uid.clone(),
        resource_version: notice.resource_version.clone(),
        id: told.id.to_string(),
        severity: if notice.is_warning {
            Severity::Warning
        } else {
            Severity::Normal
        },
        reason: notice.reason.clone(),
        message: notice.message.clone(),
        component: manager(object).to_owned(),
        annotations,
        at: UNIX_EPOCH + since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_holds_what_differs_and_nothing_else() {
        let cases = [
            (json!({"a": 1}), json!({"a": 1}), None),
            (json!({"a": 1}), json!({"a": 2}), Some(json!({"a": 2}))),
            (
                json!(null),
                json!({"a": {"b": 1}}),
                Some(json!({"a": {"b": 1}})),
            ),
            (
                json!({"a": 1, "b": 1}),
                json!({"a": 1}),
                Some(json!({"b": null})),
            ),
            (
                json!({"a": {"b": 1, "c": 1}}),
                json!({"a": {"b": 2}}),
                Some(json!({"a": {"b": 2, "c": null}})),
            ),
            (
                json!({"a": [1, 2]}),
                json!({"a": [1]}),
                Some(json!({"a": [1]})),
            ),
        ];
        for (before, after, patch) in cases {
            assert_eq!(
                difference(&before, &after, Absent::Remove),
                patch,
                "{before} -> {after}"
            );
        }
    }

    #[test]
    fn what_an_earlier_engine_wrote_stays_until_we_say_otherwise() {
        let before = json!({"mine": 1, "theirs": 2, "artifact": {"url": "a", "metadata": {}}});
        let after = json!({"mine": 2, "artifact": {"url": "b"}});
        assert_eq!(
            difference(&before, &after, Absent::Keep),
            Some(json!({"mine": 2, "artifact": {"url": "b", "metadata": null}}))
        );
    }
}
