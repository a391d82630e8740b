//! What the engine hears: lists, watch events, timers, and outcomes that come too late.

use fluvial_event::{Draft, TimerFired, Timestamp};
use fluvial_log::EventLog;

use crate::fault::Fault;
use crate::ingest::{Batch, Lapse, Watch};
use crate::simulation::Simulation;

/// How long a watch takes to notice that it missed something.
const RELIST_MS: i64 = 30_000;

impl Simulation {
    /// A batch is taken in: what it is worth is appended before the next.
    fn take_in(&mut self, batch: Batch) -> Result<(), String> {
        let watch = batch.0.clone();
        let now = self.clock().seconds();
        let drafts = self.ingest.hear(batch, now);
        if !drafts.is_empty() {
            self.append(drafts)?;
        }
        self.ingest.settled(&watch);
        Ok(())
    }

    /// Watches begin where they are needed; a list fails `failing` times in a thousand.
    pub fn tend_watches(&mut self, failing: usize) -> Result<(), String> {
        let (Some(engine), Some(known)) = (&self.engine, &self.known) else {
            return Ok(());
        };
        // Only a record changes what has to be watched, or the first object of a kind.
        let head = (self.log.head().offset, self.cluster.history.len());
        if self.tended != Some(head) {
            self.ingest.tend(&engine.world(), known, &self.cluster);
            self.tended = Some(head);
        }
        for watch in self.ingest.unlisted() {
            let succeeds = !self.rng.chance(failing);
            self.list(&watch, false, succeeds)?;
        }
        Ok(())
    }

    fn list(&mut self, watch: &Watch, gap: bool, succeeds: bool) -> Result<(), String> {
        if self.engine.is_none() {
            return Ok(());
        }
        match self.ingest.list(watch, &self.cluster, gap, succeeds) {
            Some(batch) => self.take_in(batch),
            None => Ok(()),
        }
    }

    /// What a watch tells next, up to `count` events in one batch.
    fn deliver(&mut self, watch: &Watch, count: usize) -> Result<(), String> {
        let mut heard = Vec::new();
        for _ in 0..count {
            for (_, mut batch) in self.ingest.next(watch, &self.cluster, None) {
                heard.append(&mut batch);
            }
        }
        self.take_in((watch.clone(), heard))
    }

    /// The next event of a watch, which may be the one to go wrong.
    fn deliver_one(&mut self, watch: &Watch) -> Result<(), String> {
        let number = self.boundaries.events;
        let lapse = match self.fault {
            Some(Fault::Watch { event, lapse }) if event == number => {
                self.fault = None;
                self.say(|| format!("{lapse:?} in the watch of {watch:?}"));
                Some(lapse)
            }
            _ => None,
        };
        if lapse == Some(Lapse::Dropped) {
            self.relist = Some((self.now.plus_ms(RELIST_MS), watch.clone()));
        }
        self.boundaries.events += u64::from(!matches!(lapse, Some(Lapse::Late(_))));
        for batch in self.ingest.next(watch, &self.cluster, lapse) {
            if self.engine.is_some() {
                self.take_in(batch)?;
            }
        }
        Ok(())
    }

    /// Some watch tells the next of what it has to tell.
    pub fn hear_something(&mut self) -> Result<(), String> {
        let watches = self.ingest.watches();
        let Some(watch) = self.rng.pick(&watches).cloned() else {
            return Ok(());
        };
        let count = 1 + self.rng.below(6);
        self.deliver(&watch, count)
    }

    /// Some watch is lost and begins again with a list, goes back, repeats itself, or misses something.
    pub fn hear_badly(&mut self) -> Result<(), String> {
        let watches = self.ingest.watches();
        let Some(watch) = self.rng.pick(&watches).cloned() else {
            return Ok(());
        };
        let lapse = match self.rng.below(10) {
            0..3 => Lapse::Stale(1 + self.rng.below(5)),
            3..5 => Lapse::Doubled,
            5..7 => Lapse::Dropped,
            7..9 => return self.list(&watch, true, true),
            _ => return self.list(&watch, true, false),
        };
        self.say(|| format!("{lapse:?} in the watch of {watch:?}"));
        if lapse == Lapse::Dropped && self.relist.is_none() {
            self.relist = Some((self.now.plus_ms(RELIST_MS), watch.clone()));
        }
        for batch in self.ingest.next(&watch, &self.cluster, Some(lapse)) {
            if self.engine.is_some() {
                self.take_in(batch)?;
            }
        }
        Ok(())
    }

    /// Every watch is begun again.
    pub fn relist(&mut self) -> Result<(), String> {
        for watch in self.ingest.watches() {
            self.list(&watch, true, true)?;
        }
        Ok(())
    }

    /// A listing of every watch fails half-way, and later succeeds.
    pub fn fail_lists(&mut self) -> Result<(), String> {
        for watch in self.ingest.watches() {
            self.list(&watch, true, false)?;
        }
        Ok(())
    }

    /// The watch that missed something begins again, when its time has come.
    fn relist_what_missed(&mut self) -> Result<(), String> {
        match self.relist.take() {
            Some((at, watch)) if at <= self.now => self.list(&watch, true, true),
            other => {
                self.relist = other;
                Ok(())
            }
        }
    }

    /// Everything that the watches have to tell is told.
    pub(crate) fn hear_all(&mut self) -> Result<(), String> {
        const ROUNDS_MAX: usize = 2_000;
        for _ in 0..ROUNDS_MAX {
            self.relist_what_missed()?;
            self.tend_watches(0)?;
            let behind = self.ingest.behind(&self.cluster);
            if behind.is_empty() {
                return Ok(());
            }
            for watch in behind {
                self.deliver_one(&watch)?;
            }
        }
        Err("what is heard makes something new to be heard, without end".into())
    }

    /// An outcome of a deposed leader arrives.
    pub fn hear_late(&mut self) -> Result<(), String> {
        if self.late.is_empty() || self.engine.is_none() {
            return Ok(());
        }
        let index = self.rng.below(self.late.len());
        let (id, event) = self.late.swap_remove(index);
        self.say(|| format!("late: {}", event.name()));
        self.append(vec![Draft::outcome(id, event)])
    }

    /// Timers whose time has come.
    pub fn fire(&mut self) -> Result<(), String> {
        let now = self.clock();
        let Some(engine) = &self.engine else {
            return Ok(());
        };
        let ripe: Vec<_> = engine.world().ripe(now).cloned().collect();
        for object in ripe {
            let fired = TimerFired {
                object: Some(object),
            };
            self.append(vec![Draft::news(fired.into())])?;
        }
        Ok(())
    }

    /// When the engine's clock says that it is to be woken next.
    pub fn next_timer(&self) -> Option<Timestamp> {
        let engine = self.engine.as_ref()?;
        let at = engine.world().next_timer().map(|(at, _)| at)?;
        Some(self.when(at))
    }
}
