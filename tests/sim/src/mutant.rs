//! Deliberate bugs: the simulator must find each of them.
//!
//! A mutant replaces one expression of the engine's source by another, in a copy of the tree. All of them are
//! built at once, each behind a switch that [`SWITCH`] names when the program runs: compiling takes longer
//! than finding. A test holds each piece to be there exactly once, so that no mutant goes stale without a word.

/// The variable of the environment that names the mutant that is awake.
pub const SWITCH: &str = "FLUVIAL_MUTANT";

/// What every crate with a mutant gets at the end of its `lib.rs`.
pub const IS_MUTATED: &str = r#"
pub(crate) fn is_mutated(name: &str) -> bool {
    static AWAKE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    AWAKE.get_or_init(|| std::env::var("FLUVIAL_MUTANT").unwrap_or_default()) == name
}
"#;

/// One deliberate bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// Its name.
    pub name: &'static str,
    /// What goes wrong with it.
    pub says: &'static str,
    /// The file, from the root of the repository.
    pub file: &'static str,
    /// What stands there once, with the expression that is replaced in angle quotes.
    pub find: &'static str,
    /// What the expression becomes.
    pub replace: &'static str,
}

impl Mutant {
    /// What its file says without it.
    pub fn original(&self) -> String {
        self.find.replace(['‹', '›'], "")
    }

    /// What its file says when the switch decides.
    pub fn switched(&self) -> String {
        let (name, replace) = (self.name, self.replace);
        let open = format!("(if crate::is_mutated({name:?}) {{ {replace} }} else {{ ");
        self.find.replacen('‹', &open, 1).replacen('›', " })", 1)
    }

    /// The `lib.rs` of the crate that it is in.
    pub fn root(&self) -> String {
        let (folder, _) = self.file.split_once("/src/").unwrap_or_default();
        format!("{folder}/src/lib.rs")
    }
}

