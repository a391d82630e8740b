//! What must hold after every step: the laws, asked of the log by someone who trusts nobody.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_api::KustomizationSpec;
use fluvial_event::{
    Command, Digest, Event, Id, ObjectRef, Offset, PruneObjects, Record, command, encode,
};
use fluvial_log::EventLog;
use fluvial_log::memory::{MemoryLog, MemoryState};
use fluvial_reduce::{Kustomization, World};
use fluvial_runtime::recover;
use fluvial_runtime::replay::Replay;

use crate::cluster::Cluster;
use crate::git::{Folder, Git};
use crate::helm::laws::Actions;
use crate::rollback::Holds;

/// What the checker knows of an attempt.
#[derive(Clone, Debug, Default)]
struct Attempt {
    revision: String,
    /// The set comes from the log, not from the source.
    is_rollback: bool,
    path: String,
    built: Option<BTreeSet<ObjectRef>>,
}

/// Follows the log from its first record.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    replay: Replay,
    fed: Offset,
    outstanding: BTreeMap<ObjectRef, Id>,
    uids: BTreeMap<ObjectRef, String>,
    attempts: BTreeMap<ObjectRef, Attempt>,
    holds: Holds,
    actions: Actions,
    durable: BTreeSet<Id>,
    decided: usize,
    digest: Digest,
    /// Commands issued so far.
    pub commands: u64,
    /// Repairs among them.
    pub repairs: u64,
}

/// More decisions than this after one piece of news are a loop.
const DECISIONS_MAX: usize = 200;

impl Checker {
    /// The digest of every byte of the log.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// The world by replay from the first record.
    pub(crate) fn world(&self) -> &World {
        self.replay.world()
    }

    /// The last record taken.
    pub(crate) fn fed(&self) -> Offset {
        self.fed
    }

    /// Takes the records that are new, as `log` holds them.
    pub(crate) fn follow(
        &mut self,
        log: &MemoryLog,
        git: &Git,
        cluster: &Cluster,
        mut each: impl FnMut(&Record),
    ) -> Result<(), String> {
        for record in log.read(self.fed.next()) {
            let record = record.map_err(|error| error.to_string())?;
            each(&record);
            self.check(&record, git, cluster)
                .map_err(|why| format!("at {}: {why}", record.offset))?;
            self.replay.feed(&record);
            self.digest = Digest::of_parts(&[&self.digest.0, &encode(&record)]);
            self.fed = record.offset;
        }
        Ok(())
    }

    fn check(&mut self, record: &Record, git: &Git, cluster: &Cluster) -> Result<(), String> {
        if record.event.is_decision() {
            self.decided += 1;
            if self.decided > DECISIONS_MAX {
                return Err("it decides without end".into());
            }
        } else {
            self.decided = 0;
        }
        let object = record.event.object().map(ObjectRef::identity);
        let Some(object) = object else {
            return Ok(());
        };
        match &record.event {
            Event::ResourceObserved(seen) => {
                let before = self.uids.insert(object.clone(), seen.uid.clone());
                if before.is_some_and(|before| before != seen.uid) {
                    self.outstanding.remove(&object);
                    self.holds.forget(&object);
                }
            }
            Event::ResourceDeleted(_) => {
                self.outstanding.remove(&object);
                self.holds.forget(&object);
            }
            Event::HoldEnded(ended) => {
                self.holds.ended(&object, ended, self.replay.world())?;
            }
            Event::CommandIssued(issued) => {
                let command = issued.command.clone().unwrap_or_default();
                if let Some(before) = self.outstanding.insert(object.clone(), record.id) {
                    return Err(format!(
                        "{object} is told to {} while {before} is under way",
                        command.name()
                    ));
                }
                self.durable.insert(record.id);
                self.commands += 1;
                self.issued(&object, &command, git, cluster)?;
            }
            _ if self.outstanding.get(&object) == Some(&record.cause)
                && !record.event.is_decision() =>
            {
                self.outstanding.remove(&object);
                self.actions.take(&object, &record.event);
                let built = match &record.event {
                    Event::ManifestsBuilt(built) => &built.objects,
                    Event::ManifestsRecalled(recalled) => {
                        self.holds.recalled(&object, recalled);
                        &recalled.objects
                    }
                    _ => return Ok(()),
                };
                let set = built.iter().filter_map(|it| it.object.as_ref());
                let set = set.map(ObjectRef::identity).collect();
                self.attempts.entry(object).or_default().built = Some(set);
            }
            _ => {}
        }
        Ok(())
    }

