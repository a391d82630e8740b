//! Nothing unfinished, and nothing of the machine it was written on, is left in a file.

use crate::{File, Repository};

/// What must be in no file, and what to do instead. In two halves, or this file would be the first.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "finish it, or file an issue"),
    (concat!("FIX", "ME"), "fix it, or file an issue"),
    (concat!("XX", "X"), "say what is wrong, or mend it"),
    (concat!("#[ig", "nore"), "a test runs, or goes"),
    (concat!("/ro", "ot/"), "no home of anyone's"),
    (concat!("/wo", "rk/"), "no folder outside the checkout"),
    (concat!("/ho", "me/"), "no home of anyone's"),
    (concat!("/Us", "ers/"), "no home of anyone's"),
];

/// Files in which such a word is somebody else's: what a generator wrote, and outside data.
const FOREIGN: &[&str] = &["LICENSE", "tests/controlplane/go.sum"];

/// Complains of forbidden words.
pub fn check(repository: &Repository) -> Vec<String> {
    let own = repository
        .files
        .iter()
        .filter(|file| !FOREIGN.contains(&file.path.as_str()));
    own.flat_map(forbidden).collect()
}

fn forbidden(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for (word, instead) in FORBIDDEN.iter().filter(|(word, _)| says(line, word)) {
            complaints.push(format!(
                "{}:{}: says {word}: {instead}",
                file.path,
                number + 1
            ));
        }
    }
    complaints
}

/// Whether a line has this as a word of its own, or as the beginning of a path.
fn says(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let apart = |next: Option<char>| next.is_none_or(|next| !next.is_alphanumeric());
        let before = apart(line[..start].chars().next_back());
        before
            && (!word.ends_with(char::is_alphanumeric)
                || apart(line[start + word.len()..].chars().next()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{file, none};

    #[test]
    fn the_repository_is_finished_and_at_home_anywhere() {
        none(&check(Repository::read()));
    }

    #[test]
    fn each_forbidden_word_is_found_where_it_stands() {
        for (word, _) in FORBIDDEN {
            let found = forbidden(&file("a.rs", &format!("fine\nnot {word} fine\n")));
            assert_eq!(found.len(), 1);
            assert!(found[0].starts_with("a.rs:2: "), "{found:?}");
        }
        assert_eq!(
            forbidden(&file("a.rs", "all is well at /tmp and in the network\n")),
            [""; 0]
        );
    }
}
