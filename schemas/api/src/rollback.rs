//! The annotation by which a rollback of a Kustomization is asked for.
//!
//! It names a set of manifests by where its build is on record and by its digest, so that no other log
//! can take it for one of its own. Whether there is such a record is the engine's business.

use serde::{Deserialize, Serialize};

/// The annotation, on a Kustomization. Its removal ends what it asked for.
pub const ANNOTATION: &str = "fluvial.dev/rollback";

/// The longest value that is read, in bytes.
pub const VALUE_BYTES_MAX: usize = 4096;

/// A rollback as it is asked for: the annotation's value is this as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// The offset of the `ManifestsBuilt` whose objects are to be put back.
    pub offset: u64,
    /// The digest of that set.
    pub digest: String,
    /// Who asks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When, in RFC 3339: the same is done once, so a repetition needs another time.
    pub at: String,
}

impl Rollback {
    /// Reads the annotation's value. An error says what is wrong with it.
    pub fn read(value: &str) -> Result<Self, String> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(format!(
                "the annotation {ANNOTATION} has {} bytes, more than {VALUE_BYTES_MAX}",
                value.len()
            ));
        }
        serde_json::from_str(value).map_err(|error| {
            format!(
                "cannot read the annotation {ANNOTATION}: {error}; `fluvial rollback` writes it, \
                 such as {{\"offset\":41,\"digest\":\"sha256:…\",\"at\":\"2026-11-23T10:16:00Z\"}}"
            )
        })
    }

    /// The annotation's value.
    pub fn value(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Rollback, VALUE_BYTES_MAX};

    #[test]
    fn what_is_written_reads_back() {
        let rollback = Rollback {
            offset: u64::MAX,
            digest: "sha256:aa".into(),
            by: "jane".into(),
            reason: "\"incident\" 7".into(),
            at: "2026-11-23T10:16:00Z".into(),
        };
        let value = rollback.value().unwrap();
        assert_eq!(Rollback::read(&value), Ok(rollback));
        let least = r#"{"offset":1,"digest":"d","at":"t","later":true}"#;
        let read = Rollback::read(least).unwrap();
        let written = read.value().unwrap();
        assert_eq!(written, r#"{"offset":1,"digest":"d","at":"t"}"#);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let long = |reason: usize| {
            let rollback = Rollback {
                reason: "r".repeat(reason),
                ..Rollback::default()
            };
            rollback.value().unwrap()
        };
        let room = VALUE_BYTES_MAX - long(1).len() + 1;
        for (length, fits) in [(room - 1, true), (room, true), (room + 1, false)] {
            assert_eq!(Rollback::read(&long(length)).is_ok(), fits, "{length}");
        }
        for bad in ["", "41", "{}", r#"{"offset":-1,"digest":"d","at":"t"}"#] {
            let error = Rollback::read(bad).unwrap_err();
            assert!(error.contains("fluvial.dev/rollback"), "{bad}: {error}");
        }
    }
}
