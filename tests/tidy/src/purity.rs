//! Pure crates are functions of what they are given: no clock, disk, network, chance, threads or
//! async, neither in their own code nor in anything linked into them.

use crate::{Crate, File, Repository};

/// The crates that promise it.
const PURE: &[&str] = &[
    // sorted
    "engine/apply",
    "engine/gotemplate",
    "engine/helm",
    "engine/kustomize",
    "engine/manifest",
    "engine/reduce",
    "engine/semver",
    "projections/view",
    "schemas/api",
    "schemas/event",
    "sinks/notify",
];

/// What must be in no pure crate's program, however far down: async runtimes, network, TLS,
/// databases, git, clusters, chance, clocks. Not `getrandom`: cargo resolves features for the whole
/// workspace at once, so it appears under crates that are built without it.
const IMPURE_LIBRARIES: &[&str] = &[
    // sorted
    "async-std",
    "chrono",
    "gix",
    "hyper",
    "jiff",
    "kube",
    "kube-client",
    "mio",
    "rand",
    "reqwest",
    "ring",
    "rocksdb",
    "rustls",
    "smol",
    "socket2",
    "tempfile",
    "time",
    "tokio",
];

/// What a pure crate's own code must not say. The attribute below stops single functions by name;
/// these stop whole modules.
const IMPURE_WORDS: &[&str] = &[
    // sorted
    ".await",
    "Instant::now",
    "SystemTime",
    "async fn",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
];

/// What switches clippy's list of forbidden functions and types on.
const PROMISE: &str = "#![deny(clippy::disallowed_methods, clippy::disallowed_types)]";

/// Complains of impure crates among the pure.
pub fn check(repository: &Repository) -> Vec<String> {
    let pure = repository
        .crates
        .iter()
        .filter(|each| PURE.contains(&each.folder.as_str()));
    pure.flat_map(|member| {
        let files: Vec<&File> = repository
            .files
            .iter()
            .filter(|file| member.holds(file))
            .collect();
        let mut complaints = libraries(member);
        complaints.extend(promise(member, &files));
        complaints.extend(files.into_iter().flat_map(words));
        complaints
    })
    .collect()
}

fn libraries(member: &Crate) -> Vec<String> {
    IMPURE_LIBRARIES
        .iter()
        .filter(|library| member.linked.contains(**library))
        .map(|library| {
            let folder = &member.folder;
            format!(
                "{folder}: {library} is linked into it; `cargo tree -p {} -i {library}`",
                member.name
            )
        })
        .collect()
}

fn promise(member: &Crate, files: &[&File]) -> Option<String> {
    let path = format!("{}/src/lib.rs", member.folder);
    let kept = files
        .iter()
        .any(|file| file.path == path && file.text.contains(PROMISE));
    (!kept).then(|| format!("{path}: must say {PROMISE}"))
}

fn words(file: &File) -> Vec<String> {
    let Some(module) = file
        .path
        .strip_suffix(".rs")
        .filter(|path| path.contains("/src/"))
    else {
        return Vec::new();
    };
    if module.ends_with("/tests") || module.contains("/tests/") {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    // Tests come last in a file, and may do as they like.
    let program = file.text.split("#[cfg(test)]").next().unwrap_or_default();
    for (number, line) in program.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for word in IMPURE_WORDS.iter().filter(|word| says(line, word)) {
            let path = &file.path;
            complaints.push(format!(
                "{path}:{}: says {word}; a pure crate is given what it needs",
                number + 1
            ));
        }
    }
    complaints
}

/// Whether `line` has `word`, and not only as the beginning of a longer one.
fn says(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let next = line[at + word.len()..].chars().next();
        !next.is_some_and(|next| next.is_alphanumeric() || next == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Use;
    use crate::example::{file, member, none, repository};

    #[test]
    fn the_repository_is_pure_where_it_says_so() {
        none(&check(Repository::read()));
    }

    #[test]
    fn every_promise_is_of_a_crate_that_exists() {
        for folder in PURE {
            assert!(
                Repository::read()
                    .crates
                    .iter()
                    .any(|each| each.folder == *folder),
                "{folder}"
            );
        }
    }

    #[test]
    fn impurity_is_found() {
        let good = format!("//! Good.\n{PROMISE}\n// std::fs is for others\nfn f() {{}}\n");
        let tested = format!("{good}#[cfg(test)]\nmod tests {{ use std::fs; }}\n");
        let disk = format!("{good}use std::fs;\n");
        assert!(!says("self.awaits(record)", ".await") && says("h().await?", ".await"));
        let waiting = format!("{good}async fn g() {{ h().await }}\n");
        for (folder, library, text, complaints) in [
            ("engine/reduce", "sha2", good.as_str(), 0),
            ("engine/reduce", "sha2", &tested, 0),
            ("engine/reduce", "tokio", &good, 1),
            ("engine/reduce", "sha2", "//! Bad.\n", 1),
            ("engine/reduce", "sha2", &disk, 1),
            ("engine/reduce", "sha2", &waiting, 2),
            ("engine/source", "tokio", "use std::fs;\n", 0),
        ] {
            let crates = vec![member(folder, &[(library, Use::Program)])];
            let files = vec![file(&format!("{folder}/src/lib.rs"), text)];
            let found = check(&repository(crates, files));
            assert_eq!(
                found.len(),
                complaints,
                "{folder}, {library}, {text}: {found:?}"
            );
        }
    }
}
