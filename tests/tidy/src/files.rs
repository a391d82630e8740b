//! A source file says first what it is, and stays short enough to be read.

use crate::{File, Repository};

/// The longest a file may be without a reason.
const LINES_MAX: usize = 600;

/// The files that are longer, and why they are not two.
const LONG: &[(&str, &str)] = &[
    // sorted
];

/// Complains of Rust files that do not open with `//!`, or are long without a reason.
pub fn check(repository: &Repository) -> Vec<String> {
    let files: Vec<&File> = repository.files_ending(".rs").collect();
    let mut complaints: Vec<String> = files
        .iter()
        .flat_map(|file| openings(file).into_iter().chain(length(file, LONG)))
        .collect();
    complaints.extend(stale(&files, LONG));
    complaints
}

fn openings(file: &File) -> Option<String> {
    let said = file
        .text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("//! "))
        .unwrap_or_default();
    let path = &file.path;
    (said.trim_end_matches('.').is_empty())
        .then(|| format!("{path}: must open with `//!` and what it is, in one sentence"))
}

fn length(file: &File, long: &[(&str, &str)]) -> Option<String> {
    let lines = file.text.lines().count();
    let path = &file.path;
    (lines > LINES_MAX && long.iter().all(|(each, _)| each != path)).then(|| {
        format!(
            "{path}: has {lines} lines; a second idea is a second file (or a reason, in tests/tidy)"
        )
    })
}

fn stale(files: &[&File], long: &[(&str, &str)]) -> Vec<String> {
    let needed = |path: &str| {
        files
            .iter()
            .any(|file| file.path == path && file.text.lines().count() > LINES_MAX)
    };
    long.iter()
        .filter(|(path, _)| !needed(path))
        .map(|(path, _)| format!("{path}: is not long; take it off the list in tests/tidy"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{file, none};

    #[test]
    fn the_repository_opens_well_and_is_short() {
        none(&check(Repository::read()));
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_is_found() {
        for (text, complaints) in [
            ("//! What it is.\n", 0),
            ("", 1),
            ("//! .\n", 1),
            ("//!\n//! Late.\n", 1),
            ("use std::fs;\n", 1),
            ("#![allow(dead_code)]\n//! Late.\n", 1),
        ] {
            assert_eq!(
                usize::from(openings(&file("a.rs", text)).is_some()),
                complaints,
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_limit_is_the_limit_and_needs_a_reason() {
        let exact = file("a.rs", &"//! x\n".repeat(LINES_MAX));
        let more = file("a.rs", &"//! x\n".repeat(LINES_MAX + 1));
        let reason = [("a.rs", "one table")];
        assert_eq!(length(&exact, &[]), None);
        assert!(length(&more, &[]).is_some());
        assert_eq!(length(&more, &reason), None);
        assert_eq!(stale(&[&more], &reason), [""; 0]);
        assert_eq!(stale(&[&exact], &reason).len(), 1);
    }
}
