//! Patterns of paths: those of Go's `path.Match`, and those of github.com/gobwas/glob, which `.Files.Glob`
//! takes.
//!
//! Both become the same nodes. They are matched by following all possible ends at once, so that no pattern
//! takes more than its length times the name's.

/// One part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Text(char),
    /// One character that is no `/`.
    Single,
    /// Any characters but `/`.
    Star,
    /// Any characters.
    Everything,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    Either(Vec<Vec<Self>>),
}

/// Alternatives inside each other in one pattern.
const DEPTH_MAX: usize = 32;

/// Whether `name` is what Go's `path.Match` says `pattern` means; `None` for a pattern that is none.
pub fn path_matches(pattern: &str, name: &str) -> Option<bool> {
    Some(PathGlob::new(pattern)?.matches(name))
}

/// A pattern of Go's `path.Match`.
#[derive(Clone, Debug)]
pub(crate) struct PathGlob(Vec<Node>);

impl PathGlob {
    /// Reads a pattern; `None` for what is none.
    pub(crate) fn new(pattern: &str) -> Option<Self> {
        path_pattern(pattern).map(Self)
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        matches(&self.0, name)
    }
}

/// A pattern of gobwas/glob with `/` as its separator.
#[derive(Clone, Debug)]
pub struct Glob(Vec<Node>);

impl Glob {
    /// Reads a pattern. As helm does, one that cannot be read matches everything.
    pub fn new(pattern: &str) -> Self {
        let mut reader = Reader {
            rest: pattern.chars().collect::<Vec<_>>(),
            at: 0,
        };
        Self(
            reader
                .terms(0)
                .and_then(|mut terms| terms.pop())
                .unwrap_or_else(|| vec![Node::Everything]),
        )
    }

    pub fn matches(&self, name: &str) -> bool {
        matches(&self.0, name)
    }
}

/// Most patterns begin or end with a text, and most names with another: these are told apart without a search.
fn matches(mut nodes: &[Node], name: &str) -> bool {
    let mut rest = name.chars();
    while let [Node::Text(own), others @ ..] = nodes {
        if rest.next() != Some(*own) {
            return false;
        }
        nodes = others;
    }
    while let [others @ .., Node::Text(own)] = nodes {
        if rest.next_back() != Some(*own) {
            return false;
        }
        nodes = others;
    }
    if nodes.is_empty() {
        return rest.as_str().is_empty();
    }
    search(nodes, rest.as_str())
}

fn search(nodes: &[Node], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let mut ends = vec![false; name.len() + 1];
    ends[0] = true;
    let ends = advance(nodes, &name, ends);
    ends.last().copied().unwrap_or_default()
}

/// Where in `name` the nodes may end, from where they may begin.
fn advance(nodes: &[Node], name: &[char], mut starts: Vec<bool>) -> Vec<bool> {
    for node in nodes {
        starts = match node {
            Node::Either(branches) => {
                let mut ends = vec![false; starts.len()];
                for branch in branches {
                    let own = advance(branch, name, starts.clone());
                    ends.iter_mut().zip(own).for_each(|(end, own)| *end |= own);
                }
                ends
            }
            Node::Star | Node::Everything => {
                for at in 0..name.len() {
                    let passes = *node == Node::Everything || name[at] != '/';
                    starts[at + 1] |= starts[at] && passes;
                }
                starts
            }
            Node::Text(_) | Node::Single | Node::Class { .. } => {
                let mut ends = vec![false; starts.len()];
                for (at, character) in name.iter().enumerate() {
                    ends[at + 1] = starts[at] && takes(node, *character);
                }
                ends
            }
        };
        if !starts.contains(&true) {
            break;
        }
    }
    starts
}

fn takes(node: &Node, character: char) -> bool {
    match node {
        Node::Text(own) => *own == character,
        Node::Single => character != '/',
        Node::Class { negated, ranges } => {
            let within = ranges
                .iter()
                .any(|(low, high)| (*low..=*high).contains(&character));
            within != *negated
        }
        Node::Star | Node::Everything | Node::Either(_) => false,
    }
}

