//! Why an object could not be read: the place and what is allowed there.

/// A field that is not what its schema allows.
///
/// Displays as `cannot read Kustomization: spec.interval: must be …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {kind}: {path}: {problem}")]
pub struct Error {
    /// The kind being read, such as `Kustomization`.
    pub kind: &'static str,
    /// The path to the field, such as `spec.dependsOn[0].name`.
    pub path: String,
    /// What is wrong and what is allowed; never a value that could be a secret.
    pub problem: String,
}
