//! Why an object that a Kustomization manages is as it is.

use fluvial_api::KustomizationSpec;
use fluvial_event::{Event, ObjectRef, ObjectsApplied, Offset, Record, Rendered, Role, command};

use super::obstacles::{SETS, set};
use super::{Answer, Asking, Commit, Drift, END, Past, Reason, Standing, at, is_own};

/// How many records are read to find who else has an object in its set.
const OWNERS_LOOKED_AT_MAX: usize = 20;
/// How many observations are read to find the last change by somebody else.
const OBSERVATIONS_MAX: usize = 50;

impl<P: Past> Asking<'_, P> {
    /// Why an object is as it is; `None` where no record names it.
    pub(super) fn managed(&mut self, object: &ObjectRef) -> Result<Option<Answer>, P::Error> {
        let rendered = self.newest(object, END, |it| it.role == Role::Rendered)?;
        let found = rendered
            .as_ref()
            .and_then(|it| Some((it, it.event.object()?, member(it, object)?)));
        let Some((built, owner, member)) = found else {
            return self.in_no_set(object);
        };
        let owner = owner.identity();
        let newest = self.own(&owner, END, SETS)?;
        let is_newest = newest.is_some_and(|it| it.offset == built.offset);
        let deleted = self.own(&owner, END, &["ResourceDeleted"])?;
        let is_gone = deleted.is_some_and(|it| it.offset > built.offset);
        let others = self.other_owners(object, &owner)?;
        let mut answer = if is_newest && !is_gone {
            self.in_its_set(object, &owner, built, member)?
        } else {
            self.left_its_set(object, &owner, built, member)?
        };
        answer.reasons.extend(others);
        answer.chain = self.chain.steps();
        Ok(Some(answer))
    }

    fn answer(
        &self,
        object: &ObjectRef,
        owner: &ObjectRef,
        standing: Standing,
        sentence: String,
    ) -> Answer {
        Answer {
            object: object.to_string(),
            as_of: self.until,
            standing,
            sentence,
            owner: Some(owner.to_string()),
            commit: None,
            reasons: Vec::new(),
            drift: None,
            chain: Vec::new(),
        }
    }

    /// It is in the newest set of its owner.
    fn in_its_set(
        &mut self,
        object: &ObjectRef,
        owner: &ObjectRef,
        built: &Record,
        member: &Rendered,
    ) -> Result<Answer, P::Error> {
        let applied = self.newest(object, END, |it| {
            matches!(it.role, Role::Changed | Role::Unchanged)
        })?;
        let is_current = |record: &Record| {
            self::applied(record, object).is_some_and(|it| it.manifest == member.manifest)
        };
        let failed = self.newest(object, END, |it| it.role == Role::Failed)?;
        let failed = failed.filter(|it| {
            applied
                .as_ref()
                .is_none_or(|applied| it.offset > applied.offset)
        });
        let origin = match &applied {
            Some(applied) => Some(self.origin(object)?.unwrap_or_else(|| applied.clone())),
            None => None,
        };
        let was = match &origin {
            Some(origin) => Some((self.applied_story(owner, origin)?, origin)),
            None => None,
        };
        let mut reasons = Vec::new();
        if let Some(failed) = &failed {
            self.chain.add(failed);
            reasons.extend(refusal(failed, object));
        }
        let is_current = applied.as_ref().is_some_and(is_current) && failed.is_none();
        let mut answer = match &was {
            Some((commit, origin)) if is_current => {
                let sentence = as_said(object, owner, member, commit, origin);
                self.answer(object, owner, Standing::Applied, sentence)
            }
            _ => self.not_applied(object, owner, built, was.as_ref())?,
        };
        if member.policy == "Ignore" {
            reasons.push(Reason::of(
                built,
                object,
                "Ignored",
                format!("{object} says that it is not to be reconciled, so it is left as it is"),
            ));
        }
        if let (Some((commit, origin)), true) = (&was, is_current) {
            answer.commit = Some(commit.clone());
            answer.drift = self.drift(object, origin.offset)?;
            reasons.extend(self.ill(object)?);
            reasons.extend(self.unchanged_since(object, owner, commit)?);
        }
        let obstacles = self.obstacles(owner)?;
        self.headline(&mut answer, &reasons, &obstacles);
        let more = obstacles.into_iter().filter(|it| !reasons.contains(it));
        let more: Vec<_> = more.collect();
        reasons.extend(more);
        answer.reasons = reasons;
        Ok(answer)
    }

    /// It is not, or no longer, as the newest set says.
    fn not_applied(
        &mut self,
        object: &ObjectRef,
        owner: &ObjectRef,
        built: &Record,
        was: Option<&(Commit, &Record)>,
    ) -> Result<Answer, P::Error> {
        let commit = self.story(owner, built.offset)?.phrase();
        self.chain.add(built);
        let now = match was {
            None => format!("{object} is not applied yet"),
            Some((before, origin)) => {
                let (before, when) = (before.phrase(), at(origin));
                format!("{object} is still as {before} says, applied at {when} by {owner}")
            }
        };
        let sentence = format!("{now}; {commit} is not applied");
        Ok(self.answer(object, owner, Standing::NotApplied, sentence))
    }

    /// Puts what matters most behind the sentence.
    #[expect(clippy::unused_self, reason = "reads as an act of the walk")]
    fn headline(&self, answer: &mut Answer, own: &[Reason], obstacles: &[Reason]) {
        if let Some(drift) = answer.drift.as_ref().filter(|it| it.repaired_at.is_none()) {
            answer.standing = Standing::Drifted;
            answer.sentence = format!("{}; but {}", answer.sentence, drift.sentence);
        }
        if answer.standing == Standing::NotApplied {
            let failed = own.iter().find(|it| it.reason != "Unchanged");
            if let Some(why) = failed.or(obstacles.last()) {
                answer.sentence = format!("{}: {}", answer.sentence, why.sentence);
            }
            return;
        }
        if let Some(ill) = own.iter().find(|it| it.reason == "NotHealthy") {
            answer.sentence = format!("{}; but {}", answer.sentence, ill.sentence);
        }
        // What is under way holds nothing up.
        let is_way = |it: &&Reason| {
            ["InProgress", "NotHealthy", "Progressing"].contains(&it.reason.as_str())
        };
        if let Some(why) = obstacles.iter().rfind(|it| !is_way(it)) {
            answer.sentence = format!("{}; nothing newer comes: {}", answer.sentence, why.sentence);
        }
    }

    /// The newest apply that changed the object and repaired nothing: what it is as.
    fn origin(&self, object: &ObjectRef) -> Result<Option<Record>, P::Error> {
        let mut changed = None;
        for mention in self.past.mentions(object, self.until) {
            let mention = mention?;
            if mention.role == Role::Changed {
                changed = Some(mention.offset);
            } else if mention.role == Role::Repaired {
                changed = None;
            } else if mention.role == Role::Ordered && changed.is_some() {
                break;
            }
        }
        changed.map(|offset| self.past.record(offset)).transpose()
    }

    /// The apply, its order, and the story of what was applied.
    fn applied_story(&mut self, owner: &ObjectRef, applied: &Record) -> Result<Commit, P::Error> {
        self.chain.add(applied);
        if let Some(order) = self.past.by_id(applied.cause)? {
            self.chain.add(&order);
        }
        self.story(owner, applied.offset)
    }

    /// The last change by somebody else after `after`, and what became of it.
    fn drift(&mut self, object: &ObjectRef, after: Offset) -> Result<Option<Drift>, P::Error> {
        let mut repair: Option<Offset> = None;
        let mut repaired: Option<Offset> = None;
        let mut looked = 0;
        let until = self.until;
        for mention in self.past.mentions(object, until) {
            let mention = mention?;
            if mention.offset <= after || looked == OBSERVATIONS_MAX {
                break;
            }
            if mention.role == Role::Repaired {
                repair = Some(mention.offset);
            } else if matches!(mention.role, Role::Changed | Role::Unchanged) {
                repaired = Some(mention.offset);
            }
            if !is_own(&mention, &["ObjectGone", "ObjectObserved"]) {
                continue;
            }
            looked += 1;
            let record = self.past.record(mention.offset)?;
            let Some((manager, fields)) = change(&record.event) else {
                continue;
            };
            self.chain.add(&record);
            let order = repair.map(|offset| self.past.record(offset)).transpose()?;
            let outcome = repaired
                .map(|offset| self.past.record(offset))
                .transpose()?;
            for step in order.iter().chain(&outcome) {
                self.chain.add(step);
            }
            let sentence = drift_sentence(object, &record, &manager, &fields, outcome.as_ref());
            return Ok(Some(Drift {
                manager,
                fields,
                offset: record.offset,
                time: record.time,
                repaired_at: outcome.map(|it| it.offset),
                sentence,
            }));
        }
        Ok(None)
    }

    /// Its owner has a newer set without it, or is gone.
    fn left_its_set(
        &mut self,
        object: &ObjectRef,
        owner: &ObjectRef,
        built: &Record,
        member: &Rendered,
    ) -> Result<Answer, P::Error> {
        let fate = self.newest(object, END, |it| {
            matches!(it.role, Role::Pruned | Role::Left | Role::Failed)
        })?;
        let fate = fate.filter(|it| it.offset > built.offset);
        if let Some(fate) = &fate {
            return self.fate(object, owner, fate);
        }
        let gone = match self.first_set_without(owner, built.offset)? {
            Some(without) => {
                self.chain.add(&without);
                let commit = self.story(owner, without.offset.next())?;
                format!(
                    "{} took it out of the source at {}",
                    commit.phrase(),
                    at(&without)
                )
            }
            None => match self.declared(owner)? {
                Some(declared) => {
                    self.chain.add(&declared);
                    format!("{owner} was deleted at {}", at(&declared))
                }
                None => format!("{owner} is not there any more"),
            },
        };
        let kept = if member.keep {
            Some("it says prune: disabled".to_owned())
        } else if !self.prunes(owner)? {
            Some(format!("{owner} does not prune"))
        } else {
            None
        };
        self.chain.add(built);
        let (standing, sentence) = match kept {
            Some(why) => (
                Standing::Kept,
                format!("{object} is kept although {gone}: {why}"),
            ),
            None => (
                Standing::NotApplied,
                format!("{object} is to be deleted, because {gone}"),
            ),
        };
        let mut answer = self.answer(object, owner, standing, sentence);
        answer.reasons = self.obstacles(owner)?;
        Ok(answer)
    }

    /// It was deleted, could not be, or was left to another.
    fn fate(
        &mut self,
        object: &ObjectRef,
        owner: &ObjectRef,
        fate: &Record,
    ) -> Result<Answer, P::Error> {
        self.chain.add(fate);
        let order = self.past.by_id(fate.cause)?;
        let because = match &order {
            Some(order) => {
                self.chain.add(order);
                let reason = doom(order).unwrap_or_default().to_owned();
                if reason.contains("Kustomization was deleted") {
                    let declared = self.declared(owner)?;
                    let deleted = declared.map(|it| {
                        self.chain.add(&it);
                        format!(", at {}", at(&it))
                    });
                    format!(": {reason}{}", deleted.unwrap_or_default())
                } else {
                    let commit = self.story(owner, order.offset)?;
                    format!(": {} took it out of the source", commit.phrase())
                }
            }
            None => String::new(),
        };
        let role = fate
            .event
            .names()
            .into_iter()
            .find(|(it, role)| it.is_same(object) && *role != Role::Subject);
        let (role, when) = (role.map(|it| it.1), at(fate));
        let (standing, sentence) = if role == Some(Role::Pruned) {
            (
                Standing::Deleted,
                format!("{object} was deleted at {when} by {owner}{because}"),
            )
        } else if role == Some(Role::Left) {
            (
                Standing::Unmanaged,
                format!(
                    "{object} was left alone by {owner} at {when}: it does not carry its labels any more"
                ),
            )
        } else {
            (
                Standing::NotApplied,
                format!("{object} could not be deleted by {owner} at {when}{because}"),
            )
        };
        let mut answer = self.answer(object, owner, standing, sentence);
        answer.reasons.extend(refusal(fate, object));
        Ok(answer)
    }

    /// No set that was rendered has it.
    fn in_no_set(&mut self, object: &ObjectRef) -> Result<Option<Answer>, P::Error> {
        let Some(record) = self.newest(object, END, |_| true)? else {
            return Ok(None);
        };
        let owner = record
            .event
            .object()
            .filter(|it| !it.is_same(object))
            .cloned();
        if let Some(owner) = owner {
            let answer = self.fate(object, &owner, &record)?;
            let chain = self.chain.steps();
            return Ok(Some(Answer { chain, ..answer }));
        }
        self.chain.add(&record);
        let sentence = format!(
            "{object} is in no source: nobody manages it; it is only watched, last seen at {}",
            at(&record)
        );
        let mut answer = self.answer(object, object, Standing::Unmanaged, sentence);
        answer.owner = None;
        answer.reasons.extend(self.ill(object)?);
        answer.chain = self.chain.steps();
        Ok(Some(answer))
    }

    /// That the object is in the set of another, too.
    fn other_owners(
        &mut self,
        object: &ObjectRef,
        owner: &ObjectRef,
    ) -> Result<Vec<Reason>, P::Error> {
        let mut others: Vec<(ObjectRef, Record)> = Vec::new();
        let rendered = self
            .past
            .mentions(object, self.until)
            .filter(|it| !matches!(it, Ok(it) if it.role != Role::Rendered));
        for mention in rendered.take(OWNERS_LOOKED_AT_MAX) {
            let record = self.past.record(mention?.offset)?;
            let Some(other) = record.event.object().map(ObjectRef::identity) else {
                continue;
            };
            if other != *owner && others.iter().all(|it| it.0 != other) {
                others.push((other, record));
            }
        }
        let mut reasons = Vec::new();
        for (other, record) in others {
            let newest = self.own(&other, END, SETS)?;
            if newest.is_some_and(|it| it.offset == record.offset) {
                let sentence = format!(
                    "{other} has {object} in its set, too, since {}: they overwrite each other; take it out of one",
                    at(&record)
                );
                reasons.push(Reason::of(&record, &other, "SharedObject", sentence));
            }
        }
        Ok(reasons)
    }

    fn first_set_without(
        &self,
        owner: &ObjectRef,
        after: Offset,
    ) -> Result<Option<Record>, P::Error> {
        let mut first = None;
        for mention in self.past.mentions(owner, self.until) {
            let mention = mention?;
            if mention.offset <= after {
                break;
            }
            if is_own(&mention, SETS) {
                first = Some(mention.offset);
            }
        }
        first.map(|offset| self.past.record(offset)).transpose()
    }

    fn prunes(&self, owner: &ObjectRef) -> Result<bool, P::Error> {
        let declared = self.own(owner, END, &["ResourceObserved"])?;
        let Some(Event::ResourceObserved(observed)) = declared.map(|it| it.event) else {
            return Ok(true);
        };
        let spec = serde_json::from_slice::<KustomizationSpec>(&observed.spec);
        Ok(spec.map_or(true, |spec| spec.prune))
    }
}

