//! One object that a reconciler owns: how it was applied, and how often it had to be repaired.

use fluvial_event::{Action, AppliedObject, ObjectFailure, ObjectRef, Rendered, Timestamp};
use wincode::{SchemaRead, SchemaWrite};

use crate::live::Seen;

/// One owned object, as it was last applied.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub struct Owned {
    /// How it was rendered; without a manifest for what an earlier engine applied.
    pub rendered: Rendered,
    /// Its uid.
    pub uid: String,
    /// Its resource version when it was applied.
    pub resource_version: String,
    /// Keyed digest of its owned fields as they were then.
    pub live: String,
    /// Repairs that followed closely on each other, and the last of them.
    repairs: u32,
    repaired: i64,
    /// What the last repair answered to, until an apply succeeds.
    found: String,
}

/// Repairs closer to each other than this count as one fight.
const FIGHT_MS: i64 = 10 * 60 * 1000;
/// The longest pause in a fight.
const PAUSE_MS_MAX: i64 = 5 * 60 * 1000;
/// The longest pause when repairs failed and something else is found than they answered to.
const PAUSE_MS_OF_NEWS: i64 = 1000;

impl Owned {
    /// What an earlier engine's inventory names.
    pub(crate) fn adopted(object: ObjectRef) -> Self {
        let rendered = Rendered {
            object: Some(object),
            ..Rendered::default()
        };
        Self {
            rendered,
            ..Self::default()
        }
    }

    /// What somebody else released: held to its manifest, never seen when it was applied.
    pub(crate) fn released(rendered: Rendered) -> Self {
        Self {
            rendered,
            ..Self::default()
        }
    }

    /// What is about to be applied, and may never be: held to nothing yet.
    pub(crate) fn intended(rendered: &Rendered) -> Self {
        let rendered = Rendered {
            manifest: String::new(),
            ..rendered.clone()
        };
        Self {
            rendered,
            ..Self::default()
        }
    }

    /// The version it was applied with.
    pub fn version(&self) -> &str {
        self.rendered
            .object
            .as_ref()
            .map_or("", |object| &object.version)
    }

    /// Takes over how it was applied; says whether that changed the object.
    pub(crate) fn take(&mut self, applied: &AppliedObject) -> bool {
        self.rendered = applied.rendered.clone().unwrap_or_default();
        self.rendered.live.clear();
        self.uid.clone_from(&applied.uid);
        self.resource_version.clone_from(&applied.resource_version);
        self.live.clone_from(&applied.live);
        self.found.clear();
        !matches!(
            applied.action(),
            Action::Unchanged | Action::Skipped | Action::Unspecified
        )
    }

    pub(crate) fn count_repair(&mut self, time: Timestamp, seen: Option<&Seen>) {
        let is_fight = time.since_ms(Timestamp(self.repaired)) < FIGHT_MS;
        self.repairs = if is_fight {
            self.repairs.saturating_add(1)
        } else {
            1
        };
        self.repaired = time.0;
        seen.map_or("", Seen::finding).clone_into(&mut self.found);
    }

    /// When what was `seen` may be repaired: at once, unless another controller undoes it again and
    /// again, or repairs fail. A failure says little of another finding: that waits no longer than
    /// [`PAUSE_MS_OF_NEWS`].
    pub(crate) fn repair_at(&self, seen: Option<&Seen>) -> Timestamp {
        const FREE_REPAIRS: u32 = 5;
        if self.repairs < FREE_REPAIRS {
            return Timestamp::default();
        }
        let doublings = (self.repairs - FREE_REPAIRS).min(16);
        let is_news = !self.found.is_empty() && seen.is_some_and(|it| it.finding() != self.found);
        let longest = if is_news {
            PAUSE_MS_OF_NEWS
        } else {
            PAUSE_MS_MAX
        };
        Timestamp(self.repaired).plus_ms((500_i64 << doublings).min(longest))
    }

    /// Whether `seen` is another object of this name. However alike, it is not the one that was applied, and
    /// is not pruned: an apply makes it so.
    pub(crate) fn is_replaced_by(&self, seen: &Seen) -> bool {
        !self.uid.is_empty() && !seen.gone && seen.uid != self.uid
    }

    /// Whether `seen` shows that the cluster no longer holds what was applied.
    pub(crate) fn has_drifted(&self, seen: Option<&Seen>) -> bool {
        let Some(seen) = seen.filter(|seen| seen.is_newer_than(&self.resource_version)) else {
            return false;
        };
        match self.rendered.policy.as_str() {
            "Ignore" => false,
            "IfNotPresent" => seen.gone,
            _ => seen.gone || seen.live != self.live || self.is_replaced_by(seen),
        }
    }
}

