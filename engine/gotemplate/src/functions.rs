//! Every function that a template may call: Go's own, sprig 3.3.0's, and Helm 4.3.1's.
//!
//! Each module has a table of its functions with their parameters, as Go declares them: what a
//! function is called with fits them.

#![expect(
    clippy::unnecessary_wraps,
    reason = "functions have one form, whether they can fail or not"
)]

mod builtin;
mod casing;
mod certificates;
mod compare;
mod crypto;
mod dates;
mod decimal;
mod dicts;
mod encode;
mod equal;
mod flow;
mod lists;
mod math;
mod merge;
mod paths;
mod random;
mod regexes;
mod semver;
mod strings;
mod urls;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub(crate) use regexes::Regexes;

use crate::Execution;
use crate::error::Error;
use crate::format::stringer;
use crate::value::{Items, List, Map, Signature, Type, Value};

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) signature: Signature,
    /// Whether it looks into all of a value, however deep.
    pub(crate) walks: bool,
    pub(crate) run: Run,
}

/// What a function does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    And,
    Or,
    Call,
    Plain(Body),
}

type Body = fn(&mut Execution<'_>, &[Value]) -> Outcome;
type Outcome = Result<Value, Error>;

impl Function {
    const fn new(name: &'static str, params: &'static [Type], run: Body) -> Self {
        Self::with(name, params, false, Run::Plain(run))
    }

    /// The last parameter may be there any number of times.
    const fn variadic(name: &'static str, params: &'static [Type], run: Body) -> Self {
        Self::with(name, params, true, Run::Plain(run))
    }

    const fn with(name: &'static str, params: &'static [Type], variadic: bool, run: Run) -> Self {
        let signature = Signature { params, variadic };
        Self {
            name,
            signature,
            walks: false,
            run,
        }
    }

    /// It looks into all of its arguments.
    const fn walks(mut self) -> Self {
        self.walks = true;
        self
    }
}

/// What reading a nil pointer ends with in Go.
const NIL_POINTER: &str = "runtime error: invalid memory address or nil pointer dereference";

static BY_NAME: LazyLock<BTreeMap<&'static str, &'static Function>> = LazyLock::new(|| {
    let tables: [&'static [Function]; 17] = [
        builtin::FUNCTIONS,
        casing::FUNCTIONS,
        certificates::FUNCTIONS,
        compare::FUNCTIONS,
        crypto::FUNCTIONS,
        dates::FUNCTIONS,
        dicts::FUNCTIONS,
        encode::FUNCTIONS,
        flow::FUNCTIONS,
        lists::FUNCTIONS,
        math::FUNCTIONS,
        paths::FUNCTIONS,
        random::FUNCTIONS,
        regexes::FUNCTIONS,
        semver::FUNCTIONS,
        strings::FUNCTIONS,
        urls::FUNCTIONS,
    ];
    tables
        .into_iter()
        .flatten()
        .map(|each| (each.name, each))
        .collect()
});

/// A function by its name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    BY_NAME.get(name).copied()
}

/// The names of all functions, in order.
pub fn names() -> Vec<&'static str> {
    BY_NAME.keys().copied().collect()
}

/// The bytes of a text; of anything else what it prints.
fn bytes(value: &Value) -> Cow<'_, [u8]> {
    match value {
        Value::Text(text) => Cow::Borrowed(text.as_bytes()),
        other => Cow::Owned(crate::format::print_bytes(other).as_bytes().to_vec()),
    }
}

/// The characters of a text.
fn str(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) => text.to_str(),
        other => Cow::Owned(crate::format::print(other)),
    }
}

/// An integer of any kind.
fn int(value: &Value) -> i64 {
    match value {
        Value::Integer(integer) => integer.value,
        _ => 0,
    }
}

/// An integer as a size; what is negative is nothing.
fn size(value: &Value) -> usize {
    usize::try_from(int(value)).unwrap_or(0)
}

/// A map parameter.
fn map(value: &Value) -> Map {
    match value {
        Value::Map(map) => map.clone(),
        _ => Map::nil(),
    }
}

/// sprig's `strval`: text of anything.
fn text_of(value: &Value) -> Cow<'_, [u8]> {
    match value {
        Value::List(list) if list.items() == Items::Bytes => Cow::Owned(bytes_of(list)),
        other => match stringer(other) {
            Some(text) => Cow::Owned(text.into_bytes()),
            None => bytes(other),
        },
    }
}

/// The bytes of a `[]byte`.
pub(crate) fn bytes_of(list: &List) -> Vec<u8> {
    list.iter()
        .map(|each| u8::try_from(int(each)).unwrap_or_default())
        .collect()
}

/// sprig's `strslice`: texts of the items of a list, without nil; or of one thing.
fn texts_of(value: &Value) -> Vec<Cow<'_, [u8]>> {
    match value {
        Value::Nil => Vec::new(),
        Value::List(list) => {
            let items = list.iter().filter(|item| !matches!(item, Value::Nil));
            items.map(text_of).collect()
        }
        Value::Object(object) => match object.underlying() {
            Some(Value::List(list)) => list
                .iter()
                .map(|item| Cow::Owned(text_of(item).into_owned()))
                .collect(),
            _ => vec![text_of(value)],
        },
        other => vec![text_of(other)],
    }
}
