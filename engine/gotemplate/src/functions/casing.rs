//! Upper and lower case, and names made of words: `camelcase`, `snakecase`, `kebabcase` as
//! huandu/xstrings 1.5.0 has them, `initials` and `swapcase` as Masterminds/goutils.

use super::{Function, bytes, str};
use crate::value::{Type, Value};

const T: Type = Type::Text;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("camelcase", &[T], |_, values| {
        Ok(Value::text(camel(&str(&values[0]))))
    }),
    Function::new("initials", &[T], |_, values| {
        Ok(Value::text(initials(&bytes(&values[0]))))
    }),
    Function::new("kebabcase", &[T], |_, values| {
        Ok(Value::text(words(&str(&values[0]), '-')))
    }),
    Function::new("lower", &[T], |_, values| {
        Ok(Value::text(mapped(&str(&values[0]), lower)))
    }),
    Function::new("snakecase", &[T], |_, values| {
        Ok(Value::text(words(&str(&values[0]), '_')))
    }),
    Function::new("swapcase", &[T], |_, values| {
        Ok(Value::text(swapped(&str(&values[0]))))
    }),
    Function::new("title", &[T], |_, values| {
        Ok(Value::text(title(&str(&values[0]))))
    }),
    Function::new("untitle", &[T], |_, values| {
        Ok(Value::text(untitle(&str(&values[0]))))
    }),
    Function::new("upper", &[T], |_, values| {
        Ok(Value::text(mapped(&str(&values[0]), upper)))
    }),
];

/// One character for one, as Go's `unicode` maps them: `ß` stays.
fn upper(character: char) -> char {
    let mut mapped = character.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}

fn lower(character: char) -> char {
    character.to_lowercase().next().unwrap_or(character)
}

fn mapped(text: &str, by: fn(char) -> char) -> String {
    text.chars().map(by).collect()
}

/// `strings.Title`: the first letter of each word.
fn title(text: &str) -> String {
    let mut after = ' ';
    let titled = text.chars().map(|each| {
        let begins =
            !after.is_alphanumeric() && after != '_' && (after.is_ascii() || after.is_whitespace());
        after = each;
        if begins { upper(each) } else { each }
    });
    titled.collect()
}

fn untitle(text: &str) -> String {
    let mut begins = true;
    let lowered = text.chars().map(|each| {
        if each.is_whitespace() {
            begins = true;
            return each;
        }
        if std::mem::take(&mut begins) {
            lower(each)
        } else {
            each
        }
    });
    lowered.collect()
}

/// Byte by byte, as goutils takes each for a character.
fn initials(text: &[u8]) -> String {
    let mut after_space = true;
    let mut out = String::new();
    for &byte in text {
        let space = matches!(byte, b'\t'..=b'\r' | b' ' | 0x85 | 0xa0);
        if !space && after_space {
            out.push(char::from(byte));
        }
        after_space = space;
    }
    out
}

fn swapped(text: &str) -> String {
    let mut after_space = true;
    let swapped = text.chars().map(|each| {
        if each.is_uppercase() {
            after_space = false;
            lower(each)
        } else if each.is_lowercase() {
            after_space = false;
            upper(each)
        } else {
            after_space = each.is_whitespace();
            each
        }
    });
    swapped.collect()
}

fn is_connector(character: char) -> bool {
    matches!(character, '-' | '_') || character.is_whitespace()
}

/// `ToPascalCase`
fn camel(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    let mut current;
    let mut first_was_upper;
    loop {
        let Some(character) = rest.next() else {
            return out;
        };
        if !is_connector(character) {
            first_was_upper = character.is_uppercase();
            current = upper(character);
            break;
        }
        out.push(character);
    }
    for next in rest {
        let last = std::mem::replace(&mut current, next);
        if is_connector(current) && is_connector(last) {
            out.push(last);
        } else if is_connector(last) {
            first_was_upper = current.is_uppercase();
            current = upper(current);
        } else {
            if first_was_upper {
                if current.is_uppercase() {
                    current = lower(current);
                } else {
                    first_was_upper = false;
                }
            }
            out.push(last);
        }
    }
    out.push(current);
    out
}

/// What a word is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Invalid,
    Number,
    Upper,
    Letters,
    Connector,
    Punctuation,
    Other,
}

