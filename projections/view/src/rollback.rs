//! `rollback`: which recorded set of manifests is meant, and what an owner holds now.
//!
//! Both read the owner's own records, newest first, no further back than they must. Reading them, and
//! the manifests themselves, is for others.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_event::{Concluded, Event, ObjectRef, Offset, Record, Rendered, Timestamp};

/// Where to go back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The newest set that was deployed with success at or before this record.
    Offset(Offset),
    /// At or before this time.
    Time(Timestamp),
    /// The newest of this revision: whole, a commit, or the first digits of one.
    Revision(String),
}

/// The fewest digits by which a commit is named.
pub const DIGITS_MIN: usize = 7;

/// A set of manifests that was deployed with success.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Set {
    /// The record that said so.
    pub concluded: Offset,
    /// When.
    pub time: Timestamp,
    /// The `ManifestsBuilt` that made it.
    pub built: Offset,
    /// Of what.
    pub revision: String,
    /// Its digest.
    pub digest: String,
    /// Its objects.
    pub objects: Vec<Rendered>,
}

/// Why there is no such set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing was ever deployed with success, as far as the records go.
    Everything,
    /// Nothing that early, or of that revision; the earliest there is.
    Earlier(Offset),
    /// More than one revision begins so.
    Ambiguous(Vec<String>),
}

impl Target {
    fn fits(&self, record: &Record, concluded: &Concluded) -> bool {
        match self {
            Self::Offset(offset) => record.offset <= *offset,
            Self::Time(time) => record.time <= *time,
            Self::Revision(wanted) => is_of(&concluded.revision, wanted),
        }
    }

    /// Whether an older record may still matter once a set was found.
    fn is_open(&self) -> bool {
        match self {
            Self::Offset(_) | Self::Time(_) => false,
            Self::Revision(wanted) => !is_whole(wanted),
        }
    }
}

/// Whether `revision` (`main@sha1:…`) is what is meant by `wanted`.
fn is_of(revision: &str, wanted: &str) -> bool {
    if revision == wanted {
        return true;
    }
    let commit = |text: &str| text.rsplit(':').next().unwrap_or_default().to_owned();
    let named = if wanted.contains(':') {
        revision.to_owned()
    } else {
        commit(revision)
    };
    commit(wanted).len() >= DIGITS_MIN && named.starts_with(wanted)
}

/// Whether no other revision can begin so: a whole commit by SHA-1 or SHA-256.
fn is_whole(wanted: &str) -> bool {
    let commit = wanted.rsplit(':').next().unwrap_or_default();
    matches!(commit.len(), 40 | 64) && commit.bytes().all(|it| it.is_ascii_hexdigit())
}

/// The set that `target` names, in the records of one owner, newest first.
pub fn find<E>(
    records: impl Iterator<Item = Result<Record, E>>,
    target: &Target,
) -> Result<Result<Set, Missing>, E> {
    let mut search = Search::default();
    for record in records {
        search.step(&record?, target);
        if search.found.is_some() && !target.is_open() {
            break;
        }
    }
    Ok(search.end())
}

#[derive(Default)]
struct Search {
    /// A success whose manifests come next, and whether it is what is looked for.
    open: Option<(Set, bool)>,
    found: Option<Set>,
    revisions: BTreeSet<String>,
    earliest: Option<Offset>,
}

impl Search {
    fn step(&mut self, record: &Record, target: &Target) {
        if let Some((built, digest, objects)) = set(record) {
            self.close(built, digest, objects);
        } else if let Some(concluded) = success(&record.event) {
            let set = Set {
                concluded: record.offset,
                time: record.time,
                revision: concluded.revision.clone(),
                digest: concluded.digest.clone(),
                ..Set::default()
            };
            self.open = Some((set, target.fits(record, concluded)));
        }
    }

    fn close(&mut self, built: Offset, digest: &str, objects: &[Rendered]) {
        let Some((set, fits)) = self.open.take().filter(|(set, _)| set.digest == digest) else {
            return;
        };
        self.earliest = Some(set.concluded);
        if !fits {
            return;
        }
        self.revisions.insert(set.revision.clone());
        self.found.get_or_insert(Set {
            built,
            objects: objects.to_vec(),
            ..set
        });
    }

    fn end(self) -> Result<Set, Missing> {
        if self.revisions.len() > 1 {
            return Err(Missing::Ambiguous(self.revisions.into_iter().collect()));
        }
        let missing = self.earliest.map_or(Missing::Everything, Missing::Earlier);
        self.found.ok_or(missing)
    }
}

