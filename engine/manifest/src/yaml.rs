//! YAML as Kubernetes and kustomize read it, and as they print it.
//!
//! Reading follows go.yaml.in/yaml/v3, which kustomize uses: YAML 1.2 booleans (`no` and `on` are
//! strings), octal and `1_000` integers, timestamps as strings. What would change its meaning on
//! the way to JSON is refused: duplicate keys, keys that are not strings, infinities.

mod edit;
mod event;
mod lines;
mod order;
mod read;
mod scalar;
mod scan;
mod stream;
mod write;

pub use edit::edited;
pub use lines::line_of;
pub use read::{
    ABSENT, ABSENT_IN_BRACKETS, Limits, NULL_WRITTEN, canonical, documents, documents_absent,
    documents_of_kustomization, documents_verbatim, documents_within, documents_yaml11,
    first_as_json,
};
pub use stream::{Event, Events, SCALAR_BYTES_MAX};
pub use write::{Place, to_multi, to_string, write_text};

/// What a plain scalar of this text means; text that has no meaning of its own is a string.
pub fn scalar(text: &str) -> serde_json::Value {
    scalar::plain(text).unwrap_or_else(|_| text.into())
}

/// Why a text is not YAML that can be used, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Error {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub message: String,
}
