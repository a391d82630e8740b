//! The moves that Flux's controllers make on a list of conditions.

use fluvial_api::condition::{self, Condition, READY, RECONCILING, STALLED, Truth};
use fluvial_event::{Concluded, Waited};

use super::Context;

/// What is said of one aspect.
pub(super) struct Saying<'a> {
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

impl<'a> Saying<'a> {
    /// What is said of something that waits.
    pub(super) fn of_wait(waited: &'a Waited) -> Self {
        Self {
            reason: &waited.reason,
            message: &waited.message,
        }
    }

    /// What is said of an attempt that ended.
    pub(super) fn of_end(concluded: &'a Concluded) -> Self {
        Self {
            reason: &concluded.reason,
            message: &concluded.message,
        }
    }
}

/// Says that `aspect` is `truth`.
pub(super) fn mark(
    conditions: &mut Vec<Condition>,
    context: &Context<'_>,
    aspect: &str,
    truth: Truth,
    saying: &Saying<'_>,
) {
    condition::set(
        conditions,
        Condition {
            r#type: aspect.to_owned(),
            status: truth,
            reason: saying.reason.to_owned(),
            message: saying.message.to_owned(),
            last_transition_time: context.time.clone(),
            observed_generation: Some(context.generation),
        },
    );
}

/// Work is under way: Reconciling says on what, Ready is not known.
pub(super) fn progress(conditions: &mut Vec<Condition>, context: &Context<'_>, message: &str) {
    let said = |message| Saying {
        reason: "Progressing",
        message,
    };
    condition::remove(conditions, STALLED);
    mark(
        conditions,
        context,
        RECONCILING,
        Truth::True,
        &said(message),
    );
    let ready = said("Reconciliation in progress");
    mark(conditions, context, READY, Truth::Unknown, &ready);
}

/// It ended well.
pub(super) fn succeed(conditions: &mut Vec<Condition>, context: &Context<'_>, said: &Saying<'_>) {
    condition::remove(conditions, RECONCILING);
    condition::remove(conditions, STALLED);
    mark(conditions, context, READY, Truth::True, said);
}

/// It failed and will be tried again: where work was under way it goes on, with a retry.
pub(super) fn fail(conditions: &mut Vec<Condition>, context: &Context<'_>, said: &Saying<'_>) {
    condition::remove(conditions, STALLED);
    mark(conditions, context, READY, Truth::False, said);
    let under_way = condition::find(conditions, RECONCILING).map(|it| it.message.clone());
    if let Some(message) = under_way {
        let retry = Saying {
            reason: "ProgressingWithRetry",
            message: &message,
        };
        mark(conditions, context, RECONCILING, Truth::True, &retry);
    }
}

/// It failed, and only a change can help.
pub(super) fn stall(conditions: &mut Vec<Condition>, context: &Context<'_>, said: &Saying<'_>) {
    condition::remove(conditions, RECONCILING);
    mark(conditions, context, STALLED, Truth::True, said);
    mark(conditions, context, READY, Truth::False, said);
}

/// Notes that what somebody asked for was acted on.
pub(super) fn handled(handled_at: &mut Option<String>, requested_at: &str) {
    if !requested_at.is_empty() {
        *handled_at = Some(requested_at.to_owned());
    }
}
