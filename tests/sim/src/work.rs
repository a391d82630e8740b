//! What the engine does: commands, their effects and their outcomes; and time that passes in peace.

use std::collections::BTreeSet;

use fluvial_event::{Command, Draft, Event, ObjectRef, Timestamp, command};
use fluvial_reduce::{HelmRelease, Kustomization};

use crate::cluster::records::Records;
use crate::cluster::{Cluster, Live};
use crate::executor::{Faults, Outside, requests};
use crate::fault::{Answer, Fault, Then};
use crate::simulation::{Job, Late, Simulation, is_as_it_was};

/// A certainty, in a thousand.
const ALWAYS: usize = 1000;

impl Simulation {
    /// The engine dies in the middle of something it does.
    pub fn crash_at_an_effect(&mut self) {
        if !self.jobs.is_empty() {
            let index = self.rng.below(self.jobs.len());
            let command = self.jobs[index].order.command.clone();
            let steps = match self.rng.below(3) {
                0 => 0,
                1 => usize::MAX,
                _ => self.rng.below(3),
            };
            self.carry_out(&command, steps, self.faults, None);
        }
        self.crash();
    }

    /// The lease is lost: a successor takes over, and what was under way is still done, later.
    pub fn depose(&mut self) {
        if self.engine.is_none() {
            return;
        }
        let orders = self.jobs.iter().filter(|job| job.outcome.is_none());
        let orders: Vec<_> = orders.map(|job| job.order.clone()).collect();
        for order in orders {
            let after = self.boundaries.commands.len() + 1 + self.rng.below(6);
            let read = match &order.command.kind {
                Some(command::Kind::StoreRelease(it)) => {
                    self.cluster.records(&it.storage_namespace, &it.name)
                }
                _ => Records::default(),
            };
            self.deposed.push(Late { order, after, read });
        }
        self.crash();
    }

    /// What a deposed leader still had to do and whose time has come, or all of it.
    pub(crate) fn haunt(&mut self, all: bool) -> Result<(), String> {
        let now = self.boundaries.commands.len();
        let ripe = |later: usize| all || later <= now;
        let (due, rest) = std::mem::take(&mut self.deposed)
            .into_iter()
            .partition(|late: &Late| ripe(late.after));
        self.deposed = rest;
        let due: Vec<Late> = due;
        for Late { order, read, .. } in due {
            self.say(|| format!("a deposed leader's {}", order.command.name()));
            let uids = |cluster: &Cluster| -> BTreeSet<String> {
                cluster.lives().map(|(_, live)| live.uid.clone()).collect()
            };
            let before = uids(&self.cluster);
            let faults = self.faults;
            let (outcome, _) = self.carry_out(&order.command, usize::MAX, faults, Some(read));
            let after = uids(&self.cluster);
            self.cluster
                .strays
                .extend(after.difference(&before).cloned());
            self.append(vec![Draft::outcome(order.id, outcome)])?;
        }
        Ok(())
    }

    /// Whether an object came from a deposed leader, and nobody owns it. Its successor cannot know of it, so
    /// it may stay; that an engine which lost its lease sends nothing more is what keeps it from being made.
    pub(crate) fn is_stray(&self, object: &ObjectRef, live: &Live) -> bool {
        let world = self.checker.world();
        let owned = world.kustomizations().values().map(Kustomization::owned);
        let mut owned = owned.chain(world.releases().values().map(HelmRelease::owned));
        self.cluster.strays.contains(&live.uid) && !owned.any(|it| it.contains(object))
    }

    /// Carries the first `steps` requests of a command out; answers how many were made, too.
    fn carry_out(
        &mut self,
        command: &Command,
        steps: usize,
        faults: Faults,
        as_of: Option<Records>,
    ) -> (Event, usize) {
        self.say(|| {
            let object = command.object().map(ToString::to_string);
            format!("{} of {object:?}", command.name())
        });
        let mut outside = Outside {
            git: &self.git,
            cluster: &mut self.cluster,
            blobs: &self.blobs,
            charts: &self.charts,
            log: &self.log,
            faults,
            rng: &mut self.rng,
            left: 0,
            asked: 0,
            as_of,
        };
        let outcome = outside.execute(command, steps);
        (outcome, outside.asked)
    }

