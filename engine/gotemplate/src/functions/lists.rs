//! Lists, which are never changed in place.

use super::equal::deep_equal;
use super::{Function, NIL_POINTER, Outcome, int, text_of, texts_of};
use crate::Execution;
use crate::error::Error;
use crate::functions::math::to_int64;
use crate::value::{Items, List, Text, Type, Value};

const A: Type = Type::Any;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("append", &[A, A], push),
    Function::new("chunk", &[Type::Int, A], chunk),
    Function::new("compact", &[A], compact),
    Function::variadic("concat", &[A], concat),
    Function::new("first", &[A], first),
    Function::new("has", &[A, A], has).walks(),
    Function::new("initial", &[A], initial),
    Function::new("join", &[Type::Text, A], join).walks(),
    Function::new("last", &[A], last),
    Function::variadic("list", &[A], |_, values| Ok(Value::list(values.to_vec()))),
    Function::new("mustAppend", &[A, A], push),
    Function::new("mustChunk", &[Type::Int, A], chunk),
    Function::new("mustCompact", &[A], compact),
    Function::new("mustFirst", &[A], first),
    Function::new("mustHas", &[A, A], has).walks(),
    Function::new("mustInitial", &[A], initial),
    Function::new("mustLast", &[A], last),
    Function::new("mustPrepend", &[A, A], prepend),
    Function::new("mustPush", &[A, A], push),
    Function::new("mustRest", &[A], rest),
    Function::new("mustReverse", &[A], reverse),
    Function::variadic("mustSlice", &[A, A], slice),
    Function::new("mustUniq", &[A], uniq).walks(),
    Function::variadic("mustWithout", &[A, A], without).walks(),
    Function::new("prepend", &[A, A], prepend),
    Function::new("push", &[A, A], push),
    Function::new("rest", &[A], rest),
    Function::new("reverse", &[A], reverse),
    Function::variadic("slice", &[A, A], slice),
    Function::new("sortAlpha", &[A], sort_alpha).walks(),
    Function::new("toStrings", &[A], |_, values| {
        Ok(Value::strings(
            texts_of(&values[0])
                .into_iter()
                .map(|text| Text::from(&*text)),
        ))
    })
    .walks(),
    Function::variadic("tuple", &[A], |_, values| Ok(Value::list(values.to_vec()))),
    Function::new("uniq", &[A], uniq).walks(),
    Function::variadic("without", &[A, A], without).walks(),
];

/// The list that a value is, or Go's error that names what it is instead.
fn list(value: &Value, cannot: &str) -> Result<List, Error> {
    match value.bare() {
        Value::List(list) => Ok(list),
        Value::Nil => Err(Error::plain(NIL_POINTER)),
        _ => Err(Error::plain(format!("{cannot} type {}", value.kind_name()))),
    }
}

fn made(execution: &mut Execution<'_>, items: Vec<Value>) -> Outcome {
    execution.meter.list(items.len())?;
    Ok(Value::list(items))
}

fn push(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let list = list(&values[0], "Cannot push on")?;
    let mut items = Vec::with_capacity(list.len() + 1);
    items.extend_from_slice(&list);
    items.push(values[1].clone());
    made(execution, items)
}

fn prepend(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let list = list(&values[0], "Cannot prepend on")?;
    let mut items = Vec::with_capacity(list.len() + 1);
    items.push(values[1].clone());
    items.extend_from_slice(&list);
    made(execution, items)
}

fn chunk(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let list = list(&values[1], "Cannot chunk")?;
    let wrong = || Error::plain("runtime error: makeslice: len out of range");
    let (size, length) = (
        int(&values[0]),
        i64::try_from(list.len()).unwrap_or(i64::MAX),
    );
    if size == 0 {
        return Err(wrong());
    }
    // What a negative size gives is an accident of sprig's arithmetic, and kept.
    let size = match (length - 1).div_euclid(size) + 1 {
        _ if size > 0 => usize::try_from(size).unwrap_or(usize::MAX),
        1 if length == 1 => 1,
        _ if length > 1 && -size >= length - 1 => {
            return Ok(Value::List(List::with(Items::Lists, Vec::new())));
        }
        _ => return Err(wrong()),
    };
    let chunks: Vec<_> = list
        .chunks(size)
        .map(|chunk| Value::list(chunk.to_vec()))
        .collect();
    execution.meter.list(list.len() + chunks.len())?;
    Ok(Value::List(List::with(Items::Lists, chunks)))
}

