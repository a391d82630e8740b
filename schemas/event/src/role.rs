//! Every object that an event names, and how: what an index is made of.

use crate::{Action, Command, Event, ObjectFailure, ObjectRef, Offset, Rendered, command};

/// How a record is about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The record is the object's own.
    Subject,
    /// It is in a set that was rendered.
    Rendered,
    /// It is to be applied.
    Ordered,
    /// It is to be applied again, because it drifted.
    Repaired,
    /// It is to be deleted.
    Doomed,
    /// It was applied, and that changed it.
    Changed,
    /// It was applied, and was like that already; or it was left as it was.
    Unchanged,
    /// It could not be applied or deleted.
    Failed,
    /// It was deleted.
    Pruned,
    /// It was not deleted, because it is another's.
    Left,
}

/// Every role, at the place of its code. A code must remain what it is.
const ROLES: [Role; 10] = [
    Role::Subject,
    Role::Rendered,
    Role::Ordered,
    Role::Repaired,
    Role::Doomed,
    Role::Changed,
    Role::Unchanged,
    Role::Failed,
    Role::Pruned,
    Role::Left,
];

impl Role {
    /// How it is written.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The role that is written like this.
    pub fn from_code(code: u8) -> Option<Self> {
        ROLES.get(usize::from(code)).copied()
    }
}

/// Where an object is named, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The record.
    pub offset: Offset,
    /// The number of its type.
    pub number: u16,
    /// How it is about the object.
    pub role: Role,
}

impl Mention {
    /// The name of the record's type; nothing for one of a newer version.
    pub fn name(&self) -> &'static str {
        let mut types = Event::TYPES.iter();
        types.find(|it| it.0 == self.number).map_or("", |it| it.2)
    }
}

impl Event {
    /// Every object that this names, its own first. One may be named in several roles.
    pub fn names(&self) -> Vec<(&ObjectRef, Role)> {
        let mut named: Vec<_> = self
            .object()
            .map(|it| (it, Role::Subject))
            .into_iter()
            .collect();
        match self {
            Self::ManifestsBuilt(it) => named.extend(rendered(&it.objects, Role::Rendered)),
            Self::ManifestsRecalled(it) => named.extend(rendered(&it.objects, Role::Rendered)),
            Self::ReleaseRendered(it) => {
                named.extend(rendered(&it.prerequisites, Role::Rendered));
                named.extend(rendered(&it.objects, Role::Rendered));
            }
            Self::ObjectsApplied(it) => {
                for applied in &it.applied {
                    let role = match applied.action() {
                        Action::Created | Action::Configured | Action::Recreated => Role::Changed,
                        Action::Unchanged | Action::Skipped | Action::Unspecified => {
                            Role::Unchanged
                        }
                    };
                    named.extend(rendered(&applied.rendered, role));
                }
                named.extend(failed(&it.failures));
            }
            Self::ObjectsPruned(it) => {
                named.extend(it.pruned.iter().map(|it| (it, Role::Pruned)));
                named.extend(it.left.iter().map(|it| (it, Role::Left)));
                named.extend(failed(&it.failures));
            }
            Self::CommandIssued(it) => named.extend(it.command.iter().flat_map(ordered)),
            Self::ResourceObserved(_)
            | Self::ResourceDeleted(_)
            | Self::ArtifactFetched(_)
            | Self::SourceUnchanged(_)
            | Self::FetchFailed(_)
            | Self::BuildFailed(_)
            | Self::ObjectObserved(_)
            | Self::ObjectGone(_)
            | Self::TermStarted(_)
            | Self::TimerFired(_)
            | Self::WatchGap(_)
            | Self::NotificationDelivered(_)
            | Self::NotificationFailed(_)
            | Self::NotificationParked(_)
            | Self::ChartDeclared(_)
            | Self::ReleaseInspected(_)
            | Self::ReleaseFailed(_)
            | Self::ReleaseStored(_)
            | Self::HookRan(_)
            | Self::RecallFailed(_)
            | Self::HoldEnded(_)
            | Self::FinalizerSet(_)
            | Self::CommandFailed(_)
            | Self::Waited(_)
            | Self::Concluded(_) => {}
        }
        named
    }

