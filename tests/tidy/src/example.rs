//! Bad examples are built from these.

use crate::{Crate, Dependency, File, Repository, Use};

/// A crate that asks for these workspace folders, and for these libraries by name.
pub(crate) fn member(folder: &str, dependencies: &[(&str, Use)]) -> Crate {
    Crate {
        name: format!("fluvial-{}", folder.rsplit('/').next().unwrap()),
        folder: folder.to_owned(),
        dependencies: dependencies
            .iter()
            .map(|(name, used)| Dependency {
                name: (*name).to_owned(),
                folder: name.contains('/').then(|| (*name).to_owned()),
                used: *used,
            })
            .collect(),
        linked: dependencies
            .iter()
            .filter(|(_, used)| *used == Use::Program)
            .map(|(name, _)| (*name).to_owned())
            .collect(),
    }
}

pub(crate) fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

pub(crate) fn repository(crates: Vec<Crate>, files: Vec<File>) -> Repository {
    Repository { crates, files }
}

/// Fails with every complaint, one a line.
#[track_caller]
pub(crate) fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
