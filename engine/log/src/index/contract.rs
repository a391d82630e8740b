//! What every store of an index keeps: what is found is what a scan of the whole log finds, however far
//! the stored part goes, and whoever opened it last.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_event::{
    Action, AppliedObject, ApplyObjects, Artifact, ArtifactFetched, Chain, Command, CommandIssued,
    Concluded, Doomed, Draft, Event, Id, ManifestsBuilt, Mention, ObjectFailure, ObjectGone,
    ObjectRef, ObjectsApplied, ObjectsPruned, Offset, PruneObjects, Record, Rendered, Role,
    TermStarted, TimerFired, Timestamp, command,
};

use super::{Index, IndexStore, advance};
use crate::EventLog;
use crate::memory::MemoryLog;

/// Opens the same store again.
pub type OpenIndex<'a> = &'a dyn Fn() -> Box<dyn IndexStore>;

/// A record with what it names, as whoever made it knows.
struct Told {
    event: Event,
    names: Vec<(ObjectRef, Role)>,
    revision: Option<&'static str>,
}

const COMMITS: [&str; 4] = ["aa11", "aa12", "b0", "tag-1"];
const KINDS: [(&str, &str); 3] = [
    ("kustomize.toolkit.fluxcd.io", "Kustomization"),
    ("apps", "Deployment"),
    ("", "ConfigMap"),
];

/// Numbers that look random: those of splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap_or_default()
    }

    fn object(&mut self) -> ObjectRef {
        let (group, kind) = KINDS[self.below(KINDS.len())];
        let version = format!("v{}", self.below(2) + 1);
        let namespace = ["", "a", "b"][self.below(3)].to_owned();
        let name = format!("x{}", self.below(3));
        let (group, kind) = (group.to_owned(), kind.to_owned());
        ObjectRef {
            group,
            version,
            kind,
            namespace,
            name,
        }
    }

    fn objects(&mut self) -> Vec<ObjectRef> {
        (0..self.below(4)).map(|_| self.object()).collect()
    }

    fn told(&mut self) -> Told {
        let object = self.object();
        let (some, others) = (Some(object.clone()), self.objects());
        let mut names = vec![(object, Role::Subject)];
        let commit = COMMITS[self.below(COMMITS.len())];
        let mut revision = None;
        let event = match self.below(9) {
            0 => {
                names.clear();
                TermStarted::default().into()
            }
            1 => TimerFired { object: some }.into(),
            2 => {
                revision = Some(commit);
                let artifact = Some(Artifact {
                    revision: format!("main@sha1:{commit}"),
                    ..Artifact::default()
                });
                ArtifactFetched {
                    object: some,
                    artifact,
                    ..ArtifactFetched::default()
                }
                .into()
            }
            3 => {
                revision = Some(commit);
                names.extend(with(&others, Role::Rendered));
                let objects = others.iter().map(rendered).collect();
                ManifestsBuilt {
                    object: some,
                    objects,
                    revision: commit.into(),
                    ..ManifestsBuilt::default()
                }
                .into()
            }
            4 => self.applied(some, &others, &mut names),
            5 => {
                names.extend(with(&others, Role::Pruned));
                let left = self.objects();
                names.extend(with(&left, Role::Left));
                ObjectsPruned {
                    object: some,
                    pruned: others,
                    left,
                    ..ObjectsPruned::default()
                }
                .into()
            }
            6 => self.command(some, &others, &mut names),
            7 => {
                revision = Some(commit);
                Concluded {
                    object: some,
                    revision: format!("v1@sha256:{commit}"),
                    ..Concluded::default()
                }
                .into()
            }
            _ => ObjectGone {
                object: some,
                ..ObjectGone::default()
            }
            .into(),
        };
        Told {
            event,
            names,
            revision,
        }
    }

    fn applied(
        &mut self,
        object: Option<ObjectRef>,
        others: &[ObjectRef],
        names: &mut Vec<(ObjectRef, Role)>,
    ) -> Event {
        let (action, role) = [
            (Action::Created, Role::Changed),
            (Action::Configured, Role::Changed),
            (Action::Recreated, Role::Changed),
            (Action::Unchanged, Role::Unchanged),
            (Action::Skipped, Role::Unchanged),
        ][self.below(5)];
        names.extend(with(others, role));
        let applied = others.iter().map(|it| AppliedObject {
            rendered: Some(rendered(it)),
            action: action.into(),
            ..AppliedObject::default()
        });
        let failed = self.objects();
        names.extend(with(&failed, Role::Failed));
        let failures = failed.into_iter().map(|it| ObjectFailure {
            object: Some(it),
            ..ObjectFailure::default()
        });
        ObjectsApplied {
            object,
            applied: applied.collect(),
            failures: failures.collect(),
        }
        .into()
    }

    fn command(
        &mut self,
        object: Option<ObjectRef>,
        others: &[ObjectRef],
        names: &mut Vec<(ObjectRef, Role)>,
    ) -> Event {
        let (role, repair) = [
            (Role::Ordered, ""),
            (Role::Repaired, "drift"),
            (Role::Doomed, ""),
        ][self.below(3)];
        names.extend(with(others, role));
        let kind = if role == Role::Doomed {
            let objects = others.iter().map(|it| Doomed {
                object: Some(it.clone()),
                ..Doomed::default()
            });
            command::Kind::PruneObjects(PruneObjects {
                object,
                objects: objects.collect(),
                ..PruneObjects::default()
            })
        } else {
            let objects = others.iter().map(rendered).collect();
            command::Kind::ApplyObjects(ApplyObjects {
                object,
                objects,
                repair: repair.into(),
                ..ApplyObjects::default()
            })
        };
        CommandIssued {
            command: Some(Command { kind: Some(kind) }),
        }
        .into()
    }
}

