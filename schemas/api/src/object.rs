//! An object of any kind of Flux: who it is, what is asked for, and what was last said about it.
//!
//! The kinds' files say what can be asked and said of each; reading it is the same for all.

use serde_json::Value;

use crate::{Error, Metadata};

/// An object, of any version that was ever published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object<S: Spec> {
    /// Who it is.
    pub metadata: Metadata,
    /// What is asked for.
    pub spec: S,
    /// What was last said about it.
    pub status: S::Status,
}

/// What is asked of the objects of one kind.
pub trait Spec: Sized {
    /// What is said about them; nothing of kinds that have no status, which readers take for ready.
    type Status;

    /// Reads the parts of an object.
    fn read(object: &Value) -> Result<(Metadata, Self, Self::Status), Error>;
}

impl<S: Spec> Object<S> {
    /// Reads an object of any version ever published.
    ///
    /// Unknown fields are ignored and defaults filled in; the first invalid field is the error.
    pub fn read(object: &Value) -> Result<Self, Error> {
        let (metadata, spec, status) = S::read(object)?;
        Ok(Self {
            metadata,
            spec,
            status,
        })
    }
}
