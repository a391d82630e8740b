//! What is written to Helm's storage when a release goes a step on: a plan, not an act.
//!
//! Written twice it is written once: each record says which attempt wrote it last, so one that is there
//! already is known for this attempt's own, or for somebody else's, which is left alone. Talking to the API
//! server is the engine's business.

use fluvial_api::helm_release::{ReleaseSnapshot, TestHookStatus};
use fluvial_event::{HookRun, RecallRelease, StoreRelease, Timestamp};

use super::{Info, LastRun, Record, RecordedHook};

/// A record as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Its revision.
    pub version: i64,
    /// Helm's word for its state, by its label.
    pub status: String,
    /// Which attempt wrote it last; empty for one of helm's.
    pub attempt: String,
    /// The record itself, as [`Record::encode`] writes it.
    pub packed: Vec<u8>,
}

impl Stored {
    /// The record itself.
    pub fn record(&self) -> Result<Record, String> {
        Record::decode(&self.packed)
    }
}

/// One request to the API server.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A record that must not be there yet.
    Create(Record),
    /// Over what is stored of its version, if that is still what was read.
    Update(Record),
    /// The record of a version goes.
    Delete(i64),
}

/// What is to be written, in this order, and what storage holds then.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The requests.
    pub writes: Vec<Write>,
    /// The record of the command and those that it superseded, the newest first.
    pub snapshots: Vec<ReleaseSnapshot>,
}

/// What `command` asks to be written of `record`, where storage holds `all`, the oldest first. The error says
/// why nothing may be.
pub fn plan(all: &[Stored], mut record: Record, command: &StoreRelease) -> Result<Plan, String> {
    let own = all.iter().find(|it| it.version == command.version);
    if let Some(own) = own
        && is_new(command)
        && own.attempt != command.attempt
    {
        return Err(format!(
            "another record of this revision is there, {}, which was not made here; it is looked at again",
            own.status
        ));
    }
    match (command.status.as_str(), own) {
        // The state stays: what is recorded are the tests.
        ("", Some(own)) => record = own.record()?,
        (status, _) => {
            status.clone_into(&mut record.info.status);
            record.info.description.clone_from(&command.description);
        }
    }
    if matches!(command.status.as_str(), "uninstalling" | "uninstalled") {
        record
            .info
            .deleted
            .get_or_insert_with(|| command.at.clone());
    }
    note_runs(&mut record, &command.runs);
    let mut plan = Plan::default();
    plan.snapshots.push(own_snapshot(&record, command));
    if command.purge {
        let purged = all.iter().map(|old| Write::Delete(old.version));
        plan.writes.extend(purged);
        return Ok(plan);
    }
    if command.supersede {
        supersede(&mut plan, all, command)?;
    }
    match own {
        Some(_) => plan.writes.push(Write::Update(record)),
        None if is_new(command) => {
            make_room(&mut plan, all, command.records_max);
            plan.writes.push(Write::Create(record));
        }
        // What is to be changed was deleted meanwhile: there is nothing to say it of.
        None => {}
    }
    plan.snapshots
        .sort_by_key(|it| std::cmp::Reverse(it.version));
    Ok(plan)
}

/// Whether the record is one that this attempt makes, and not one that was there before it.
fn is_new(command: &StoreRelease) -> bool {
    matches!(command.action.as_str(), "install" | "upgrade" | "rollback")
}

fn own_snapshot(record: &Record, command: &StoreRelease) -> ReleaseSnapshot {
    let mut own = snapshot(record, &command.oci_digest);
    if is_new(command) {
        own.action.clone_from(&command.action);
    }
    own.test_hooks = command.tests.as_ref().map(|tests| {
        let status = |run: &HookRun| TestHookStatus {
            last_started: some(&run.started_at),
            last_completed: some(&run.completed_at),
            phase: run.phase.clone(),
        };
        let runs = tests.runs.iter();
        runs.map(|run| (run.name.clone(), Some(status(run))))
            .collect()
    });
    own
}

