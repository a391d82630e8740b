//! What was added to events for health checks in CEL.

use fluvial_event::{
    AppliedObject, ApplyObjects, Command, CommandIssued, Event, HealthExpression, ObjectObserved,
    ObjectsApplied, command,
};

use super::{deployment, owner, text};

/// Events with what was added to them, and what that was.
pub(super) fn grown() -> Vec<(&'static str, Event)> {
    vec![
        // sorted
        (
            "health",
            CommandIssued {
                command: Some(Command {
                    kind: Some(command::Kind::ApplyObjects(ApplyObjects {
                        object: Some(owner()),
                        health: vec![HealthExpression {
                            group: text("example.com"),
                            kind: text("Widget"),
                            current: text("status.phase == 'Up'"),
                            in_progress: text("status.phase == 'Starting'"),
                            failed: text("status.phase == 'Down'"),
                        }],
                        ..ApplyObjects::default()
                    })),
                }),
            }
            .into(),
        ),
        (
            "judged",
            ObjectObserved {
                object: Some(deployment()),
                judged: text("sha256:aa"),
                ..ObjectObserved::default()
            }
            .into(),
        ),
        (
            "judged_applied",
            ObjectsApplied {
                object: Some(owner()),
                applied: vec![AppliedObject {
                    judged: text("sha256:aa"),
                    ..AppliedObject::default()
                }],
                ..ObjectsApplied::default()
            }
            .into(),
        ),
    ]
}