fn compact(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let list = list(&values[0], "Cannot compact on")?;
    made(
        execution,
        list.iter().filter(|item| item.is_true()).cloned().collect(),
    )
}

fn concat(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let mut items = Vec::new();
    for value in values {
        match value.bare() {
            Value::List(list) => items.extend_from_slice(&list),
            Value::Nil => return Err(Error::plain(NIL_POINTER)),
            _ => {
                let kind = value.kind_name();
                return Err(Error::plain(format!("Cannot concat type {kind} as list")));
            }
        }
    }
    if items.is_empty() {
        return Ok(Value::List(List::nil(Items::Any)));
    }
    made(execution, items)
}

fn first(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let list = list(&values[0], "Cannot find first on")?;
    Ok(list.first().cloned().unwrap_or(Value::Nil))
}

fn last(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let list = list(&values[0], "Cannot find last on")?;
    Ok(list.last().cloned().unwrap_or(Value::Nil))
}

fn rest(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let list = list(&values[0], "Cannot find rest on")?;
    match list.split_first() {
        Some((_, rest)) => made(execution, rest.to_vec()),
        None => Ok(Value::List(List::nil(Items::Any))),
    }
}

fn initial(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let list = list(&values[0], "Cannot find initial on")?;
    match list.split_last() {
        Some((_, initial)) => made(execution, initial.to_vec()),
        None => Ok(Value::List(List::nil(Items::Any))),
    }
}

fn reverse(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let list = list(&values[0], "Cannot find reverse on")?;
    made(execution, list.iter().rev().cloned().collect())
}

fn uniq(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let list = list(&values[0], "Cannot find uniq on")?;
    let mut items: Vec<Value> = Vec::new();
    for item in list.iter() {
        if !is_in(execution, &items, item)? {
            items.push(item.clone());
        }
    }
    made(execution, items)
}

fn without(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let list = list(&values[0], "Cannot find without on")?;
    let mut items = Vec::new();
    for item in list.iter() {
        if !is_in(execution, &values[1..], item)? {
            items.push(item.clone());
        }
    }
    made(execution, items)
}

/// Looking through a long list for each of many is work too.
fn is_in(execution: &mut Execution<'_>, items: &[Value], wanted: &Value) -> Result<bool, Error> {
    execution.meter.looks(items.len())?;
    Ok(items.iter().any(|item| deep_equal(wanted, item)))
}

fn has(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    if let Value::Nil = values[1] {
        return Ok(Value::Bool(false));
    }
    let list = list(&values[1], "Cannot find has on")?;
    Ok(Value::Bool(is_in(execution, &list, &values[0])?))
}

fn slice(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let list = match values[0].bare() {
        Value::List(list) => list,
        Value::Nil => return Err(Error::plain(NIL_POINTER)),
        _ => {
            let kind = values[0].kind_name();
            return Err(Error::plain(format!(
                "list should be type of slice or array but {kind}"
            )));
        }
    };
    if list.is_empty() {
        return Ok(Value::Nil);
    }
    let start = values.get(1).map(to_int64);
    let end = values.get(2).map(to_int64);
    let whole = i64::try_from(list.len()).unwrap_or(i64::MAX);
    let (start, end) = (start.unwrap_or(0), end.unwrap_or(whole));
    if start < 0 || end < start || end > whole {
        return Err(Error::plain(
            "reflect.Value.Slice: slice index out of bounds",
        ));
    }
    let [start, end] = [start, end].map(|at| usize::try_from(at).unwrap_or_default());
    execution.meter.list(end - start)?;
    Ok(Value::List(list.part(start, end)))
}

fn join(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let separator = super::bytes(&values[0]);
    let texts = texts_of(&values[1]);
    let total: usize = texts.iter().map(|text| text.len() + separator.len()).sum();
    execution.meter.text(total)?;
    Ok(Value::text(texts.join(&*separator)))
}

fn sort_alpha(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let Value::List(_) = values[0].bare() else {
        return Ok(Value::strings([Text::from(&*text_of(&values[0]))]));
    };
    let mut texts = texts_of(&values[0]);
    texts.sort_unstable();
    Ok(Value::strings(
        texts.into_iter().map(|text| Text::from(&*text)),
    ))
}
