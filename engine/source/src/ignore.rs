//! Which files of a tree do not belong to its artifact: `.sourceignore` files and `spec.ignore`.
//!
//! Patterns are `.gitignore`'s; the last that matches a path, or a directory above it, decides. That
//! is Flux's reading, and it differs from git's in one way: a later `!pattern` brings back a file even
//! when the directory it is in was excluded.

use gix::bstr::{BStr, ByteSlice};
use gix::glob::{Pattern, pattern::Case, wildmatch};

/// The file that holds patterns for its directory and those below.
pub const IGNORE_FILE: &str = ".sourceignore";

/// Left out always, unless a pattern brings it back.
const VERSION_CONTROL: &[&str] = &[".git/", ".gitignore", ".gitmodules", ".gitattributes"];

/// Left out when neither the repository nor the object says anything.
const DEFAULTS: &[&str] = &[
    // binaries
    "*.jpg",
    "*.jpeg",
    "*.gif",
    "*.png",
    "*.wmv",
    "*.flv",
    "*.tar.gz",
    "*.zip",
    // continuous integration
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
    // tools
    "**/.goreleaser.yml",
    "**/.sops.yaml",
    "**/.flux.yaml",
];

/// The rules of one tree.
#[derive(Clone, Debug, Default)]
pub struct Ignore(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    /// The directory the pattern counts in: empty, or ending in `/`.
    directory: String,
    pattern: Pattern,
}

impl Ignore {
    /// Collects the rules. `files` are the tree's `.sourceignore` files, as path and text, parents before
    /// children; `spec` is `spec.ignore`, which has the last word. The defaults hold only if there is no
    /// pattern in either.
    pub fn new<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        spec: Option<&str>,
    ) -> Self {
        let mut written = Vec::new();
        for (path, text) in files {
            let directory = path.strip_suffix(IGNORE_FILE).unwrap_or_default();
            written.extend(rules(directory, text.as_bstr()));
        }
        written.extend(rules("", spec.unwrap_or_default().into()));

        let defaults: &[&str] = if written.is_empty() { DEFAULTS } else { &[] };
        let built_in = VERSION_CONTROL.iter().chain(defaults);
        let mut all: Vec<Rule> = built_in
            .flat_map(|pattern| rules("", (*pattern).into()))
            .collect();
        all.append(&mut written);
        Self(all)
    }

    /// Whether the file at `path` is left out.
    pub fn excludes(&self, path: &str) -> bool {
        self.0
            .iter()
            .rev()
            .find(|rule| rule.matches(path))
            .is_some_and(|rule| !rule.pattern.is_negative())
    }
}

impl Rule {
    /// Whether the file at `path`, or a directory above it, fits the pattern.
    fn matches(&self, path: &str) -> bool {
        let Some(relative) = path.strip_prefix(self.directory.as_str()) else {
            return false;
        };
        let directories = relative
            .match_indices('/')
            .map(|(end, _)| (&relative[..end], true));
        directories
            .chain([(relative, false)])
            .any(|(candidate, is_directory)| {
                self.pattern.matches_repo_relative_path(
                    candidate.into(),
                    candidate.rfind('/').map(|slash| slash + 1),
                    Some(is_directory),
                    Case::Sensitive,
                    wildmatch::Mode::NO_MATCH_SLASH_LITERAL,
                )
            })
    }
}

fn rules<'a>(directory: &'a str, text: &'a BStr) -> impl Iterator<Item = Rule> + 'a {
    text.lines()
        .filter(|line| !line.starts_with(b"#"))
        .filter_map(|line| Pattern::from_bytes(without_trailing_spaces(line)))
        .map(|pattern| Rule {
            directory: directory.to_owned(),
            pattern,
        })
}

/// Spaces at the end do not count unless the last is escaped.
fn without_trailing_spaces(line: &[u8]) -> &[u8] {
    let trimmed = line.trim_end_with(|c| c == ' ');
    let escaped = trimmed.len() < line.len() && trimmed.ends_with(b"\\");
    if escaped {
        &line[..=trimmed.len()]
    } else {
        trimmed
    }
}