fn note_runs(record: &mut Record, runs: &[HookRun]) {
    for run in runs {
        let mut hooks = record.hooks.iter_mut().flatten();
        let is_it = |hook: &&mut RecordedHook| hook.path == run.path && hook.name == run.name;
        if let Some(hook) = hooks.find(is_it) {
            hook.last_run = LastRun {
                started_at: some(&run.started_at),
                completed_at: some(&run.completed_at),
                phase: run.phase.clone(),
            };
        }
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// What was deployed before is superseded.
fn supersede(plan: &mut Plan, all: &[Stored], command: &StoreRelease) -> Result<(), String> {
    const SUPERSEDED: &str = "superseded";
    for old in all.iter().filter(|it| it.version != command.version) {
        let is_done_before = old.status == SUPERSEDED && old.attempt == command.attempt;
        if old.status != "deployed" && !is_done_before {
            continue;
        }
        let mut record = old.record()?;
        SUPERSEDED.clone_into(&mut record.info.status);
        plan.snapshots.push(snapshot(&record, ""));
        if !is_done_before {
            plan.writes.push(Write::Update(record));
        }
    }
    Ok(())
}

/// Deletes the oldest records until there is room for one more; what is deployed stays. helm v4.3:
/// `removeLeastRecent` in `pkg/storage/storage.go`.
fn make_room(plan: &mut Plan, all: &[Stored], records_max: i64) {
    let Some(kept) = usize::try_from(records_max)
        .ok()
        .and_then(|max| max.checked_sub(1))
    else {
        return;
    };
    let deployed = all.iter().rev().find(|it| it.status == "deployed");
    let deployed = deployed.map(|it| it.version);
    let surplus = all.len().saturating_sub(kept);
    let old = all.iter().filter(|it| Some(it.version) != deployed);
    let old = old.take(surplus).map(|old| Write::Delete(old.version));
    plan.writes.extend(old);
}

/// Makes a record that goes back to this one; `newest` is the newest that is stored. helm v4.3:
/// `prepareRollback` in `pkg/action/rollback.go`.
pub fn roll_back(record: &mut Record, command: &RecallRelease, newest: Option<Record>) {
    let first_deployed = newest.and_then(|it| it.info.first_deployed);
    let notes = std::mem::take(&mut record.info.notes);
    record.info = Info {
        first_deployed: first_deployed.or_else(|| record.info.first_deployed.clone()),
        last_deployed: Some(command.at.clone()),
        rollback_revision: record.version,
        notes,
        ..Info::default()
    };
    record.version = command.version;
    "ssa".clone_into(&mut record.apply_method);
}

/// Which of `all`, the oldest first, `command` means by the revision `version`: what is uninstalled is
/// whatever is newest, as by helm.
pub fn meant<'a>(all: &'a [Stored], command: &RecallRelease, version: i64) -> Option<&'a Stored> {
    if command.action.starts_with("uninstall") {
        all.last()
    } else {
        all.iter().find(|it| it.version == version)
    }
}

/// What an upgrade that becomes `version` goes on from: what is deployed, else the newest before it.
pub fn before(all: &[Stored], version: i64) -> Option<&Stored> {
    let older = || all.iter().filter(|it| it.version < version).rev();
    older()
        .find(|it| it.status == "deployed")
        .or_else(|| older().next())
}

/// An entry of `status.history` for a record. helm-controller: `ObservedToSnapshot`.
pub fn snapshot(record: &Record, oci_digest: &str) -> ReleaseSnapshot {
    let metadata = |field: &str| record.chart_metadata(field).to_owned();
    let time = |time: &Option<String>| time.as_deref().map(seconds);
    ReleaseSnapshot {
        api_version: ReleaseSnapshot::API_VERSION.to_owned(),
        digest: record.digest(oci_digest),
        name: record.name.clone(),
        namespace: record.namespace.clone(),
        version: record.version,
        status: record.info.status.clone(),
        action: String::new(),
        chart_name: metadata("name"),
        chart_version: metadata("version"),
        app_version: metadata("appVersion"),
        config_digest: record.config_digest(),
        first_deployed: time(&record.info.first_deployed).unwrap_or_default(),
        last_deployed: time(&record.info.last_deployed).unwrap_or_default(),
        deleted: time(&record.info.deleted),
        test_hooks: None,
        oci_digest: oci_digest.to_owned(),
    }
}

