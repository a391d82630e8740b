//! Every event and decision, with the number that its type has in the log.
//!
//! A number is never reused and never changes its meaning. To add an event: a message in `proto/`,
//! a line in the table below, and golden bytes (`UPDATE=1 cargo test -p fluvial-event`).

use prost::Message;
use serde::Serialize;

use crate::codec::Error;
use crate::proto;
use crate::{Command, ObjectRef};

/// The one table of types: variant, number, current version.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $number:literal v $version:literal,)*) => {
        /// Something that happened, or was decided. It cannot be refused.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "type", content = "data")]
        pub enum Event {
            $($(#[$doc])* $name(proto::$name),)*
        }

        impl Event {
            /// Every type: its number, its current version and its name, by number.
            pub const TYPES: &[(u16, u16, &str)] = &[$(($number, $version, stringify!($name)),)*];

            /// The number and version that this is written with.
            pub fn schema(&self) -> (u16, u16) {
                match self {
                    $(Self::$name(_) => ($number, $version),)*
                }
            }

            /// The name of its type.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)*
                }
            }

            /// The payload as protobuf.
            pub fn payload(&self) -> Vec<u8> {
                match self {
                    $(Self::$name(message) => message.encode_to_vec(),)*
                }
            }

            /// How many bytes [`Event::payload`] has.
            pub fn payload_bytes(&self) -> usize {
                match self {
                    $(Self::$name(message) => message.encoded_len(),)*
                }
            }

            /// Adds the payload to `bytes`.
            pub(crate) fn payload_into(&self, bytes: &mut Vec<u8>) {
                match self {
                    $(Self::$name(message) => {
                        let _infallible = message.encode(bytes);
                    })*
                }
            }

            /// Reads a payload of the current version of the type `number`.
            pub(crate) fn read(number: u16, payload: &[u8]) -> Result<Self, Error> {
                match number {
                    $($number => proto::$name::decode(payload).map(Self::$name)
                        .map_err(|source| Error::Payload { name: stringify!($name), source }),)*
                    _ => Err(Error::UnknownType { number }),
                }
            }
        }

        $(impl From<proto::$name> for Event {
            fn from(message: proto::$name) -> Self {
                Self::$name(message)
            }
        })*
    };
}

events! {
    /// A declared object appeared or changed.
    ResourceObserved = 101 v 1,
    /// A declared object is gone.
    ResourceDeleted = 102 v 1,
    /// A source has a new artifact.
    ArtifactFetched = 201 v 1,
    /// A source has nothing new.
    SourceUnchanged = 202 v 1,
    /// A source could not be read.
    FetchFailed = 203 v 1,
    /// A Kustomization was rendered.
    ManifestsBuilt = 301 v 1,
    /// A Kustomization could not be rendered.
    BuildFailed = 302 v 1,
    /// Objects were applied, or some could not be.
    ObjectsApplied = 303 v 1,
    /// Objects were deleted, or some could not be.
    ObjectsPruned = 304 v 1,
    /// Manifests of an earlier build were read back.
    ManifestsRecalled = 305 v 1,
    /// Manifests of an earlier build could not be read back.
    RecallFailed = 306 v 1,
    /// A watched object changed.
    ObjectObserved = 401 v 1,
    /// A watched object is gone.
    ObjectGone = 402 v 1,
    /// A leader took over.
    TermStarted = 501 v 1,
    /// An object's time has come.
    TimerFired = 502 v 1,
    /// A watch was interrupted.
    WatchGap = 503 v 1,
    /// A finalizer was put on or taken off.
    FinalizerSet = 504 v 1,
    /// A command failed for a reason of the engine's own.
    CommandFailed = 505 v 1,
    /// The HelmChart of a HelmRelease is as it is to be.
    ChartDeclared = 601 v 1,
    /// Chart, values and storage of a release were read.
    ReleaseInspected = 602 v 1,
    /// A release could not be read or rendered.
    ReleaseFailed = 603 v 1,
    /// What an action on a release is to do is known.
    ReleaseRendered = 604 v 1,
    /// Helm's storage holds another record.
    ReleaseStored = 605 v 1,
    /// A hook came to its end.
    HookRan = 606 v 1,
    /// A notification arrived.
    NotificationDelivered = 701 v 1,
    /// A notification did not arrive; it is tried again.
    NotificationFailed = 702 v 1,
    /// A notification did not arrive, and is not tried again.
    NotificationParked = 703 v 1,
    /// Decided: a command.
    CommandIssued = 901 v 1,
    /// Decided: nothing now, and why.
    Waited = 902 v 1,
    /// Decided: an attempt is over.
    Concluded = 903 v 1,
    /// Decided: what a rollback put back is held no longer.
    HoldEnded = 904 v 1,
}

