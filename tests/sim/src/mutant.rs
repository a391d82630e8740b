//! Deliberate bugs: the simulator must find each of them.
//!
//! A mutant replaces one piece of the engine's source by another, in a copy of the tree. A test holds each
//! piece to be there exactly once, so that no mutant goes stale without a word.

/// One deliberate bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// Its name.
    pub name: &'static str,
    /// What goes wrong with it.
    pub says: &'static str,
    /// The file, from the root of the repository.
    pub file: &'static str,
    /// What stands there once.
    pub find: &'static str,
    /// What stands there instead.
    pub replace: &'static str,
}

macro_rules! mutants {
    ($($name:literal: $says:literal, $file:literal, $find:literal => $replace:literal;)*) => {
        /// Every mutant, by name.
        pub const ALL: &[Mutant] = &[
            $(Mutant { name: $name, says: $says, file: $file, find: $find, replace: $replace },)*
        ];
    };
}

// A macro, because a table of structs cannot be read at a glance.
mutants! {
    "adopts-an-old-life": "a namesake takes over the state of the object that was deleted",
        "engine/reduce/src/kustomization.rs",
        "if self.core.declared.uid != seen.uid {" => "if false {";
    "answers-drift-at-once-for-ever": "a fight over an object is not slowed down",
        "engine/reduce/src/kustomization/owned.rs",
        "if self.repairs < FREE_REPAIRS {" => "if self.repairs < u32::MAX {";
    "applies-stages-out-of-order": "the last stage is applied first",
        "engine/reduce/src/kustomization/decide.rs",
        ".into_iter()\n            .filter(|stage| *stage > attempt.applied_through)"
            => ".into_iter()\n            .rev()\n            .filter(|stage| *stage > attempt.applied_through)";
    "believes-any-outcome": "an outcome counts whichever command it answers",
        "engine/reduce/src/declared.rs",
        ".is_some_and(|it| it.id == record.cause.0)" => ".is_some()";
    "believes-old-news": "a watch that lags overrides what an apply answered",
        "engine/reduce/src/world.rs",
        "if self.seen.get(&object).is_some_and(|it| it.is_later(&seen)) {" => "if false {";
    "compares-the-wrong-generation": "what was declared since the last attempt is taken for done",
        "engine/reduce/src/declared.rs",
        ".is_some_and(|last| last.generation == self.generation)" => ".is_some_and(|last| last.generation <= self.generation)";
    "deletes-anothers-namesake": "an object is deleted by its name, whatever its uid",
        "engine/apply/src/prune.rs",
        "uid.is_empty() || uid == live_uid" => "uid.len() < usize::MAX";
    "deletes-without-a-label": "an object is deleted whoever its labels say owns it",
        "engine/apply/src/prune.rs",
        "Owner::of(live).as_ref() == Some(owner)" => "owner.name.len() < usize::MAX";
    "forgets-the-finalizer": "an object that is declared gets no finalizer",
        "engine/reduce/src/declared.rs",
        "(!self.finalizer).then(|| self.set_finalizer(object, true))" => "self.finalizer.then(|| self.set_finalizer(object, true))";
    "forgets-the-hold": "what was rolled back is built anew at the next interval",
        "engine/reduce/src/kustomization/decide.rs",
        "let hold = self.core.hold.as_ref();" => "let hold = self.core.hold.as_ref().filter(|hold| hold.since == i64::MIN);";
    "goes-back-in-time": "a watch that goes back brings deleted declarations to life",
        "engine/ingest/src/hear.rs",
        "let is_next = *latest <= version;" => "let is_next = version > 0;";
    "hands-out-before-the-append": "commands go out before they are durable",
        "engine/runtime/src/core.rs",
        "        records\n    }\n\n    fn committed(&mut self" => "        self.outlet.committed(&records, &World::default());\n        records\n    }\n\n    fn committed(&mut self";
    "holds-against-nothing": "a hold ends with whatever revision the source has",
        "engine/reduce/src/kustomization/rollback.rs",
        "artifact.revision != hold.against" => "!artifact.revision.is_empty()";
    "ignores-dependencies": "a dependency counts as ready when it is there",
        "engine/reduce/src/kustomization/decide.rs",
        "if !other.core.declared.is_ready() {" => "if other.core.declared.generation < 0 {";
    "ignores-the-deletion-policy": "a deletion prunes what is to be left behind",
        "engine/reduce/src/kustomization/deletion.rs",
        "!spec.suspend && spec.deletes_objects()" => "!spec.suspend";
    "ignores-suspension": "a suspended Kustomization is reconciled",
        "engine/reduce/src/kustomization/decide.rs",
        "if spec.suspend {" => "if spec.suspend && spec.path.is_none() {";
    "loses-what-a-list-lacks": "what is missing from a listing is not gone",
        "engine/ingest/src/live.rs",
        "for object in gone {" => "for object in gone.into_iter().take(0) {";
    "loses-state": "what an apply answered is not stored",
        "engine/reduce/src/kustomization.rs",
        "changed += u32::from(owned.take(applied));\n            self.dirty.insert(key);" => "changed += u32::from(owned.take(applied));";
    "loses-timers": "nothing wakes an object when its time has come",
        "engine/reduce/src/world.rs",
        "self.queue.insert((time, object.clone()));" => "self.queue.remove(&(time, object.clone()));";
    "owns-only-what-was-answered": "an apply whose answer is lost leaves objects that nobody owns",
        "engine/reduce/src/kustomization.rs",
        "self.intend(&apply.objects);" => "";
    "prunes-after-a-failed-listing": "a listing that failed half-way counts as whole",
        "engine/ingest/src/hear.rs",
        "Heard::Failed => {}" => "Heard::Failed => watcher.listed(&std::mem::take(&mut self.listed), \"999999999\", &mut drafts),";
    "prunes-after-an-empty-listing": "every listing counts as empty",
        "engine/ingest/src/hear.rs",
        "let listed = std::mem::take(&mut self.listed);" => "let listed = BTreeSet::new();";
    "prunes-what-is-to-be-kept": "the marker against pruning is not heeded",
        "engine/reduce/src/kustomization/decide.rs",
        "!now.contains(*object) && !owned.rendered.keep" => "!now.contains(*object)";
    "repairs-nothing-that-is-gone": "an object that somebody deleted stays away",
        "engine/reduce/src/kustomization/owned.rs",
        "_ => seen.gone || seen.live != self.live," => "_ => !seen.gone && seen.live != self.live,";
    "retries-without-pause": "the next attempt follows a failure at once",
        "engine/reduce/src/schedule.rs",
        "(RETRY_MS_MIN << doublings).min(RETRY_MS_MAX)" => "(RETRY_MS_MIN << doublings).min(RETRY_MS_MAX).min(1)";
    "skips-a-record": "a recovery leaves the first record after the stored state out",
        "engine/runtime/src/recover.rs",
        "for_each(log, applied.offset.next(), |record|" => "for_each(log, applied.offset.next().next(), |record|";
    "skips-the-probe": "what was under way at a crash is never looked at again",
        "engine/runtime/src/recover.rs",
        "let orders = orders(log, &world)?;" => "let orders = orders(log, &world)?.into_iter().take(0).collect();";
    "takes-old-health": "the health of what was there before an apply counts for what was applied",
        "engine/reduce/src/world.rs",
        "if is_awaited {" => "if is_awaited && event.applied.is_empty() {";
    "wakes-nobody": "who depends on something does not hear that it is ready",
        "engine/reduce/src/world.rs",
        "                | Event::Concluded(_)\n        );" => "        );";
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::ALL;

    #[test]
    fn every_mutant_applies_to_the_code_as_it_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for mutant in ALL {
            let text = std::fs::read_to_string(root.join(mutant.file)).expect(mutant.file);
            let found = text.matches(mutant.find).count();
            assert_eq!(
                found, 1,
                "{}: {} in {}",
                mutant.name, mutant.find, mutant.file
            );
            assert_ne!(mutant.find, mutant.replace);
        }
    }

    #[test]
    fn every_name_is_there_once() {
        assert!(ALL.is_sorted_by(|a, b| a.name < b.name));
        assert!(ALL.iter().all(|it| !it.says.is_empty()));
    }
}
