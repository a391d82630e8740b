//! Commands and their arguments: what is called, with what, and whether Go would let it.

use super::Execution;
use super::frame::{Frame, Item};
use crate::error::Error;
use crate::functions::{Function, Run};
use crate::methods;
use crate::parse::node::{Command, Expression, Operand};
use crate::value::{Integer, Kind, Signature, Type, Value};

/// What stands behind a function or method, and what came down the pipeline to it.
pub(super) struct Arguments<'c> {
    operands: &'c [Operand],
    last: Option<Item>,
    /// The part that an error of the call itself points at.
    node: u32,
}

impl Arguments<'_> {
    /// For a field on the way.
    pub(super) fn none(&self) -> Self {
        Self {
            operands: &[],
            last: None,
            node: self.node,
        }
    }

    pub(super) fn any(&self) -> bool {
        !self.operands.is_empty() || self.last.is_some()
    }
}

/// What is called.
pub(super) enum Callee<'v> {
    Function(&'static Function),
    Method(&'v Value),
}

impl Execution<'_> {
    pub(super) fn command(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        command: &Command,
        last: Option<Item>,
    ) -> Result<Item, Error> {
        let (first, operands) = command.operands.split_first().expect("none is empty");
        let mut arguments = Arguments {
            operands,
            last,
            node: first.id,
        };
        match &first.expression {
            Expression::Function(function) => {
                frame.at = first.id;
                arguments.node = command.id;
                self.function(frame, dot, function, arguments)
            }
            Expression::Pipe(pipe) => {
                not_a_function(frame, first, &arguments)?;
                self.pipeline(frame, dot, pipe).map(Item::plain)
            }
            Expression::Field(_) | Expression::Variable { .. } | Expression::Chain { .. } => {
                self.path(frame, dot, first, arguments)
            }
            Expression::Dot
            | Expression::Nil
            | Expression::Bool(_)
            | Expression::Number(_)
            | Expression::String { .. } => {
                frame.at = first.id;
                not_a_function(frame, first, &arguments)?;
                match &first.expression {
                    Expression::Dot => Ok(dot.clone()),
                    Expression::Nil => Err(frame.error("nil is not a command")),
                    _ => literal(frame, first).map(Item::plain),
                }
            }
        }
    }

    /// Fields of the dot, of a variable, or of something in parentheses.
    fn path(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        operand: &Operand,
        arguments: Arguments<'_>,
    ) -> Result<Item, Error> {
        frame.at = operand.id;
        match &operand.expression {
            Expression::Field(names) => self.fields(frame, dot, dot.clone(), names, arguments),
            Expression::Variable { name, fields } => {
                let Some(item) = frame.variable(name).cloned() else {
                    return Err(frame.error(format!("undefined variable: {name}")));
                };
                if fields.is_empty() {
                    not_a_function(frame, operand, &arguments)?;
                    return Ok(item);
                }
                self.fields(frame, dot, item, fields, arguments)
            }
            Expression::Chain { of, fields } => {
                let item = match &of.expression {
                    Expression::Pipe(pipe) => Item::plain(self.pipeline(frame, dot, pipe)?),
                    Expression::Function(function) => {
                        frame.at = of.id;
                        let none = Arguments {
                            operands: &[],
                            last: None,
                            node: of.id,
                        };
                        self.function(frame, dot, function, none)?
                    }
                    _ => self.path(frame, dot, of, arguments.none())?,
                };
                self.fields(frame, dot, item, fields, arguments)
            }
            _ => Err(frame.error(format!("can't evaluate command \"{operand}\""))),
        }
    }

    fn function(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        function: &'static Function,
        arguments: Arguments<'_>,
    ) -> Result<Item, Error> {
        let callee = Callee::Function(function);
        self.call(
            frame,
            dot,
            function.name,
            &function.signature,
            &callee,
            arguments,
        )
    }

    pub(super) fn call(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        name: &str,
        signature: &Signature,
        callee: &Callee<'_>,
        arguments: Arguments<'_>,
    ) -> Result<Item, Error> {
        check_count(frame, name, signature, &arguments)?;
        if let Callee::Function(Function {
            run: run @ (Run::And | Run::Or),
            ..
        }) = callee
        {
            let until = matches!(run, Run::Or);
            return self.short_circuit(frame, dot, until, arguments);
        }
        let Arguments {
            operands,
            last,
            node,
        } = arguments;
        let mut values = Vec::with_capacity(operands.len() + 1);
        for (index, operand) in operands.iter().enumerate() {
            let of = parameter(signature, index);
            values.push(self.argument(frame, dot, of, operand)?);
        }
        if let Some(last) = last {
            values.push(validate(frame, last, parameter(signature, values.len()))?);
        }
        let called = match callee {
            Callee::Function(function) => self.run_function(function, operands, &values),
            Callee::Method(value) => methods::call(value, name, &values).map_err(Error::plain),
        };
        match called {
            Ok(value) => Ok(Item::plain(value)),
            Err(cause) => {
                frame.at = node;
                Err(frame.error_from(&format!("error calling {name}: "), cause))
            }
        }
    }

    fn run_function(
        &mut self,
        function: &Function,
        operands: &[Operand],
        values: &[Value],
    ) -> Result<Value, Error> {
        if function.walks {
            for value in values {
                if matches!(value, Value::List(_) | Value::Map(_) | Value::Object(_)) {
                    self.meter.whole(value)?;
                }
            }
        }
        let value = match function.run {
            Run::Plain(run) => run(self, values)?,
            Run::Call => return Err(uncallable(operands, values)),
            Run::And | Run::Or => return Err(Error::plain("unreachable")),
        };
        if let Value::Text(text) = &value {
            self.meter.text(text.len())?;
        }
        Ok(value)
    }

    /// `and` and `or` look no further than they must.
    fn short_circuit(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        until: bool,
        arguments: Arguments<'_>,
    ) -> Result<Item, Error> {
        let mut value = Value::Nil;
        for operand in arguments.operands {
            value = self.argument(frame, dot, Type::Reflect, operand)?;
            if value.is_true() == until {
                return Ok(Item::plain(value));
            }
        }
        if let Some(last) = arguments.last {
            value = last.value;
        }
        Ok(Item::plain(value))
    }

    /// The value of an argument for a parameter of a type.
    fn argument(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        of: Type,
        operand: &Operand,
    ) -> Result<Value, Error> {
        let none = Arguments {
            operands: &[],
            last: None,
            node: operand.id,
        };
        let item = match &operand.expression {
            Expression::Pipe(pipe) => Item::plain(self.pipeline(frame, dot, pipe)?),
            Expression::Dot => {
                frame.at = operand.id;
                dot.clone()
            }
            Expression::Field(_) | Expression::Variable { .. } | Expression::Chain { .. } => {
                self.path(frame, dot, operand, none)?
            }
            Expression::Function(function) => {
                frame.at = operand.id;
                self.function(frame, dot, function, none)?
            }
            Expression::Nil => {
                frame.at = operand.id;
                return of
                    .zero()
                    .ok_or_else(|| frame.error(format!("cannot assign nil to {}", of.name())));
            }
            Expression::Bool(_) | Expression::Number(_) | Expression::String { .. } => {
                frame.at = operand.id;
                return constant(frame, of, operand);
            }
        };
        validate(frame, item, of)
    }
}

