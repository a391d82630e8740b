//! Go's text/template with every function that Helm gives to charts, as a pure library.
//!
//! [`Templates`] are parsed, an [`Execution`] runs them over a [`Value`]. Both answer as Go 1.26
//! does with sprig 3.3.0 and Helm 4.3.1, byte for byte and error for error.
//!
//! ```
//! use fluvial_gotemplate::{Execution, Map, Options, Templates, Value};
//!
//! let mut templates = Templates::new();
//! templates.parse("greeting", "Hello {{ .name | default \"world\" | upper }}!")?;
//! let data = Value::Map([("name", Value::text("Jane"))].into_iter().collect::<Map>());
//! let said = Execution::new(&templates, Options::default()).execute("greeting", data)?;
//! assert_eq!(said, b"Hello JANE!");
//! # Ok::<(), fluvial_gotemplate::Error>(())
//! ```
//!
//! Invariants: time and chance are what [`Options`] say; nothing is read but the templates and the
//! data; no input makes it panic, and [`Limits`] end what would not end. What a chart is, and where
//! its values come from, is left to `engine/helm`.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![expect(
    clippy::format_push_string,
    reason = "what is written so is short and rare; where it is not, it is written in place"
)]

mod data;
mod error;
mod execute;
mod format;
mod functions;
mod gonumber;
mod methods;
mod parse;
mod random;
mod templates;
mod time;
mod value;

pub use error::Error;
pub use execute::{Execution, Limits, Lookup, MissingKey, Options};
pub use functions::names as function_names;
pub use templates::{Parsed, Templates};
pub use time::Time;
pub use value::{Integer, Kind, List, Map, Object, Signature, Text, Type, Value};

/// A value as `toYaml` prints it; nothing of what has no form in YAML.
pub fn to_yaml(value: &Value) -> String {
    data::yaml::marshal(value, data::yaml::Style::Kubernetes).unwrap_or_default()
}

/// Finds out how much stack this thread has. That asks the system, once; a thread that is about to give
/// up the right to ask does it before, or the first template that is executed cannot be.
pub fn measure_stack() {
    stacker::remaining_stack();
}

/// A value as `toJson` prints it; nothing of what has no form in JSON.
pub fn to_json(value: &Value) -> String {
    let style = data::json::Style {
        indent: None,
        html: true,
    };
    data::json::marshal(value, style).unwrap_or_default()
}

/// A value from the first document of a YAML text, as sigs.k8s.io/yaml reads it into an
/// `interface {}`: every number is a `float64`.
pub fn from_yaml(text: &str) -> Result<Value, String> {
    data::yaml::unmarshal(text)
}
