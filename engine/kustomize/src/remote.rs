//! What a kustomization names that is not in its repository: what its URL means, as kustomize v5.8 reads it
//! (`api/internal/git/repospec.go`, v0.21.2), and what a caller has brought of it.
//!
//! Nothing is fetched here. A build says what it needs ([`crate::Built::Needs`]); who may fetch that, and how, is
//! for its caller.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use fluvial_manifest::Tree;

use crate::chart::ChartAt;

/// How long kustomize lets git take, unless a URL says otherwise.
const TIMEOUT: Duration = Duration::from_secs(27);

/// Something that is named by a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// As the kustomization has it.
    pub url: String,
    /// Whether it may be a file: kustomize asks for one first.
    pub may_be_file: bool,
    /// What to clone when it is not a file.
    pub repository: Option<Repository>,
    /// The chart that it is, if it is one.
    pub chart: Option<ChartAt>,
}

/// A directory of a git repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    /// What git clones.
    pub clone: String,
    /// The directory in it; empty for its root.
    pub path: String,
    /// Branch, tag or commit; empty for what the remote's HEAD is.
    pub reference: String,
    /// Whether submodules are wanted.
    pub submodules: bool,
    /// How long git may take.
    pub timeout: Duration,
}

/// What was brought for a URL.
#[derive(Clone, Debug)]
pub enum Brought {
    /// A file.
    File(Vec<u8>),
    /// All of a repository, at its reference.
    Repository(Tree),
    /// The files of a chart, from its `Chart.yaml` on.
    Chart(Tree),
}

/// What was brought, by the URLs that kustomizations have.
pub type Remotes = BTreeMap<String, Brought>;

/// What one build was given, and what it misses.
pub(crate) struct Asked<'a> {
    pub(crate) brought: &'a Remotes,
    pub(crate) only_charts: bool,
    pub(crate) missing: RefCell<Vec<Remote>>,
}

impl Asked<'_> {
    /// Notes that something is needed.
    pub(crate) fn want(&self, wanted: Remote) {
        let mut missing = self.missing.borrow_mut();
        if missing.iter().all(|remote| remote.url != wanted.url) {
            missing.push(wanted);
        }
    }
}

impl Remote {
    /// What a URL means.
    pub fn of(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            may_be_file: url.starts_with("http://") || url.starts_with("https://"),
            repository: Repository::parse(url),
            chart: None,
        }
    }

    /// A chart of a repository, under a name of its own.
    pub fn chart(at: &ChartAt) -> Self {
        let ChartAt {
            repository,
            name,
            version,
            devel,
        } = at;
        let repository = repository.trim_end_matches('/');
        let devel = if *devel { " --devel" } else { "" };
        Self {
            url: format!("{repository}/{name} {version}{devel}"),
            may_be_file: false,
            repository: None,
            chart: Some(at.clone()),
        }
    }
}

