//! What cannot be planned, and what to do about it.

/// A plan that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A manifest is not fit to be applied.
    #[error("cannot apply {object}: {problem}")]
    Object {
        /// The manifest, as well as it can be named.
        object: String,
        /// What is wrong with it and what is allowed; never a value of a Secret.
        problem: String,
    },
    /// An entry of `status.inventory` names no object.
    #[error(
        "cannot read status.inventory: {0}; restore the entry, or remove it to give the object up"
    )]
    Inventory(#[from] fluvial_manifest::id::Error),
}