fn not_a_function(frame: &Frame, first: &Operand, arguments: &Arguments<'_>) -> Result<(), Error> {
    if arguments.any() {
        let said = match &first.expression {
            Expression::Pipe(_) => {
                let said = first.shown();
                said[1..said.len() - 1].to_owned()
            }
            _ => first.shown(),
        };
        return Err(frame.error(format!("can't give argument to non-function {said}")));
    }
    Ok(())
}

fn check_count(
    frame: &Frame,
    name: &str,
    signature: &Signature,
    arguments: &Arguments<'_>,
) -> Result<(), Error> {
    let written = arguments.operands.len();
    let given = written + usize::from(arguments.last.is_some());
    let params = signature.params.len();
    if signature.variadic {
        let least = params - 1;
        if given < least {
            return Err(frame.error(format!(
                "wrong number of args for {name}: want at least {least} got {written}"
            )));
        }
    } else if given != params {
        return Err(frame.error(format!(
            "wrong number of args for {name}: want {params} got {given}"
        )));
    }
    Ok(())
}

/// The type of a parameter by its place.
fn parameter(signature: &Signature, index: usize) -> Type {
    let last = signature.params.len().saturating_sub(1);
    signature.params[index.min(last)]
}

/// The value, if a parameter of this type takes it.
fn validate(frame: &Frame, item: Item, of: Type) -> Result<Value, Error> {
    if let Value::Nil = item.value {
        if !item.boxed {
            let wrong = || frame.error(format!("invalid value; expected {}", of.name()));
            return of.zero().ok_or_else(wrong);
        }
        if of.takes(&item.value) {
            return Ok(Value::Nil);
        }
    } else if of.takes(&item.value) {
        return Ok(item.value);
    }
    let got = match item.value {
        Value::Nil => "interface {}".to_owned(),
        value => value.type_name(),
    };
    let wanted = of.name();
    Err(frame.error(format!(
        "wrong type for value; expected {wanted}; got {got}"
    )))
}

