//! `kustomize build DIR`, for comparing with the real one: prints the objects as YAML.

mod disk;

use std::path::PathBuf;
use std::process::ExitCode;

use fluvial_kustomize::{Options, Reorder, Restriction, build};
use fluvial_manifest::yaml;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("Error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<String, String> {
    let mut dir = PathBuf::from(".");
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        match argument.as_str() {
            "--load-restrictor" => {
                options.restriction = match value().as_str() {
                    "LoadRestrictionsNone" => Restriction::None,
                    "LoadRestrictionsRootOnly" => Restriction::RootOnly,
                    other => return Err(format!("--load-restrictor {other}: unknown")),
                }
            }
            "--reorder" => {
                options.reorder = match value().as_str() {
                    "none" => Reorder::None,
                    "legacy" => Reorder::Legacy,
                    other => return Err(format!("--reorder {other}: unknown")),
                }
            }
            "--enable-managedby-label" => options.managed_by_label = true,
            // Nothing is ever executed, so there is nothing to enable.
            "--enable-exec" => {}
            flag if flag.starts_with('-') => return Err(format!("{flag}: unknown flag")),
            path => dir = PathBuf::from(path),
        }
    }
    let (tree, path) =
        disk::read(&dir).map_err(|error| format!("cannot read {}: {error}", dir.display()))?;
    let objects = build(&tree, &path, &options).map_err(|error| error.to_string())?;
    Ok(yaml::to_multi(&objects))
}
