//! Where the programs are that the tests run but the workspace does not build; building them is the
//! work of `ops/lib.sh`.

use std::env;
use std::path::PathBuf;

use anyhow::{Result, anyhow, ensure};

/// The directory that holds what is built once and kept: `$FLUVIAL_CACHE`, or `~/.cache/fluvial`.
fn cache() -> Result<PathBuf> {
    if let Some(named) = env::var_os("FLUVIAL_CACHE").filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(named));
    }
    let home = env::var_os("HOME").ok_or_else(|| {
        anyhow!("cannot find the cache of built programs: neither FLUVIAL_CACHE nor HOME is set")
    })?;
    Ok(PathBuf::from(home).join(".cache/fluvial"))
}

/// The path of a built program.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let path = cache()?.join("bin").join(name);
    ensure!(
        path.is_file(),
        "cannot find {}: run ./ops/test or ./ops/quickstart, which build it",
        path.display()
    );
    Ok(path)
}
