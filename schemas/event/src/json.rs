//! How the fields that protobuf keeps as bytes or numbers read in JSON output.

use serde::{Serialize, Serializer, ser::Error};

use crate::{Action, Health};

/// A field that nobody set, as the spec of a source that a chart is packed from, is null.
pub(crate) fn raw<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if bytes.is_empty() {
        return serializer.serialize_unit();
    }
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(S::Error::custom)?;
    value.serialize(serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn action<S: Serializer>(number: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    let action = Action::try_from(*number).unwrap_or_default();
    serializer.serialize_str(action.as_str_name())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn health<S: Serializer>(number: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    let health = Health::try_from(*number).unwrap_or_default();
    serializer.serialize_str(health.as_str_name())
}
