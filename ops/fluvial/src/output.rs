//! `-o`: the forms in which things are printed.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use fluvial_manifest::yaml;
use serde::Serialize;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// JSON, whole
    Json,
    /// YAML, whole
    Yaml,
    /// The table, with more columns
    Wide,
    /// Names only
    Name,
}

/// How to print what has no table worth widening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Plain {
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// Writes to stdout. A reader that went away, as `head` does, has seen enough: that is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to stdout"),
    }
}

/// Whether stdout is a terminal whose owner wants colours.
pub(crate) fn is_coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Text from outside without what would move a terminal's cursor or change its colours.
pub(crate) fn clean(text: &str) -> String {
    let is_bad = |it: char| it.is_control() && it != '\n' && it != '\t';
    text.replace(is_bad, "\u{fffd}")
}

/// Prints as JSON, indented.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    print(&format!("{text}\n"))
}

/// Prints as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).context("cannot write JSON")?;
    print(&format!("{text}\n"))
}

/// Prints as YAML.
pub(crate) fn yaml(value: &impl Serialize) -> Result<()> {
    let value = serde_json::to_value(value).context("cannot write YAML")?;
    print(&yaml::to_string(&value))
}

/// Prints as one or the other.
pub(crate) fn plain(format: Plain, value: &impl Serialize) -> Result<()> {
    match format {
        Plain::Json => json(value),
        Plain::Yaml => yaml(value),
    }
}
