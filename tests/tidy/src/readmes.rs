//! Every top-level folder says in ten lines what lives there and what must not.

use std::collections::BTreeSet;

use crate::Repository;

/// Ten lines, a title and a blank.
const LINES_MAX: usize = 12;

/// Complains of folders without a README, or with a long one.
pub fn check(repository: &Repository) -> Vec<String> {
    let folders: BTreeSet<&str> = repository
        .files
        .iter()
        .filter_map(|file| file.path.split_once('/'))
        .map(|(folder, _)| folder)
        .filter(|folder| !folder.starts_with('.'))
        .collect();
    let mut complaints = Vec::new();
    for folder in folders {
        let path = format!("{folder}/README.md");
        match repository.files.iter().find(|file| file.path == path) {
            None => complaints.push(format!(
                "{path}: is missing; say what lives here, what must not"
            )),
            Some(file) if file.text.lines().count() > LINES_MAX => {
                complaints.push(format!("{path}: is longer than {LINES_MAX} lines"));
            }
            Some(_) => {}
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{file, none, repository};

    #[test]
    fn the_repository_says_what_lives_where() {
        none(&check(Repository::read()));
    }

    #[test]
    fn a_silent_and_a_verbose_folder_are_found() {
        let short = "x\n".repeat(LINES_MAX);
        let long = "x\n".repeat(LINES_MAX + 1);
        let files = vec![
            file(".config/a", ""),
            file("a/README.md", &short),
            file("b/README.md", &long),
            file("c/src/lib.rs", ""),
            file("top.md", &long),
        ];
        assert_eq!(check(&repository(vec![], files)).len(), 2);
    }
}
