//! Where values come from besides the spec.

use serde::{Deserialize, Serialize};

use crate::omit::is_false;

/// The key that holds values where none is named.
pub const VALUES_KEY: &str = "values.yaml";

/// A ConfigMap or Secret with values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValuesReference {
    /// Its kind.
    pub kind: ValuesKind,
    /// Its name, in the namespace of the HelmRelease.
    pub name: String,
    /// The key; see [`Self::key`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_key: Option<String>,
    /// Where one value goes, as `helm --set` writes it; the whole is values when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_path: Option<String>,
    /// Whether it may be absent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// Whether the value at `target_path` is text, whatever it looks like.
    #[serde(default, skip_serializing_if = "is_false")]
    pub literal: bool,
}

impl ValuesReference {
    /// The key that holds the values.
    pub fn key(&self) -> &str {
        self.values_key
            .as_deref()
            .filter(|key| !key.is_empty())
            .unwrap_or(VALUES_KEY)
    }
}

/// What can hold values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValuesKind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

impl ValuesKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}