/// The text of a file of the tree, with the mutants that are in it behind their switches.
pub fn with_switches(path: &str, text: String) -> Result<String, String> {
    let mut switched = text;
    for mutant in ALL.iter().filter(|it| it.file == path) {
        let original = mutant.original();
        if switched.matches(&original).count() != 1 {
            return Err(format!("{} no longer applies to {path}", mutant.name));
        }
        switched = switched.replace(&original, &mutant.switched());
    }
    if ALL.iter().any(|it| it.root() == path) {
        switched.push_str(IS_MUTATED);
    }
    Ok(switched)
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
        "if ‹self.core.declared.uid != seen.uid› {" => "false";
    "answers-drift-at-once-for-ever": "a fight over an object is not slowed down",
        "engine/reduce/src/owned.rs",
        "if ‹self.repairs < FREE_REPAIRS› {" => "true";
    "applies-stages-out-of-order": "the last stage is applied first",
        "engine/reduce/src/kustomization/decide.rs",
        "let mut next = ‹after(attempt.applied_through)›;"
            => "stages().max().filter(|stage| *stage > attempt.applied_through)";
    "believes-any-outcome": "an outcome counts whichever command it answers",
        "engine/reduce/src/declared.rs",
        ".is_some_and(|it| ‹it.id == record.cause.0›)" => "true";
    "believes-old-news": "a watch that lags overrides what an apply answered",
        "engine/reduce/src/world.rs",
        "if ‹self.seen.get(object).is_some_and(|it| it.is_later(&seen))› {" => "false";
    "compares-the-wrong-generation": "what was declared since the last attempt is taken for done",
        "engine/reduce/src/declared.rs",
        ".is_some_and(|last| ‹last.generation == self.generation›)"
            => "last.generation <= self.generation";
    "counts-no-failure": "a failed upgrade is tried again for ever",
        "engine/reduce/src/helm_release/outcome.rs",
        "Kind::Upgrade => ‹status.upgrade_failures += 1›," => "()";
    "deletes-anothers-namesake": "an object is deleted by its name, whatever its uid",
        "engine/apply/src/prune.rs",
        "let is_same = ‹uid.is_empty() || uid == live_uid›;" => "true";
    "deletes-without-a-label": "an object is deleted whoever its labels say owns it",
        "engine/apply/src/prune.rs",
        "let is_ours = ‹owner.owns(live)›;" => "true";
    "forgets-the-finalizer": "an object that is declared gets no finalizer",
        "engine/reduce/src/declared.rs",
        "‹(!self.finalizer).then(|| self.set_finalizer(object, true))›"
            => "self.finalizer.then(|| self.set_finalizer(object, true))";
    "forgets-the-hold": "what was rolled back is built anew at the next interval",
        "engine/reduce/src/kustomization/decide.rs",
        "let hold = ‹self.core.hold.as_ref()›;" => "None";
    "forgets-the-records": "an uninstalled release stays in Helm's storage",
        "engine/reduce/src/helm_release/record.rs",
        "purge: ‹kind.removes() && is_success && !spec.uninstall.keep_history›," => "false";
    "forgets-what-waits": "what nobody was told of yet is not stored",
        "projections/view/src/alert.rs",
        "                ‹self.dirty.insert(key)›;" => "false";
    "gives-up-at-once": "a place that is down is never asked again",
        "sinks/notify/src/desk.rs",
        "if ‹age <= AGE_MS_MAX || attempts < ATTEMPTS_MIN› {" => "false";
    "goes-back-in-time": "a watch that goes back brings deleted declarations to life",
        "engine/ingest/src/hear.rs",
        "let is_next = ‹*latest <= version›;" => "true";
    "goes-on-over-a-pending-release": "what a dead helm left pending is not unlocked",
        "engine/reduce/src/helm_release/next.rs",
        "if ‹stored.status.starts_with(\"pending-\") || stored.status == \"uninstalling\"› {" => "false";
    "hands-out-before-the-append": "commands go out before they are durable",
        "engine/runtime/src/core.rs",
        "        ‹records›\n    }\n\n    fn committed(&mut self"
            => "self.outlet.committed(&records, &World::default()); records";
    "holds-against-nothing": "a hold ends with whatever revision the source has",
        "engine/reduce/src/kustomization/rollback.rs",
        "‹artifact.revision != hold.against›" => "true";
    "ignores-a-dependency-of-a-release": "a release does not wait for the one that it depends on",
        "engine/reduce/src/helm_release/decide.rs",
        "(‹!is_ready›).then(" => "false";
    "ignores-dependencies": "a dependency counts as ready when it is there",
        "engine/reduce/src/kustomization/decide.rs",
        "if ‹!other.core.declared.is_ready()› {" => "false";
    "ignores-suspension": "a suspended Kustomization is reconciled",
        "engine/reduce/src/kustomization/decide.rs",
        "if ‹spec.suspend› {" => "false";
    "ignores-the-deletion-policy": "a deletion prunes what is to be left behind",
        "engine/reduce/src/kustomization/deletion.rs",
        "‹!spec.suspend && spec.deletes_objects()›" => "!spec.suspend";
    "judges-once": "another expression judges nothing that is there already",
        "engine/ingest/src/live.rs",
        "judged_by: ‹world.judged_by(group, kind)›," => "String::new()";
    "keeps-every-revision": "a release keeps more revisions than it is to keep",
        "engine/helm/src/release/storage.rs",
        "let surplus = ‹all.len().saturating_sub(kept)›;" => "0";
    "keeps-too-few-revisions": "a release keeps fewer revisions than it is to keep",
        "engine/helm/src/release/storage.rs",
        ".and_then(|max| ‹max.checked_sub(1)›)" => "max.checked_sub(2)";
    "leaves-a-helm-chart-edited": "a HelmChart that somebody edited stays so",
        "engine/reduce/src/helm_release/chart.rs",
        "&& ‹!is_edited› {" => "true";
    "loses-state": "what an apply answered is not stored",
        "engine/reduce/src/holdings.rs",
        "self.is_unlinked |= is_new || is_other;\n        ‹self.dirty.push(name)›;" => "()";
    "loses-timers": "nothing wakes an object when its time has come",
        "engine/reduce/src/world.rs",
        "‹self.queue.insert((next, object.clone()))›;" => "false";
    "loses-what-a-list-lacks": "what is missing from a listing is not gone",
        "engine/ingest/src/live.rs",
        "for object in ‹gone› {" => "Default::default()";
    "overlooks-a-replacement": "another object of the same name and content counts as the one that was applied",
        "engine/reduce/src/owned.rs",
        "seen.live != self.live || ‹self.is_replaced_by(seen)›," => "false";
    "overlooks-a-surplus": "what only an outdated apply of ours set is left as it is",
        "engine/apply/src/drift.rs",
        "if ‹!surplus.is_empty()› {" => "false";
    "overwrites-anothers-record": "a record is written over whoever made it",
        "engine/helm/src/release/storage.rs",
        "&& ‹own.attempt != command.attempt›\n" => "false";
    "owns-only-what-was-answered": "an apply whose answer is lost leaves objects that nobody owns",
        "engine/reduce/src/kustomization.rs",
        "self.core.inventory_changed |= ‹self.owned.intend(&apply.objects)›;" => "false";
    "prunes-after-a-failed-listing": "a listing that failed half-way counts as whole",
        "engine/ingest/src/hear.rs",
        "Heard::Failed => ‹{}›"
            => "watcher.listed(&std::mem::take(&mut self.listed), \"999999999\", &mut drafts)";
    "prunes-after-an-empty-listing": "every listing counts as empty",
        "engine/ingest/src/hear.rs",
        "let listed = ‹std::mem::take(&mut self.listed)›;"
            => "std::mem::take(&mut self.listed).into_iter().take(0).collect()";
    "prunes-nothing-of-a-release": "what left a chart stays in the cluster",
        "engine/reduce/src/helm_release/action.rs",
        "if ‹!doomed.is_empty()› {" => "false";
    "prunes-the-deployed-revision": "the revision to go back to goes with the old ones",
        "engine/helm/src/release/storage.rs",
        "filter(|it| ‹Some(it.version) != deployed›);" => "true";
    "prunes-what-is-to-be-kept": "the marker against pruning is not heeded",
        "engine/reduce/src/kustomization/decide.rs",
        "‹now.contains(object) || owned.rendered.keep›" => "now.contains(object)";
    "releases-off-the-record": "nothing says that a release is under way",
        "engine/reduce/src/helm_release/action.rs",
        "if ‹!action.is_begun && !action.kind.pending().is_empty()› {" => "false";
    "remedies-nothing": "an upgrade whose retries have ended is not rolled back",
        "engine/reduce/src/helm_release/next.rs",
        "if ‹remediation.is_exhausted(failures) && !remediates_last› {" => "remediation.is_exhausted(failures)";
    "repairs-nothing-that-is-gone": "an object that somebody deleted stays away",
        "engine/reduce/src/owned.rs",
        "let Some(seen) = seen.filter(|seen| ‹seen.is_newer_than(&self.resource_version)›) else {"
            => "!seen.gone && seen.is_newer_than(&self.resource_version)";
    "retries-without-pause": "the next attempt follows a failure at once",
        "engine/reduce/src/schedule.rs",
        "‹(RETRY_MS_MIN << doublings).min(RETRY_MS_MAX)›" => "1";
    "runs-a-hook-again": "a hook that was under way at a crash is run again",
        "engine/helm/src/hook.rs",
        "Some(live) if ‹object::annotation(live, ATTEMPT) == Some(stamp)› =>" => "false";
    "skips-a-record": "a recovery leaves the first record after the stored state out",
        "engine/runtime/src/recover.rs",
        "for_each(log, ‹applied.offset.next()›, |record|" => "applied.offset.next().next()";
    "skips-the-probe": "what was under way at a crash is never looked at again",
        "engine/runtime/src/recover.rs",
        "let orders = ‹orders(log, &world)?›;" => "orders(log, &world)?.into_iter().take(0).collect()";
    "supersedes-nobody": "every revision stays deployed",
        "engine/helm/src/release/storage.rs",
        "if ‹command.supersede› {" => "false";
    "takes-a-second-edit-for-the-first": "an edit made again while it is repaired says nothing new",
        "engine/ingest/src/live.rs",
        "known.face == look.face && ‹(is_same || !self.known.world().is_in_hand(object))›" => "true";
    "takes-no-release-over": "a release that helm made is upgraded to what it is",
        "engine/reduce/src/helm_release/outcome.rs",
        "if ‹self.core.status.history.is_empty() && is_same› {" => "false";
    "takes-old-health": "the health of what was there before an apply counts for what was applied",
        "engine/reduce/src/world.rs",
        "if ‹is_awaited› {" => "is_awaited && event.applied.is_empty()";
    "tells-all-at-once": "a notification is sent again while it is under way",
        "sinks/notify/src/desk.rs",
        "if ‹line.is_busy› || due" => "false";
    "wakes-nobody": "who depends on something does not hear that it is ready",
        "engine/reduce/src/world.rs",
        "| Event::Concluded(_)\n        );\n        if ‹!reads› {"
            => "!reads || matches!(record.event, Event::Concluded(_))";
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
            let found = text.matches(&mutant.original()).count();
            assert_eq!(found, 1, "{} in {}", mutant.name, mutant.file);
            assert!(root.join(mutant.root()).is_file(), "{}", mutant.root());
        }
    }

    #[test]
    fn a_switch_keeps_what_it_switches() {
        for mutant in ALL {
            let quotes = |quote: char| mutant.find.matches(quote).count();
            assert_eq!((quotes('‹'), quotes('›')), (1, 1), "{}", mutant.name);
            let switched = mutant.switched();
            let (_, after) = switched.split_once("else { ").unwrap();
            let (kept, _) = after.rsplit_once(" })").unwrap();
            assert!(mutant.find.contains(&format!("‹{kept}›")), "{switched}");
            assert_ne!(kept, mutant.replace);
        }
        assert!(super::IS_MUTATED.contains(super::SWITCH));
    }

    #[test]
    fn every_name_is_there_once() {
        assert!(ALL.is_sorted_by(|a, b| a.name < b.name));
        assert!(ALL.iter().all(|it| !it.says.is_empty()));
    }
}
