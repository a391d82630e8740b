//! A list that grows by one entry at a time is kept sorted, so that two people add to it in two
//! places. The comment `sorted`, alone on its line, asks for it: it holds for the lines below, up to
//! a blank line or one that is indented less.

use crate::{File, Repository};

/// Complains of lists that say they are sorted and are not.
pub fn check(repository: &Repository) -> Vec<String> {
    repository.files.iter().flat_map(unsorted).collect()
}

fn unsorted(file: &File) -> Vec<String> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut complaints = Vec::new();
    for (number, marker) in lines.iter().enumerate() {
        if !matches!(marker.trim(), "// sorted" | "# sorted") {
            continue;
        }
        let depth = indentation(marker);
        let list = lines[number + 1..]
            .iter()
            .take_while(|line| !line.trim().is_empty() && indentation(line) >= depth)
            // What is deeper belongs to the entry above; what closes it does too.
            .filter(|line| indentation(line) == depth && !line.trim().starts_with(['}', ']', ')', '/']));
        let mut last = "";
        for entry in list.map(|line| line.trim().trim_matches(['"', ','])) {
            if entry < last {
                let path = &file.path;
                complaints.push(format!(
                    "{path}:{}: {entry} must stand before {last}",
                    number + 1
                ));
            }
            last = entry;
        }
    }
    complaints
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{file, none};

    #[test]
    fn the_repository_is_sorted_where_it_says_so() {
        none(&check(Repository::read()));
    }

    #[test]
    fn a_list_out_of_order_is_found() {
        for (text, complaints) in [
            ("// sorted\nb\na\n", 1),
            ("// sorted\na\nb\n", 0),
            ("b\na\n", 0),
            ("// sorted\na\n\nc\nb\n", 0),
            ("[\n    // sorted\n    a,\n    b,\n]\na\n", 0),
            ("[\n    # sorted\n    b,\n    a,\n]\n", 1),
            ("// sorted\na {\n    z\n    b\n}\nb {\n    a\n}\n", 0),
            ("// sorted\nc\nb\na\n", 2),
            ("# sorted\n\"a\",\n\"a b\",\n", 0),
        ] {
            assert_eq!(unsorted(&file("a.rs", text)).len(), complaints, "{text:?}");
        }
    }
}
