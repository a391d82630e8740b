//! Rehearsal: what would be decided next, on a history that goes on in memory and nowhere else.
//!
//! The reducers are the real ones. What would come of their commands is the caller's to say.

use std::collections::VecDeque;

use fluvial_event::{Chain, Command, Draft, Event, Head, Id, Offset, Timestamp};
use fluvial_log::{EventLog, ahead};
use fluvial_reduce::World;

use crate::Error;
use crate::runtime::Order;

/// A history that is gone on with.
#[derive(Debug)]
pub struct Rehearsal {
    world: World,
    chain: Chain,
    orders: VecDeque<Order>,
    decided: Vec<Event>,
}

/// Why no more is read.
enum Ended {
    Enough,
    Failed(fluvial_log::Error),
}

impl From<fluvial_log::Error> for Ended {
    fn from(error: fluvial_log::Error) -> Self {
        Self::Failed(error)
    }
}

impl Rehearsal {
    /// Goes on after `until` and the decisions that belong to it. `each` hears of every record that is folded.
    pub fn after(log: &dyn EventLog, until: Offset, mut each: impl FnMut()) -> Result<Self, Error> {
        let mut world = World::unstored();
        let mut head = Head::default();
        let read = ahead::for_each(log, Offset::FIRST, |record| {
            if record.offset > until && !record.event.is_decision() {
                return Err(Ended::Enough);
            }
            world.evolve(record);
            head = Head {
                offset: record.offset,
                hash: record.hash,
                time: record.time,
                epoch: record.epoch,
            };
            each();
            Ok(())
        });
        if let Err(Ended::Failed(error)) = read {
            return Err(error.into());
        }
        // What was decided is in the log.
        world.pass();
        Ok(Self {
            world,
            chain: Chain::new(head, 0),
            orders: VecDeque::new(),
            decided: Vec::new(),
        })
    }

    /// Everything known by now.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The last record, of the log or rehearsed.
    pub fn head(&self) -> Head {
        self.chain.head()
    }

    /// News from outside.
    pub fn tell(&mut self, event: impl Into<Event>) {
        self.step(Draft::news(event.into()));
    }

    /// What came of a command.
    pub fn answer(&mut self, order: Id, event: impl Into<Event>) {
        self.step(Draft::outcome(order, event.into()));
    }

    /// The next command that would be carried out.
    pub fn order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// What was decided since this was last asked, commands aside.
    pub fn decided(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.decided)
    }

    fn step(&mut self, draft: Draft) {
        let correlation = match draft.event.object() {
            Some(object) if !draft.cause.is_none() => {
                self.world.correlation_of(object, draft.cause)
            }
            _ => None,
        };
        self.fold(draft, correlation.unwrap_or(Id::NONE));
        while let Some(decided) = self.world.decide() {
            let event = Event::from(decided.decision);
            let draft = Draft {
                cause: decided.cause,
                ..Draft::news(event.clone())
            };
            let id = self.fold(draft, decided.correlation);
            match event {
                Event::CommandIssued(issued) => {
                    let command: Option<Command> = issued.command;
                    self.orders
                        .extend(command.map(|command| Order { id, command }));
                }
                other => self.decided.push(other),
            }
        }
    }

    /// No clock: a rehearsal takes no time.
    fn fold(&mut self, draft: Draft, correlation: Id) -> Id {
        let now = Timestamp(self.chain.head().time.0.saturating_add(1));
        let record = self.chain.seal(draft, correlation, now);
        self.world.evolve(&record);
        record.id
    }
}

#[cfg(test)]
mod tests {
    use fluvial_api::GitRepository;
    use fluvial_event::{Artifact, ArtifactFetched, ObjectRef, ResourceObserved, command};
    use fluvial_log::memory::MemoryLog;
    use serde_json::json;

    use super::*;

    fn source() -> ObjectRef {
        ObjectRef {
            group: "source.toolkit.fluxcd.io".into(),
            version: "v1".into(),
            kind: "GitRepository".into(),
            namespace: "apps".into(),
            name: "app".into(),
        }
    }

    fn observed(requested_at: &str) -> ResourceObserved {
        let whole = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": "app", "namespace": "apps"},
            "spec": {"url": "https://host/app", "interval": "1m"},
        });
        let spec = GitRepository::read(&whole).unwrap().spec;
        ResourceObserved {
            object: Some(source()),
            uid: "u".into(),
            generation: 1,
            finalizer: true,
            spec: serde_json::to_vec(&spec).unwrap(),
            requested_at: requested_at.into(),
            ..ResourceObserved::default()
        }
    }

    #[test]
    fn the_history_goes_on_in_memory_alone() {
        let log = MemoryLog::default();
        let mut chain = Chain::default();
        let record = chain.seal(
            Draft::news(observed("").into()),
            Id::NONE,
            Timestamp(1_000_000_000_000),
        );
        log.append(&[record]).unwrap();

        let mut seen = 0;
        let mut rehearsal = Rehearsal::after(&log, Offset::FIRST, || seen += 1).unwrap();
        assert_eq!(seen, 1);
        assert!(rehearsal.order().is_none(), "what is due was passed over");
        rehearsal.tell(observed("now"));
        let order = rehearsal.order().unwrap();
        assert!(matches!(
            order.command.kind,
            Some(command::Kind::FetchGit(_))
        ));
        let artifact = Artifact {
            revision: "main@sha1:01".into(),
            digest: "sha256:01".into(),
            ..Artifact::default()
        };
        rehearsal.answer(
            order.id,
            ArtifactFetched {
                object: Some(source()),
                generation: 1,
                artifact: Some(artifact),
                ..ArtifactFetched::default()
            },
        );
        let decided = rehearsal.decided();
        assert!(
            matches!(&decided[..], [Event::Concluded(it)] if it.ready),
            "{decided:?}"
        );
        assert!(rehearsal.order().is_none());
        assert_eq!(log.head().offset, Offset::FIRST);
        assert!(rehearsal.head().offset > Offset::FIRST);
    }
}
