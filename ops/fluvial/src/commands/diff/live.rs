//! What an apply of one object would come to, asked of the API server: a dry run, so that nothing changes.
//! flux: `fluxcd/pkg/ssa`, `manager_diff.go`.

use anyhow::Result;
use fluvial_apply::drift::is_secret;
use fluvial_apply::{Markers, Object};
use fluvial_cluster::{Apply, Cause, Cluster, Mode, Reference};
use fluvial_manifest::{Value, object};
use serde::Serialize;

use crate::json::text;
use crate::local::mask::has_masked;

/// What would become of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Action {
    /// It would stay as it is.
    Unchanged,
    /// Its markers say that it is not to be applied.
    Skipped,
    /// It is not there, or would be deleted and made again.
    Created,
    /// It would change.
    Drifted,
    /// It left the inventory.
    Deleted,
}

/// One object as it is and as it would be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Preview {
    pub(super) action: Action,
    pub(super) live: Value,
    pub(super) merged: Value,
}

impl Preview {
    pub(super) fn of(action: Action) -> Self {
        Self {
            action,
            live: Value::Null,
            merged: Value::Null,
        }
    }
}

/// What would become of `wanted`. What is `made` by the same set, such as its namespace or its kind, may be
/// missing; where `force`, an object that cannot be changed is made again. It would be applied as `apply` says.
pub(super) async fn preview(
    cluster: &Cluster,
    wanted: &Object,
    made: &dyn Fn(&Reference) -> bool,
    force: bool,
    apply: &Apply,
) -> Result<Preview> {
    let place = Reference::of(&wanted.value)?;
    let live = cluster.get(&place).await?;
    let markers = Markers::of(&wanted.value);
    let is_left = match &live {
        None => !markers.may_be_applied(false),
        Some(live) => !markers.may_be_applied(true) || !Markers::of(live).may_be_applied(false),
    };
    if is_left {
        return Ok(Preview::of(Action::Skipped));
    }
    let dry_run = Apply {
        mode: Mode::DryRun,
        ..apply.clone()
    };
    let merged = match cluster.apply(&wanted.value, &dry_run).await {
        Ok(applied) => applied.object,
        Err(error) if error.immutable() && (force || markers.is_forced) => {
            return Ok(Preview::of(Action::Created));
        }
        Err(error) => {
            let is_missing = matches!(
                error.cause(),
                Cause::NotFound { .. } | Cause::NotServed { .. } | Cause::UnknownKind { .. }
            );
            if live.is_none() && is_missing && made(&place) {
                return Ok(Preview::of(Action::Created));
            }
            return Err(error.into());
        }
    };
    let Some(live) = live else {
        return Ok(Preview::of(Action::Created));
    };
    Ok(compared(wanted, live, merged))
}

fn compared(wanted: &Object, mut live: Value, mut merged: Value) -> Preview {
    for side in [&mut live, &mut merged] {
        if let Some(metadata) = side.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
    // Of values that are encrypted in the files, only the names can be compared.
    if is_secret(&wanted.value) && has_masked(&wanted.value) {
        const UNKNOWN: &str = "*****";
        for side in [&mut live, &mut merged] {
            let values = side.get_mut("data").and_then(Value::as_object_mut);
            for value in values.into_iter().flat_map(|it| it.values_mut()) {
                *value = Value::from(UNKNOWN);
            }
        }
    }
    if is_same(&live, &merged) {
        return Preview::of(Action::Unchanged);
    }
    Preview {
        action: Action::Drifted,
        live,
        merged,
    }
}

/// Whether labels, annotations and all that is not metadata or status are the same.
fn is_same(live: &Value, merged: &Value) -> bool {
    let content = |it: &Value| {
        let mut content = it.as_object().cloned().unwrap_or_default();
        content.remove("metadata");
        content.remove("status");
        content
    };
    object::labels(live) == object::labels(merged)
        && object::annotations(live) == object::annotations(merged)
        && content(live) == content(merged)
}

/// Whether the objects of a set make what `place` needs: its namespace, or its kind.
pub(super) fn makes(set: &[Object], place: &Reference) -> bool {
    set.iter().any(|it| match it.id.kind.as_str() {
        "Namespace" => it.id.name == place.namespace,
        "CustomResourceDefinition" => {
            text(&it.value, "/spec/group") == place.group
                && text(&it.value, "/spec/names/kind") == place.kind
        }
        _ => false,
    })
}
