//! `.helmignore`: helm's own rules, which are not git's.
//!
//! A rule with a `/` in it is matched against the whole path, one without against the last part. The first
//! rule that matches decides; one that begins with `!` ignores everything that it does not match.

use crate::Error;
use crate::glob::PathGlob;

/// The rules of one chart.
#[derive(Clone, Debug)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    /// None where less than the whole line is no pattern: it matches nothing.
    pattern: Option<PathGlob>,
    whole_path: bool,
    negated: bool,
    directories_only: bool,
}

impl Rules {
    /// The rules of a text, and helm's own one.
    pub fn read(text: &str) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for line in text.lines() {
            rules.extend(rule(line)?);
        }
        rules.extend(rule("templates/.?*")?);
        Ok(Self(rules))
    }

    /// Whether a file or directory of this path is left out, with everything in it.
    pub fn ignores(&self, path: &str, is_directory: bool) -> bool {
        for rule in &self.0 {
            let of_this_kind = is_directory || !rule.directories_only;
            match (rule.negated, of_this_kind) {
                (false, true) if rule.matches(path) => return true,
                (true, true) if rule.matches(path) => {}
                (true, _) => return true,
                (false, _) => {}
            }
        }
        false
    }
}

impl Rule {
    fn matches(&self, path: &str) -> bool {
        let name = match path.rsplit_once('/') {
            Some((_, last)) if !self.whole_path => last,
            _ => path,
        };
        let pattern = self.pattern.as_ref();
        pattern.is_some_and(|pattern| pattern.matches(name))
    }
}

fn rule(line: &str) -> Result<Option<Rule>, Error> {
    let text = line.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if text.contains("**") {
        return Err(Error::chart(
            "double-star (**) syntax is not supported in .helmignore",
        ));
    }
    if PathGlob::new(text).is_none() {
        return Err(Error::chart(format!(
            ".helmignore has {text:?}: syntax error in pattern"
        )));
    }
    let (negated, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (directories_only, text) = match text.strip_suffix('/') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let whole_path = text.contains('/');
    let pattern = text.strip_prefix('/').unwrap_or(text);
    Ok(Some(Rule {
        pattern: PathGlob::new(pattern),
        whole_path,
        negated,
        directories_only,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_match_as_helm_matches_them() {
        // rules, path, is it a directory, is it ignored
        for (text, path, is_directory, ignored) in [
            ("helm.txt", "helm.txt", false, true),
            ("helm.txt", "a/helm.txt", false, true),
            ("helm.*", "helm.txt", false, true),
            ("/helm.txt", "a/helm.txt", false, false),
            ("cargo/", "cargo", true, true),
            ("cargo/", "a/cargo", true, true),
            ("cargo/", "cargo", false, false),
            ("cargo/*.txt", "cargo/a.txt", false, true),
            ("cargo/*.txt", "x/cargo/a.txt", false, false),
            ("# cargo", "cargo", true, false),
            ("!helm.txt", "helm.txt", false, false),
            ("!helm.txt", "tiller.txt", false, true),
            ("!cargo/", "a.txt", false, true),
            ("", "templates/.hidden", false, true),
            ("", "templates/.", false, false),
            ("", ".hidden", false, false),
            ("\u{feff}a.txt", "a.txt", false, true),
            ("a\\/", "a", true, false),
        ] {
            let rules = Rules::read(text).unwrap();
            assert_eq!(
                rules.ignores(path, is_directory),
                ignored,
                "{text:?} {path}"
            );
        }
    }

    #[test]
    fn rules_that_helm_refuses_are_refused() {
        for text in ["a/**/b", "[", "a\nb[-]"] {
            assert!(Rules::read(text).is_err(), "{text:?}");
        }
    }
}