impl Repository {
    /// The repository that a URL names, if it names one.
    pub fn parse(url: &str) -> Option<Self> {
        if url.starts_with('/') {
            return None;
        }
        let (rest, query) = url.split_once('?').unwrap_or((url, ""));
        let (host, rest) = host(rest)?;
        let (repository, path) = parts(rest, host.starts_with("file://"))?;
        let path = path.strip_prefix('/').unwrap_or(path);
        if repository.is_empty() || leaves(path) {
            return None;
        }
        let query = pairs(query).unwrap_or_default();
        let value = |name: &str| {
            let found = query.iter().find(|(key, _)| key == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let reference = match value("ref") {
            "" => value("version"),
            reference => reference,
        };
        Some(Self {
            clone: format!("{host}{repository}"),
            path: path.to_owned(),
            reference: reference.to_owned(),
            submodules: !matches!(
                value("submodules"),
                "0" | "f" | "F" | "false" | "FALSE" | "False"
            ),
            timeout: timeout(value("timeout")).unwrap_or(TIMEOUT),
        })
    }
}

/// Whether a path names something outside of the repository.
pub(crate) fn is_remote(path: &str) -> bool {
    let scheme = path.contains("://") || path.contains("git::");
    let scp = path
        .split_once(':')
        .is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
    let github = strip_prefix_ignoring_case(path, "github.com/")
        .or_else(|| strip_prefix_ignoring_case(path, "github.com:"));
    scheme || scp || github.is_some()
}

/// Scheme, user and host, and what follows them.
fn host(url: &str) -> Option<(String, &str)> {
    const SCHEMES: [&str; 4] = ["ssh://", "https://", "http://", "file://"];
    let url = strip_prefix_ignoring_case(url, "git::").unwrap_or(url);
    let (scheme, rest) = SCHEMES
        .iter()
        .find_map(|scheme| Some((*scheme, strip_prefix_ignoring_case(url, scheme)?)))
        .unwrap_or(("", url));
    if scheme == "file://" {
        return Some((scheme.to_owned(), rest));
    }
    let (user, rest) = rest.split_at(user_length(rest));
    let is_github = ["github.com/", "github.com:"]
        .iter()
        .any(|host| strip_prefix_ignoring_case(rest, host).is_some());
    // Without a scheme it must look like `user@host:path`.
    let may_be_scp = scheme.is_empty() && (!user.is_empty() || is_github);
    if scheme.is_empty() && !may_be_scp {
        return None;
    }
    let slash = rest.find('/');
    let colon = rest.find(':').filter(|_| may_be_scp);
    let end = match (slash, colon) {
        (Some(slash), Some(colon)) if colon > 0 && colon < slash => Some(colon),
        (None, colon) => colon,
        (slash, _) => slash,
    };
    let (host, rest) = end.map_or((rest, ""), |end| rest.split_at(end + 1));
    if host.is_empty() {
        return None;
    }
    let host = match (is_github, scheme == "ssh://" || !user.is_empty()) {
        (true, true) => format!("{user}github.com:"),
        (true, false) => "https://github.com/".to_owned(),
        (false, _) => format!("{scheme}{user}{host}"),
    };
    Some((host, rest))
}

/// How long `user@` at the beginning is.
fn user_length(text: &str) -> usize {
    let Some((user, _)) = text.split_once('@') else {
        return 0;
    };
    let legal = user.starts_with(|first: char| first.is_ascii_alphabetic())
        && user
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if legal { user.len() + 1 } else { 0 }
}

/// The repository and the path in it: parted by `_git/NAME`, `//` or `.git`, else after two names.
fn parts(text: &str, is_file: bool) -> Option<(&str, &str)> {
    if let Some(at) = text.find("_git/") {
        let start = at + "_git/".len();
        let end = text[start..]
            .find('/')
            .map_or(text.len(), |end| start + end);
        return Some((&text[..end], text.get(end + 1..).unwrap_or_default()));
    }
    if let Some(parts) = text.split_once("//") {
        return Some(parts);
    }
    if let Some(at) = text.find(".git") {
        return Some(text.split_at(at + ".git".len()));
    }
    if is_file {
        return Some((text, ""));
    }
    let (first, rest) = text.split_once('/')?;
    let end = rest
        .find('/')
        .map_or(text.len(), |end| first.len() + 1 + end);
    Some((&text[..end], text.get(end + 1..).unwrap_or_default()))
}

/// Whether a path climbs out of where it begins.
fn leaves(path: &str) -> bool {
    let mut depth = 0_usize;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return true,
            },
            _ => depth += 1,
        }
    }
    false
}

