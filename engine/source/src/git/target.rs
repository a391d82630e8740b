//! Which reference a request means, and how Flux writes the revision it leads to.

use fluvial_semver::Constraints;

use crate::{Error, GitRequest, Reference};

/// The one field of `spec.ref` that counts.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A branch, tag or whole name.
    Named(Named),
    /// The highest tag in a range.
    Tags { text: String, range: Constraints },
    /// A commit, and the branch that the revision shows.
    Commit { sha: String, branch: Option<String> },
}

/// A reference on the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// `refs/heads/main`.
    pub(super) full: String,
    /// What the revision begins with: `main`.
    pub(super) shown: String,
    /// What to call it in a message: `branch 'main'`.
    pub(super) what: String,
}

impl Named {
    pub(super) fn branch(name: &str) -> Self {
        Self {
            full: format!("refs/heads/{name}"),
            shown: name.to_owned(),
            what: format!("branch '{name}'"),
        }
    }

    pub(super) fn tag(name: &str) -> Self {
        Self {
            full: format!("refs/tags/{name}"),
            shown: name.to_owned(),
            what: format!("tag '{name}'"),
        }
    }
}

impl Target {
    /// The first that is set of commit, name, semver, tag, branch; else branch `master`.
    pub(super) fn of(reference: &Reference) -> Result<Self, Error> {
        let set = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        let branch = set(&reference.branch);
        if let Some(branch) = &branch {
            check_name("spec.ref.branch", branch, &format!("refs/heads/{branch}"))?;
        }
        if let Some(sha) = set(&reference.commit) {
            if sha.len() != 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(refuse(
                    "spec.ref.commit",
                    &sha,
                    "write all 40 digits of the commit",
                ));
            }
            return Ok(Self::Commit {
                sha: sha.to_ascii_lowercase(),
                branch,
            });
        }
        if let Some(name) = set(&reference.name) {
            if name != "HEAD" && !name.starts_with("refs/") {
                return Err(refuse(
                    "spec.ref.name",
                    &name,
                    "write the whole name, such as refs/heads/main or refs/pull/420/head",
                ));
            }
            check_name("spec.ref.name", &name, &name)?;
            return Ok(Self::Named(Named {
                what: format!("reference '{name}'"),
                shown: name.clone(),
                full: name,
            }));
        }
        if let Some(text) = set(&reference.semver) {
            let range = Constraints::parse(&text)
                .map_err(|why| refuse("spec.ref.semver", &text, &why.to_string()))?;
            return Ok(Self::Tags { text, range });
        }
        if let Some(tag) = set(&reference.tag) {
            check_name("spec.ref.tag", &tag, &format!("refs/tags/{tag}"))?;
            return Ok(Self::Named(Named::tag(&tag)));
        }
        Ok(Self::Named(Named::branch(
            branch.as_deref().unwrap_or("master"),
        )))
    }
}

/// Flux's form of a revision.
pub(super) fn revision(shown: Option<&str>, sha: &str) -> String {
    match shown {
        Some(shown) => format!("{shown}@sha1:{sha}"),
        None => format!("sha1:{sha}"),
    }
}

/// Refuses what fetching cannot honour, before anything is sent.
pub(super) fn check_fields(request: &GitRequest) -> Result<(), Error> {
    if request.recurse_submodules {
        return Err(Error::Unsupported {
            field: "spec.recurseSubmodules",
            why: "submodules are not fetched; remove the field, or make each submodule a GitRepository of \
                  its own"
                .to_owned(),
        });
    }
    for directory in &request.sparse_checkout {
        let inside = directory.split('/').all(|part| part != "..");
        if !inside || directory.starts_with('/') || directory.chars().any(char::is_control) {
            return Err(refuse(
                "spec.sparseCheckout",
                directory,
                "write a directory relative to the root of the repository",
            ));
        }
    }
    Ok(())
}

fn check_name(field: &'static str, written: &str, full: &str) -> Result<(), Error> {
    if written.starts_with('-') {
        return Err(refuse(
            field,
            written,
            "a name that begins with '-' could be taken for an option",
        ));
    }
    match gix::validate::reference::name(full.into()) {
        Ok(_) => Ok(()),
        Err(error) => Err(refuse(field, written, &error.to_string())),
    }
}

fn refuse(field: &'static str, value: &str, why: &str) -> Error {
    Error::Field {
        field,
        value: value
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_is_flux() {
        let all = Reference {
            branch: Some("main".into()),
            tag: Some("v1".into()),
            semver: Some("1.x".into()),
            commit: Some("a".repeat(40)),
            name: Some("refs/pull/1/head".into()),
        };
        assert!(matches!(
            Target::of(&all),
            Ok(Target::Commit {
                branch: Some(_),
                ..
            })
        ));
        let all = Reference {
            commit: None,
            ..all
        };
        let Ok(Target::Named(named)) = Target::of(&all) else {
            panic!("not the name")
        };
        assert_eq!(
            (named.full.as_str(), named.shown.as_str()),
            ("refs/pull/1/head", "refs/pull/1/head")
        );
        let all = Reference {
            name: Some(String::new()),
            ..all
        };
        assert!(matches!(Target::of(&all), Ok(Target::Tags { .. })));
        let all = Reference {
            semver: None,
            ..all
        };
        let Ok(Target::Named(named)) = Target::of(&all) else {
            panic!("not the tag")
        };
        assert_eq!(named.full, "refs/tags/v1");
        let all = Reference { tag: None, ..all };
        let Ok(Target::Named(named)) = Target::of(&all) else {
            panic!("not the branch")
        };
        assert_eq!(named.full, "refs/heads/main");
        let Ok(Target::Named(named)) = Target::of(&Reference::default()) else {
            panic!("no default")
        };
        assert_eq!(named.full, "refs/heads/master");
    }

    #[test]
    fn hostile_references_are_refused() {
        for hostile in [
            "--upload-pack=touch",
            "-h",
            "a..b",
            "a b",
            "a\nb",
            "a:b",
            "a*",
            "a^",
            "a~1",
            "x.lock",
            "@{",
            "/a",
            "a/",
        ] {
            for reference in [
                Reference {
                    branch: Some(hostile.into()),
                    ..Reference::default()
                },
                Reference {
                    tag: Some(hostile.into()),
                    ..Reference::default()
                },
                Reference {
                    name: Some(hostile.into()),
                    ..Reference::default()
                },
                Reference {
                    commit: Some(hostile.into()),
                    ..Reference::default()
                },
            ] {
                assert!(
                    matches!(Target::of(&reference), Err(Error::Field { .. })),
                    "{reference:?} was accepted"
                );
            }
        }
        for name in ["refs/../../x", "main", "refs/heads/../x"] {
            let reference = Reference {
                name: Some(name.into()),
                ..Reference::default()
            };
            assert!(Target::of(&reference).is_err(), "{name} was accepted");
        }
    }

    #[test]
    fn what_fetching_cannot_honour_is_refused() {
        let mut request = GitRequest::new("https://host/x");
        check_fields(&request).unwrap();
        request.sparse_checkout = vec!["../sibling".to_owned()];
        assert!(check_fields(&request).is_err());
        request.sparse_checkout = vec!["./a/b".to_owned()];
        check_fields(&request).unwrap();
        request.recurse_submodules = true;
        assert!(check_fields(&request).is_err());
    }
}
