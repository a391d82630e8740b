//! Choices, templates within templates, types, and the ways to fail.

use std::rc::Rc;

use super::equal::deep_copy;
use super::{Function, Outcome, bytes, equal, str};
use crate::Execution;
use crate::error::Error;
use crate::format::quoted;
use crate::parse::parse;
use crate::templates::Scope;
use crate::value::{Text, Type, Value};

const A: Type = Type::Any;
const T: Type = Type::Text;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("all", &[A], |_, values| {
        Ok(Value::Bool(values.iter().all(Value::is_true)))
    }),
    Function::variadic("any", &[A], |_, values| {
        Ok(Value::Bool(values.iter().any(Value::is_true)))
    }),
    Function::variadic("coalesce", &[A], |_, values| {
        Ok(values
            .iter()
            .find(|value| value.is_true())
            .cloned()
            .unwrap_or(Value::Nil))
    }),
    Function::new("deepCopy", &[A], copied).walks(),
    Function::new("deepEqual", &[A, A], |_, values| {
        Ok(Value::Bool(equal::deep_equal(&values[0], &values[1])))
    })
    .walks(),
    Function::variadic("default", &[A, A], |_, values| {
        let given = values.get(1).filter(|value| value.is_true());
        Ok(given.unwrap_or(&values[0]).clone())
    }),
    Function::new("empty", &[A], |_, values| {
        Ok(Value::Bool(!values[0].is_true()))
    }),
    Function::new("fail", &[T], fail),
    Function::new("getHostByName", &[T], |_, _| Ok(Value::text(""))),
    Function::new("hello", &[], |_, _| Ok(Value::text("Hello!"))),
    Function::new("include", &[T, A], include),
    Function::new("kindIs", &[T, A], |_, values| {
        Ok(Value::Bool(
            *bytes(&values[0]) == *values[1].kind_name().as_bytes(),
        ))
    }),
    Function::new("kindOf", &[A], |_, values| {
        Ok(Value::text(values[0].kind_name()))
    }),
    Function::new("lookup", &[T, T, T, T], lookup),
    Function::new("mustDeepCopy", &[A], copied).walks(),
    Function::new("required", &[T, A], required),
    Function::new("ternary", &[A, A, Type::Bool], |_, values| {
        let first = matches!(values[2], Value::Bool(true));
        Ok(values[usize::from(!first)].clone())
    }),
    Function::new("tpl", &[T, A], tpl),
    Function::new("typeIs", &[T, A], |_, values| {
        Ok(Value::Bool(
            *bytes(&values[0]) == *values[1].type_name().as_bytes(),
        ))
    }),
    Function::new("typeIsLike", &[T, A], |_, values| {
        let (wanted, of) = (str(&values[0]), values[1].type_name());
        Ok(Value::Bool(
            *wanted == of || of.strip_prefix('*') == Some(&*wanted),
        ))
    }),
    Function::new("typeOf", &[A], |_, values| {
        Ok(Value::text(values[0].type_name()))
    }),
];

fn copied(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    match &values[0] {
        Value::Nil => Err(Error::plain(
            "reflect: call of reflect.Value.Type on zero Value",
        )),
        value => Ok(deep_copy(value)),
    }
}

/// What Helm wraps a chart's own words in, to find them in an error.
fn wrapped(message: &str) -> Error {
    Error::plain(format!("HELM_ERR_START{message}HELM_ERR_END"))
}

fn fail(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    if execution.lint {
        return Ok(Value::text(""));
    }
    Err(wrapped(&str(&values[0])))
}

fn required(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    match &values[1] {
        Value::Nil => {}
        Value::Text(text) if text.is_empty() => {}
        value => return Ok(value.clone()),
    }
    fail(execution, values)
}

/// A template may be under way in itself so often.
const INCLUDES_MAX: usize = 1000;

fn include(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let Value::Text(name) = &values[0] else {
        return Err(Error::plain("cannot include: the name is no text"));
    };
    let count = execution.included.entry(name.clone()).or_insert(0);
    if *count > INCLUDES_MAX {
        return Err(Error::plain(format!(
            "rendering template has a nested reference name: {}: unable to execute template",
            name.to_str()
        )));
    }
    *count += 1;
    let ran = execution.execute(&name.to_str(), values[1].clone());
    if let Some(count) = execution.included.get_mut(name) {
        *count -= 1;
    }
    Ok(Value::text(ran?))
}

/// Runs a text as a template, in the midst of all others.
fn tpl(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    const NAME: &str = "gotpl";
    let Value::Text(text) = &values[0] else {
        return Err(Error::plain("cannot run a template: it is no text"));
    };
    if !text.as_bytes().windows(2).any(|pair| pair == b"{{") {
        return Ok(Value::Text(without_no_value(text.clone())));
    }
    let said = || quoted(text.as_bytes());
    let templates = if let Some(templates) = execution.parsed.get(text) {
        Rc::clone(templates)
    } else {
        let parsed = parse(NAME, &text.to_str()).map_err(|error| {
            Error::wrapping(format!("cannot parse template {}: ", said()), error)
        })?;
        let templates: Rc<[_]> = parsed.into_iter().map(Rc::new).collect();
        // What a text costs once it is parsed is bounded by the steps that led here.
        execution.meter.text(text.len() * 16)?;
        execution.parsed.insert(text.clone(), Rc::clone(&templates));
        templates
    };
    let own = templates
        .iter()
        .find(|template| *template.name == *NAME)
        .cloned();
    let outer = Rc::clone(&execution.scope);
    let scope = Scope::over(Rc::clone(&outer), templates.iter().cloned());
    execution.scope = Rc::new(scope);
    let ran = match own {
        Some(template) => execution.run(&template, values[1].clone()),
        None => Ok(Vec::new()),
    };
    execution.scope = outer;
    match ran {
        Ok(out) => Ok(Value::Text(without_no_value(Text::from(out)))),
        Err(error) => {
            let message = format!("error during tpl function execution for {}: ", said());
            Err(Error::wrapping(message, error))
        }
    }
}

/// Helm's way to print nothing of what is not there.
fn without_no_value(text: Text) -> Text {
    const NO_VALUE: &[u8] = b"<no value>";
    let bytes = text.as_bytes();
    if !bytes
        .windows(NO_VALUE.len())
        .any(|window| window == NO_VALUE)
    {
        return text;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        if let Some(after) = rest.strip_prefix(NO_VALUE) {
            rest = after;
        } else {
            out.push(*first);
            rest = &rest[1..];
        }
    }
    Text::from(out)
}

fn lookup(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let [version, kind, namespace, name] = [0, 1, 2, 3].map(|index| str(&values[index]));
    match &mut execution.lookup {
        Some(ask) => ask(&version, &kind, &namespace, &name).map_err(Error::plain),
        None => Ok(Value::Map(crate::value::Map::new())),
    }
}
