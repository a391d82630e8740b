//! `RecallManifests`: the manifests of an earlier build, read back from the log, whole or not at all.

use std::sync::Arc;

use fluvial_event::{
    Digest, Event, ManifestsBuilt, ManifestsRecalled, ObjectRef, Offset, RecallFailed,
    RecallManifests, Record, RollbackRequest,
};
use fluvial_log::{BlobStore, Error, EventLog};

use crate::{Executor, Trouble, named};

/// What an executor may ask of the past: single records, and nothing more.
pub trait History: Send + Sync {
    /// The record at `offset`; `None` beyond the end.
    fn record(&self, offset: Offset) -> fluvial_log::Result<Option<Record>>;
}

impl<T: EventLog + ?Sized> History for T {
    fn record(&self, offset: Offset) -> fluvial_log::Result<Option<Record>> {
        let record = self.read(offset).next().transpose()?;
        Ok(record.filter(|record| record.offset == offset))
    }
}

impl Executor {
    pub(crate) async fn recall(self, command: RecallManifests) -> Result<Event, Trouble> {
        let (history, blobs) = (Arc::clone(&self.history), Arc::clone(&self.blobs));
        tokio::task::spawn_blocking(move || answer(&*history, &*blobs, command)).await?
    }
}

fn answer(
    history: &dyn History,
    blobs: &dyn BlobStore,
    command: RecallManifests,
) -> Result<Event, Trouble> {
    let object = named(command.object.clone())?;
    let rollback = command.rollback.clone().unwrap_or_default();
    let found = match find(history, &object, &rollback)? {
        Ok(built) => missing(blobs, &built)?.map_or(Ok(built), Err),
        Err(why) => Err(why),
    };
    let event = match found {
        Ok(built) => ManifestsRecalled {
            object: command.object,
            generation: command.generation,
            revision: built.revision,
            objects: built.objects,
            digest: built.digest,
            rollback: command.rollback,
            source: command.source,
            against: command.against,
        }
        .into(),
        Err(why) => RecallFailed {
            message: format!("cannot roll back {object}: {why}"),
            object: command.object,
            generation: command.generation,
            rollback: command.rollback,
            held: command.held,
        }
        .into(),
    };
    Ok(event)
}

/// The build that is meant, or why it is none.
fn find(
    history: &dyn History,
    object: &ObjectRef,
    rollback: &RollbackRequest,
) -> Result<Result<ManifestsBuilt, String>, Trouble> {
    let RollbackRequest {
        offset,
        digest,
        invalid,
        ..
    } = rollback;
    if !invalid.is_empty() {
        return Ok(Err(invalid.clone()));
    }
    let record = match history.record(Offset(*offset)) {
        Ok(record) => record,
        Err(error) => return sort(error).map(|why| Err(format!("record {offset}: {why}"))),
    };
    let found = match record.map(|record| record.event) {
        Some(Event::ManifestsBuilt(built))
            if built.object.as_ref().is_some_and(|it| it.is_same(object)) =>
        {
            if built.digest == *digest {
                Ok(built)
            } else {
                Err(format!(
                    "record {offset} holds the set {}, not {digest}: the request was made from another log",
                    built.digest
                ))
            }
        }
        Some(other) => Err(format!(
            "record {offset} is {} and no ManifestsBuilt of it: `fluvial rollback` finds the right one",
            other.name()
        )),
        None => Err(format!("there is no record {offset} in this log")),
    };
    Ok(found)
}

/// The first manifest that cannot be put back, and why.
fn missing(blobs: &dyn BlobStore, built: &ManifestsBuilt) -> Result<Option<String>, Trouble> {
    for rendered in &built.objects {
        let read = rendered.manifest.parse::<Digest>().map(|it| blobs.get(&it));
        let why = match read {
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => sort(error)?,
            Err(error) => error.to_string(),
        };
        let target = rendered.object.clone().unwrap_or_default();
        return Ok(Some(format!(
            "the manifest of {target} cannot be read: {why}; choose another deployment, see `fluvial history`"
        )));
    }
    Ok(None)
}