fn as_said(
    object: &ObjectRef,
    owner: &ObjectRef,
    member: &Rendered,
    commit: &Commit,
    origin: &Record,
) -> String {
    let is_left_alone = member.policy == "Ignore" || member.policy == "IfNotPresent";
    let verb = if is_left_alone {
        "left as it was found"
    } else {
        "applied"
    };
    let (commit, when) = (commit.phrase(), at(origin));
    format!("{object} is as {commit} says, {verb} at {when} by {owner}")
}

/// What a record that renders a set says of `object`.
pub(super) fn member<'a>(record: &'a Record, object: &ObjectRef) -> Option<&'a Rendered> {
    set(record)
        .iter()
        .find(|it| it.object.as_ref().is_some_and(|it| it.is_same(object)))
}

/// What an apply says of `object`.
fn applied<'a>(record: &'a Record, object: &ObjectRef) -> Option<&'a Rendered> {
    let Event::ObjectsApplied(ObjectsApplied { applied, .. }) = &record.event else {
        return None;
    };
    let mut rendered = applied.iter().filter_map(|it| it.rendered.as_ref());
    rendered.find(|it| it.object.as_ref().is_some_and(|it| it.is_same(object)))
}

/// Why the API server refused something about `object`.
fn refusal(record: &Record, object: &ObjectRef) -> Option<Reason> {
    let failures = if let Event::ObjectsApplied(it) = &record.event {
        &it.failures
    } else if let Event::ObjectsPruned(it) = &record.event {
        &it.failures
    } else {
        return None;
    };
    let failure = failures
        .iter()
        .find(|it| it.object.as_ref().is_some_and(|it| it.is_same(object)))?;
    let sentence = format!(
        "the API server refused it at {}: {}",
        at(record),
        failure.message
    );
    Some(Reason::of(record, object, &failure.reason, sentence))
}

