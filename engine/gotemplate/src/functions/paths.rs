//! Paths with slashes, as Go's `path` has them; `os…` are the same, since the system is Unix.

use super::{Function, str};
use crate::value::{Type, Value};

const T: Type = Type::Text;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("base", &[T], |_, values| {
        Ok(Value::text(base(&str(&values[0]))))
    }),
    Function::new("clean", &[T], |_, values| {
        Ok(Value::text(clean(&str(&values[0]))))
    }),
    Function::new("dir", &[T], |_, values| {
        Ok(Value::text(dir(&str(&values[0]))))
    }),
    Function::new("ext", &[T], |_, values| {
        Ok(Value::text(ext(&str(&values[0]))))
    }),
    Function::new("isAbs", &[T], |_, values| {
        Ok(Value::Bool(str(&values[0]).starts_with('/')))
    }),
    Function::new("osBase", &[T], |_, values| {
        Ok(Value::text(base(&str(&values[0]))))
    }),
    Function::new("osClean", &[T], |_, values| {
        Ok(Value::text(clean(&str(&values[0]))))
    }),
    Function::new("osDir", &[T], |_, values| {
        Ok(Value::text(dir(&str(&values[0]))))
    }),
    Function::new("osExt", &[T], |_, values| {
        Ok(Value::text(ext(&str(&values[0]))))
    }),
    Function::new("osIsAbs", &[T], |_, values| {
        Ok(Value::Bool(str(&values[0]).starts_with('/')))
    }),
];

fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let path = path.trim_end_matches('/');
    match path.rsplit('/').next() {
        Some(last) if !last.is_empty() => last,
        _ => "/",
    }
}

fn dir(path: &str) -> String {
    clean(&path[..path.rfind('/').map_or(0, |at| at + 1)])
}

fn ext(path: &str) -> &str {
    let name = &path[path.rfind('/').map_or(0, |at| at + 1)..];
    name.rfind('.').map_or("", |at| &name[at..])
}

fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => drop(parts.pop()),
                _ if rooted => {}
                _ => parts.push(".."),
            },
            name => parts.push(name),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
