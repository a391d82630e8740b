//! Data flows one way, and so do dependencies: a crate uses its own ring and those further in, and the
//! world to test against uses none.

use crate::ring::Ring;
use crate::{Crate, Repository, Use};

/// The one crate of an outer ring that tests of every ring may use: it knows nothing of Fluvial.
const TEST_WORLD: &str = "tests/support";

/// Complains of dependencies that point outwards, and of crates that have no ring.
pub fn check(repository: &Repository) -> Vec<String> {
    repository.crates.iter().flat_map(arrows).collect()
}

fn arrows(member: &Crate) -> Vec<String> {
    let folder = &member.folder;
    let Some(ring) = Ring::of(folder) else {
        return vec![format!(
            "{folder}: which ring is it in? Say so in tests/tidy/src/ring.rs"
        )];
    };
    let mut complaints = Vec::new();
    for dependency in &member.dependencies {
        let Some(other) = &dependency.folder else {
            continue;
        };
        if dependency.used == Use::Tests && other == TEST_WORLD {
            continue;
        }
        if folder == TEST_WORLD {
            complaints.push(format!(
                "{folder}: uses {other}; the world to test against must know nothing of Fluvial"
            ));
        }
        if Ring::of(other).is_none_or(|used| used > ring) {
            complaints.push(format!(
                "{folder}: uses {other}, which is further out; move what it needs inwards, or pass it in"
            ));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{member, none, repository};

    #[test]
    fn the_repository_points_inwards() {
        none(&check(Repository::read()));
    }

    #[test]
    fn arrows_outwards_are_found() {
        for (folder, uses, used, complaints) in [
            ("engine/runtime", "engine/log", Use::Program, 0),
            ("engine/runtime", "engine/ingest", Use::Program, 0),
            ("engine/reduce", "engine/log", Use::Program, 1),
            ("engine/reduce", "engine/log", Use::Tests, 1),
            ("engine/execute", "projections/view", Use::Program, 1),
            ("engine/execute", "sinks/writeback", Use::Tests, 1),
            ("engine/execute", TEST_WORLD, Use::Tests, 0),
            ("engine/execute", TEST_WORLD, Use::Program, 1),
            ("schemas/event", "engine/reduce", Use::Program, 1),
            (TEST_WORLD, "schemas/api", Use::Program, 1),
            ("engine/unheard-of", "schemas/api", Use::Program, 1),
        ] {
            let found = check(&repository(vec![member(folder, &[(uses, used)])], vec![]));
            assert_eq!(found.len(), complaints, "{folder} -> {uses}: {found:?}");
        }
    }
}