/// What no repetition can help against is a sentence; anything else is trouble.
fn sort(error: Error) -> Result<String, Trouble> {
    match error {
        Error::NoBlob(_) | Error::AlteredBlob(_) | Error::Record { .. } => Ok(error.to_string()),
        Error::Sequence(_)
        | Error::Truncated { .. }
        | Error::Replaced { .. }
        | Error::TooLarge { .. }
        | Error::NoKey { .. }
        | Error::Key { .. }
        | Error::WrongKey
        | Error::Locked(_)
        | Error::Stopped(_)
        | Error::Storage { .. } => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use fluvial_event::{Chain, Draft, Head, Id, Rendered, TimerFired, Timestamp};
    use fluvial_log::memory::{MemoryBlobs, MemoryLog};

    use super::*;

    fn object(name: &str) -> ObjectRef {
        ObjectRef {
            kind: "Kustomization".into(),
            name: name.into(),
            ..ObjectRef::default()
        }
    }

    fn built(manifest: String) -> ManifestsBuilt {
        ManifestsBuilt {
            object: Some(object("app")),
            revision: "r1".into(),
            digest: "sha256:set".into(),
            objects: vec![Rendered {
                object: Some(object("a")),
                manifest,
                stage: 3,
                ..Rendered::default()
            }],
            ..ManifestsBuilt::default()
        }
    }

    /// 1: a timer; 2: a build; 3: a build whose blob is missing.
    fn past() -> (MemoryLog, MemoryBlobs) {
        let (log, blobs) = (MemoryLog::default(), MemoryBlobs::default());
        let kept = blobs.put(b"{}").unwrap().to_string();
        let fired = TimerFired {
            object: Some(object("app")),
        };
        let events: [Event; 3] = [
            fired.into(),
            built(kept).into(),
            built(Digest::of(b"lost").to_string()).into(),
        ];
        let mut chain = Chain::new(Head::default(), 1);
        let records: Vec<_> = events
            .into_iter()
            .map(|event| chain.seal(Draft::news(event), Id::NONE, Timestamp(1)))
            .collect();
        log.append(&records).unwrap();
        (log, blobs)
    }

    fn ask(name: &str, offset: u64, digest: &str, invalid: &str) -> Event {
        let (log, blobs) = past();
        let command = RecallManifests {
            object: Some(object(name)),
            generation: 7,
            rollback: Some(RollbackRequest {
                offset,
                digest: digest.into(),
                invalid: invalid.into(),
                ..RollbackRequest::default()
            }),
            against: "r2".into(),
            ..RecallManifests::default()
        };
        answer(&log, &blobs, command).unwrap()
    }

    #[test]
    fn a_build_comes_back_as_it_was() {
        let Event::ManifestsRecalled(recalled) = ask("app", 2, "sha256:set", "") else {
            panic!("it is there");
        };
        assert_eq!(recalled.objects[0].stage, 3);
        assert_eq!(
            (recalled.revision.as_str(), recalled.against.as_str()),
            ("r1", "r2")
        );
        assert_eq!(
            (recalled.generation, recalled.digest.as_str()),
            (7, "sha256:set")
        );
    }

    #[test]
    fn nothing_comes_back_that_is_not_what_was_meant() {
        for (name, offset, digest, invalid, why) in [
            ("app", 0, "sha256:set", "", "no record 0"),
            ("app", 4, "sha256:set", "", "no record 4"),
            ("app", 1, "sha256:set", "", "is TimerFired"),
            ("other", 2, "sha256:set", "", "no ManifestsBuilt of it"),
            ("app", 2, "sha256:else", "", "another log"),
            (
                "app",
                3,
                "sha256:set",
                "",
                "the manifest of Kustomization/a",
            ),
            ("app", 2, "sha256:set", "not JSON", "not JSON"),
        ] {
            let Event::RecallFailed(failed) = ask(name, offset, digest, invalid) else {
                panic!("{name} {offset} {digest} came back");
            };
            assert!(failed.message.contains(why), "{why}: {}", failed.message);
            assert!(failed.message.starts_with("cannot roll back Kustomization"));
        }
    }
}
