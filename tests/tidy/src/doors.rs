//! One door for each outside library: who else wants what it does asks the door.

use crate::{Repository, Use};

/// The libraries that only the named crates may use, in their programs; a test may use what it likes.
const DOORS: &[(&str, &[&str])] = &[
    // sorted
    ("cel", &["engine/apply"]),
    ("chacha20poly1305", &["engine/log", "engine/log-rocksdb"]),
    ("clap", &["ops/fluvial", "tests/bench", "tests/sim"]),
    ("gix", &["engine/source"]),
    ("gix-transport", &["engine/source"]),
    ("hyper", &["projections/serve"]),
    ("indicatif", &["ops/fluvial"]),
    ("json-patch", &["engine/kustomize"]),
    ("k8s-openapi", &["engine/cluster", "tests/e2e"]),
    ("kube", &["engine/cluster", "tests/bench", "tests/e2e"]),
    ("landlock", &["engine/render"]),
    ("lettre", &["sinks/deliver"]),
    ("prost", &["schemas/event"]),
    ("rcgen", &["tests/support"]),
    ("rdkafka", &["sinks/publish"]),
    ("reqwest", &["engine/source"]),
    ("rocksdb", &["engine/log-rocksdb", "tests/bench"]),
    ("rustix", &["engine/render"]),
    ("rustls", &["engine/source", "tests/support"]),
    ("saphyr-parser", &["engine/manifest"]),
    ("seccompiler", &["engine/render"]),
    ("tar", &["engine/helm", "engine/source"]),
    ("wincode", STORED),
];

/// Whose values stand in stored state.
const STORED: &[&str] = &[
    // sorted
    "engine/reduce",
    "projections/view",
    "schemas/api",
    "schemas/event",
];

/// Complains of a library used past its door.
pub fn check(repository: &Repository) -> Vec<String> {
    let mut complaints = Vec::new();
    for member in &repository.crates {
        for dependency in member
            .dependencies
            .iter()
            .filter(|each| each.used == Use::Program)
        {
            let door = DOORS
                .iter()
                .find(|(library, _)| *library == dependency.name);
            let Some((library, owners)) = door else {
                continue;
            };
            if !owners.contains(&member.folder.as_str()) {
                complaints.push(format!(
                    "{}: uses {library}, whose door is {}; ask the door for what is needed",
                    member.folder,
                    owners.join(" and ")
                ));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{member, none, repository};

    #[test]
    fn the_repository_goes_through_its_doors() {
        none(&check(Repository::read()));
    }

    #[test]
    fn a_way_past_the_door_is_found() {
        for (folder, library, used, complaints) in [
            ("engine/log-rocksdb", "rocksdb", Use::Program, 0),
            ("engine/runtime", "rocksdb", Use::Program, 1),
            ("engine/runtime", "rocksdb", Use::Tests, 0),
            ("engine/runtime", "tokio", Use::Program, 0),
        ] {
            let found = check(&repository(
                vec![member(folder, &[(library, used)])],
                vec![],
            ));
            assert_eq!(found.len(), complaints, "{folder} -> {library}: {found:?}");
        }
    }
}
