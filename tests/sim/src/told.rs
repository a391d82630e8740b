//! Who is told: the real view and the real desk, and places outside that take what they are sent, or do not.

use std::collections::BTreeMap;

use fluvial_api::kinds;
use fluvial_event::{Draft, Event, Id, ObjectRef, Offset, Timestamp};
use fluvial_log::EventLog;
use fluvial_notify::Verdict;
use fluvial_notify::desk::{Desk, Ended, Job};
use fluvial_view::Projection;
use fluvial_view::notice::Notices;
use serde_json::{Value, json};

use crate::fault::{Answer, Fault};
use crate::simulation::Simulation;
use crate::users::NAMESPACE;

/// How a place answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It takes everything.
    #[default]
    Open,
    /// Nobody answers.
    Down,
    /// It takes what it is sent, and the answer is lost.
    Silent,
    /// It refuses for good.
    Refusing,
}

impl Mood {
    /// The same, and nobody hears of it.
    fn without_answer(self) -> Self {
        match self {
            Self::Open | Self::Silent => Self::Silent,
            Self::Down | Self::Refusing => Self::Down,
        }
    }
}

/// What a place took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The name of the notification.
    pub id: String,
    /// The record that it tells of.
    pub offset: u64,
}

/// What an Alert had to tell, by the log alone.
#[derive(Debug, Default)]
struct Expected {
    alert: ObjectRef,
    /// The records to tell of.
    told: Vec<u64>,
    /// Those that were given up.
    parked: Vec<u64>,
}

/// A notification that is under way.
#[derive(Debug)]
struct Sending {
    job: Job,
    ended: Option<Ended>,
}

/// Everything about who is told.
#[derive(Debug, Default)]
pub struct Telling {
    desk: Desk,
    under_way: Vec<Sending>,
    /// When the desk wants to be asked again.
    pub(crate) wakes: Option<Timestamp>,
    /// How each Provider's place answers.
    pub moods: BTreeMap<String, Mood>,
    /// What was taken for each Alert, in the order in which it came.
    pub taken: BTreeMap<ObjectRef, Vec<Taken>>,
    /// Notifications that were taken without the engine hearing of it.
    doubts: usize,
}

/// The Alert or Provider `name`.
fn named(kind: &kinds::Kind, name: &str) -> ObjectRef {
    ObjectRef {
        group: kind.group.into(),
        version: kind.version().into(),
        kind: kind.kind.into(),
        namespace: NAMESPACE.into(),
        name: name.into(),
    }
}

/// The Alert `name`.
pub fn alert(name: &str) -> ObjectRef {
    named(&kinds::ALERT, name)
}

/// The Provider `name`.
pub fn provider(name: &str) -> ObjectRef {
    named(&kinds::PROVIDER, name)
}

/// The spec of an Alert of everything of these kinds.
pub fn alert_spec(provider: &str, kinds: &[&str]) -> Value {
    let sources = kinds.iter().map(|kind| json!({"kind": kind, "name": "*"}));
    json!({
        "providerRef": {"name": provider},
        "eventSeverity": "info",
        "eventSources": sources.collect::<Vec<_>>(),
    })
}

/// The spec of a Provider whose place is a machine.
pub fn provider_spec() -> Value {
    json!({"type": "generic", "address": "https://hook.example/x"})
}

impl Telling {
    /// The engine is gone, and whatever it had in hand.
    pub(crate) fn dies(&mut self) {
        self.desk = Desk::default();
        self.under_way.clear();
        self.wakes = None;
    }

    fn send(&mut self, job: &Job, mood: Mood) -> Ended {
        let taken = Taken {
            id: job.note.id.clone(),
            offset: job.note.offset,
        };
        let all = self.taken.entry(job.alert.identity()).or_default();
        let verdict = match mood {
            Mood::Open => {
                all.push(taken);
                Verdict::Taken("200".into())
            }
            Mood::Silent => {
                all.push(taken);
                self.doubts += 1;
                Verdict::Again("no answer".into())
            }
            Mood::Down => Verdict::Again("nobody answers".into()),
            Mood::Refusing => Verdict::Never("404".into()),
        };
        verdict.into()
    }
}

impl Simulation {
    /// Who is to be told comes a step further: something is sent, or what came of it is recorded. Answers
    /// whether there was anything to do.
    pub(crate) fn tell(&mut self) -> Result<bool, String> {
        if self.engine.is_none() {
            return Ok(false);
        }
        let now = self.clock();
        let next = self.telling.desk.take(self.views.due(), now);
        self.telling.wakes = next.wakes;
        let jobs = next.jobs.into_iter().map(|job| (job, None));
        let given_up = next.given_up.into_iter();
        let given_up = given_up.map(|(job, ended)| (job, Some(ended)));
        let all = jobs.chain(given_up);
        let all = all.map(|(job, ended)| Sending { job, ended });
        self.telling.under_way.extend(all);
        if self.telling.under_way.is_empty() {
            return Ok(false);
        }
        let index = self.rng.below(self.telling.under_way.len());
        if self.telling.under_way[index].ended.is_none() {
            self.send(index);
            return Ok(true);
        }
        let Sending { job, ended } = self.telling.under_way.swap_remove(index);
        if let Some(ended) = ended
            && let Some(event) = self.telling.desk.ended(&job, ended, now)
        {
            self.append(vec![Draft::outcome(Id(job.note.cause), event)])?;
        }
        if self.engine.is_some() {
            self.telling.desk.recorded(&job);
        }
        Ok(true)
    }