/// What failed, in one sentence for each object, as Flux says it; at most ten. Each names its object
/// once: most messages already do.
pub(crate) fn sentence(failures: &[ObjectFailure]) -> String {
    const SAID_MAX: usize = 10;
    let mut lines: Vec<_> = failures
        .iter()
        .take(SAID_MAX)
        .map(|failure| match &failure.object {
            Some(object) if !names(&failure.message, &object.to_string()) => {
                format!("{object} {}", failure.message)
            }
            Some(_) | None => failure.message.clone(),
        })
        .collect();
    if failures.len() > SAID_MAX {
        lines.push(format!("and {} more", failures.len() - SAID_MAX));
    }
    lines.join("\n")
}

/// Whether `message` names `object`, and not one whose name only contains that.
fn names(message: &str, object: &str) -> bool {
    let is_part = |it: char| it.is_alphanumeric() || matches!(it, '-' | '.' | '/');
    message.match_indices(object).any(|(at, _)| {
        let (before, after) = (&message[..at], &message[at + object.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use fluvial_event::{AppliedObject, ObjectFailure, ObjectRef, Rendered, Timestamp};

    use super::{Owned, sentence};
    use crate::live::Seen;

    #[test]
    fn drift_is_what_is_newer_and_different() {
        let owned = |policy: &str| Owned {
            rendered: Rendered {
                policy: policy.into(),
                ..Rendered::default()
            },
            uid: "1".into(),
            resource_version: "10".into(),
            live: "a".into(),
            ..Owned::default()
        };
        let seen = |resource_version: &str, live: &str, gone| Seen {
            uid: "1".into(),
            resource_version: resource_version.into(),
            live: live.into(),
            gone,
            ..Seen::default()
        };
        let replaced = Seen {
            uid: "2".into(),
            ..seen("11", "a", false)
        };
        let cases = [
            ("", seen("11", "b", false), true),
            ("", seen("9", "b", false), false),
            ("", seen("10", "b", false), false),
            ("", seen("11", "a", false), false),
            ("", seen("11", "", true), true),
            ("", seen("9", "", true), false),
            ("IfNotPresent", seen("11", "b", false), false),
            ("IfNotPresent", seen("11", "", true), true),
            ("Ignore", seen("11", "", true), false),
            ("", replaced.clone(), true),
            ("IfNotPresent", replaced.clone(), false),
            ("Ignore", replaced.clone(), false),
        ];
        for (policy, seen, drifted) in cases {
            assert_eq!(
                owned(policy).has_drifted(Some(&seen)),
                drifted,
                "{policy} {seen:?}"
            );
        }
        assert!(!owned("").has_drifted(None));
        let unknown = Owned {
            uid: String::new(),
            ..owned("")
        };
        assert!(!unknown.has_drifted(Some(&replaced)), "it was never heard");
    }

    #[test]
    fn a_fight_slows_down_and_is_forgotten() {
        let mut owned = Owned::default();
        let minute = 60_000_000_000;
        for n in 1..=4 {
            owned.count_repair(Timestamp(100 * minute + n), None);
            assert_eq!(
                owned.repair_at(None),
                Timestamp::default(),
                "repair {n} is at once"
            );
        }
        owned.count_repair(Timestamp(100 * minute + 5), None);
        let next = Timestamp(100 * minute + 5).plus_ms(500);
        assert_eq!(owned.repair_at(None), next);
        owned.count_repair(Timestamp(111 * minute), None);
        assert_eq!(owned.repair_at(None), Timestamp::default());
    }

    #[test]
    fn only_failed_repairs_make_way_for_another_finding() {
        let at = Timestamp(100 * 60_000_000_000);
        let edited = Seen {
            live: "edited".into(),
            ..Seen::default()
        };
        let other = Seen {
            live: "other".into(),
            ..Seen::default()
        };
        let gone = Seen {
            gone: true,
            ..Seen::default()
        };
        let mut owned = Owned::default();
        for _ in 0..20 {
            owned.count_repair(at, Some(&edited));
        }
        let slow = at.plus_ms(super::PAUSE_MS_MAX);
        assert_eq!(owned.repair_at(Some(&edited)), slow, "the same failed");
        for seen in [&other, &gone] {
            assert_eq!(owned.repair_at(Some(seen)), at.plus_ms(1000), "{seen:?}");
        }
        owned.take(&AppliedObject::default());
        assert_eq!(owned.repair_at(Some(&other)), slow, "a fight stays one");
    }

    #[test]
    fn a_failure_names_its_object_once() {
        let object = ObjectRef {
            version: "v1".into(),
            kind: "Service".into(),
            namespace: "shop".into(),
            name: "web".into(),
            ..ObjectRef::default()
        };
        let cases = [
            (
                "cannot apply Service/shop/web: it is busy",
                "cannot apply Service/shop/web: it is busy",
            ),
            ("the server is busy", "Service/shop/web the server is busy"),
            (
                "Service/shop/web-2 has its port",
                "Service/shop/web Service/shop/web-2 has its port",
            ),
        ];
        for (message, said) in cases {
            let failure = ObjectFailure {
                object: Some(object.clone()),
                message: message.into(),
                ..ObjectFailure::default()
            };
            assert_eq!(sentence(&[failure]), said);
        }
    }
}
