//! Trimming by shell patterns: `*`, `?`, `[a-z]`, `[^a]` and `\x`.

/// How much of a text a pattern with stars takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Shortest,
    Longest,
}

/// Removes a start that matches; an empty match removes nothing.
pub(super) fn trim_prefix(text: &str, pattern: &str, length: Length) -> String {
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    let kept = trimmed(&text, &pattern, length);
    text[kept..].iter().collect()
}

/// Removes an end that matches.
pub(super) fn trim_suffix(text: &str, pattern: &str, length: Length) -> String {
    let text: Vec<char> = text.chars().rev().collect();
    let pattern: Vec<char> = reversed(pattern);
    let kept = trimmed(&text, &pattern, length);
    text[kept..].iter().rev().collect()
}

/// How many characters match at the start.
fn trimmed(text: &[char], pattern: &[char], length: Length) -> usize {
    let mut ends = 1..=text.len();
    let found = match length {
        Length::Shortest => ends.find(|end| matches(pattern, &text[..*end])),
        Length::Longest => ends.rfind(|end| matches(pattern, &text[..*end])),
    };
    found.unwrap_or(0)
}

/// A pattern that matches reversed texts: its parts in the reverse order, each as it was.
fn reversed(pattern: &str) -> Vec<char> {
    let pattern: Vec<char> = pattern.chars().collect();
    let mut parts = Vec::new();
    let mut rest = pattern.as_slice();
    while let Some(length) = part_length(rest) {
        let (part, after) = rest.split_at(length);
        parts.push(part);
        rest = after;
    }
    parts.into_iter().rev().flatten().copied().collect()
}

/// The characters of the pattern's first part: an escape, a class or one character.
fn part_length(pattern: &[char]) -> Option<usize> {
    match pattern.first()? {
        '\\' if pattern.len() > 1 => Some(2),
        '[' => Some(class_end(pattern).map_or(1, |end| end + 1)),
        _ => Some(1),
    }
}

/// Where the class that begins here ends.
fn class_end(pattern: &[char]) -> Option<usize> {
    let first = if pattern.get(1) == Some(&'^') { 3 } else { 2 };
    let found = pattern
        .get(first..)?
        .iter()
        .position(|character| *character == ']')?;
    Some(first + found)
}

/// Whether the pattern matches all of the text. Takes no more than pattern times text steps.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut at, mut taken) = (0, 0);
    // Where to go on when the last star has to take one character more.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let rest = &pattern[at..];
        if rest.is_empty() && taken == text.len() {
            return true;
        }
        if rest.first() == Some(&'*') {
            star = Some((at + 1, taken));
            at += 1;
            continue;
        }
        if let (Some(length), Some(character)) = (part_length(rest), text.get(taken))
            && part_matches(&rest[..length], *character)
        {
            at += length;
            taken += 1;
            continue;
        }
        match star {
            Some((after, from)) if from < text.len() => {
                star = Some((after, from + 1));
                (at, taken) = (after, from + 1);
            }
            Some(_) | None => return false,
        }
    }
}

fn part_matches(part: &[char], character: char) -> bool {
    match part {
        ['?'] => true,
        ['\\', escaped] => *escaped == character,
        ['[', '^', class @ .., ']'] if !class.is_empty() => !class_matches(class, character),
        ['[', class @ .., ']'] if !class.is_empty() => class_matches(class, character),
        [literal] => *literal == character,
        _ => false,
    }
}

fn class_matches(class: &[char], character: char) -> bool {
    match class {
        [low, '-', high, rest @ ..] => {
            (*low..=*high).contains(&character) || class_matches(rest, character)
        }
        [one, rest @ ..] => *one == character || class_matches(rest, character),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_trim_from_both_ends() {
        let cases = [
            ("abc", "a", "bc", "bc", "abc", "abc"),
            ("abcabc", "a*c", "abc", "", "abc", ""),
            ("abc", "?", "bc", "bc", "ab", "ab"),
            ("abc", "[a-b]", "bc", "bc", "abc", "abc"),
            ("abc", "[^a]", "abc", "abc", "ab", "ab"),
            ("a*c", r"a\*", "c", "c", "a*c", "a*c"),
            ("abc", "x", "abc", "abc", "abc", "abc"),
            ("", "*", "", "", "", ""),
            ("a.b.c", ".*", "a.b.c", "a.b.c", "a.b", "a"),
            ("äöü", "ä", "öü", "öü", "äöü", "äöü"),
        ];
        for (text, pattern, short, long, short_end, long_end) in cases {
            assert_eq!(
                trim_prefix(text, pattern, Length::Shortest),
                short,
                "{text}#{pattern}"
            );
            assert_eq!(
                trim_prefix(text, pattern, Length::Longest),
                long,
                "{text}##{pattern}"
            );
            assert_eq!(
                trim_suffix(text, pattern, Length::Shortest),
                short_end,
                "{text}%{pattern}"
            );
            assert_eq!(
                trim_suffix(text, pattern, Length::Longest),
                long_end,
                "{text}%%{pattern}"
            );
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let text = "a".repeat(200);
        let pattern = "a*".repeat(50) + "b";
        assert_eq!(trim_prefix(&text, &pattern, Length::Longest), text);
    }
}
