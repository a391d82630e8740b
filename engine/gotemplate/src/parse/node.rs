//! A parsed template.
//!
//! Every part that an error can point at has a number, which finds it again: running a template
//! only remembers where it is.

use std::fmt;
use std::rc::Rc;

use crate::format::quoted;
use crate::functions::Function;
use crate::value::{Text, Value};

/// The text that templates were parsed from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: Rc<str>,
    pub(crate) text: Rc<str>,
}

/// One template: a file, or a `define` in it.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) name: Rc<str>,
    pub(crate) source: Rc<Source>,
    pub(crate) body: Vec<Node>,
}

impl Template {
    /// Whether there is nothing in it but space.
    pub(crate) fn is_empty(&self) -> bool {
        self.body.iter().all(|node| match node {
            Node::Text { start, end } => self.source.text[*start..*end].trim().is_empty(),
            _ => false,
        })
    }

    /// Where a numbered part stands, as `name:line:column`, and what it says.
    pub(crate) fn context(&self, id: u32) -> Option<(String, String)> {
        let found = find(&self.body, id)?;
        let (position, said) = match found {
            Found::Pipe(pipe) => (pipe.position, shown(|out| pipe.write(out))),
            Found::Command(command) => (command.position, shown(|out| command.write(out))),
            Found::Operand(operand) => (operand.position, shown(|out| operand.write(out))),
            Found::Node(node) => (node.position(), shown(|out| self.write_node(out, node))),
        };
        let before = &self.source.text[..position];
        let line = 1 + before.matches('\n').count();
        let column = before.rfind('\n').map_or(position, |at| position - at - 1);
        Some((format!("{}:{line}:{column}", self.source.name), said))
    }

    fn write_all(&self, out: &mut String, nodes: &[Node]) {
        for node in nodes {
            self.write_node(out, node);
        }
    }

    fn write_node(&self, out: &mut String, node: &Node) {
        match node {
            Node::Text { start, end } => out.push_str(&self.source.text[*start..*end]),
            Node::Action { pipe, .. } => {
                out.push_str("{{");
                pipe.write(out);
                out.push_str("}}");
            }
            Node::Break { .. } => out.push_str("{{break}}"),
            Node::Continue { .. } => out.push_str("{{continue}}"),
            Node::Branch(branch) => {
                let word = match branch.kind {
                    Branching::If => "if",
                    Branching::With => "with",
                    Branching::Range => "range",
                };
                out.push_str("{{");
                out.push_str(word);
                out.push(' ');
                branch.pipe.write(out);
                out.push_str("}}");
                self.write_all(out, &branch.then);
                if let Some(otherwise) = &branch.otherwise {
                    out.push_str("{{else}}");
                    self.write_all(out, otherwise);
                }
                out.push_str("{{end}}");
            }
            Node::Call(call) => {
                out.push_str("{{template ");
                out.push_str(&quoted(call.name.as_bytes()));
                if let Some(pipe) = &call.pipe {
                    out.push(' ');
                    pipe.write(out);
                }
                out.push_str("}}");
            }
        }
    }
}

fn shown(write: impl FnOnce(&mut String)) -> String {
    let mut out = String::new();
    write(&mut out);
    out
}

/// A part of a template's body.
#[derive(Debug)]
pub(crate) enum Node {
    /// Text as it is, by where it stands in the source.
    Text { start: usize, end: usize },
    /// `{{ pipeline }}`
    Action { id: u32, pipe: Pipe },
    /// `{{ if }}`, `{{ with }}`, `{{ range }}`
    Branch(Box<Branch>),
    /// `{{ template }}`
    Call(Box<Call>),
    /// `{{ break }}`
    Break { position: usize },
    /// `{{ continue }}`
    Continue { position: usize },
}

impl Node {
    fn position(&self) -> usize {
        match self {
            Self::Text { start, .. } => *start,
            Self::Action { pipe, .. } => pipe.position,
            Self::Branch(branch) => branch.pipe.position,
            Self::Call(call) => call.position,
            Self::Break { position } | Self::Continue { position } => *position,
        }
    }
}

/// Which of the branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Branching {
    If,
    With,
    Range,
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) id: u32,
    pub(crate) kind: Branching,
    pub(crate) pipe: Pipe,
    pub(crate) then: Vec<Node>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: u32,
    pub(crate) position: usize,
    pub(crate) name: Rc<str>,
    pub(crate) pipe: Option<Pipe>,
}