/// Why objects were to be deleted.
fn doom(order: &Record) -> Option<&str> {
    let Event::CommandIssued(issued) = &order.event else {
        return None;
    };
    let Some(command::Kind::PruneObjects(it)) = &issued.command.as_ref()?.kind else {
        return None;
    };
    Some(&it.reason)
}

/// Who changed an object, and which fields; none where it was deleted.
fn change(event: &Event) -> Option<(String, Vec<String>)> {
    if let Event::ObjectObserved(it) = event {
        return (!it.changed.is_empty()).then(|| (it.manager.clone(), it.changed.clone()));
    }
    matches!(event, Event::ObjectGone(_)).then(Default::default)
}

fn drift_sentence(
    object: &ObjectRef,
    seen: &Record,
    manager: &str,
    fields: &[String],
    outcome: Option<&Record>,
) -> String {
    let who = if manager.is_empty() {
        "somebody"
    } else {
        manager
    };
    let did = if fields.is_empty() {
        format!("somebody deleted {object}")
    } else {
        format!("{who} changed {}", fields.join(", "))
    };
    let when = at(seen);
    match outcome {
        Some(outcome) => format!(
            "{did} at {when}; put back {} ms later (offset {})",
            outcome.time.since_ms(seen.time),
            outcome.offset
        ),
        None => format!("{did} at {when}, and that is not put back"),
    }
}
