//! Following the log until a rollback is done.

use std::time::Duration;

use anyhow::{Result, bail};
use fluvial_api::Rollback;
use fluvial_event::{Concluded, Event, ObjectRef, Offset, Record, RollbackRequest, command};
use fluvial_log::EventLog as _;

use crate::data::DataArgs;
use crate::say;

/// How often it is looked for more: another process writes the log.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// Says what happens to `object` from `next` on, until what was asked for has ended. Fails if it does.
pub(super) async fn until_done(
    data: &DataArgs,
    object: &ObjectRef,
    asked: &Rollback,
    mut next: Offset,
) -> Result<()> {
    say::waiting("waiting for the rollback");
    let mut progress = Progress::default();
    loop {
        let news = news(data, next).await?;
        for record in &news {
            next = record.offset.next();
            let about = record.event.object().map(ObjectRef::identity);
            if about.as_ref() == Some(object)
                && let Some(end) = progress.step(&record.event, asked)
            {
                return end;
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A log is opened as it is, so it is opened again for what came since.
async fn news(data: &DataArgs, next: Offset) -> Result<Vec<Record>> {
    let data = data.clone();
    tokio::task::spawn_blocking(move || {
        let log = data.log()?;
        let records: Result<Vec<_>, _> = log.read(next).collect();
        Ok(records?)
    })
    .await?
}

/// How far it has come.
#[derive(Debug, Default)]
struct Progress {
    /// Whether the attempt in hand is the one that was asked for.
    has_begun: bool,
}

impl Progress {
    /// Says what `event` means, and how it ended if it has.
    fn step(&mut self, event: &Event, asked: &Rollback) -> Option<Result<()>> {
        match event {
            Event::CommandIssued(issued) => self.issued(issued.command.as_ref()?, asked),
            Event::ManifestsRecalled(it) if self.has_begun => {
                say::success(&format!(
                    "found {} objects of {}",
                    it.objects.len(),
                    it.revision
                ));
                None
            }
            Event::Waited(it) if self.has_begun && it.reason == "Progressing" => {
                say::waiting(&it.message);
                None
            }
            Event::Waited(it) if it.reason == "Suspended" => Some(Err(anyhow::anyhow!(
                "it was suspended before it was rolled back: {}; run `fluvial resume` first",
                it.message
            ))),
            Event::Concluded(it) if self.has_begun && !it.repair => Some(end(it)),
            Event::ResourceDeleted(_) => Some(Err(anyhow::anyhow!("it was deleted"))),
            Event::ResourceObserved(it) if it.rollback.as_ref().is_none_or(|it| !is(it, asked)) => {
                self.replaced()
            }
            _ => None,
        }
    }

    fn issued(&mut self, command: &fluvial_event::Command, asked: &Rollback) -> Option<Result<()>> {
        match command.kind.as_ref()? {
            command::Kind::RecallManifests(it) => {
                let rollback = it.rollback.as_ref();
                self.has_begun = rollback.is_some_and(|it| is(it, asked));
            }
            command::Kind::ApplyObjects(it) if self.has_begun => {
                say::action(&format!("applying {} objects", it.objects.len()));
            }
            command::Kind::PruneObjects(it) if self.has_begun => {
                say::action(&format!("pruning {} objects", it.objects.len()));
            }
            _ => {}
        }
        None
    }

    /// Something else is asked for by now, or nothing. Before it was seen that says nothing.
    fn replaced(&self) -> Option<Result<()>> {
        self.has_begun.then(|| {
            Err(anyhow::anyhow!(
                "the rollback was taken back or replaced by another before it was done"
            ))
        })
    }
}

fn is(request: &RollbackRequest, asked: &Rollback) -> bool {
    request.offset == asked.offset && request.digest == asked.digest && request.at == asked.at
}

fn end(concluded: &Concluded) -> Result<()> {
    let Concluded {
        ready,
        message,
        held_at,
        changed,
        pruned,
        ..
    } = concluded;
    if *ready {
        say::success(&format!("{message} ({changed} changed, {pruned} pruned)"));
        return Ok(());
    }
    if *held_at == 0 {
        bail!("{message}");
    }
    bail!(
        "rollback failed: {message}; it is held and tried again, see `fluvial get kustomizations`, \
         or `fluvial resume` to go on with what the source has"
    );
}

#[cfg(test)]
mod tests {
    use fluvial_event::{CommandIssued, RecallManifests, ResourceObserved, Waited};

    use super::*;

    fn asked() -> Rollback {
        Rollback {
            offset: 41,
            digest: "d".into(),
            at: "t".into(),
            ..Rollback::default()
        }
    }

    fn request(at: &str) -> RollbackRequest {
        RollbackRequest {
            offset: 41,
            digest: "d".into(),
            at: at.into(),
            ..RollbackRequest::default()
        }
    }

    fn recall(at: &str) -> Event {
        let recall = RecallManifests {
            rollback: Some(request(at)),
            ..RecallManifests::default()
        };
        let kind = command::Kind::RecallManifests(Box::new(recall));
        CommandIssued {
            command: Some(fluvial_event::Command { kind: Some(kind) }),
        }
        .into()
    }

    fn concluded(ready: bool, held_at: u64) -> Event {
        Concluded {
            ready,
            held_at,
            message: "said".into(),
            ..Concluded::default()
        }
        .into()
    }

    fn observed(at: Option<&str>) -> Event {
        ResourceObserved {
            rollback: at.map(request),
            ..ResourceObserved::default()
        }
        .into()
    }

    fn suspended() -> Event {
        Waited {
            reason: "Suspended".into(),
            ..Waited::default()
        }
        .into()
    }

    #[test]
    fn only_what_was_asked_for_ends_it() {
        let cases: [(&str, Vec<Event>, Option<&str>); 8] = [
            ("another attempt", vec![concluded(true, 0)], None),
            (
                "another rollback",
                vec![recall("other"), concluded(true, 41)],
                None,
            ),
            ("done", vec![recall("t"), concluded(true, 41)], Some("")),
            (
                "refused",
                vec![recall("t"), concluded(false, 0)],
                Some("said"),
            ),
            (
                "failed",
                vec![recall("t"), concluded(false, 41)],
                Some("rollback failed: said"),
            ),
            ("suspended", vec![suspended()], Some("suspended")),
            (
                "not seen yet",
                vec![observed(None), observed(Some("t"))],
                None,
            ),
            (
                "taken back",
                vec![recall("t"), observed(None)],
                Some("taken back"),
            ),
        ];
        for (what, events, end) in cases {
            let mut progress = Progress::default();
            let ended = events.iter().find_map(|it| progress.step(it, &asked()));
            let said = ended.map(|it| it.err().map_or(String::new(), |error| error.to_string()));
            match (said, end) {
                (None, None) => {}
                (Some(said), Some(end)) => assert!(
                    said.starts_with(end) || said.contains(end) && !end.is_empty(),
                    "{what}: {said}"
                ),
                (said, _) => panic!("{what}: {said:?}"),
            }
        }
    }
}