    fn issued(
        &mut self,
        object: &ObjectRef,
        command: &Command,
        git: &Git,
        cluster: &Cluster,
    ) -> Result<(), String> {
        match &command.kind {
            Some(command::Kind::BuildKustomization(build)) => {
                let spec: KustomizationSpec =
                    serde_json::from_slice(&build.spec).map_err(|error| error.to_string())?;
                self.holds.check_build(object)?;
                let attempt = Attempt {
                    is_rollback: false,
                    revision: build.artifact.clone().unwrap_or_default().revision,
                    path: spec.path.unwrap_or_default(),
                    built: None,
                };
                self.attempts.insert(object.clone(), attempt);
                Ok(())
            }
            Some(command::Kind::RecallManifests(_)) => {
                let attempt = Attempt {
                    is_rollback: true,
                    ..Attempt::default()
                };
                self.attempts.insert(object.clone(), attempt);
                Ok(())
            }
            Some(command::Kind::ApplyObjects(apply)) => {
                self.repairs += u64::from(!apply.repair.is_empty());
                self.holds.check_apply(object, apply, self.replay.world())
            }
            Some(command::Kind::PruneObjects(prune)) if object.kind == "HelmRelease" => {
                self.actions.check_prune(object, prune, self.replay.world())
            }
            Some(command::Kind::PruneObjects(prune)) => {
                self.check_prune(object, prune, git, cluster)
            }
            Some(
                command::Kind::FetchGit(_)
                | command::Kind::FetchOci(_)
                | command::Kind::FetchHelmRepository(_)
                | command::Kind::FetchHelmChart(_)
                | command::Kind::SetFinalizer(_)
                | command::Kind::DeclareChart(_)
                | command::Kind::InspectRelease(_)
                | command::Kind::RenderRelease(_)
                | command::Kind::RecallRelease(_)
                | command::Kind::StoreRelease(_)
                | command::Kind::RunHook(_),
            )
            | None => Ok(()),
        }
    }

    /// Nothing is pruned without evidence: what is to go is owned, and is neither in the set that was
    /// built nor in the commit that it was built from; or its owner is being deleted.
    fn check_prune(
        &self,
        object: &ObjectRef,
        prune: &PruneObjects,
        git: &Git,
        cluster: &Cluster,
    ) -> Result<(), String> {
        let owned = self
            .world()
            .kustomizations()
            .get(object)
            .map(Kustomization::owned);
        for doomed in &prune.objects {
            let key = doomed.object.clone().unwrap_or_default().identity();
            let Some(owned) = owned.and_then(|owned| owned.get(&key)) else {
                return Err(format!("{object} prunes {key}, which it does not own"));
            };
            if owned.rendered.keep {
                return Err(format!("{object} prunes {key}, which is to be kept"));
            }
        }
        let recorded = self.world().one(object).is_some_and(|it| it.deleting);
        if recorded {
            if cluster.declared(object).is_some_and(|it| !it.deleting) {
                return Err(format!(
                    "{object} prunes everything and is not being deleted"
                ));
            }
            return Ok(());
        }
        let attempt = self.attempts.get(object).cloned().unwrap_or_default();
        let Some(built) = attempt.built else {
            return Err(format!("{object} prunes and nothing was built"));
        };
        let folder = git
            .history
            .get(&attempt.revision)
            .and_then(|tree| tree.get(&attempt.path));
        let desired = match folder {
            _ if attempt.is_rollback => &[][..],
            Some(Folder::Good(desired)) => desired.as_slice(),
            Some(Folder::Broken) | None => {
                return Err(format!("{object} prunes by a commit that does not build"));
            }
        };
        for doomed in &prune.objects {
            let key = doomed.object.clone().unwrap_or_default().identity();
            let wanted = desired.iter().any(|it| it.object().identity() == key);
            if wanted || built.contains(&key) {
                return Err(format!("{object} prunes {key}, which it wants"));
            }
        }
        Ok(())
    }

    /// A command that is carried out is in the log.
    pub(crate) fn check_order(&self, id: Id) -> Result<(), String> {
        if self.durable.contains(&id) {
            return Ok(());
        }
        Err(format!("command {id} is carried out and is not in the log"))
    }

    /// The live world is the one that the log makes.
    pub(crate) fn check_live(&self, live: &World, thorough: bool) -> Result<(), String> {
        let replayed = self.world();
        if thorough && (live != replayed || live.digest() != replayed.digest()) {
            return Err(format!(
                "the live world is not the one replayed:\nlive {live:#?}\nreplayed {replayed:#?}"
            ));
        }
        let outstanding: BTreeMap<_, _> = live
            .outstanding()
            .map(|(object, it)| (object.clone(), Id(it.id)))
            .collect();
        if outstanding != self.outstanding {
            return Err(format!(
                "commands under way differ: {outstanding:?} live, {:?} by the log",
                self.outstanding
            ));
        }
        Ok(())
    }

    /// A replay from the first record finds no difference, and the stored state with the rest of the
    /// log makes the same world.
    pub(crate) fn check_whole(log: &MemoryLog, state: &MemoryState) -> Result<(), String> {
        let mut replay = Replay::from(Offset::FIRST);
        for record in log.read(Offset::FIRST) {
            replay.feed(&record.map_err(|error| error.to_string())?);
        }
        let (report, world) = replay.finish();
        if report.differences > 0 {
            return Err(format!("replay differs: {:#?}", report.examples.first()));
        }
        let copy = copied(state)?;
        let recovered = recover(log, &copy).map_err(|error| error.to_string())?;
        if recovered.world != world || recovered.world.digest() != report.state_digest {
            return Err("state and tail do not make the world that the log makes".into());
        }
        Ok(())
    }
}

/// The same state in another store.
pub(crate) fn copied(state: &MemoryState) -> Result<MemoryState, String> {
    use fluvial_log::StateStore;
    let copy = MemoryState::default();
    let pairs = state
        .load()
        .map(|pair| pair.map(|(key, value)| (key, Some(value))))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    let applied = state.applied().map_err(|error| error.to_string())?;
    copy.commit(applied, &pairs)
        .map_err(|error| error.to_string())?;
    Ok(copy)
}
