//! What can go wrong once in a run, and where: each boundary of a run that nothing disturbed.

use std::fmt;

use crate::ingest::Lapse;

/// Where the engine dies at an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The append fails and nothing was written, as on a full disk.
    AppendLost,
    /// The append fails, and all was written: a failed fsync.
    AppendWritten,
    /// After the append, before anybody is told.
    BeforeCommitted,
}

/// How the life after a crash begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// As it should.
    Recovers,
    /// It reads everything and dies before it has said so.
    DiesBeforeItsTerm,
    /// It dies when it says that it is there.
    DiesAtItsTerm(Crash),
    /// It dies with the first command that it carries out again.
    DiesAtItsFirstCommand,
    /// Its stored state is gone, so that it is folded from the first record.
    LosesItsState,
}

/// What the API server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is busy, and does nothing.
    Throttled,
    /// No answer, and nothing done.
    Lost,
    /// No answer, and it is done.
    Done,
    /// It refuses.
    Refused,
}

/// One thing that goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The engine dies when it has made `requests` of those of a command.
    Crash {
        command: u64,
        requests: usize,
        then: Then,
    },
    /// The engine dies at an append.
    Append { append: u64, crash: Crash },
    /// Every request of a command is answered like this.
    Answer { command: u64, answer: Answer },
    /// Another leader takes over as a command begins, and the deposed one carries it out much later.
    Deposed { command: u64 },
    /// A watch event goes wrong.
    Watch { event: u64, lapse: Lapse },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash {
                command,
                requests,
                then,
            } => write!(f, "crash@{command}+{requests}:{then:?}"),
            Self::Append { append, crash } => write!(f, "append@{append}:{crash:?}"),
            Self::Answer { command, answer } => write!(f, "answer@{command}:{answer:?}"),
            Self::Deposed { command } => write!(f, "deposed@{command}"),
            Self::Watch { event, lapse } => write!(f, "watch@{event}:{lapse:?}"),
        }
    }
}

/// What a run came through, counted: every place where something can go wrong.
#[derive(Clone, Debug, Default)]
pub struct Boundaries {
    /// The commands carried out: how many requests each makes, and whether it found nothing new.
    pub(crate) commands: Vec<(usize, bool)>,
    /// The appends, and whether each was of routine.
    pub(crate) appends: Vec<bool>,
    /// The watch events told.
    pub(crate) events: u64,
    /// Refusals are counted as failures, so that a single one may change how the story ends: none is tried.
    pub(crate) is_refusal_final: bool,
}

/// Routine is the same each time: so many of it are disturbed, and no more.
const ROUTINE_MAX: usize = 2;
/// The furthest that a watch goes back, or lags.
const EVENTS_MAX: usize = 5;

impl Boundaries {
    /// Everything that can go wrong once.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (command, (requests, _)) in notable(&self.commands, |(_, routine)| *routine) {
            for done in 0..=*requests {
                let crash = |then| Fault::Crash {
                    command,
                    requests: done,
                    then,
                };
                faults.push(crash(Then::Recovers));
                if done == 0 || done == *requests {
                    faults.extend(AGAIN.map(crash));
                }
            }
            let answers = ANSWERS.into_iter();
            let answers = answers.filter(|it| *it != Answer::Refused || !self.is_refusal_final);
            faults.extend(answers.map(|answer| Fault::Answer { command, answer }));
            faults.push(Fault::Deposed { command });
        }
        for (append, _) in notable(&self.appends, |routine| *routine) {
            faults.extend(CRASHES.map(|crash| Fault::Append { append, crash }));
        }
        for event in 0..self.events {
            let watch = |lapse| Fault::Watch { event, lapse };
            faults.extend([Lapse::Dropped, Lapse::Doubled].map(watch));
            let lagging = (1..=EVENTS_MAX).flat_map(|n| [Lapse::Stale(n), Lapse::Late(n)]);
            faults.extend(lagging.map(watch));
        }
        faults
    }
}

const CRASHES: [Crash; 3] = [
    Crash::AppendLost,
    Crash::AppendWritten,
    Crash::BeforeCommitted,
];

const ANSWERS: [Answer; 4] = [
    Answer::Throttled,
    Answer::Lost,
    Answer::Done,
    Answer::Refused,
];

const AGAIN: [Then; 5] = [
    Then::DiesBeforeItsTerm,
    Then::DiesAtItsTerm(Crash::AppendLost),
    Then::DiesAtItsTerm(Crash::BeforeCommitted),
    Then::DiesAtItsFirstCommand,
    Then::LosesItsState,
];

/// All with their numbers, but of the routine ones only the first few.
fn notable<T>(all: &[T], is_routine: impl Fn(&T) -> bool) -> impl Iterator<Item = (u64, &T)> {
    let mut routine = 0;
    (0..).zip(all).filter(move |(_, each)| {
        routine += usize::from(is_routine(each));
        !is_routine(each) || routine <= ROUTINE_MAX
    })
}
