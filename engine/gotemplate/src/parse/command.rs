//! What stands inside an action: pipelines, commands and their words.

use std::rc::Rc;

use super::node::{Command, Expression, Operand, Pipe};
use super::token::{Form, Token};
use super::{DEPTH_MAX, Parser, number, unquote};
use crate::error::Error;
use crate::format::quoted;
use crate::functions;
use crate::value::Text;

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: Form) -> Result<Pipe, Error> {
        let position = self.peek_word().position;
        let id = self.id();
        let (variables, assigns) = self.declarations(context)?;
        let mut commands = Vec::new();
        loop {
            let token = self.next_word();
            match token.form {
                form if form == end => break,
                Form::Bool
                | Form::CharConstant
                | Form::Complex
                | Form::Dot
                | Form::Field
                | Form::Identifier
                | Form::Number
                | Form::Nil
                | Form::RawString
                | Form::String
                | Form::Variable
                | Form::LeftParen => {
                    self.back();
                    commands.push(self.command()?);
                }
                _ => return Err(self.unexpected(&token, context)),
            }
        }
        let pipe = Pipe {
            id,
            position,
            variables,
            assigns,
            commands,
        };
        self.check(&pipe, context)?;
        Ok(pipe)
    }

    /// Only the first command of a pipeline may be a mere value.
    fn check(&self, pipe: &Pipe, context: &str) -> Result<(), Error> {
        if pipe.commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(
                command.operands[0].expression,
                Expression::Bool(_)
                    | Expression::Dot
                    | Expression::Nil
                    | Expression::Number(_)
                    | Expression::String { .. }
            ) {
                let stage = index + 1;
                return Err(self.error(format!("non executable command in pipeline stage {stage}")));
            }
        }
        Ok(())
    }

    /// `$a :=`, `$a =`, and in a range `$a, $b :=`.
    fn declarations(&mut self, context: &str) -> Result<(Vec<Rc<str>>, bool), Error> {
        let mut variables: Vec<Rc<str>> = Vec::new();
        loop {
            let variable = self.peek_word();
            if variable.form != Form::Variable {
                return Ok((variables, false));
            }
            self.next();
            // A space may follow, and must be put back if this is no declaration.
            let after = self.peek().clone();
            let next = self.peek_word();
            match next.form {
                Form::Assign | Form::Declare => {
                    self.next_word();
                    self.declare(&variable, &mut variables);
                    return Ok((variables, next.form == Form::Assign));
                }
                Form::Char if next.text == "," => {
                    self.next_word();
                    self.declare(&variable, &mut variables);
                    if context == "range" && variables.len() < 2 {
                        match self.peek_word().form {
                            Form::Variable | Form::RightDelim | Form::RightParen => continue,
                            _ => return Err(self.error("range can only initialize variables")),
                        }
                    }
                    return Err(self.error(format!("too many declarations in {context}")));
                }
                _ => {}
            }
            if after.form == Form::Space {
                self.tokens[1] = after;
                self.tokens[2] = variable;
                self.peeked = 3;
            } else {
                self.tokens[1] = variable;
                self.peeked = 2;
            }
            return Ok((variables, false));
        }
    }

    fn declare(&mut self, token: &Token<'_>, variables: &mut Vec<Rc<str>>) {
        let name: Rc<str> = Rc::from(&*token.text);
        self.scope.variables.push(Rc::clone(&name));
        variables.push(name);
    }

    fn command(&mut self) -> Result<Command, Error> {
        let position = self.peek_word().position;
        let mut operands = Vec::new();
        loop {
            self.peek_word();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            let token = self.next();
            match token.form {
                Form::Space => {}
                Form::RightDelim | Form::RightParen => {
                    self.back();
                    break;
                }
                Form::Pipe => break,
                _ => return Err(self.unexpected(&token, "operand")),
            }
        }
        if operands.is_empty() {
            return Err(self.error("empty command"));
        }
        let id = self.id();
        Ok(Command {
            id,
            position,
            operands,
        })
    }

    /// A term and the fields behind it.
    fn operand(&mut self) -> Result<Option<Operand>, Error> {
        let Some(mut term) = self.term()? else {
            return Ok(None);
        };
        if self.peek().form != Form::Field {
            return Ok(Some(term));
        }
        let position = self.peek().position;
        let mut more = Vec::new();
        while self.peek().form == Form::Field {
            more.push(Box::from(&self.next().text[1..]));
        }
        let joined = |fields: Box<[Box<str>]>, more: Vec<Box<str>>| -> Box<[Box<str>]> {
            fields.into_vec().into_iter().chain(more).collect()
        };
        term.expression = match term.expression {
            Expression::Field(fields) => Expression::Field(joined(fields, more)),
            Expression::Variable { name, fields } => {
                let fields = joined(fields, more);
                Expression::Variable { name, fields }
            }
            Expression::Bool(_)
            | Expression::String { .. }
            | Expression::Number(_)
            | Expression::Nil
            | Expression::Dot => {
                let said = quoted(term.shown().as_bytes());
                return Err(self.error(format!("unexpected . after term {said}")));
            }
            expression @ (Expression::Chain { .. }
            | Expression::Function(_)
            | Expression::Pipe(_)) => {
                let of = Box::new(Operand { expression, ..term });
                let fields = more.into_boxed_slice();
                Expression::Chain { of, fields }
            }
        };
        let id = self.id();
        Ok(Some(Operand {
            id,
            position,
            expression: term.expression,
        }))
    }

    /// A value, a name, or a pipeline in parentheses; nothing if what follows is no term.
    fn term(&mut self) -> Result<Option<Operand>, Error> {
        let token = self.next_word();
        let expression = match token.form {
            Form::Identifier => {
                if let Some(function) = functions::find(&token.text) {
                    Expression::Function(function)
                } else {
                    let name = quoted(token.text.as_bytes());
                    return Err(self.error(format!("function {name} not defined")));
                }
            }
            Form::Dot => Expression::Dot,
            Form::Nil => Expression::Nil,
            Form::Variable => self.variable(&token.text)?,
            Form::Field => Expression::Field(Box::new([Box::from(&token.text[1..])])),
            Form::Bool => Expression::Bool(token.text == "true"),
            Form::CharConstant | Form::Complex | Form::Number => {
                let number = number::read(&token.text, token.form);
                Expression::Number(Box::new(number.map_err(|error| self.error(error))?))
            }
            Form::LeftParen => self.parenthesized()?,
            Form::String | Form::RawString => {
                let text = unquote(&token.text).map_err(|error| self.error(error))?;
                Expression::String {
                    quoted: Box::from(&*token.text),
                    text: Text::from(text),
                }
            }
            _ => {
                self.back();
                return Ok(None);
            }
        };
        let id = self.id();
        Ok(Some(Operand {
            id,
            position: token.position,
            expression,
        }))
    }

    fn variable(&self, name: &str) -> Result<Expression, Error> {
        if let Some(name) = self.scope.variables.iter().find(|each| &***each == name) {
            Ok(Expression::Variable {
                name: Rc::clone(name),
                fields: Box::default(),
            })
        } else {
            let name = quoted(name.as_bytes());
            Err(self.error(format!("undefined variable {name}")))
        }
    }

    fn parenthesized(&mut self) -> Result<Expression, Error> {
        if self.depth >= DEPTH_MAX {
            return Err(self.error("max expression depth exceeded"));
        }
        self.depth += 1;
        let pipe = stacker::maybe_grow(64 << 10, 1 << 20, || {
            self.pipeline("parenthesized pipeline", Form::RightParen)
        })?;
        self.depth -= 1;
        Ok(Expression::Pipe(Box::new(pipe)))
    }
}