    /// A command is carried out, or the engine dies of it.
    fn effect(&mut self, index: usize) {
        let order = self.jobs[index].order.clone();
        let number = u64::try_from(self.boundaries.commands.len()).unwrap_or(u64::MAX);
        let mut faults = self.faults;
        match self.fault {
            Some(Fault::Crash {
                command,
                requests: done,
                then,
            }) if command == number => {
                self.fault = (then == Then::DiesAtItsFirstCommand).then_some(Fault::Crash {
                    command: number + 1,
                    requests: usize::MAX,
                    then: Then::Recovers,
                });
                self.boundaries.commands.push((0, false));
                self.carry_out(&order.command, done, faults, None);
                self.crash();
                self.prepare(then);
                return;
            }
            Some(Fault::Deposed { command }) if command == number => {
                self.fault = None;
                self.depose();
                return;
            }
            Some(Fault::Answer { command, answer }) if command == number => {
                self.fault = None;
                faults = answered(answer);
            }
            Some(
                Fault::Crash { .. }
                | Fault::Append { .. }
                | Fault::Answer { .. }
                | Fault::Deposed { .. }
                | Fault::Watch { .. },
            )
            | None => {}
        }
        let (outcome, asked) = self.carry_out(&order.command, usize::MAX, faults, None);
        let is_routine = match &outcome {
            Event::SourceUnchanged(_) => true,
            Event::ReleaseInspected(found) => is_as_it_was(found),
            _ => false,
        };
        let effort = (requests(&order.command).max(asked), is_routine);
        self.boundaries.commands.push(effort);
        self.jobs[index].outcome = Some(outcome);
    }

    /// One command comes a step further: its effect, or its outcome.
    pub fn work(&mut self) -> Result<(), String> {
        self.haunt(false)?;
        if self.jobs.is_empty() {
            return Ok(());
        }
        let index = self.rng.below(self.jobs.len());
        if self.jobs[index].outcome.is_none() {
            self.effect(index);
            return match self.cluster.breaches.first() {
                Some(why) => Err(why.clone()),
                None => Ok(()),
            };
        }
        let job = self.jobs.swap_remove(index);
        let Some(outcome) = job.outcome else {
            return Ok(());
        };
        self.append(vec![Draft::outcome(job.order.id, outcome)])
    }

    /// Whether a command of this name is under way, and its effect is still to come.
    pub fn does(&self, name: &str) -> bool {
        let waits = |job: &Job| job.outcome.is_none() && job.order.command.name() == name;
        self.jobs.iter().any(waits)
    }

    /// Lets the engine work undisturbed for `ms` of virtual time, and end what it does then.
    pub fn calm(&mut self, ms: i64) -> Result<(), String> {
        /// More steps than this in a minute are a loop.
        const STEPS_MAX: usize = 5_000;
        let end = self.now.plus_ms(ms);
        let (mut minute, mut steps) = (self.now, 0);
        while !self.step(end)? {
            steps += 1;
            if self.now.since_ms(minute) >= 60_000 {
                (minute, steps) = (self.now, 0);
            }
            if steps > STEPS_MAX {
                return Err(format!("there is always something to do: {:?}", self.jobs));
            }
        }
        Ok(())
    }

    /// The next thing happens: `true` when there is none before `end`.
    pub fn step(&mut self, end: Timestamp) -> Result<bool, String> {
        if self.engine.is_none() {
            self.restart(true)?;
            return Ok(false);
        }
        self.hear_all()?;
        if self.tell()? {
            self.pass(5);
            return Ok(false);
        }
        if !self.jobs.is_empty() {
            self.pass(5);
            self.work()?;
            return Ok(false);
        }
        if self.engine.is_none() {
            return Ok(false);
        }
        if !self.deposed.is_empty() {
            self.haunt(true)?;
            return Ok(false);
        }
        if self.ingest.release() {
            return Ok(false);
        }
        let timer = self.next_timer();
        if timer.is_some_and(|at| at <= self.now) {
            self.fire()?;
            return Ok(false);
        }
        let relist = self.relist.as_ref().map(|(at, _)| *at);
        let telling = self.telling.wakes.map(|at| self.when(at));
        let next = [timer, relist, telling, self.cluster.next_settling()];
        let next = next.into_iter().flatten().min().unwrap_or(end);
        let next = next.min(end).max(self.now.plus_ms(1));
        self.now = next;
        self.cluster.advance(next);
        Ok(next >= end)
    }
}

fn answered(answer: Answer) -> Faults {
    let mut faults = Faults::default();
    match answer {
        Answer::Throttled => faults.throttled = ALWAYS,
        Answer::Lost => faults.lost = ALWAYS,
        Answer::Done => faults.done = ALWAYS,
        Answer::Refused => faults.refused = ALWAYS,
    }
    faults
}
