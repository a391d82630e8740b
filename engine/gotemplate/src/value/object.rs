//! Values with fields and methods, which come from outside: `.Files`, `.Capabilities`.

use super::{List, Map, Value};

/// The type of a parameter, as Go declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`
    Any,
    /// `reflect.Value`: as [`Type::Any`], for the functions of text/template itself.
    Reflect,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `uint32`
    Uint32,
    /// `float64`
    Float,
    /// `string`
    Text,
    /// `[]interface {}`
    List,
    /// `map[string]interface {}`
    Map,
    /// `time.Time`
    Time,
    /// `sprig.certificate`
    Certificate,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint32 => "uint32",
            Self::Float => "float64",
            Self::Text => "string",
            Self::List => "[]interface {}",
            Self::Map => "map[string]interface {}",
            Self::Time => "time.Time",
            Self::Certificate => "sprig.certificate",
        }
    }

    /// What stands for nil in a parameter of this type, if nil can.
    pub(crate) fn zero(self) -> Option<Value> {
        match self {
            Self::Any | Self::Reflect => Some(Value::Nil),
            Self::List => Some(Value::List(List::nil(super::Items::Any))),
            Self::Map => Some(Value::Map(Map::nil())),
            Self::Bool
            | Self::Int
            | Self::Uint32
            | Self::Float
            | Self::Text
            | Self::Time
            | Self::Certificate => None,
        }
    }

    /// Whether Go would pass this value to such a parameter.
    pub(crate) fn takes(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any | Self::Reflect, _)
            | (Self::Bool, Value::Bool(_))
            | (Self::Float, Value::Float(_))
            | (Self::Text, Value::Text(_))
            | (Self::Time, Value::Time(_)) => true,
            (Self::Int, Value::Integer(integer)) => integer.kind == super::Kind::Int,
            (Self::Uint32, Value::Integer(integer)) => integer.kind == super::Kind::Uint32,
            (Self::List, Value::List(list)) => list.items() == super::Items::Any,
            (Self::Map, Value::Map(map)) => map.elements() == super::Elements::Any,
            (Self::Certificate, Value::Object(object)) => object.type_name() == self.name(),
            _ => false,
        }
    }
}

/// The parameters of a function or method.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// Their types.
    pub params: &'static [Type],
    /// Whether the last may be there any number of times.
    pub variadic: bool,
}

/// A value of a type with fields or methods.
pub trait Object {
    /// Go's name of the type, such as `engine.files` or `*common.Capabilities`.
    fn type_name(&self) -> String;

    /// The map or list that this is a named type of: what `range`, `len`, `index`, `toYaml` and
    /// printing see. `None` for a struct.
    fn underlying(&self) -> Option<Value> {
        None
    }

    /// The fields of a struct, in the order of its declaration.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// One field of a struct.
    fn field(&self, name: &str) -> Option<Value> {
        let found = self.fields().into_iter().find(|(each, _)| *each == name);
        found.map(|(_, value)| value)
    }

    /// The parameters of a method, if there is one of this name.
    fn method(&self, _name: &str) -> Option<&'static Signature> {
        None
    }

    /// Calls a method that [`Object::method`] names, with arguments that fit it.
    fn call(&self, name: &str, _args: &[Value]) -> Result<Value, String> {
        Err(format!(
            "cannot call {name}: {} has no such method",
            self.type_name()
        ))
    }

    /// How it prints, if it says so itself (`fmt.Stringer`).
    fn text(&self) -> Option<String> {
        None
    }
}
