//! Two texts, line by line: what went, what came, and a little of what is around.

/// A line of a difference between two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// In both.
    Same(&'a str),
    /// In the older text only.
    Old(&'a str),
    /// In the newer text only.
    New(&'a str),
    /// Lines that are the same were left out.
    Cut,
}

/// Lines that are shown around a change.
const AROUND: usize = 2;
/// More pairs of lines than this are not compared one by one: everything went, everything came.
const PAIRS_MAX: usize = 4_000_000;

/// The difference of two texts with the lines around each change.
pub fn of<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let start = old.iter().zip(&new).take_while(same).count();
    let rest = (&old[start..], &new[start..]);
    let end = rest
        .0
        .iter()
        .rev()
        .zip(rest.1.iter().rev())
        .take_while(same)
        .count();
    let (before, after) = (&rest.0[..rest.0.len() - end], &rest.1[..rest.1.len() - end]);
    let mut lines: Vec<_> = old[..start].iter().map(|line| Line::Same(line)).collect();
    lines.extend(middle(before, after));
    lines.extend(old[old.len() - end..].iter().map(|line| Line::Same(line)));
    cut(&lines)
}

/// By the longest common subsequence.
fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let gone = || old.iter().map(|line| Line::Old(line));
    if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        return gone()
            .chain(new.iter().map(|line| Line::New(line)))
            .collect();
    }
    let width = new.len() + 1;
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    for (i, before) in old.iter().enumerate().rev() {
        for (j, after) in new.iter().enumerate().rev() {
            longest[i * width + j] = if before == after {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::with_capacity(old.len() + new.len());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || i < old.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1]
        {
            lines.push(Line::Old(old[i]));
            i += 1;
        } else {
            lines.push(Line::New(new[j]));
            j += 1;
        }
    }
    lines
}

/// Leaves out what is far from every change.
fn cut<'a>(lines: &[Line<'a>]) -> Vec<Line<'a>> {
    let is_change = |line: &Line<'_>| !matches!(line, Line::Same(_));
    let mut kept = Vec::new();
    let mut is_cut = false;
    for (at, line) in lines.iter().enumerate() {
        let around = at.saturating_sub(AROUND)..(at + AROUND + 1).min(lines.len());
        if lines[around].iter().any(is_change) {
            kept.push(*line);
            is_cut = false;
        } else if !is_cut {
            kept.push(Line::Cut);
            is_cut = true;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{Line, of};

    fn shown(old: &str, new: &str) -> String {
        let shown = of(old, new).into_iter().map(|line| match line {
            Line::Same(text) => format!(" {text}"),
            Line::Old(text) => format!("-{text}"),
            Line::New(text) => format!("+{text}"),
            Line::Cut => "…".to_owned(),
        });
        shown.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn changes_stand_with_a_little_around_them() {
        for (old, new, want) in [
            ("", "", ""),
            ("", "a", "+a"),
            ("a", "", "-a"),
            ("a\nb", "a\nc", " a|-b|+c"),
            ("a\nb\nc", "a\nc", " a|-b| c"),
            ("a\nc", "a\nb\nc", " a|+b| c"),
            (
                "1\n2\n3\n4\nx\n5\n6\n7\n8",
                "1\n2\n3\n4\ny\n5\n6\n7\n8",
                "…| 3| 4|-x|+y| 5| 6|…",
            ),
            (
                "x\n1\n2\n3\n4\n5\n6\nx",
                "y\n1\n2\n3\n4\n5\n6\ny",
                "-x|+y| 1| 2|…| 5| 6|-x|+y",
            ),
            ("a\nb\nc\nd", "b\nc\nd\na", "-a| b| c| d|+a"),
        ] {
            assert_eq!(shown(old, new), want, "{old:?} {new:?}");
        }
    }

    #[test]
    fn what_is_too_much_to_compare_is_shown_whole() {
        let text = |from: usize| {
            let lines: Vec<_> = (from..from + 3_000).map(|n| n.to_string()).collect();
            lines.join("\n")
        };
        let (old, new) = (text(0), text(2_000));
        let lines = of(&old, &new);
        assert_eq!(lines.len(), 6_000);
        assert_eq!(
            (lines[0], lines[5_999]),
            (Line::Old("0"), Line::New("4999"))
        );
    }
}
