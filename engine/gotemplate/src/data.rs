//! Values as YAML, JSON and TOML, and back, as the libraries that Helm uses write and read them.

pub(crate) mod json;
pub(crate) mod toml;
pub(crate) mod yaml;
