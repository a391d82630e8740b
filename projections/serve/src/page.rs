//! A list in pages: where one ended, the next begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fluvial_event::Offset;

use crate::world::Name;

/// Where a list goes on: behind this object, at this offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) offset: Offset,
    pub(crate) last: Name,
}

impl Token {
    pub(crate) fn write(&self) -> String {
        let (namespace, name) = &self.last;
        URL_SAFE_NO_PAD.encode(format!("{}/{namespace}/{name}", self.offset))
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let mut parts = text.splitn(3, '/');
        let offset = Offset(parts.next()?.parse().ok()?);
        let last = (parts.next()?.to_owned(), parts.next()?.to_owned());
        Some(Self { offset, last })
    }
}

/// The first `limit` of what is left, and how many are behind them; no limit is 0.
pub(crate) fn cut<T>(mut left: Vec<T>, limit: usize) -> (Vec<T>, usize) {
    if limit == 0 || left.len() <= limit {
        return (left, 0);
    }
    let behind = left.len() - limit;
    left.truncate(limit);
    (left, behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for last in [("apps", "web"), ("", "system:a/b")] {
            let last = (last.0.to_owned(), last.1.to_owned());
            let token = Token {
                offset: Offset(42),
                last,
            };
            assert_eq!(Token::read(&token.write()), Some(token));
        }
        for text in ["", "x", "!", "NDI"] {
            assert_eq!(Token::read(text), None, "{text}");
        }
    }

    #[test]
    fn pages_are_full_but_for_the_last() {
        for (limit, taken, behind) in [(0, 3, 0), (1, 1, 2), (2, 2, 1), (3, 3, 0), (4, 3, 0)] {
            let (page, left) = cut(vec![1, 2, 3], limit);
            assert_eq!((page.len(), left), (taken, behind), "{limit}");
        }
    }
}