/// The pairs of a query, as Go's `net/url` reads them.
fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let legal = !part.contains(';');
            legal.then_some((unescaped(key)?, unescaped(value)?))
        })
        .collect()
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Whole seconds, or a duration as Go writes it: `1m30s`.
fn timeout(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("μs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3_600.0),
    ];
    if let Ok(seconds) = text.parse::<u64>() {
        return (seconds > 0).then(|| Duration::from_secs(seconds));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|next: char| !next.is_ascii_digit() && next != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let unit = &unit[..unit
            .find(|next: char| next.is_ascii_digit())
            .unwrap_or(unit.len())];
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += number * factor;
        rest = &rest[digits + unit.len()..];
    }
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    (!duration.is_zero()).then_some(duration)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is cloned, the path in it, and the reference.
    type Read = Option<(&'static str, &'static str, &'static str)>;

    /// What kustomize's own `NewRepoSpecFromURL` (v0.21.2) makes of each.
    #[rustfmt::skip]
    const URLS: &[(&str, Read)] = &[
        ("https://github.com/org/repo", Some(("https://github.com/org/repo", "", ""))),
        ("https://github.com/org/repo/a/b?ref=v1", Some(("https://github.com/org/repo", "a/b", "v1"))),
        ("https://github.com/org/repo//a/b?ref=v1", Some(("https://github.com/org/repo", "a/b", "v1"))),
        ("https://github.com/org/repo.git/a", Some(("https://github.com/org/repo.git", "a", ""))),
        ("github.com/org/repo//a?version=v2", Some(("https://github.com/org/repo", "a", "v2"))),
        ("github.com/org/repo?version=v2&ref=v3", Some(("https://github.com/org/repo", "", "v3"))),
        ("GitHub.com/org/repo/a", Some(("https://github.com/org/repo", "a", ""))),
        ("git::https://github.com/org/repo//a", Some(("https://github.com/org/repo", "a", ""))),
        ("git@github.com:org/repo.git//a?ref=v1", Some(("git@github.com:org/repo.git", "a", "v1"))),
        ("ssh://git@github.com/org/repo/a", Some(("git@github.com:org/repo", "a", ""))),
        ("ssh://git@host.example:7999/org/repo.git//a", Some(("ssh://git@host.example:7999/org/repo.git", "a", ""))),
        ("git@host.example:group/sub/repo.git//a", Some(("git@host.example:group/sub/repo.git", "a", ""))),
        ("https://gitlab.com/group/sub/repo.git/a", Some(("https://gitlab.com/group/sub/repo.git", "a", ""))),
        ("https://me@dev.azure.com/org/project/_git/repo/a/b?ref=x", Some(("https://me@dev.azure.com/org/project/_git/repo", "a/b", "x"))),
        ("file:///srv/git/repo//a?ref=main", Some(("file:///srv/git/repo", "a", "main"))),
        ("file:///srv/git/repo", Some(("file:///srv/git/repo", "", ""))),
        ("https://example.com/org/repo/a?ref=a%2Fb", Some(("https://example.com/org/repo", "a", "a/b"))),
        ("https://example.com/org/repo//a?ref=%zz", Some(("https://example.com/org/repo", "a", ""))),
        ("https://example.com/one", None),
        ("https://example.com/org/repo//../a", None),
        ("host.example:org/repo", None),
        ("base", None),
        ("../base", None),
        ("/srv/base", None),
        ("git://example.com/org/repo", None),
    ];

    #[test]
    fn urls_mean_the_repositories_that_kustomize_clones() {
        for (url, want) in URLS {
            let read = Repository::parse(url);
            let got = read.as_ref().map(|read| {
                (
                    read.clone.as_str(),
                    read.path.as_str(),
                    read.reference.as_str(),
                )
            });
            assert_eq!(got, *want, "{url}");
        }
    }

    #[test]
    fn queries_say_how_to_clone() {
        let of = |query: &str| {
            let url = format!("https://github.com/org/repo?{query}");
            let read = Repository::parse(&url).expect("it is a repository");
            (read.submodules, read.timeout)
        };
        let cases = [
            ("", (true, 27_000)),
            ("submodules=false", (false, 27_000)),
            ("submodules=0&timeout=61", (false, 61_000)),
            ("submodules=maybe", (true, 27_000)),
            ("timeout=1m30s", (true, 90_000)),
            ("timeout=1.5s", (true, 1_500)),
            ("timeout=0", (true, 27_000)),
            ("timeout=soon", (true, 27_000)),
            ("timeout=9;submodules=false", (true, 27_000)),
        ];
        for (query, (submodules, milliseconds)) in cases {
            let want = (submodules, Duration::from_millis(milliseconds));
            assert_eq!(of(query), want, "{query}");
        }
    }
}
