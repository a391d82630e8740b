//! One record on one line.

use fluvial_event::{Event, Health, Record, command};

use crate::table::truncate_hex;

/// `12  2026-11-23T10:16:00.000Z  ArtifactFetched  GitRepository/apps/app  main@sha1:01234567 …`
pub(super) fn of(record: &Record) -> String {
    let object = record
        .event
        .object()
        .map_or_else(|| "-".to_owned(), ToString::to_string);
    let said = truncate_hex(&said(&record.event)).replace('\n', "; ");
    let by = match record.actor.as_str() {
        "" | "controller:fluvial" => String::new(),
        actor => format!(" (by {actor})"),
    };
    let line = format!(
        "{:>6}  {}  {:<16}  {object}  {said}{by}",
        record.offset,
        record.time,
        record.event.name(),
    );
    format!("{}\n", line.trim_end())
}

/// What matters in an event, in a few words.
pub(crate) fn said(event: &Event) -> String {
    match event {
        Event::ResourceObserved(it) if it.deleting => "is being deleted".to_owned(),
        Event::ResourceObserved(it) => match &it.rollback {
            Some(asked) => format!(
                "generation {}, rollback to {} asked for by {}",
                it.generation, asked.offset, asked.by
            ),
            None => format!("generation {}", it.generation),
        },
        Event::ArtifactFetched(it) => {
            let artifact = it.artifact.clone().unwrap_or_default();
            let commit = artifact.commit.unwrap_or_default();
            match (commit.subject.as_str(), commit.sha.as_str()) {
                ("", "") => artifact.revision,
                ("", sha) => format!("{} of commit {sha}", artifact.revision),
                (subject, _) => {
                    format!("{} {subject} ({})", artifact.revision, commit.author_name)
                }
            }
        }
        Event::SourceUnchanged(it) => it.revision.clone(),
        Event::FetchFailed(it) => format!("{}: {}", it.reason, it.message),
        Event::ManifestsBuilt(it) => format!("{} objects of {}", it.objects.len(), it.revision),
        Event::ManifestsRecalled(it) => {
            let offset = it.rollback.as_ref().map_or(0, |asked| asked.offset);
            format!(
                "{} objects of {} from offset {offset}, held against {}",
                it.objects.len(),
                it.revision,
                it.against
            )
        }
        Event::RecallFailed(it) => it.message.clone(),
        Event::HoldEnded(it) => format!("{}: {}", it.reason, it.message),
        Event::BuildFailed(it) => format!("{}: {}", it.reason, it.message),
        Event::ObjectsApplied(it) => {
            format!("{} applied, {} failed", it.applied.len(), it.failures.len())
        }
        Event::ObjectsPruned(it) => {
            format!("{} pruned, {} failed", it.pruned.len(), it.failures.len())
        }
        Event::ObjectObserved(it) => observed(it),
        Event::TermStarted(it) => format!("{} (fluvial {})", it.identity, it.version),
        Event::WatchGap(it) => format!("{}: {}", it.kind, it.reason),
        Event::FinalizerSet(it) if it.present => "put on".to_owned(),
        Event::FinalizerSet(_) => "taken off".to_owned(),
        Event::CommandFailed(it) => it.message.clone(),
        Event::ChartDeclared(it) => declared(it),
        Event::ReleaseInspected(it) => format!("{} {}", it.chart_name, it.chart_version),
        Event::ReleaseFailed(it) => format!("{}: {}", it.reason, it.message),
        Event::ReleaseRendered(it) => {
            let (objects, hooks) = (it.objects.len(), it.hooks.len());
            format!(
                "{} of revision {}: {objects} objects, {hooks} hooks",
                it.action, it.version
            )
        }
        Event::ReleaseStored(it) if it.reason.is_empty() => it.action.clone(),
        Event::ReleaseStored(it) => format!("{}: {}", it.reason, it.message),
        Event::HookRan(it) => ran(it),
        Event::NotificationDelivered(it) => told(it.notification.as_ref(), &it.answer),
        Event::NotificationFailed(it) => told(it.notification.as_ref(), &it.message),
        Event::NotificationParked(it) => told(it.notification.as_ref(), &it.message),
        Event::CommandIssued(it) => it.command.as_ref().map(ordered).unwrap_or_default(),
        Event::Waited(it) => format!("{}: {}", it.reason, it.message),
        Event::Concluded(it) => format!("{}: {}", it.reason, it.message),
        Event::ResourceDeleted(_) | Event::ObjectGone(_) | Event::TimerFired(_) => String::new(),
    }
}