fn path_pattern(pattern: &str) -> Option<Vec<Node>> {
    let mut nodes = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        nodes.push(match character {
            '*' => Node::Star,
            '?' => Node::Single,
            '\\' => Node::Text(rest.next()?),
            '[' => {
                let negated = rest.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    if !ranges.is_empty() && rest.next_if_eq(&']').is_some() {
                        break;
                    }
                    let low = path_class_character(&mut rest)?;
                    let high = match rest.next_if_eq(&'-') {
                        Some(_) => path_class_character(&mut rest)?,
                        None => low,
                    };
                    ranges.push((low, high));
                }
                Node::Class { negated, ranges }
            }
            other => Node::Text(other),
        });
    }
    Some(nodes)
}

fn path_class_character(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        other => Some(other),
    }
}

/// Reads patterns of gobwas/glob.
struct Reader {
    rest: Vec<char>,
    at: usize,
}

impl Reader {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.get(self.at).copied();
        self.at += 1;
        next
    }

    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    /// The alternatives up to `}`, or to the end of the pattern.
    fn terms(&mut self, depth: usize) -> Option<Vec<Vec<Node>>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut terms = vec![Vec::new()];
        while let Some(character) = self.next() {
            let node = match character {
                '}' if depth > 0 => return Some(terms),
                ',' if depth > 0 => {
                    terms.push(Vec::new());
                    continue;
                }
                '*' if self.peek() == Some('*') => {
                    self.at += 1;
                    Node::Everything
                }
                '*' => Node::Star,
                '?' => Node::Single,
                '{' => Node::Either(self.terms(depth + 1)?),
                '[' => self.class()?,
                '\\' => match self.next() {
                    Some(escaped) => Node::Text(escaped),
                    None => break,
                },
                other => Node::Text(other),
            };
            terms.last_mut()?.push(node);
        }
        Some(terms)
    }

    /// `[abc]`, `[!abc]` or `[a-z]`: a list or one range, not both.
    fn class(&mut self) -> Option<Node> {
        let negated = self.peek() == Some('!');
        self.at += usize::from(negated);
        let first = self.next()?;
        if self.peek() == Some('-') {
            self.at += 1;
            let last = self.next()?;
            let closed = self.next() == Some(']');
            return (closed && first <= last).then(|| Node::Class {
                negated,
                ranges: vec![(first, last)],
            });
        }
        self.at -= 1;
        let mut ranges = Vec::new();
        loop {
            match self.next()? {
                ']' => break,
                '\\' => {
                    let escaped = self.next()?;
                    ranges.push((escaped, escaped));
                }
                other => ranges.push((other, other)),
            }
        }
        (!ranges.is_empty()).then_some(Node::Class { negated, ranges })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_as_in_go() {
        for (pattern, name, expected) in [
            ("abc", "abc", Some(true)),
            ("*", "abc", Some(true)),
            ("*c", "abc", Some(true)),
            ("a*/b", "abc/b", Some(true)),
            ("a*/b", "a/c/b", Some(false)),
            ("a?c", "a/c", Some(false)),
            ("abc", "abcd", Some(false)),
            ("abc", "ab", Some(false)),
            ("a*a", "a", Some(false)),
            ("a*a", "aa", Some(true)),
            ("ab*bc", "abc", Some(false)),
            ("*.tgz", "a.tgz.prov", Some(false)),
            ("ab[c]", "abc", Some(true)),
            ("ab[b-d]", "abc", Some(true)),
            ("ab[^b-d]", "abc", Some(false)),
            ("a\\*b", "a*b", Some(true)),
            (".?*", ".", Some(false)),
            ("[]a]", "]", None),
            ("[", "a", None),
            ("[a-", "a", None),
            ("a\\", "a", None),
        ] {
            assert_eq!(path_matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn files_match_as_gobwas_glob_says() {
        for (pattern, name, expected) in [
            ("config/*", "config/a.yaml", true),
            ("config/*", "config/b/a.yaml", false),
            ("config/**", "config/b/a.yaml", true),
            ("**.yaml", "config/b/a.yaml", true),
            ("files/{a,b/*}.txt", "files/a.txt", true),
            ("files/{a,b/*}.txt", "files/b/x.txt", true),
            ("files/{a,b}.txt", "files/c.txt", false),
            ("[!a]?", "bc", true),
            ("[a-c]x", "bx", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            // Not a pattern, so it is every file.
            ("[a-zA-Z]x", "no", true),
            ("a,b", "a,b", true),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(name),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer_than_its_size() {
        let pattern = "{**,*}".repeat(400) + "x";
        assert!(!Glob::new(&pattern).matches(&"a".repeat(400)));
        assert!(Glob::new(&"{".repeat(DEPTH_MAX + 2)).matches("everything, as it is no pattern"));
    }
}