impl Event {
    /// The object that this is about.
    pub fn object(&self) -> Option<&ObjectRef> {
        match self {
            Self::ResourceObserved(it) => it.object.as_ref(),
            Self::ResourceDeleted(it) => it.object.as_ref(),
            Self::ArtifactFetched(it) => it.object.as_ref(),
            Self::SourceUnchanged(it) => it.object.as_ref(),
            Self::FetchFailed(it) => it.object.as_ref(),
            Self::ManifestsBuilt(it) => it.object.as_ref(),
            Self::BuildFailed(it) => it.object.as_ref(),
            Self::ObjectsApplied(it) => it.object.as_ref(),
            Self::ObjectsPruned(it) => it.object.as_ref(),
            Self::ManifestsRecalled(it) => it.object.as_ref(),
            Self::RecallFailed(it) => it.object.as_ref(),
            Self::ObjectObserved(it) => it.object.as_ref(),
            Self::ObjectGone(it) => it.object.as_ref(),
            Self::TermStarted(_) | Self::WatchGap(_) => None,
            Self::TimerFired(it) => it.object.as_ref(),
            Self::FinalizerSet(it) => it.object.as_ref(),
            Self::CommandFailed(it) => it.object.as_ref(),
            Self::ChartDeclared(it) => it.object.as_ref(),
            Self::ReleaseInspected(it) => it.object.as_ref(),
            Self::ReleaseFailed(it) => it.object.as_ref(),
            Self::ReleaseRendered(it) => it.object.as_ref(),
            Self::ReleaseStored(it) => it.object.as_ref(),
            Self::HookRan(it) => it.object.as_ref(),
            Self::NotificationDelivered(it) => it.object.as_ref(),
            Self::NotificationFailed(it) => it.object.as_ref(),
            Self::NotificationParked(it) => it.object.as_ref(),
            Self::CommandIssued(it) => it.command.as_ref().and_then(Command::object),
            Self::Waited(it) => it.object.as_ref(),
            Self::Concluded(it) => it.object.as_ref(),
            Self::HoldEnded(it) => it.object.as_ref(),
        }
    }

    /// The stream that this belongs to; `engine` for what is about no object.
    pub fn stream(&self) -> String {
        self.object()
            .map_or_else(|| "engine".to_owned(), ObjectRef::stream)
    }

    /// Whether this was decided, not observed.
    pub fn is_decision(&self) -> bool {
        matches!(
            self,
            Self::CommandIssued(_) | Self::Waited(_) | Self::Concluded(_) | Self::HoldEnded(_)
        )
    }
}

impl Command {
    /// The Flux object on whose behalf this is done.
    pub fn object(&self) -> Option<&ObjectRef> {
        use proto::command::Kind;
        match self.kind.as_ref()? {
            Kind::FetchGit(it) => it.object.as_ref(),
            Kind::BuildKustomization(it) => it.object.as_ref(),
            Kind::ApplyObjects(it) => it.object.as_ref(),
            Kind::PruneObjects(it) => it.object.as_ref(),
            Kind::SetFinalizer(it) => it.object.as_ref(),
            Kind::RecallManifests(it) => it.object.as_ref(),
            Kind::FetchHelmRepository(it) => it.object.as_ref(),
            Kind::FetchHelmChart(it) => it.object.as_ref(),
            Kind::FetchOci(it) => it.object.as_ref(),
            Kind::DeclareChart(it) => it.object.as_ref(),
            Kind::InspectRelease(it) => it.object.as_ref(),
            Kind::RenderRelease(it) => it.object.as_ref(),
            Kind::RecallRelease(it) => it.object.as_ref(),
            Kind::StoreRelease(it) => it.object.as_ref(),
            Kind::RunHook(it) => it.object.as_ref(),
        }
    }

    /// The name of what is to be done.
    pub fn name(&self) -> &'static str {
        use proto::command::Kind;
        match &self.kind {
            None => "Nothing",
            Some(Kind::FetchGit(_)) => "FetchGit",
            Some(Kind::BuildKustomization(_)) => "BuildKustomization",
            Some(Kind::ApplyObjects(_)) => "ApplyObjects",
            Some(Kind::PruneObjects(_)) => "PruneObjects",
            Some(Kind::SetFinalizer(_)) => "SetFinalizer",
            Some(Kind::RecallManifests(_)) => "RecallManifests",
            Some(Kind::FetchHelmRepository(_)) => "FetchHelmRepository",
            Some(Kind::FetchHelmChart(_)) => "FetchHelmChart",
            Some(Kind::FetchOci(_)) => "FetchOci",
            Some(Kind::DeclareChart(_)) => "DeclareChart",
            Some(Kind::InspectRelease(_)) => "InspectRelease",
            Some(Kind::RenderRelease(_)) => "RenderRelease",
            Some(Kind::RecallRelease(_)) => "RecallRelease",
            Some(Kind::StoreRelease(_)) => "StoreRelease",
            Some(Kind::RunHook(_)) => "RunHook",
        }
    }
}

/// What a reducer decides.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Do this.
    Do(Command),
    /// Do nothing now, for this reason.
    Wait(proto::Waited),
    /// This attempt is over.
    Conclude(Box<proto::Concluded>),
    /// Hold no longer what a rollback put back.
    Release(Box<proto::HoldEnded>),
}

impl From<Decision> for Event {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Do(command) => proto::CommandIssued {
                command: Some(command),
            }
            .into(),
            Decision::Wait(waited) => waited.into(),
            Decision::Conclude(concluded) => (*concluded).into(),
            Decision::Release(ended) => (*ended).into(),
        }
    }
}