/// A time in RFC 3339, in UTC and whole seconds, as Kubernetes writes it.
fn seconds(time: &str) -> String {
    let Ok(read) = time.parse::<Timestamp>() else {
        return time.to_owned();
    };
    let text = read.to_string();
    let seconds = text.split_once('.').map_or(text.as_str(), |it| it.0);
    format!("{}Z", seconds.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(version: i64, status: &str, attempt: &str) -> Stored {
        let mut record = Record {
            name: "shop".into(),
            version,
            ..Record::default()
        };
        record.info.status = status.into();
        Stored {
            version,
            status: status.into(),
            attempt: attempt.into(),
            packed: record.encode().into_bytes(),
        }
    }

    fn said(plan: &Plan) -> Vec<String> {
        let writes = plan.writes.iter();
        let one = |verb: &str, record: &Record| {
            format!("{verb} v{} {}", record.version, record.info.status)
        };
        writes
            .map(|write| match write {
                Write::Create(record) => one("create", record),
                Write::Update(record) => one("update", record),
                Write::Delete(version) => format!("delete v{version}"),
            })
            .collect()
    }

    #[test]
    fn what_is_written_follows_from_what_is_there() {
        let upgrade = |status: &str, supersede| StoreRelease {
            action: "upgrade".into(),
            version: 3,
            attempt: "a".into(),
            status: status.into(),
            records_max: 2,
            supersede,
            ..StoreRelease::default()
        };
        let purge = StoreRelease {
            action: "uninstall".into(),
            version: 2,
            purge: true,
            ..upgrade("uninstalled", false)
        };
        let lost = StoreRelease {
            action: "unlock".into(),
            ..upgrade("failed", false)
        };
        let before = [stored(1, "superseded", "x"), stored(2, "deployed", "y")];
        let with = |third| [before[0].clone(), before[1].clone(), third];
        let underway = with(stored(3, "pending-upgrade", "a"));
        let half = [
            stored(2, "superseded", "a"),
            stored(3, "pending-upgrade", "a"),
        ];
        for (all, command, expected) in [
            (
                &before[..],
                upgrade("pending-upgrade", false),
                &["delete v1", "create v3 pending-upgrade"][..],
            ),
            // The same again, after its answer was lost.
            (
                &underway,
                upgrade("pending-upgrade", false),
                &["update v3 pending-upgrade"],
            ),
            (
                &underway,
                upgrade("deployed", true),
                &["update v2 superseded", "update v3 deployed"],
            ),
            (&half, upgrade("deployed", true), &["update v3 deployed"]),
            (&underway, upgrade("failed", false), &["update v3 failed"]),
            (&before, purge, &["delete v1", "delete v2"]),
            (&before, lost, &[]),
        ] {
            let planned = plan(
                all,
                Record {
                    version: command.version,
                    ..Record::default()
                },
                &command,
            );
            assert_eq!(said(&planned.unwrap()), expected, "{command:?}");
        }
        let theirs = with(stored(3, "deployed", ""));
        let refused = plan(&theirs, Record::default(), &upgrade("failed", false));
        assert!(refused.unwrap_err().contains("was not made here"));
    }

    #[test]
    fn who_is_superseded_is_said_again_after_a_crash() {
        let command = StoreRelease {
            action: "rollback".into(),
            version: 3,
            attempt: "a".into(),
            status: "deployed".into(),
            supersede: true,
            ..StoreRelease::default()
        };
        let record = Record {
            version: 3,
            ..Record::default()
        };
        for second in [stored(2, "deployed", "x"), stored(2, "superseded", "a")] {
            let all = [stored(1, "superseded", "y"), second];
            let planned = plan(&all, record.clone(), &command).unwrap();
            let states = planned.snapshots.iter();
            let states: Vec<_> = states.map(|it| (it.version, it.status.as_str())).collect();
            assert_eq!(states, [(3, "deployed"), (2, "superseded")]);
        }
    }

    #[test]
    fn an_upgrade_goes_on_from_what_is_deployed() {
        let all = [
            stored(1, "deployed", ""),
            stored(2, "failed", ""),
            stored(3, "pending-upgrade", ""),
        ];
        let version = |all, next| before(all, next).map(|it: &Stored| it.version);
        assert_eq!(version(&all, 3), Some(1));
        assert_eq!(version(&all[1..], 3), Some(2));
        assert_eq!(version(&all, 1), None);
    }

    #[test]
    fn what_is_uninstalled_is_the_newest() {
        let all = [stored(1, "superseded", ""), stored(2, "deployed", "")];
        for (action, version, expected) in [
            ("uninstall", 1, Some(2)),
            ("uninstall-remediation", 1, Some(2)),
            ("rollback", 1, Some(1)),
            ("test", 3, None),
        ] {
            let command = RecallRelease {
                action: action.into(),
                ..RecallRelease::default()
            };
            let found = meant(&all, &command, version).map(|it| it.version);
            assert_eq!(found, expected, "{action}");
        }
    }

    #[test]
    fn times_are_those_of_kubernetes() {
        for (time, expected) in [
            ("2026-11-23T10:16:01.123456789Z", "2026-11-23T10:16:01Z"),
            ("2026-11-23T12:16:01+02:00", "2026-11-23T10:16:01Z"),
            ("2026-11-23T10:16:01Z", "2026-11-23T10:16:01Z"),
            ("soon", "soon"),
        ] {
            assert_eq!(seconds(time), expected);
        }
    }
}
