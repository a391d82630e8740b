//! `--set` and its relatives: `a.b[0].c=value,d={x,y}` into values, as `helm.sh/helm/v4/pkg/strvals` reads it.

use fluvial_gotemplate::{List, Map, Value};

/// helm v4.3.1: `strvals.MaxIndex`.
const INDEX_MAX: usize = 65_536;
/// helm v4.3.1: `strvals.MaxNestedNameLevel`.
const LEVELS_MAX: usize = 30;

/// What the text behind `=` is.
pub(crate) enum Style<'r> {
    /// `--set`: a number, a boolean, null or a text.
    Typed,
    /// `--set-string`
    Text,
    /// `--set-json`
    Json,
    /// `--set-file`: the name of a file, and who reads it.
    File(&'r mut dyn FnMut(&str) -> Result<String, String>),
    /// `--set-literal`: everything up to the end, as it is.
    Literal,
}

/// Reads a text into `values`.
pub(crate) fn parse(text: &str, values: &Map, style: Style<'_>) -> Result<(), String> {
    let mut parser = Parser { text, at: 0, style };
    loop {
        match parser.key(values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Because(why)) => return Err(why),
        }
    }
}

/// Why reading stops.
enum Stop {
    End,
    Because(String),
}

fn because<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Because(why.into()))
}

struct Parser<'t, 'r> {
    text: &'t str,
    at: usize,
    style: Style<'r>,
}