/// The set that a record holds: where it was built, its digest, its objects.
fn set(record: &Record) -> Option<(Offset, &str, &[Rendered])> {
    if let Event::ManifestsBuilt(it) = &record.event {
        return Some((record.offset, &it.digest, &it.objects));
    }
    let Event::ManifestsRecalled(it) = &record.event else {
        return None;
    };
    let built = it.rollback.as_ref().map_or(0, |asked| asked.offset);
    Some((Offset(built), &it.digest, &it.objects))
}

/// The end of an attempt that applied its whole set.
fn success(event: &Event) -> Option<&Concluded> {
    let Event::Concluded(concluded) = event else {
        return None;
    };
    (concluded.ready && !concluded.repair && !concluded.digest.is_empty()).then_some(concluded)
}

/// What an owner holds now, by its records, newest first: each object by identity, with the manifest
/// that was applied last. With its last success it owned that set; what came after is on top.
pub fn current<E>(
    records: impl Iterator<Item = Result<Record, E>>,
) -> Result<BTreeMap<ObjectRef, Rendered>, E> {
    let mut latest: BTreeMap<ObjectRef, Option<Rendered>> = BTreeMap::new();
    let mut last: Option<String> = None;
    for record in records {
        let record = record?;
        if let Some(digest) = &last {
            let set = set(&record).filter(|(_, of, _)| of == digest);
            if let Some((_, _, objects)) = set {
                note(&mut latest, objects.iter());
                break;
            }
        } else if let Event::ObjectsApplied(it) = &record.event {
            let rendered = it.applied.iter().filter_map(|it| it.rendered.as_ref());
            note(&mut latest, rendered);
        } else if let Event::ObjectsPruned(it) = &record.event {
            for object in it.pruned.iter().chain(&it.left) {
                latest.entry(object.identity()).or_insert(None);
            }
        } else if let Event::ResourceDeleted(_) = &record.event {
            break;
        } else {
            last = success(&record.event).map(|it| it.digest.clone());
        }
    }
    let there = latest
        .into_iter()
        .filter_map(|(object, rendered)| Some((object, rendered?)));
    Ok(there.collect())
}

