//! What a status can be told: the events that change what stands in one.
//!
//! Every other event is passed over here, once for all kinds.

use fluvial_event::{
    ArtifactFetched, ChartDeclared, Command, Concluded, Event, ManifestsRecalled, RecallFailed,
    ReleaseFailed, ReleaseInspected, ReleaseStored, Waited,
};

/// An event that the status of some kind reads.
pub(super) enum Told<'a> {
    Issued(&'a Command),
    Fetched(&'a ArtifactFetched),
    Waited(&'a Waited),
    Recalled(&'a ManifestsRecalled),
    RecallFailed(&'a RecallFailed),
    HoldEnded,
    OfRelease(OfRelease<'a>),
    Concluded(&'a Concluded),
}

/// What only HelmReleases are told.
pub(super) enum OfRelease<'a> {
    ChartDeclared(&'a ChartDeclared),
    Inspected(&'a ReleaseInspected),
    Failed(&'a ReleaseFailed),
    Stored(&'a ReleaseStored),
}

impl<'a> Told<'a> {
    pub(super) fn of(event: &'a Event) -> Option<Self> {
        Some(match event {
            Event::CommandIssued(issued) => Self::Issued(issued.command.as_ref()?),
            Event::ArtifactFetched(fetched) => Self::Fetched(fetched),
            Event::Waited(waited) => Self::Waited(waited),
            Event::ManifestsRecalled(recalled) => Self::Recalled(recalled),
            Event::RecallFailed(failed) => Self::RecallFailed(failed),
            Event::HoldEnded(_) => Self::HoldEnded,
            Event::ChartDeclared(it) => Self::OfRelease(OfRelease::ChartDeclared(it)),
            Event::ReleaseInspected(it) => Self::OfRelease(OfRelease::Inspected(it)),
            Event::ReleaseFailed(it) => Self::OfRelease(OfRelease::Failed(it)),
            Event::ReleaseStored(it) => Self::OfRelease(OfRelease::Stored(it)),
            Event::Concluded(concluded) => Self::Concluded(concluded),
            // What is declared is told apart from what is said of it.
            Event::ResourceObserved(_)
            | Event::ResourceDeleted(_)
            | Event::SourceUnchanged(_)
            | Event::FetchFailed(_)
            | Event::ManifestsBuilt(_)
            | Event::BuildFailed(_)
            | Event::ObjectsApplied(_)
            | Event::ObjectsPruned(_)
            | Event::ObjectObserved(_)
            | Event::ObjectGone(_)
            | Event::TermStarted(_)
            | Event::TimerFired(_)
            | Event::WatchGap(_)
            | Event::FinalizerSet(_)
            | Event::CommandFailed(_)
            | Event::ReleaseRendered(_)
            | Event::HookRan(_)
            | Event::NotificationDelivered(_)
            | Event::NotificationFailed(_)
            | Event::NotificationParked(_) => return None,
        })
    }
}
