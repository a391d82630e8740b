//! Naming Flux objects as flux does: `kustomization app`, `ks/app`, `source git app`.

use anyhow::{Result, bail};
use fluvial_api::kinds::{self, Kind};
use fluvial_cluster::Reference;

/// What a few words mean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Named {
    /// The kinds; more than one for `all`.
    pub(crate) kinds: Vec<&'static Kind>,
    /// The names; none for every object.
    pub(crate) names: Vec<String>,
}

/// Understands `KIND NAME…`, `KIND/NAME…`, `source KIND NAME…`, `sources all`, `all`.
pub(crate) fn parse(words: &[String]) -> Result<Named> {
    let Some(first) = words.first() else {
        bail!("cannot tell which kind is meant: say `kustomizations`, `sources git` or `all`");
    };
    if first == "all" {
        return named(kinds::ALL.to_vec(), &words[1..]);
    }
    if let Some(family) = family(first) {
        return in_family(family, &words[1..]);
    }
    if let Some((word, name)) = first.split_once('/') {
        let mut names = vec![name.to_owned()];
        for other in &words[1..] {
            let name = other
                .split_once('/')
                .map_or(other.as_str(), |(_, name)| name);
            names.push(name.to_owned());
        }
        return named(vec![kind(word)?], &names);
    }
    named(vec![kind(first)?], &words[1..])
}

/// The same, where exactly one kind is meant.
pub(crate) fn parse_one(words: &[String]) -> Result<(&'static Kind, Vec<String>)> {
    let Named { kinds, names } = parse(words)?;
    match kinds.as_slice() {
        [kind] => Ok((kind, names)),
        _ => bail!("cannot do this with several kinds at once: name one, such as `kustomization`"),
    }
}

fn named(kinds: Vec<&'static Kind>, names: &[String]) -> Result<Named> {
    if let Some(empty) = names
        .iter()
        .find(|name| name.is_empty() || name.contains('/'))
    {
        bail!("cannot take {empty:?} as a name: say `KIND NAME` or `KIND/NAME`");
    }
    Ok(Named {
        kinds,
        names: names.to_vec(),
    })
}

/// `source` and `image`, whose kinds are named by a second word.
fn family(word: &str) -> Option<&'static str> {
    match word {
        "source" | "sources" => Some("source"),
        "image" | "images" => Some("image"),
        _ => None,
    }
}

fn in_family(family: &str, words: &[String]) -> Result<Named> {
    let members = kinds::ALL.into_iter().filter(|kind| {
        let mut aliases = kind.aliases.iter();
        aliases.any(|alias| alias.split(' ').next() == Some(family))
    });
    let Some(second) = words.first() else {
        let names: Vec<_> = members.flat_map(|kind| kind.aliases).copied().collect();
        bail!(
            "cannot tell which {family} is meant: say one of {}, or `{family} all`",
            names.join(", ")
        );
    };
    if second == "all" {
        return named(members.collect(), &words[1..]);
    }
    let (word, name) = match second.split_once('/') {
        Some((word, name)) => (word, Some(name.to_owned())),
        None => (second.as_str(), None),
    };
    let names: Vec<_> = name.into_iter().chain(words[1..].iter().cloned()).collect();
    named(vec![kind(&format!("{family} {word}"))?], &names)
}

fn kind(word: &str) -> Result<&'static Kind> {
    match kinds::named(word) {
        Some(kind) => Ok(kind),
        None => bail!(
            "cannot tell what {word:?} is: say a kind of Flux, such as `kustomization` or `source git`"
        ),
    }
}

/// The object of a kind by name, in the version that the cluster prefers.
pub(crate) fn reference(kind: &Kind, namespace: &str, name: &str) -> Reference {
    Reference {
        group: kind.group.to_owned(),
        version: String::new(),
        kind: kind.kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_an_object_means_the_same() {
        for (words, kind, names) in [
            ("kustomization app", "Kustomization", "app"),
            ("kustomizations", "Kustomization", ""),
            ("ks a b", "Kustomization", "a b"),
            ("ks/app", "Kustomization", "app"),
            ("Kustomization/a ks/b", "Kustomization", "a b"),
            ("source git podinfo", "GitRepository", "podinfo"),
            ("sources git", "GitRepository", ""),
            ("source git/podinfo", "GitRepository", "podinfo"),
            ("gitrepository/podinfo", "GitRepository", "podinfo"),
        ] {
            let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
            let (found, found_names) = parse_one(&words).unwrap();
            assert_eq!((found.kind, &*found_names.join(" ")), (kind, names));
        }
    }

    #[test]
    fn all_means_a_whole_family() {
        let count = |words: &str| {
            let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
            parse(&words).unwrap().kinds.len()
        };
        assert_eq!(count("all"), kinds::ALL.len());
        assert!((2..kinds::ALL.len()).contains(&count("sources all")));
    }

    #[test]
    fn what_cannot_be_understood_says_what_to_type() {
        for words in ["", "nonsense", "source", "source nonsense", "ks/", "ks a/b"] {
            let words: Vec<_> = words.split_terminator(' ').map(str::to_owned).collect();
            let error = parse(&words).unwrap_err().to_string();
            assert!(
                error.starts_with("cannot ") && error.contains("say "),
                "{error}"
            );
        }
    }
}