/// A literal where any type will do.
fn literal(frame: &Frame, operand: &Operand) -> Result<Value, Error> {
    match &operand.expression {
        Expression::Bool(flag) => Ok(Value::Bool(*flag)),
        Expression::String { text, .. } => Ok(Value::Text(text.clone())),
        Expression::Number(number) => number
            .ideal
            .clone()
            .ok_or_else(|| frame.error(format!("{} overflows int", number.text))),
        _ => Err(frame.error(format!("can't evaluate command \"{operand}\""))),
    }
}

/// A literal for a parameter of a type.
fn constant(frame: &Frame, of: Type, operand: &Operand) -> Result<Value, Error> {
    let expected = |what: &str| Err(frame.error(format!("expected {what}; found {operand}")));
    match (of, &operand.expression) {
        (Type::Any | Type::Reflect, _) => literal(frame, operand),
        (Type::Bool, Expression::Bool(flag)) => Ok(Value::Bool(*flag)),
        (Type::Bool, _) => expected("bool"),
        (Type::Text, Expression::String { text, .. }) => Ok(Value::Text(text.clone())),
        (Type::Text, _) => expected("string"),
        (Type::Int, Expression::Number(number)) if number.integer.is_some() => {
            Ok(Value::int(number.integer.unwrap_or_default()))
        }
        (Type::Int, _) => expected("integer"),
        (Type::Uint32, Expression::Number(number)) if number.unsigned.is_some() => {
            let value = number.unsigned.unwrap_or_default() & u64::from(u32::MAX);
            let value = i64::try_from(value).unwrap_or_default();
            Ok(Value::Integer(Integer {
                kind: Kind::Uint32,
                value,
            }))
        }
        (Type::Uint32, _) => expected("unsigned integer"),
        (Type::Float, Expression::Number(number)) if number.float.is_some() => {
            Ok(Value::Float(number.float.unwrap_or_default()))
        }
        (Type::Float, _) => expected("float"),
        (Type::List | Type::Map | Type::Time | Type::Certificate, _) => {
            let name = of.name();
            Err(frame.error(format!("can't handle {operand} for arg of type {name}")))
        }
    }
}

/// Nothing that a template meets is a function value.
fn uncallable(operands: &[Operand], values: &[Value]) -> Error {
    let Some(value) = values.first().filter(|value| !matches!(value, Value::Nil)) else {
        return Error::plain("call of nil");
    };
    let of = value.type_name();
    let name = match (operands.first(), value) {
        (Some(operand), _) => match &operand.expression {
            Expression::Pipe(_) => operand.shown()[1..].trim_end_matches(')').to_owned(),
            _ => operand.shown(),
        },
        (None, Value::Text(text)) => text.to_str().into_owned(),
        (None, _) => format!("<{of} Value>"),
    };
    Error::plain(format!("non-function {name} of type {of}"))
}
