//! `bisect`: when what was true of an object came to be true no longer, and by whom.
//!
//! The object is put together as it was after each record that changed it, as [`crate::past`] does it, and
//! the expression is asked. So only records that name the object are read, and a predicate that turns more
//! than once is told as such.

use fluvial_apply::cel::Expression;
use fluvial_event::{Mention, ObjectRef, Offset, Record, Role, Timestamp};
use fluvial_manifest::Value;
use serde::Serialize;

use super::blame::story;
use super::{Commit, Past as History};
use crate::Projection as _;
use crate::past::{DRIFT, HEALTH, Past};

/// What is asked, of which records.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// What is to be true. Its variables are the fields of the object, `self` (the whole of it), `health` in
    /// kstatus' words, and `drifted`.
    pub expression: &'a Expression,
    /// Turns at or before this one do not count.
    pub after: Offset,
    /// The last record that is looked at.
    pub until: Offset,
    /// Whether the last turn is wanted, rather than the first.
    pub last: bool,
}

/// When it turned false, and how it is by the end.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bisected {
    /// The object, as `Deployment/apps/web`.
    pub object: String,
    /// The last record that was looked at.
    pub as_of: Offset,
    /// After how many records it was asked.
    pub asked: u64,
    /// How often it turned false.
    pub turns: u64,
    /// The turn that was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// What the answer was at the end.
    pub end: Answer,
}

/// An answer to the expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "answer", content = "problem")]
pub enum Answer {
    /// It is true.
    True,
    /// It is false.
    False,
    /// There is no such object.
    #[default]
    Absent,
    /// It cannot be said; which counts as false.
    Unclear(String),
}

/// It turned false.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// The record after which it was false.
    pub offset: Offset,
    /// When that was.
    pub time: Timestamp,
    /// The name of its type.
    pub event: &'static str,
    /// What the answer was then.
    pub became: Answer,
    /// Since which record it had been true.
    pub true_since: Offset,
    /// From which record on it was true again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_again: Option<Offset>,
    /// Whose manifest was in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Who else wrote to the object, where that was seen.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manager: String,
}

/// Asks after each record that changed `object`. `read` reads a manifest, or says that it is not stored any
/// more.
pub fn bisect<P: History>(
    history: &P,
    object: &ObjectRef,
    question: &Question<'_>,
    read: impl Fn(&str) -> Result<Option<Value>, P::Error>,
) -> Result<Bisected, P::Error> {
    let mut walk = Walk {
        key: object.identity(),
        question,
        past: Past::default(),
        manifest: (String::new(), None),
        owner: None,
        owner_of_turn: None,
        answer: Answer::Absent,
        true_since: Offset::default(),
        asked: 0,
        turns: 0,
        turn: None,
    };
    for offset in changes(history, object, question.until)? {
        walk.step(&history.record(offset)?, &read)?;
    }
    let mut turn = walk.turn;
    if let (Some(turn), Some(owner)) = (&mut turn, &walk.owner_of_turn) {
        turn.commit =
            Some(story(history, owner, turn.offset)?).filter(|it| !it.revision.is_empty());
    }
    Ok(Bisected {
        object: object.to_string(),
        as_of: question.until,
        asked: walk.asked,
        turns: walk.turns,
        turn,
        end: walk.answer,
    })
}

/// The records that may have changed `object`, oldest first.
fn changes<P: History>(
    history: &P,
    object: &ObjectRef,
    until: Offset,
) -> Result<Vec<Offset>, P::Error> {
    let is_change = |it: &Mention| match it.role {
        Role::Subject | Role::Changed | Role::Unchanged | Role::Pruned => true,
        Role::Rendered
        | Role::Ordered
        | Role::Repaired
        | Role::Doomed
        | Role::Failed
        | Role::Left => false,
    };
    let mut offsets = Vec::new();
    for mention in history.mentions(object, until) {
        let mention = mention?;
        if is_change(&mention) && offsets.last() != Some(&mention.offset) {
            offsets.push(mention.offset);
        }
    }
    offsets.reverse();
    Ok(offsets)
}

struct Walk<'a> {
    key: ObjectRef,
    question: &'a Question<'a>,
    past: Past,
    /// The last manifest that was read, and its name.
    manifest: (String, Option<Value>),
    /// Who applied the object last; of what is declared, itself.
    owner: Option<ObjectRef>,
    owner_of_turn: Option<ObjectRef>,
    answer: Answer,
    true_since: Offset,
    asked: u64,
    turns: u64,
    turn: Option<Turn>,
}

impl Walk<'_> {
    fn step<E>(
        &mut self,
        record: &Record,
        read: &impl Fn(&str) -> Result<Option<Value>, E>,
    ) -> Result<(), E> {
        self.past.apply(record);
        if !self.past.take_changed().contains(&self.key) {
            return Ok(());
        }
        // What somebody else did to an object is its own record: then its last owner's manifest holds.
        let subject = record.event.object().map(ObjectRef::identity);
        if self.owner.is_none() || subject.as_ref() != Some(&self.key) {
            self.owner = subject;
        }
        let name = self.past.manifest(&self.key).unwrap_or_default();
        if self.manifest.0 != name {
            let manifest = if name.is_empty() { None } else { read(name)? };
            self.manifest = (name.to_owned(), manifest);
        }
        let whole = self.past.object(&self.key, self.manifest.1.clone());
        let answer = whole.map_or(Answer::Absent, |it| ask(self.question.expression, &it));
        self.asked += 1;
        self.turn_to(answer, record);
        Ok(())
    }

    fn turn_to(&mut self, answer: Answer, record: &Record) {
        let before = std::mem::replace(&mut self.answer, answer);
        match (before == Answer::True, self.answer == Answer::True) {
            (false, true) => {
                self.true_since = record.offset;
                if let Some(turn) = &mut self.turn
                    && turn.true_again.is_none()
                {
                    turn.true_again = Some(record.offset);
                }
            }
            (true, false) if record.offset > self.question.after => {
                self.turns += 1;
                if self.turn.is_none() || self.question.last {
                    self.owner_of_turn.clone_from(&self.owner);
                    self.turn = Some(Turn {
                        offset: record.offset,
                        time: record.time,
                        event: record.event.name(),
                        became: self.answer.clone(),
                        true_since: self.true_since,
                        true_again: None,
                        commit: None,
                        manager: manager(record),
                    });
                }
            }
            (true, _) | (false, false) => {}
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only what is seen of a live object has somebody else in it"
)]
fn manager(record: &Record) -> String {
    match &record.event {
        fluvial_event::Event::ObjectObserved(it) if !it.changed.is_empty() => it.manager.clone(),
        _ => String::new(),
    }
}

fn ask(expression: &Expression, whole: &Value) -> Answer {
    let annotation = |name: &str| whole.pointer("/metadata/annotations")?.get(name);
    let health = annotation(HEALTH).cloned().unwrap_or_else(|| "".into());
    let drifted = Value::Bool(annotation(DRIFT).is_some());
    let fields = whole.as_object().into_iter().flatten();
    let fields = fields.map(|(name, value)| (name.as_str(), value));
    let variables = fields.chain([("self", whole), ("health", &health), ("drifted", &drifted)]);
    match expression.holds(variables) {
        Ok(true) => Answer::True,
        Ok(false) => Answer::False,
        Err(error) => Answer::Unclear(error.to_string()),
    }
}
