//! Where the programs are that tests run: those of the workspace, which cargo builds, and those that
//! `ops/lib.sh` builds once and keeps.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, ensure};

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

/// The path of a program of the workspace, as built beside the test or program that asks: `built("fluvial")`.
/// Cargo builds it with its own package's tests only, so it may have to be built first.
pub fn built(name: &str) -> Result<PathBuf> {
    let test = env::current_exe().context("cannot tell where the test is")?;
    // A test is in target/PROFILE/deps, programs are in target/PROFILE.
    let mut places = test.ancestors().skip(1);
    let profile = places
        .find(|place| !place.ends_with("deps"))
        .context("cannot tell where programs are built")?;
    let path = profile.join(name);
    ensure!(
        path.is_file(),
        "cannot find {}: run cargo build -p {name}, or ./ops/test, which does",
        path.display()
    );
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_what_builds_it() {
        let kept = program("unheard-of").unwrap_err().to_string();
        assert!(
            kept.contains("run ./ops/test or ./ops/quickstart"),
            "{kept}"
        );
        let ours = built("unheard-of").unwrap_err().to_string();
        assert!(ours.contains("run cargo build -p unheard-of"), "{ours}");
    }
}