fn with(objects: &[ObjectRef], role: Role) -> impl Iterator<Item = (ObjectRef, Role)> {
    objects.iter().map(move |it| (it.clone(), role))
}

fn rendered(object: &ObjectRef) -> Rendered {
    Rendered {
        object: Some(object.clone()),
        ..Rendered::default()
    }
}

/// A log that grows, and what a scan of it would find.
struct Model {
    log: MemoryLog,
    chain: Chain,
    records: Vec<Record>,
    mentions: BTreeMap<ObjectRef, BTreeSet<(Offset, u16, Role)>>,
    revisions: BTreeSet<(String, Offset)>,
}

impl Model {
    fn grow(&mut self, chance: &mut Chance, count: usize) {
        let mut batch = Vec::new();
        for _ in 0..count {
            let Told {
                event,
                names,
                revision,
            } = chance.told();
            let time = Timestamp(
                self.chain.head().time.0 + i64::try_from(chance.below(50)).unwrap_or_default(),
            );
            let record = self.chain.seal(Draft::news(event), Id::NONE, time);
            for (object, role) in names {
                let mention = (record.offset, record.event.schema().0, role);
                self.mentions
                    .entry(object.identity())
                    .or_default()
                    .insert(mention);
            }
            self.revisions
                .extend(revision.map(|commit| (commit.to_owned(), record.offset)));
            batch.push(record);
        }
        self.log
            .append(&batch)
            .expect("a log in memory takes what follows");
        self.records.extend(batch);
    }

    /// What the index says is what is so, up to some offset.
    fn check(&self, chance: &mut Chance, store: Option<&dyn IndexStore>) {
        let index = Index::open(&self.log, store, |_| {}).expect("an index opens");
        let until = Offset(chance.below(self.records.len() + 2) as u64);
        for (object, mentions) in &self.mentions {
            let found: Vec<Mention> = index
                .mentions(object, until)
                .map(|it| it.expect("it reads"))
                .collect();
            let keys: BTreeSet<_> = found
                .iter()
                .map(|it| (it.offset, it.number, it.role))
                .collect();
            let wanted: BTreeSet<_> = mentions
                .iter()
                .filter(|it| it.0 <= until)
                .copied()
                .collect();
            assert_eq!(keys, wanted, "{object} until {until}");
            assert_eq!(found.len(), wanted.len(), "nothing is found twice");
            assert!(
                found.is_sorted_by(|a, b| a.offset >= b.offset),
                "newest first"
            );
        }
        let objects: BTreeSet<_> = self.mentions.keys().cloned().collect();
        assert_eq!(index.objects().expect("it reads"), objects);
        for commit in ["", "a", "aa1", "aa11", "b0", "c", "tag"] {
            let found = index.revisions(commit, until).expect("it reads");
            let found: BTreeSet<_> = found.into_iter().map(|it| (it.commit, it.offset)).collect();
            let wanted = self
                .revisions
                .iter()
                .filter(|it| it.0.starts_with(commit) && it.1 <= until);
            assert_eq!(found, wanted.cloned().collect(), "{commit}");
        }
        for record in &self.records {
            assert_eq!(
                index.by_id(record.id).expect("it reads").as_ref(),
                Some(record)
            );
            let before = Timestamp(record.time.0 - 1);
            assert_eq!(index.at(record.time).expect("it reads"), record.offset);
            assert_eq!(index.at(before).expect("it reads").0, record.offset.0 - 1);
        }
        assert_eq!(index.by_id(Id([7; 16])).expect("it reads"), None);
    }
}

/// Random logs, followed by a store that falls behind, is opened again, is forgotten, and is that of
/// another log.
pub fn finds_what_a_scan_finds(open: OpenIndex<'_>) {
    for seed in 0..8 {
        let mut chance = Chance(seed);
        open().clear().expect("it is cleared");
        let mut model = Model {
            log: MemoryLog::default(),
            chain: Chain::default(),
            records: Vec::new(),
            mentions: BTreeMap::new(),
            revisions: BTreeSet::new(),
        };
        for _ in 0..6 {
            let count = chance.below(40);
            model.grow(&mut chance, count);
            let store = open();
            model.check(&mut chance, Some(&*store));
            if chance.below(3) > 0 {
                let end = advance(&model.log, &*store).expect("it follows");
                assert_eq!(end, model.log.head().offset);
            }
            drop(store);
            let store = open();
            if chance.below(6) == 0 {
                store.clear().expect("it is cleared");
            }
            model.check(&mut chance, Some(&*store));
        }
        model.check(&mut chance, None);
    }
    belongs_to_its_log(open);
}

/// The index of another log answers nothing, and is made again.
fn belongs_to_its_log(open: OpenIndex<'_>) {
    let model = |seed: u64, count| {
        let mut model = Model {
            log: MemoryLog::default(),
            chain: Chain::default(),
            records: Vec::new(),
            mentions: BTreeMap::new(),
            revisions: BTreeSet::new(),
        };
        model.grow(&mut Chance(seed), count);
        model
    };
    let store = open();
    for (one, other) in [(model(1, 20), model(2, 20)), (model(3, 30), model(4, 10))] {
        advance(&one.log, &*store).expect("it follows");
        other.check(&mut Chance(0), Some(&*store));
        advance(&other.log, &*store).expect("it follows");
        other.check(&mut Chance(0), Some(&*store));
    }
}