fn declared(it: &fluvial_event::ChartDeclared) -> String {
    let chart = it.chart.as_ref().map(ToString::to_string);
    let chart = chart.unwrap_or_default();
    let how = match (it.failure.as_str(), it.digest.is_empty(), it.changed) {
        ("", true, _) => "is gone",
        ("", false, true) => "is made so",
        ("", false, false) => "was so",
        (failure, ..) => return format!("{chart}: {failure}"),
    };
    format!("{chart} {how}")
}

fn ran(it: &fluvial_event::HookRan) -> String {
    let run = it.run.clone().unwrap_or_default();
    format!("{} {}: {} {}", it.event, run.name, run.phase, it.message)
        .trim()
        .to_owned()
}

fn told(notification: Option<&fluvial_event::Notification>, end: &str) -> String {
    let Some(it) = notification else {
        return end.to_owned();
    };
    let about = it
        .about
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    format!(
        "{} of {about} (record {}) to {}: {end}",
        it.reason, it.offset, it.provider
    )
}

fn observed(it: &fluvial_event::ObjectObserved) -> String {
    let health = match it.health() {
        Health::Unspecified => "",
        known => known.as_str_name(),
    };
    if it.changed.is_empty() {
        return format!("{health} {}", it.health_message).trim().to_owned();
    }
    let fields = it.changed.join(", ");
    format!("{health} {fields} changed by {}", it.manager)
        .trim()
        .to_owned()
}

fn ordered(command: &fluvial_event::Command) -> String {
    use command::Kind;
    let name = command.name();
    match &command.kind {
        Some(Kind::BuildKustomization(it)) => {
            let revision = it.artifact.as_ref().map(|it| it.revision.as_str());
            format!("{name} {}", revision.unwrap_or_default())
        }
        Some(Kind::ApplyObjects(it)) if !it.repair.is_empty() => {
            format!("{name} {} to repair {}", it.objects.len(), it.repair)
        }
        Some(Kind::ApplyObjects(it)) => format!("{name} {}", it.objects.len()),
        Some(Kind::PruneObjects(it)) => format!("{name} {}: {}", it.objects.len(), it.reason),
        Some(Kind::RecallManifests(it)) => {
            let offset = it.rollback.as_ref().map_or(0, |asked| asked.offset);
            format!("{name} of offset {offset}")
        }
        Some(Kind::SetFinalizer(it)) if it.present => format!("{name} on"),
        Some(Kind::SetFinalizer(_)) => format!("{name} off"),
        Some(Kind::RenderRelease(it)) => {
            format!("{name} to {} to revision {}", it.action, it.version)
        }
        Some(Kind::RecallRelease(it)) => format!("{name} to {}", it.action),
        Some(Kind::StoreRelease(it)) => {
            format!("{name} {} revision {} {}", it.name, it.version, it.status)
                .trim()
                .to_owned()
        }
        Some(Kind::RunHook(it)) => {
            let hook = it.hook.as_ref().map(|hook| hook.name.as_str());
            format!("{name} {} {}", it.event, hook.unwrap_or_default())
        }
        Some(Kind::FetchHelmChart(it)) => {
            let source = it.source.as_ref();
            let artifact = source.and_then(|source| source.artifact.as_ref());
            match artifact {
                Some(artifact) => format!("{name} of {}", artifact.revision),
                None => name.to_owned(),
            }
        }
        Some(
            Kind::DeclareChart(_)
            | Kind::InspectRelease(_)
            | Kind::FetchGit(_)
            | Kind::FetchOci(_)
            | Kind::FetchHelmRepository(_),
        )
        | None => name.to_owned(),
    }
}
