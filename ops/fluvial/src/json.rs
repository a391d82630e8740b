//! Reading what matters on a screen out of objects of any kind.

use fluvial_api::kinds::{self, Kind};
use serde_json::Value;

/// The text at `pointer`, or nothing.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Its name.
pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// Its namespace.
pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// The condition of this type.
pub(crate) fn condition<'a>(object: &'a Value, aspect: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|it| text(it, "/type") == aspect)
}

/// Status and message of Ready, as flux says them. flux: `statusAndMessage`.
pub(crate) fn ready(object: &Value) -> (&str, &str) {
    match condition(object, "Ready") {
        Some(ready) => (text(ready, "/status"), text(ready, "/message")),
        None => ("False", "waiting to be reconciled"),
    }
}

/// Whether it is suspended.
pub(crate) fn is_suspended(object: &Value) -> bool {
    let suspend = object.pointer("/spec/suspend").and_then(Value::as_bool);
    suspend.unwrap_or_default()
}

/// Whether it is only ever declared, and never reconciled.
pub(crate) fn is_static(kind: &Kind, object: &Value) -> bool {
    let is_in_registry = *kind == kinds::HELM_REPOSITORY && text(object, "/spec/type") == "oci";
    is_in_registry || [&kinds::ALERT, &kinds::PROVIDER].contains(&kind)
}
