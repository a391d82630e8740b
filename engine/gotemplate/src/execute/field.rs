//! `.a.b`: keys of maps, fields of structs, and methods.

use super::call::{Arguments, Callee};
use super::frame::{Frame, Item};
use super::{Execution, MissingKey};
use crate::error::Error;
use crate::format::quoted;
use crate::methods;
use crate::value::{Elements, Map, Object, Value};

impl Execution<'_> {
    /// Follows fields; the last, if it is a method, gets the arguments.
    pub(super) fn fields(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        from: Item,
        names: &[Box<str>],
        arguments: Arguments<'_>,
    ) -> Result<Item, Error> {
        let mut item = from;
        if let Some((last, before)) = names.split_last() {
            for name in before {
                item = self.field(frame, dot, &item, name, arguments.none())?;
            }
            item = self.field(frame, dot, &item, last, arguments)?;
        }
        Ok(item)
    }

    fn field(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        of: &Item,
        name: &str,
        arguments: Arguments<'_>,
    ) -> Result<Item, Error> {
        match &of.value {
            Value::Nil if of.boxed => {
                Err(frame.error(format!("nil pointer evaluating interface {{}}.{name}")))
            }
            Value::Nil if self.missing_key == MissingKey::Error => {
                let key = quoted(name.as_bytes());
                Err(frame.error(format!("nil data; no entry for key {key}")))
            }
            Value::Nil => Ok(Item::plain(Value::Nil)),
            Value::Map(map) => self.key(frame, map, name, &arguments),
            Value::Object(object) => {
                if let Some(signature) = object.method(name) {
                    let callee = Callee::Method(&of.value);
                    return self.call(frame, dot, name, signature, &callee, arguments);
                }
                match object.underlying() {
                    Some(Value::Map(map)) => self.key(frame, &map, name, &arguments),
                    _ => struct_field(frame, of, &**object, name, &arguments),
                }
            }
            value => match methods::find(value, name) {
                Some(signature) => {
                    let callee = Callee::Method(value);
                    self.call(frame, dot, name, signature, &callee, arguments)
                }
                None => Err(no_field(frame, of, name)),
            },
        }
    }

    fn key(
        &self,
        frame: &Frame,
        map: &Map,
        name: &str,
        arguments: &Arguments<'_>,
    ) -> Result<Item, Error> {
        if arguments.any() {
            return Err(frame.error(format!("{name} is not a method but has arguments")));
        }
        let boxed = map.elements() == Elements::Any;
        match (map.get(name), self.missing_key) {
            (Some(value), _) => Ok(Item { value, boxed }),
            (None, MissingKey::Default) => Ok(Item::plain(Value::Nil)),
            (None, MissingKey::Zero) if boxed => Ok(Item::boxed(Value::Nil)),
            (None, MissingKey::Zero) => Ok(Item::plain(Value::text(""))),
            (None, MissingKey::Error) => {
                let key = quoted(name.as_bytes());
                Err(frame.error(format!("map has no entry for key {key}")))
            }
        }
    }
}

fn struct_field(
    frame: &Frame,
    of: &Item,
    object: &dyn Object,
    name: &str,
    arguments: &Arguments<'_>,
) -> Result<Item, Error> {
    match object.field(name) {
        Some(_) if arguments.any() => {
            let message = format!("{name} has arguments but cannot be invoked as function");
            Err(frame.error(message))
        }
        Some(value) => {
            let boxed = matches!(value, Value::Nil);
            Ok(Item { value, boxed })
        }
        None => Err(no_field(frame, of, name)),
    }
}

fn no_field(frame: &Frame, of: &Item, name: &str) -> Error {
    frame.error(format!(
        "can't evaluate field {name} in type {}",
        of.type_name()
    ))
}
