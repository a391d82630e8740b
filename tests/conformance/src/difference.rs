//! Where our build and the real one differ.

use fluvial_kustomize::build;
use fluvial_manifest::yaml;

use crate::{Answer, Case, Peer};

/// What came of one case on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same bytes.
    Same,
    /// Both refuse; what each says.
    Refused {
        /// What we say.
        ours: String,
        /// What the real one says.
        theirs: String,
    },
    /// Anything else; what each says.
    Different {
        /// What we say.
        ours: Answer,
        /// What the real one says.
        theirs: Answer,
    },
}

/// The lines in which two texts differ: `-` only in the first, `+` only in the second, two around each.
pub fn lines(first: &str, second: &str) -> String {
    /// Two texts of this many lines are compared in a table of the square of it.
    const LINES_MAX: usize = 4_000;
    let (first, second): (Vec<&str>, Vec<&str>) =
        (first.lines().collect(), second.lines().collect());
    // All but two lines of what they begin with in common tells nothing.
    let pairs = first.iter().zip(&second);
    let common = pairs.take_while(|(own, other)| own == other).count();
    let (first, second) = (
        &first[common.saturating_sub(2)..],
        &second[common.saturating_sub(2)..],
    );
    let first = &first[..first.len().min(LINES_MAX)];
    let second = &second[..second.len().min(LINES_MAX)];
    // The length of the longest common rest from each pair of lines on.
    let mut common = vec![vec![0; second.len() + 1]; first.len() + 1];
    for at in (0..first.len()).rev() {
        for to in (0..second.len()).rev() {
            common[at][to] = if first[at] == second[to] {
                common[at + 1][to + 1] + 1
            } else {
                common[at + 1][to].max(common[at][to + 1])
            };
        }
    }
    let mut marked = Vec::new();
    let (mut at, mut to) = (0, 0);
    while at < first.len() || to < second.len() {
        if at < first.len() && to < second.len() && first[at] == second[to] {
            marked.push((' ', first[at]));
            (at, to) = (at + 1, to + 1);
        } else if to == second.len()
            || (at < first.len() && common[at + 1][to] >= common[at][to + 1])
        {
            marked.push(('-', first[at]));
            at += 1;
        } else {
            marked.push(('+', second[to]));
            to += 1;
        }
    }
    let mut text = String::new();
    for (index, (mark, line)) in marked.iter().enumerate() {
        let around = &marked[index.saturating_sub(2)..(index + 3).min(marked.len())];
        if around.iter().any(|(mark, _)| *mark != ' ') {
            text.push(*mark);
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// A message of several lines, on one.
pub fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Builds a case on both sides.
pub fn compare(case: &Case, peer: &mut Peer) -> Verdict {
    let ours = build(&case.tree(), &case.path, &case.options)
        .map(|objects| yaml::to_multi(&objects))
        .map_err(|error| error.to_string());
    let theirs = peer.build(case);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) if ours == theirs => Verdict::Same,
        (Err(ours), Err(theirs)) => Verdict::Refused { ours, theirs },
        (ours, theirs) => Verdict::Different { ours, theirs },
    }
}