/// What is newer stays.
fn note<'a>(
    latest: &mut BTreeMap<ObjectRef, Option<Rendered>>,
    all: impl Iterator<Item = &'a Rendered>,
) {
    for rendered in all {
        if let Some(object) = &rendered.object {
            let newest = latest.entry(object.identity());
            newest.or_insert_with(|| Some(rendered.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use fluvial_event::{
        AppliedObject, Chain, Draft, Head, Id, ManifestsBuilt, ManifestsRecalled, ObjectsApplied,
        ObjectsPruned, RollbackRequest,
    };

    use super::*;

    fn object(name: &str) -> ObjectRef {
        ObjectRef {
            kind: "ConfigMap".into(),
            name: name.into(),
            ..ObjectRef::default()
        }
    }

    fn rendered(names: &str, manifest: &str) -> Vec<Rendered> {
        let one = |name: &str| Rendered {
            object: Some(object(name)),
            manifest: manifest.into(),
            ..Rendered::default()
        };
        names.split_whitespace().map(one).collect()
    }

    fn built(names: &str, manifest: &str) -> Event {
        ManifestsBuilt {
            objects: rendered(names, manifest),
            digest: format!("set-{manifest}"),
            ..ManifestsBuilt::default()
        }
        .into()
    }

    fn recalled(offset: u64, names: &str, manifest: &str) -> Event {
        ManifestsRecalled {
            objects: rendered(names, manifest),
            digest: format!("set-{manifest}"),
            rollback: Some(RollbackRequest {
                offset,
                ..RollbackRequest::default()
            }),
            ..ManifestsRecalled::default()
        }
        .into()
    }

    fn concluded(revision: &str, manifest: &str, ready: bool) -> Event {
        Concluded {
            revision: revision.into(),
            digest: format!("set-{manifest}"),
            ready,
            ..Concluded::default()
        }
        .into()
    }

    fn applied(names: &str, manifest: &str) -> Event {
        let objects = rendered(names, manifest).into_iter();
        let one = |rendered| AppliedObject {
            rendered: Some(rendered),
            ..AppliedObject::default()
        };
        ObjectsApplied {
            applied: objects.map(one).collect(),
            ..ObjectsApplied::default()
        }
        .into()
    }

    fn pruned(name: &str) -> Event {
        ObjectsPruned {
            pruned: vec![object(name)],
            ..ObjectsPruned::default()
        }
        .into()
    }

    /// One record a second, newest first.
    fn log(events: Vec<Event>) -> Vec<Result<Record, Infallible>> {
        let mut chain = Chain::new(Head::default(), 1);
        let mut records: Vec<_> = (1..)
            .zip(events)
            .map(|(second, event)| {
                let time = Timestamp(second * 1_000_000_000);
                Ok(chain.seal(Draft::news(event), Id::NONE, time))
            })
            .collect();
        records.reverse();
        records
    }

    const FIRST: &str = "main@sha1:0123456789012345678901234567890123456789";
    const SECOND: &str = "main@sha1:0123456aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    /// Two that succeeded, one that did not, and a rollback to the first.
    fn story() -> Vec<Result<Record, Infallible>> {
        log(vec![
            built("a b", "m1"),
            concluded(FIRST, "m1", true),
            built("a c", "m2"),
            concluded(SECOND, "m2", true),
            built("d", "m3"),
            concluded("main@sha1:ffff", "m3", false),
            recalled(1, "a b", "m1"),
            concluded(FIRST, "m1", true),
        ])
    }

    #[test]
    fn the_newest_success_that_fits_is_meant() {
        let offset = |offset| Target::Offset(Offset(offset));
        let revision = |text: &str| Target::Revision(text.to_owned());
        let time = |second: i64| Target::Time(Timestamp(second * 1_000_000_000));
        for (target, built, concluded) in [
            (offset(99), 1, 8),
            (offset(8), 1, 8),
            (offset(7), 3, 4),
            (offset(6), 3, 4),
            (offset(4), 3, 4),
            (offset(3), 1, 2),
            (time(4), 3, 4),
            (time(3), 1, 2),
            (revision(FIRST), 1, 8),
            (revision(SECOND), 3, 4),
            (revision("0123456a"), 3, 4),
            (revision("main@sha1:0123456a"), 3, 4),
            (revision(&SECOND[10..]), 3, 4),
        ] {
            let set = find(story().into_iter(), &target).unwrap().unwrap();
            assert_eq!(
                (set.built.0, set.concluded.0),
                (built, concluded),
                "{target:?}"
            );
            assert_eq!(set.objects.len(), 2);
        }
    }

    #[test]
    fn what_is_not_there_says_what_is() {
        let revision = |text: &str| Target::Revision(text.to_owned());
        let both = vec![FIRST.to_owned(), SECOND.to_owned()];
        for (target, missing) in [
            (Target::Offset(Offset(1)), Missing::Earlier(Offset(2))),
            (Target::Time(Timestamp(1)), Missing::Earlier(Offset(2))),
            (revision("main@sha1:ffff"), Missing::Earlier(Offset(2))),
            (revision("012345"), Missing::Earlier(Offset(2))),
            (revision("9999999"), Missing::Earlier(Offset(2))),
            (revision("0123456"), Missing::Ambiguous(both)),
        ] {
            let found = find(story().into_iter(), &target).unwrap();
            assert_eq!(found, Err(missing), "{target:?}");
        }
        let nothing = find(log(Vec::new()).into_iter(), &Target::Offset(Offset(1))).unwrap();
        assert_eq!(nothing, Err(Missing::Everything));
    }

    #[test]
    fn what_is_held_now_is_the_last_set_and_what_came_after() {
        let held = |events| {
            let now = current(log(events).into_iter()).unwrap();
            let now = now
                .into_iter()
                .map(|(object, it)| format!("{} {}", object.name, it.manifest));
            now.collect::<Vec<_>>()
        };
        let first = || {
            vec![
                built("a b", "m1"),
                applied("a b", "m1"),
                concluded(FIRST, "m1", true),
            ]
        };
        assert_eq!(held(first()), ["a m1", "b m1"]);
        let mut failed = first();
        failed.extend([
            built("a c", "m2"),
            applied("a c", "m2"),
            pruned("b"),
            concluded(SECOND, "m2", false),
        ]);
        assert_eq!(held(failed.clone()), ["a m2", "c m2"]);
        failed.extend([recalled(1, "a b", "m1"), applied("a", "m1")]);
        assert_eq!(held(failed), ["a m1", "c m2"], "in the middle of it");
        assert_eq!(held(vec![built("a", "m1")]), [""; 0], "nothing was applied");
    }
}