impl Parser<'_, '_> {
    fn next(&mut self) -> Option<char> {
        let next = self.text[self.at..].chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// The text up to one of these characters, and which it was; none at the end.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(next) = self.next() {
            if stops.contains(&next) {
                return (text, Some(next));
            }
            if next == '\\' && !matches!(self.style, Style::Literal) {
                match self.next() {
                    Some(escaped) => text.push(escaped),
                    None => return (text, None),
                }
            } else {
                text.push(next);
            }
        }
        (text, None)
    }

    fn key(&mut self, map: &Map, level: usize) -> Result<(), Stop> {
        let stops: &[char] = match self.style {
            Style::Literal => &['=', '[', '.'],
            _ => &['=', '[', ',', '.'],
        };
        let (key, last) = self.until(stops);
        match last {
            None if key.is_empty() => Err(Stop::End),
            None => because(format!("key {key:?} has no value")),
            Some('[') => {
                let index = self.index()?;
                let list = match map.get(&key) {
                    None => List::from(Vec::new()),
                    Some(Value::List(list)) => list,
                    Some(other) => return because(convert(&other, "[]interface {}")),
                };
                let mut items = list.to_vec();
                let result = self.item(&mut items, index, level);
                set(map, &key, Value::list(items));
                result
            }
            Some('=') => self.assign(map, &key),
            Some(',') => because(format!("key {key:?} has no value (cannot end with ,)")),
            Some(_) => {
                let level = deeper(level)?;
                let inner = match map.get(&key) {
                    None => Map::new(),
                    Some(Value::Map(inner)) => inner,
                    Some(other) => return because(convert(&other, "map[string]interface {}")),
                };
                let result = self.key(&inner, level);
                if result.is_ok() && inner.is_empty() {
                    return because(format!("key map {key:?} has no value"));
                }
                if !inner.is_empty() {
                    set(map, &key, inner.into());
                }
                result
            }
        }
    }

    fn assign(&mut self, map: &Map, key: &str) -> Result<(), Stop> {
        let at_end = self.at == self.text.len();
        let value = self.value()?;
        set(map, key, value);
        match self.style {
            Style::Typed | Style::Text | Style::File(_) if at_end => Err(Stop::End),
            _ => Ok(()),
        }
    }

    /// What stands behind `=`, and the comma behind that.
    fn value(&mut self) -> Result<Value, Stop> {
        match self.style {
            Style::Literal => {
                let rest = &self.text[self.at..];
                self.at = self.text.len();
                Ok(Value::text(rest))
            }
            Style::Json => self.json(),
            Style::Typed | Style::Text | Style::File(_) => {
                if self.at == self.text.len() {
                    return Ok(Value::text(""));
                }
                if self.text[self.at..].starts_with('{') {
                    self.at += 1;
                    return self.list();
                }
                let (text, _) = self.until(&[',']);
                self.read(text)
            }
        }
    }

    fn list(&mut self) -> Result<Value, Stop> {
        let mut items = Vec::new();
        loop {
            let (text, last) = self.until(&[',', '}']);
            let Some(last) = last else {
                return because("list must terminate with '}'");
            };
            items.push(self.read(text)?);
            if last == '}' {
                if self.text[self.at..].starts_with(',') {
                    self.at += 1;
                }
                return Ok(Value::list(items));
            }
        }
    }

    fn json(&mut self) -> Result<Value, Stop> {
        if self.is_empty_value() {
            return Ok(Value::Nil);
        }
        let rest = &self.text[self.at..];
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<serde_json::Value>();
        let value = match stream.next() {
            Some(Ok(value)) => value,
            Some(Err(error)) => return because(error.to_string()),
            None => return Err(Stop::End),
        };
        self.at += stream.byte_offset();
        self.is_empty_value();
        Ok(Value::from_json(&value))
    }

    /// Whether nothing but space is left up to a comma or the end, which are then taken.
    fn is_empty_value(&mut self) -> bool {
        loop {
            let before = self.at;
            match self.next() {
                None | Some(',') => return true,
                Some(next) if next.is_whitespace() => {}
                Some(_) => {
                    self.at = before;
                    return false;
                }
            }
        }
    }

    fn index(&mut self) -> Result<usize, Stop> {
        let (text, last) = self.until(&[']']);
        if last.is_none() {
            return because("error parsing index: EOF");
        }
        match text.parse::<i64>() {
            Ok(index) if index < 0 => because(format!("negative {index} index not allowed")),
            Ok(index) => Ok(usize::try_from(index).unwrap_or(usize::MAX)),
            Err(error) => because(format!("error parsing index: {text:?}: {error}")),
        }
    }

    /// What follows `[index]`.
    fn item(&mut self, items: &mut Vec<Value>, index: usize, level: usize) -> Result<(), Stop> {
        let (key, last) = self.until(&['[', '.', '=']);
        if !key.is_empty() {
            return because(format!("unexpected data at end of array index: {key:?}"));
        }
        match last {
            None => Err(Stop::End),
            Some('=') => {
                let value = self.value()?;
                set_index(items, index, value)
            }
            Some('[') => {
                let next = self.index()?;
                let mut inner = match items.get(index) {
                    None | Some(Value::Nil) => Vec::new(),
                    Some(Value::List(list)) => list.to_vec(),
                    Some(other) => return because(convert(other, "[]interface {}")),
                };
                self.item(&mut inner, next, level)?;
                set_index(items, index, Value::list(inner))
            }
            Some(_) => {
                let inner = match items.get(index) {
                    Some(Value::Map(inner)) => inner.clone(),
                    _ => Map::new(),
                };
                self.key(&inner, level)?;
                set_index(items, index, inner.into())
            }
        }
    }

    fn read(&mut self, text: String) -> Result<Value, Stop> {
        match &mut self.style {
            Style::Typed => Ok(typed(text)),
            Style::File(read) => read(&text).map(Value::from).map_err(Stop::Because),
            Style::Text | Style::Json | Style::Literal => Ok(text.into()),
        }
    }
}

fn deeper(level: usize) -> Result<usize, Stop> {
    if level == LEVELS_MAX {
        return because(format!(
            "value name nested level is greater than maximum supported nested level of {LEVELS_MAX}"
        ));
    }
    Ok(level + 1)
}

fn convert(value: &Value, wanted: &str) -> String {
    let is = value.type_name();
    format!("unable to parse key: interface conversion: interface {{}} is {is}, not {wanted}")
}

/// An empty key is left out.
fn set(map: &Map, key: &str, value: Value) {
    if !key.is_empty() {
        map.insert(key, value);
    }
}

fn set_index(items: &mut Vec<Value>, index: usize, value: Value) -> Result<(), Stop> {
    if index > INDEX_MAX {
        return because(format!(
            "index of {index} is greater than maximum supported index of {INDEX_MAX}"
        ));
    }
    if items.len() <= index {
        items.resize(index + 1, Value::Nil);
    }
    items[index] = value;
    Ok(())
}

/// `true`, `false`, `null` and whole numbers without leading zeroes are what they look like.
fn typed(text: String) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Nil;
    }
    if text == "0" {
        return Value::int64(0);
    }
    match text.parse::<i64>() {
        Ok(number) if !text.starts_with('0') => Value::int64(number),
        _ => text.into(),
    }
}
