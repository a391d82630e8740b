//! The parts of a template that write: text, values, branches, loops, calls.

use std::rc::Rc;

use super::Execution;
use super::frame::{Frame, Item};
use crate::error::Error;
use crate::format::{print, quoted, write};
use crate::parse::node::{Branch, Branching, Call, Node, Pipe};
use crate::value::{Elements, Items, Value};

/// How a body ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    Break,
    Continue,
}

impl Execution<'_> {
    pub(super) fn walk_all(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        nodes: &[Node],
        out: &mut Vec<u8>,
    ) -> Result<Flow, Error> {
        for node in nodes {
            match self.walk(frame, dot, node, out)? {
                Flow::On => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::On)
    }

    fn walk(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        node: &Node,
        out: &mut Vec<u8>,
    ) -> Result<Flow, Error> {
        match node {
            Node::Text { start, end } => {
                self.meter.text(out.len() + (end - start))?;
                out.extend_from_slice(&frame.template.source.text.as_bytes()[*start..*end]);
                Ok(Flow::On)
            }
            Node::Action { id, pipe } => {
                frame.at = *id;
                let value = self.pipeline(frame, dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.put(&value, out)?;
                }
                Ok(Flow::On)
            }
            Node::Branch(branch) => {
                let variables = frame.variables.len();
                frame.at = branch.id;
                let flow = stacker::maybe_grow(64 << 10, 1 << 20, || match branch.kind {
                    Branching::Range => self.walk_range(frame, dot, branch, out),
                    Branching::If | Branching::With => self.walk_branch(frame, dot, branch, out),
                });
                frame.variables.truncate(variables);
                flow
            }
            Node::Call(call) => self.walk_call(frame, dot, call, out),
            Node::Break { .. } => Ok(Flow::Break),
            Node::Continue { .. } => Ok(Flow::Continue),
        }
    }

    /// Writes a value as it prints.
    fn put(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Error> {
        let before = out.len();
        match value {
            Value::Nil => out.extend_from_slice(b"<no value>"),
            Value::List(_) | Value::Map(_) | Value::Object(_) => {
                self.meter.whole(value)?;
                write(out, value);
            }
            other => write(out, other),
        }
        let written = out.len() - before;
        if out.len() > self.meter.limits().text_bytes {
            self.meter.text(out.len())?;
        }
        self.meter.text(written)
    }

    fn walk_branch(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        branch: &Branch,
        out: &mut Vec<u8>,
    ) -> Result<Flow, Error> {
        let value = self.pipeline(frame, dot, &branch.pipe)?;
        if value.is_true() {
            if branch.kind == Branching::With {
                return self.walk_all(frame, &Item::plain(value), &branch.then, out);
            }
            return self.walk_all(frame, dot, &branch.then, out);
        }
        match &branch.otherwise {
            Some(otherwise) => self.walk_all(frame, dot, otherwise, out),
            None => Ok(Flow::On),
        }
    }

    fn walk_range(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        branch: &Branch,
        out: &mut Vec<u8>,
    ) -> Result<Flow, Error> {
        let value = self.pipeline(frame, dot, &branch.pipe)?;
        let mut round = Round {
            branch,
            mark: frame.variables.len(),
            count: 0,
        };
        match value.bare() {
            Value::Integer(integer) => {
                if branch.pipe.variables.len() > 1 {
                    let said = print(&value);
                    let message =
                        format!("can't use {said} to iterate over more than one variable");
                    return Err(frame.error(message));
                }
                for number in 0..integer.value {
                    let item = Value::Integer(crate::value::Integer {
                        value: number,
                        ..integer
                    });
                    let (index, item) = (Item::plain(Value::Nil), Item::plain(item));
                    if self.walk_round(frame, &mut round, index, &item, out)? == Flow::Break {
                        return Ok(Flow::On);
                    }
                }
            }
            Value::List(list) => {
                let boxed = list.items() == Items::Any;
                for (number, value) in (0..).zip(list.iter()) {
                    let item = Item {
                        value: value.clone(),
                        boxed,
                    };
                    let index = Item::plain(Value::int(number));
                    if self.walk_round(frame, &mut round, index, &item, out)? == Flow::Break {
                        return Ok(Flow::On);
                    }
                }
            }
            Value::Map(map) => {
                let boxed = map.elements() == Elements::Any;
                for (key, value) in map.entries() {
                    let (key, item) = (Item::plain(Value::Text(key)), Item { value, boxed });
                    if self.walk_round(frame, &mut round, key, &item, out)? == Flow::Break {
                        return Ok(Flow::On);
                    }
                }
            }
            Value::Nil => {}
            _ => return Err(frame.error(format!("range can't iterate over {}", print(&value)))),
        }
        match &branch.otherwise {
            Some(otherwise) if round.count == 0 => self.walk_all(frame, dot, otherwise, out),
            _ => Ok(Flow::On),
        }
    }

    fn walk_round(
        &mut self,
        frame: &mut Frame,
        round: &mut Round<'_>,
        index: Item,
        item: &Item,
        out: &mut Vec<u8>,
    ) -> Result<Flow, Error> {
        self.meter.step()?;
        round.count += 1;
        let pipe = &round.branch.pipe;
        match (&*pipe.variables, pipe.assigns) {
            ([], _) => {}
            ([one], true) => frame.assign(one, item.clone())?,
            ([first, second, ..], true) => {
                frame.assign(first, index)?;
                frame.assign(second, item.clone())?;
            }
            ([_], false) => frame.assign_last(1, item.clone()),
            ([_, _, ..], false) => {
                frame.assign_last(1, item.clone());
                frame.assign_last(2, index);
            }
        }
        let flow = self.walk_all(frame, item, &round.branch.then, out)?;
        frame.variables.truncate(round.mark);
        Ok(flow)
    }

    fn walk_call(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        call: &Call,
        out: &mut Vec<u8>,
    ) -> Result<Flow, Error> {
        frame.at = call.id;
        let Some(template) = self.scope.find(&call.name) else {
            let name = quoted(call.name.as_bytes());
            return Err(frame.error(format!("template {name} not defined")));
        };
        let data = match &call.pipe {
            Some(pipe) => self.pipeline(frame, dot, pipe)?,
            None => Value::Nil,
        };
        self.run_into(&template, data, out)?;
        Ok(Flow::On)
    }

    /// The value of a pipeline, out of its box.
    pub(super) fn pipeline(
        &mut self,
        frame: &mut Frame,
        dot: &Item,
        pipe: &Pipe,
    ) -> Result<Value, Error> {
        self.meter.step()?;
        frame.at = pipe.id;
        let mut last: Option<Item> = None;
        for command in &pipe.commands {
            let item = self.command(frame, dot, command, last)?;
            last = Some(Item::plain(item.value));
        }
        let value = last.map_or(Value::Nil, |item| item.value);
        for name in &pipe.variables {
            let item = Item::plain(value.clone());
            if pipe.assigns {
                frame.assign(name, item)?;
            } else {
                frame.variables.push((Rc::clone(name), item));
            }
        }
        Ok(value)
    }
}

/// A loop under way.
struct Round<'b> {
    branch: &'b Branch,
    /// How many variables there are outside of its body.
    mark: usize,
    count: usize,
}