    /// The revision that this is news of.
    pub fn revision(&self) -> Option<&str> {
        match self {
            Self::ArtifactFetched(it) => it.artifact.as_ref().map(|it| it.revision.as_str()),
            Self::ManifestsBuilt(it) => Some(&it.revision),
            Self::ManifestsRecalled(it) => Some(&it.revision),
            Self::BuildFailed(it) => Some(&it.revision),
            Self::Concluded(it) => Some(&it.revision),
            Self::ReleaseInspected(it) => Some(&it.chart_version),
            Self::ResourceObserved(_)
            | Self::ResourceDeleted(_)
            | Self::SourceUnchanged(_)
            | Self::FetchFailed(_)
            | Self::ObjectsApplied(_)
            | Self::ObjectsPruned(_)
            | Self::ObjectObserved(_)
            | Self::ObjectGone(_)
            | Self::TermStarted(_)
            | Self::TimerFired(_)
            | Self::WatchGap(_)
            | Self::NotificationDelivered(_)
            | Self::NotificationFailed(_)
            | Self::NotificationParked(_)
            | Self::ChartDeclared(_)
            | Self::ReleaseFailed(_)
            | Self::ReleaseRendered(_)
            | Self::ReleaseStored(_)
            | Self::HookRan(_)
            | Self::RecallFailed(_)
            | Self::HoldEnded(_)
            | Self::FinalizerSet(_)
            | Self::CommandFailed(_)
            | Self::CommandIssued(_)
            | Self::Waited(_) => None,
        }
    }
}

fn ordered(command: &Command) -> Vec<(&ObjectRef, Role)> {
    match &command.kind {
        Some(command::Kind::ApplyObjects(it)) if it.repair.is_empty() => {
            rendered(&it.objects, Role::Ordered).collect()
        }
        Some(command::Kind::ApplyObjects(it)) => rendered(&it.objects, Role::Repaired).collect(),
        Some(command::Kind::PruneObjects(it)) => {
            let objects = it.objects.iter().filter_map(|it| it.object.as_ref());
            objects.map(|it| (it, Role::Doomed)).collect()
        }
        Some(
            command::Kind::FetchGit(_)
            | command::Kind::FetchHelmRepository(_)
            | command::Kind::FetchHelmChart(_)
            | command::Kind::FetchOci(_)
            | command::Kind::BuildKustomization(_)
            | command::Kind::RecallManifests(_)
            | command::Kind::DeclareChart(_)
            | command::Kind::InspectRelease(_)
            | command::Kind::RenderRelease(_)
            | command::Kind::RecallRelease(_)
            | command::Kind::StoreRelease(_)
            | command::Kind::RunHook(_)
            | command::Kind::SetFinalizer(_),
        )
        | None => Vec::new(),
    }
}

fn rendered<'a>(
    objects: impl IntoIterator<Item = &'a Rendered>,
    role: Role,
) -> impl Iterator<Item = (&'a ObjectRef, Role)> {
    let objects = objects.into_iter().filter_map(|it| it.object.as_ref());
    objects.map(move |it| (it, role))
}

fn failed(failures: &[ObjectFailure]) -> impl Iterator<Item = (&ObjectRef, Role)> {
    let objects = failures.iter().filter_map(|it| it.object.as_ref());
    objects.map(|it| (it, Role::Failed))
}

#[cfg(test)]
mod tests {
    use super::{ROLES, Role};

    #[test]
    fn a_role_is_read_as_it_was_written() {
        for role in ROLES {
            assert_eq!(Role::from_code(role.code()), Some(role));
        }
        assert_eq!(Role::from_code(10), None);
    }
}