    /// Something is sent, or the engine dies of it. It counts as a command: what can go wrong is the same.
    fn send(&mut self, index: usize) {
        let job = self.telling.under_way[index].job.clone();
        let number = u64::try_from(self.boundaries.commands.len()).unwrap_or(u64::MAX);
        let mut mood = self
            .telling
            .moods
            .get(&job.provider)
            .copied()
            .unwrap_or_default();
        self.say(|| format!("tell {} of {}: {mood:?}", job.alert, job.note.offset));
        self.boundaries.commands.push((1, false));
        match self.fault {
            Some(Fault::Crash {
                command,
                requests,
                then,
            }) if command == number => {
                self.fault = None;
                if requests > 0 {
                    self.telling.send(&job, mood.without_answer());
                }
                self.crash();
                self.prepare(then);
                return;
            }
            Some(Fault::Deposed { command }) if command == number => {
                self.fault = None;
                self.crash();
                return;
            }
            Some(Fault::Answer { command, answer }) if command == number => {
                self.fault = None;
                mood = match answer {
                    Answer::Throttled | Answer::Lost => Mood::Down,
                    Answer::Done => mood.without_answer(),
                    Answer::Refused => Mood::Refusing,
                };
            }
            Some(_) | None => {}
        }
        let ended = self.telling.send(&job, mood);
        self.telling.under_way[index].ended = Some(ended);
    }

    /// What every Alert that is there now had to tell was taken, or is on record as given up: each in the order
    /// of the log, and twice only where the engine could not know that it was taken.
    pub(crate) fn check_told(&self) -> Result<(), String> {
        for Expected {
            alert,
            told,
            parked,
        } in self.expected()?
        {
            let taken = self
                .telling
                .taken
                .get(&alert)
                .map_or(&[][..], Vec::as_slice);
            let lost = told.iter().find(|offset| {
                !parked.contains(offset) && taken.iter().all(|it| it.offset != **offset)
            });
            if let Some(offset) = lost {
                return Err(format!("{alert} never told of {offset}"));
            }
            if let Some(other) = taken.iter().find(|it| !told.contains(&it.offset)) {
                return Err(format!(
                    "{alert} told of {}, which it does not select",
                    other.offset
                ));
            }
            if let Some(pair) = taken
                .windows(2)
                .find(|pair| pair[0].offset > pair[1].offset)
            {
                let (first, then) = (pair[0].offset, pair[1].offset);
                return Err(format!("{alert} told of {first} before {then}"));
            }
            let twice = taken
                .windows(2)
                .filter(|pair| pair[0].offset == pair[1].offset);
            if twice.clone().any(|pair| pair[0].id != pair[1].id) {
                return Err(format!("{alert} told the same under two names"));
            }
            let (twice, doubts) = (twice.count(), self.telling.doubts + self.lost_records());
            if twice > doubts {
                return Err(format!(
                    "{alert} told {twice} times again, and {doubts} were in doubt"
                ));
            }
        }
        Ok(())
    }

    /// Deaths of the engine, each of which may have come between an answer and its record.
    fn lost_records(&self) -> usize {
        usize::try_from(self.lives())
            .unwrap_or(usize::MAX)
            .saturating_sub(1)
    }

    /// What each Alert had to tell since it was declared, and what it gave up, by the log alone.
    fn expected(&self) -> Result<Vec<Expected>, String> {
        let mut notices = Notices::default();
        let mut all: BTreeMap<ObjectRef, (Value, Expected)> = BTreeMap::new();
        for record in self.log.read(Offset::FIRST) {
            let record = record.map_err(|error| error.to_string())?;
            notices.apply(&record);
            let object = record.event.object().map(ObjectRef::identity);
            match (&record.event, object) {
                (Event::ResourceObserved(seen), Some(object)) if object.kind == "Alert" => {
                    let spec = serde_json::from_slice(&seen.spec).unwrap_or_default();
                    let (known, expected) = all.entry(object.clone()).or_default();
                    *known = spec;
                    expected.alert = object;
                }
                (Event::ResourceDeleted(_), Some(object)) => {
                    all.remove(&object);
                }
                (Event::NotificationParked(parked), Some(object)) => {
                    let told = parked.notification.as_ref().map_or(0, |it| it.offset);
                    all.entry(object).or_default().1.parked.push(told);
                }
                _ => {}
            }
            let Some(notice) = notices.latest() else {
                continue;
            };
            for (spec, expected) in all.values_mut() {
                let sources = spec["eventSources"].as_array().into_iter().flatten();
                let mut kinds = sources.map(|it| &it["kind"]);
                if spec["suspend"] != true && kinds.any(|kind| *kind == notice.object.kind) {
                    expected.told.push(record.offset.0);
                }
            }
        }
        Ok(all.into_values().map(|(_, expected)| expected).collect())
    }
}
