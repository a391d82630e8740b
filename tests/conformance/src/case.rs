//! Cases as text: many small repositories in one file.
//!
//! ```text
//! What the file is about.
//! -- shared.yaml --          files before the first case belong to every case
//! === a case                 its title, unique in the file
//! flags: unlimited           optional: unlimited, managed-by, reorder-none, reorder-legacy
//! path: overlay              optional: the directory to build, else the root
//! -- kustomization.yaml --   its files; `\$` at the end of a line stands for nothing
//! resources: [shared.yaml]
//! ```

use std::collections::BTreeMap;

use fluvial_kustomize::{Options, Reorder, Restriction};
use fluvial_manifest::{Entry, Tree};

/// One small repository and how to build it.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// What it shows, unique in its file.
    pub title: String,
    /// The directory that is built.
    pub path: String,
    /// The flags of the build.
    pub options: Options,
    /// Files by path.
    pub files: BTreeMap<String, String>,
}

impl Case {
    /// The files as our renderer takes them.
    pub fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in &self.files {
            tree.insert(path, Entry::file(text.as_bytes()))
                .unwrap_or_else(|error| panic!("{}: {path}: {error}", self.title));
        }
        tree
    }
}

/// Reads a file of cases; it panics where the file is no such file.
pub fn read(text: &str) -> Vec<Case> {
    let mut shared = Case::default();
    let mut cases: Vec<Case> = Vec::new();
    let mut file: Option<String> = None;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("=== ") {
            assert!(
                cases.iter().all(|case| case.title != title),
                "two cases are called {title}"
            );
            cases.push(Case {
                title: title.to_owned(),
                ..shared.clone()
            });
            file = None;
            continue;
        }
        let case = cases.last_mut().unwrap_or(&mut shared);
        if let Some(path) = line
            .strip_prefix("-- ")
            .and_then(|rest| rest.strip_suffix(" --"))
        {
            case.files.insert(path.to_owned(), String::new());
            file = Some(path.to_owned());
            continue;
        }
        match &file {
            Some(path) => {
                let text = case.files.get_mut(path).expect("it was put there above");
                text.push_str(line.strip_suffix("\\$").unwrap_or(line));
                text.push('\n');
            }
            None => head(case, line),
        }
    }
    cases
}

/// A line between a case's title and its first file.
fn head(case: &mut Case, line: &str) {
    if let Some(path) = line.strip_prefix("path: ") {
        path.clone_into(&mut case.path);
    } else if let Some(flags) = line.strip_prefix("flags: ") {
        for flag in flags.split_whitespace() {
            match flag {
                "unlimited" => case.options.restriction = Restriction::None,
                "managed-by" => case.options.managed_by_label = true,
                "reorder-none" => case.options.reorder = Reorder::None,
                "reorder-legacy" => case.options.reorder = Reorder::Legacy,
                other => panic!("{}: there is no flag {other}", case.title),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_share_what_stands_before_them() {
        let cases = read(
            "about\n-- a --\nx\n=== one\npath: o\nflags: unlimited managed-by\n-- b --\ny \\$\n=== two\n-- a --\nz\n",
        );
        assert_eq!(cases.len(), 2);
        assert_eq!(cases[0].path, "o");
        assert_eq!(cases[0].options.restriction, Restriction::None);
        assert!(cases[0].options.managed_by_label);
        assert_eq!(cases[0].files["a"], "x\n");
        assert_eq!(cases[0].files["b"], "y \n");
        assert_eq!(cases[1].files["a"], "z\n");
        assert!(!cases[1].files.contains_key("b"));
    }
}
