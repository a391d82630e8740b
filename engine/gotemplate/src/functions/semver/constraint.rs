//! Constraints: `>=1.2 <3 || ~4.1, !=4.1.7`, `1.x`, `^0.3`, `1.0 - 2.0`.

use std::sync::LazyLock;

use regex::Regex;

use super::{Version, compare_prereleases};
use crate::format::quoted;

const LENGTH_MAX: usize = 512;
const GROUPS_MAX: usize = 32;

const PARTIAL: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("it is an expression")
}

static ONE: LazyLock<Regex> =
    LazyLock::new(|| expression(&format!(r"^\s*({OPERATORS})\s*({PARTIAL})\s*$")));
static RANGE: LazyLock<Regex> =
    LazyLock::new(|| expression(&format!(r"\s*({PARTIAL})\s+-\s+({PARTIAL})\s*")));
static EACH: LazyLock<Regex> =
    LazyLock::new(|| expression(&format!(r"({OPERATORS})\s*({PARTIAL})")));
static GROUP: LazyLock<Regex> = LazyLock::new(|| {
    expression(&format!(
        r"^(\s*({OPERATORS})\s*({PARTIAL})\s*)((?:\s+|,\s*)({OPERATORS})\s*({PARTIAL})\s*)*$"
    ))
});

/// Which versions are wanted: all of one of these groups.
#[derive(Clone, Debug)]
pub struct Constraints(Vec<Group>);

#[derive(Clone, Debug)]
struct Group {
    all: Vec<Constraint>,
    /// Whether one of them names a prerelease; only then do prereleases count.
    prereleases: bool,
}

#[derive(Clone, Debug)]
struct Constraint {
    operator: Operator,
    version: Version,
    /// Which number is the first that may be any.
    any: Option<Number>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Major,
    Minor,
    Patch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

impl Constraints {
    /// Reads constraints; the error is Masterminds' own.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LENGTH_MAX {
            return Err(format!(
                "constraint string is too long (max {LENGTH_MAX} bytes)"
            ));
        }
        let text = RANGE
            .captures_iter(text)
            .fold(text.to_owned(), |text, range| {
                text.replacen(
                    &range[0],
                    &format!(">= {}, <= {} ", &range[1], &range[11]),
                    1,
                )
            });
        let groups: Vec<_> = text.split("||").collect();
        if groups.len() > GROUPS_MAX {
            return Err(format!("too many constraint groups (max {GROUPS_MAX})"));
        }
        groups
            .into_iter()
            .map(Group::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a version is wanted.
    pub fn allows(&self, version: &Version) -> bool {
        self.0.iter().any(|group| {
            group
                .all
                .iter()
                .all(|each| each.allows(version, group.prereleases))
        })
    }

    /// As [`Constraints::allows`], where a prerelease counts like any other version (`--devel`).
    pub fn allows_prerelease(&self, version: &Version) -> bool {
        self.0
            .iter()
            .any(|group| group.all.iter().all(|each| each.allows(version, true)))
    }
}

impl Group {
    fn parse(text: &str) -> Result<Self, String> {
        if !GROUP.is_match(text) {
            return Err(format!("improper constraint: {}", quoted(text.as_bytes())));
        }
        let found: Vec<_> = EACH.find_iter(text).map(|found| found.as_str()).collect();
        let found = if found.is_empty() { vec![text] } else { found };
        let all = found
            .into_iter()
            .map(Constraint::parse)
            .collect::<Result<Vec<_>, _>>()?;
        let prereleases = all.iter().any(|each| !each.version.prerelease.is_empty());
        Ok(Self { all, prereleases })
    }
}

fn is_any(number: &str) -> bool {
    matches!(number.trim_start_matches('.'), "" | "x" | "X" | "*")
}

impl Constraint {
    fn parse(text: &str) -> Result<Self, String> {
        let Some(parts) = ONE.captures(text) else {
            return Err(format!("improper constraint: {}", quoted(text.as_bytes())));
        };
        let part = |index: usize| parts.get(index).map_or("", |part| part.as_str());
        let (major, minor, patch, prerelease) = (part(3), part(4), part(5), part(6));
        let (any, version) = if is_any(major) {
            (Some(Number::Major), format!("0.0.0{prerelease}"))
        } else if is_any(minor) {
            (Some(Number::Minor), format!("{major}.0.0{prerelease}"))
        } else if is_any(patch) {
            (Some(Number::Patch), format!("{major}{minor}.0{prerelease}"))
        } else {
            (None, part(2).to_owned())
        };
        let operator = match part(1) {
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterOrEqual,
            "<=" | "=<" => Operator::LessOrEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => Operator::Equal,
        };
        let version =
            Version::parse(&version).map_err(|_error| "constraint parser error".to_owned())?;
        Ok(Self {
            operator,
            version,
            any,
        })
    }

    fn allows(&self, version: &Version, prereleases: bool) -> bool {
        if !version.prerelease.is_empty() && !prereleases {
            return false;
        }
        let bound = &self.version;
        match self.operator {
            Operator::Equal if self.any.is_some() => self.tilde(version),
            Operator::Equal => version == bound,
            Operator::NotEqual => self.not_equal(version),
            Operator::Greater => match self.any {
                _ if version.major != bound.major && self.any.is_some() => {
                    version.major > bound.major
                }
                Some(Number::Minor) => false,
                Some(Number::Patch) => version.minor > bound.minor,
                Some(Number::Major) | None => version > bound,
            },
            Operator::Less => version < bound,
            Operator::GreaterOrEqual => version >= bound,
            Operator::LessOrEqual if self.any.is_none() => version <= bound,
            Operator::LessOrEqual => {
                let minor = self.any != Some(Number::Minor)
                    && version.major == bound.major
                    && version.minor > bound.minor;
                version.major <= bound.major && !minor
            }
            Operator::Tilde => self.tilde(version),
            Operator::Caret => self.caret(version),
        }
    }

    fn not_equal(&self, version: &Version) -> bool {
        let bound = &self.version;
        if self.any.is_none() {
            return version != bound;
        }
        if version.major != bound.major {
            return true;
        }
        match self.any {
            Some(Number::Minor) => false,
            _ if version.minor != bound.minor => true,
            Some(Number::Patch) => {
                let bare = version.prerelease.is_empty() && bound.prerelease.is_empty();
                !bare && compare_prereleases(&version.prerelease, &bound.prerelease).is_ne()
            }
            _ => version != bound,
        }
    }

    fn tilde(&self, version: &Version) -> bool {
        let bound = &self.version;
        if version < bound {
            return false;
        }
        let exact = !matches!(self.any, Some(Number::Minor | Number::Patch));
        if bound.numbers() == (0, 0, 0) && exact {
            return true;
        }
        version.major == bound.major
            && (version.minor == bound.minor || self.any == Some(Number::Minor))
    }

    fn caret(&self, version: &Version) -> bool {
        let bound = &self.version;
        if version < bound {
            return false;
        }
        if bound.major > 0 || self.any == Some(Number::Minor) {
            return version.major == bound.major;
        }
        if version.major > 0 {
            return false;
        }
        if bound.minor > 0 || self.any == Some(Number::Patch) {
            return version.minor == bound.minor;
        }
        version.minor == 0 && version.patch == bound.patch
    }
}