/// `$a, $b := command | command`
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) id: u32,
    pub(crate) position: usize,
    pub(crate) variables: Vec<Rc<str>>,
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command>,
}

impl Pipe {
    fn write(&self, out: &mut String) {
        for (index, variable) in self.variables.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            out.push_str(variable);
        }
        if !self.variables.is_empty() {
            out.push_str(if self.assigns { " = " } else { " := " });
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                out.push_str(" | ");
            }
            command.write(out);
        }
    }
}

/// Something and its arguments.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) id: u32,
    pub(crate) position: usize,
    pub(crate) operands: Vec<Operand>,
}

impl Command {
    fn write(&self, out: &mut String) {
        for (index, operand) in self.operands.iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            operand.write(out);
        }
    }
}

/// A word of a command.
#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) id: u32,
    pub(crate) position: usize,
    pub(crate) expression: Expression,
}

#[derive(Debug)]
pub(crate) enum Expression {
    Dot,
    Nil,
    Bool(bool),
    Number(Box<Number>),
    String {
        quoted: Box<str>,
        text: Text,
    },
    /// `.a.b`
    Field(Box<[Box<str>]>),
    /// `$x.a.b`; the name has its `$`.
    Variable {
        name: Rc<str>,
        fields: Box<[Box<str>]>,
    },
    /// `(…).a.b`
    Chain {
        of: Box<Operand>,
        fields: Box<[Box<str>]>,
    },
    Function(&'static Function),
    Pipe(Box<Pipe>),
}

/// A number as it is written, and what it can be.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) text: Box<str>,
    pub(crate) integer: Option<i64>,
    pub(crate) unsigned: Option<u64>,
    pub(crate) float: Option<f64>,
    /// What it is where nothing says what it should be; `None` if it does not fit.
    pub(crate) ideal: Option<Value>,
}

impl Operand {
    /// As the template says it.
    pub(crate) fn shown(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        let dotted = |out: &mut String, fields: &[Box<str>]| {
            for field in fields {
                out.push('.');
                out.push_str(field);
            }
        };
        match &self.expression {
            Expression::Dot => out.push('.'),
            Expression::Nil => out.push_str("nil"),
            Expression::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Expression::Number(number) => out.push_str(&number.text),
            Expression::String { quoted, .. } => out.push_str(quoted),
            Expression::Field(fields) => dotted(out, fields),
            Expression::Variable { name, fields } => {
                out.push_str(name);
                dotted(out, fields);
            }
            Expression::Chain { of, fields } => {
                of.write(out);
                dotted(out, fields);
            }
            Expression::Function(function) => out.push_str(function.name),
            Expression::Pipe(pipe) => {
                out.push('(');
                pipe.write(out);
                out.push(')');
            }
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

enum Found<'n> {
    Node(&'n Node),
    Pipe(&'n Pipe),
    Command(&'n Command),
    Operand(&'n Operand),
}

fn find(nodes: &[Node], id: u32) -> Option<Found<'_>> {
    nodes.iter().find_map(|node| match node {
        Node::Text { .. } | Node::Break { .. } | Node::Continue { .. } => None,
        Node::Action { id: own, .. } if *own == id => Some(Found::Node(node)),
        Node::Action { pipe, .. } => find_in_pipe(pipe, id),
        Node::Branch(branch) if branch.id == id => Some(Found::Node(node)),
        Node::Branch(branch) => find_in_pipe(&branch.pipe, id)
            .or_else(|| find(&branch.then, id))
            .or_else(|| find(branch.otherwise.as_deref()?, id)),
        Node::Call(call) if call.id == id => Some(Found::Node(node)),
        Node::Call(call) => find_in_pipe(call.pipe.as_ref()?, id),
    })
}

fn find_in_pipe(pipe: &Pipe, id: u32) -> Option<Found<'_>> {
    if pipe.id == id {
        return Some(Found::Pipe(pipe));
    }
    pipe.commands.iter().find_map(|command| {
        if command.id == id {
            return Some(Found::Command(command));
        }
        command
            .operands
            .iter()
            .find_map(|operand| find_in_operand(operand, id))
    })
}

fn find_in_operand(operand: &Operand, id: u32) -> Option<Found<'_>> {
    if operand.id == id {
        return Some(Found::Operand(operand));
    }
    match &operand.expression {
        Expression::Chain { of, .. } => find_in_operand(of, id),
        Expression::Pipe(pipe) => find_in_pipe(pipe, id),
        _ => None,
    }
}
