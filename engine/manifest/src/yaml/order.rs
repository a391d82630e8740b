//! The order in which keys are printed: that of go.yaml.in/yaml/v2 (v2.4.4, `sorter.go`), which takes
//! digits for numbers and puts letters after everything else.

use std::cmp::Ordering;

/// Which of two keys comes first.
pub(super) fn compare(first: &str, second: &str) -> Ordering {
    let (a, b) = (first.as_bytes(), second.as_bytes());
    let differ = a.iter().zip(b).position(|(a, b)| a != b);
    let Some(at) = differ else {
        return a.len().cmp(&b.len());
    };
    if a[at].is_ascii_alphabetic() && b[at].is_ascii_alphabetic() {
        return a[at].cmp(&b[at]);
    }
    let characters = |text: &str| text.chars().collect::<Vec<_>>();
    different(&characters(first), &characters(second))
}

/// As [`compare`], for keys of which none begins with the other.
fn different(a: &[char], b: &[char]) -> Ordering {
    let Some(at) = a.iter().zip(b).position(|(a, b)| a != b) else {
        return a.len().cmp(&b.len());
    };
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => return a[at].cmp(&b[at]),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let digits = |text: &[char]| {
        let length = text[at..]
            .iter()
            .take_while(|digit| digit.is_ascii_digit())
            .count();
        text[at..at + length].to_vec()
    };
    // A zero inside a number is a digit like others; at its beginning it says nothing.
    let inside = (a[at] == '0' || b[at] == '0')
        && a[..at]
            .iter()
            .rev()
            .take_while(|digit| digit.is_ascii_digit())
            .any(|digit| *digit != '0');
    let number = |digits: &[char]| {
        digits.iter().fold(i64::from(inside), |number, digit| {
            let digit = i64::from(digit.to_digit(10).unwrap_or_default());
            number.wrapping_mul(10).wrapping_add(digit)
        })
    };
    let (first, second) = (digits(a), digits(b));
    number(&first)
        .cmp(&number(&second))
        .then(first.len().cmp(&second.len()))
        .then(a[at].cmp(&b[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each list is in the order in which `kustomize build` v5.8.2 prints its keys.
    #[test]
    fn keys_stand_as_kustomize_prints_them() {
        let cases: [&[&str]; 5] = [
            &["ARTIFACT_RETENTION", "ARTIFACTS_PROXY"],
            &["jwks_uri", "jwksUri"],
            &["a", "a-b", "a.b", "a0", "a1", "a2", "a10", "aA", "ab"],
            &["a.b", "a_b", "aB", "ab"],
            &["1", "01", "2", "10", "A", "Z", "a", "é"],
        ];
        for keys in cases {
            for pair in keys.windows(2) {
                assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
                assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
            }
            assert_eq!(compare(keys[0], keys[0]), Ordering::Equal);
        }
    }
}