/// Letters that have cases, or could have: not those of Chinese.
fn is_letter(character: char) -> bool {
    let chinese = matches!(
        character,
        '\u{4e00}'..='\u{9fcc}' | '\u{3400}'..='\u{4d85}' | '\u{20000}'..='\u{2b81d}'
    );
    character.is_alphabetic() && !chinese
}

fn is_punctuation(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_punctuation() && !"$+<=>^`|~".contains(character);
    }
    matches!(character,
        '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
        | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3003}'
        | '\u{3008}'..='\u{3011}' | '\u{ff01}'..='\u{ff03}' | '\u{ff05}'..='\u{ff0a}')
}

/// The first word, and what is left.
fn next_word(text: &str) -> (Word, &str, &str) {
    let Some(first) = text.chars().next() else {
        return (Word::Invalid, "", "");
    };
    let split = |word: Word, goes_on: &dyn Fn(char) -> bool| {
        let end = text
            .char_indices()
            .skip(1)
            .find(|(_, each)| !goes_on(*each));
        let (said, rest) = text.split_at(end.map_or(text.len(), |(at, _)| at));
        (word, said, rest)
    };
    if is_connector(first) {
        split(Word::Connector, &is_connector)
    } else if is_punctuation(first) {
        split(Word::Punctuation, &is_punctuation)
    } else if first.is_uppercase() {
        upper_word(text)
    } else if is_letter(first) {
        split(Word::Letters, &|each| {
            is_letter(each) && !each.is_uppercase()
        })
    } else if first.is_numeric() {
        split(Word::Number, &char::is_numeric)
    } else {
        split(Word::Other, &|each| {
            !is_connector(each) && !is_letter(each) && !each.is_numeric() && !is_punctuation(each)
        })
    }
}

/// `HTTP` of `HTTPServer`, `Server` of `ServerName`.
fn upper_word(text: &str) -> (Word, &str, &str) {
    let mut uppers = text
        .char_indices()
        .take_while(|(_, each)| each.is_uppercase());
    let (count, last) = uppers
        .by_ref()
        .fold((0, 0), |(count, _), (at, _)| (count + 1, at));
    let after = text.char_indices().find(|(_, each)| !each.is_uppercase());
    let (end, next) = after.map_or((text.len(), None), |(at, each)| (at, Some(each)));
    let at = if count > 1 {
        if next.is_some_and(is_letter) {
            last
        } else {
            end
        }
    } else {
        let lower = |each: &char| is_letter(*each) && !each.is_uppercase();
        let rest = &text[end..];
        end + rest
            .chars()
            .take_while(lower)
            .map(char::len_utf8)
            .sum::<usize>()
    };
    let (said, rest) = text.split_at(at);
    (Word::Upper, said, rest)
}

/// Words in lower case with a connector between them.
fn words(text: &str, connector: char) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let put = |out: &mut String, word: Word, said: &str| {
        if !matches!(word, Word::Upper | Word::Connector) {
            return out.push_str(said);
        }
        out.extend(said.chars().map(|each| {
            if is_connector(each) {
                connector
            } else {
                lower(each)
            }
        }));
    };
    let ends = |word: Word| matches!(word, Word::Connector | Word::Punctuation);
    let (mut word, mut said, mut rest) = next_word(text);
    while !rest.is_empty() {
        if word != Word::Connector {
            put(&mut out, word, said);
        }
        let (before, said_before) = (word, said);
        (word, said, rest) = next_word(rest);
        match before {
            Word::Number => {
                while matches!(word, Word::Letters | Word::Number) {
                    put(&mut out, word, said);
                    (word, said, rest) = next_word(rest);
                }
                if word != Word::Invalid && !ends(word) {
                    out.push(connector);
                }
            }
            Word::Connector => put(&mut out, before, said_before),
            Word::Punctuation => {}
            _ if word != Word::Number => {
                if !ends(word) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = said;
                (word, said, rest) = next_word(rest);
                if word != Word::Letters {
                    put(&mut out, Word::Number, number);
                    if !ends(word) {
                        out.push(connector);
                    }
                    continue;
                }
                out.push(connector);
                put(&mut out, Word::Number, number);
                while matches!(word, Word::Letters | Word::Number) {
                    put(&mut out, word, said);
                    (word, said, rest) = next_word(rest);
                }
                if word != Word::Invalid && !ends(word) {
                    out.push(connector);
                }
            }
        }
    }
    put(&mut out, word, said);
    out
}
