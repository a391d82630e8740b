//! The views beside the engine: followed, stored and read back, they are what the log alone makes them.

use std::collections::BTreeMap;
use std::convert::Infallible;

use fluvial_event::{ObjectRef, Offset, Record};
use fluvial_log::EventLog;
use fluvial_log::memory::MemoryLog;
use fluvial_view::alert::{Alerts, Due, Namespaces};
use fluvial_view::history::History;
use fluvial_view::notice::{Notice, Notices};
use fluvial_view::status::Statuses;
use fluvial_view::{Projection, Stored};

/// How many deployments a history keeps here: fewer than there are, so that it forgets some.
const DEPLOYMENTS_MAX: usize = 8;

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A view that is stored now and then, as of an offset.
#[derive(Debug)]
struct Kept<V> {
    view: V,
    pairs: Pairs,
    stored: Offset,
}

/// Everything that is seen of one run.
#[derive(Debug)]
pub(crate) struct Views {
    statuses: Kept<Statuses>,
    notices: Kept<Notices>,
    alerts: Kept<Alerts>,
    /// How often each was worth a notice.
    noticed: BTreeMap<ObjectRef, u64>,
    followed: Vec<ObjectRef>,
    histories: Vec<History>,
}

fn alerts() -> Alerts {
    Alerts::new(Namespaces::Any)
}

fn statuses() -> Statuses {
    Statuses::new("sim.")
}

impl<V: Stored> Kept<V> {
    fn new(view: V) -> Self {
        Self {
            view,
            pairs: Pairs::new(),
            stored: Offset::default(),
        }
    }

    fn store(&mut self, at: Offset) {
        for (key, value) in self.view.changes() {
            match value {
                Some(value) => self.pairs.insert(key, value),
                None => self.pairs.remove(&key),
            };
        }
        self.stored = at;
    }

    /// A new process: what was stored, and the rest of the log on top of it.
    fn restore(&mut self, empty: V, log: &MemoryLog, fed: Offset) -> Result<(), String> {
        let pairs = self.pairs.clone().into_iter().map(Ok::<_, Infallible>);
        self.view = empty.load(pairs).map_err(|error| error.to_string())?;
        for record in log.read(self.stored.next()) {
            let record = record.map_err(|error| error.to_string())?;
            if record.offset > fed {
                break;
            }
            self.view.apply(&record);
        }
        Ok(())
    }
}

impl Views {
    /// The views of nothing yet, with a history of each of `objects`.
    pub(crate) fn new(objects: impl Iterator<Item = ObjectRef>) -> Self {
        let followed: Vec<_> = objects.collect();
        let history = |object: &ObjectRef| History::of(object, DEPLOYMENTS_MAX);
        Self {
            statuses: Kept::new(statuses()),
            notices: Kept::new(Notices::default()),
            alerts: Kept::new(alerts()),
            noticed: BTreeMap::new(),
            histories: followed.iter().map(history).collect(),
            followed,
        }
    }

    /// The next record.
    pub(crate) fn feed(&mut self, record: &Record) {
        const RECORDS_BETWEEN: u64 = 97;
        self.statuses.view.apply(record);
        self.notices.view.apply(record);
        self.alerts.view.apply(record);
        if let Some(Notice { object, .. }) = self.notices.view.latest() {
            *self.noticed.entry(object.identity()).or_default() += 1;
        }
        for history in &mut self.histories {
            history.apply(record);
        }
        if record.offset.0.is_multiple_of(RECORDS_BETWEEN) {
            self.statuses.store(record.offset);
            self.notices.store(record.offset);
            self.alerts.store(record.offset);
        }
    }

    /// The engine died: the views begin again from what they stored.
    pub(crate) fn restart(&mut self, log: &MemoryLog, fed: Offset) -> Result<(), String> {
        self.statuses.restore(statuses(), log, fed)?;
        self.notices.restore(Notices::default(), log, fed)?;
        self.alerts.restore(alerts(), log, fed)
    }

    /// What each Alert has to tell next.
    pub(crate) fn due(&self) -> impl Iterator<Item = Due<'_>> {
        self.alerts.view.due()
    }

    /// Each view, rebuilt from the first record, says what the one that was followed says.
    pub(crate) fn check(&self, log: &MemoryLog) -> Result<(), String> {
        let mut rebuilt = Self::new(self.followed.iter().cloned());
        for record in log.read(Offset::FIRST) {
            rebuilt.feed(&record.map_err(|error| error.to_string())?);
        }
        let said = |views: &Self| views.statuses.view.iter().collect::<Vec<_>>();
        same("statuses", &said(&rebuilt), &said(self))?;
        same("alerts", &rebuilt.alerts.view, &self.alerts.view)?;
        same("notices", &rebuilt.noticed, &self.noticed)?;
        same("histories", &rebuilt.histories, &self.histories)
    }

    /// The condition `Ready` of an object.
    pub(crate) fn ready(&self, object: &ObjectRef) -> Option<bool> {
        let status = self.statuses.view.get(object)?;
        let conditions = status.value["conditions"].as_array()?.iter();
        let mut ready = conditions.filter(|it| it["type"] == "Ready");
        ready.next().map(|it| it["status"] == "True")
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    name: &str,
    rebuilt: &T,
    followed: &T,
) -> Result<(), String> {
    if rebuilt == followed {
        return Ok(());
    }
    Err(format!(
        "the {name} rebuilt are not those followed:\nrebuilt {rebuilt:#?}\nfollowed {followed:#?}"
    ))
}
