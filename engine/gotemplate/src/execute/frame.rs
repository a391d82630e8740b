//! What holds while one template runs: its variables, and where it is.

use std::rc::Rc;

use crate::error::Error;
use crate::format::quoted;
use crate::parse::node::Template;
use crate::value::Value;

/// A value in the making, and whether Go sees it through an `interface {}`: an item of a map or
/// list of any type, until a pipeline looks inside.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) boxed: bool,
}

impl Item {
    pub(super) fn plain(value: Value) -> Self {
        Self {
            value,
            boxed: false,
        }
    }

    pub(super) fn boxed(value: Value) -> Self {
        Self { value, boxed: true }
    }

    /// Go's name of its static type.
    pub(super) fn type_name(&self) -> String {
        if self.boxed {
            return "interface {}".to_owned();
        }
        self.value.type_name()
    }
}

pub(super) struct Frame {
    pub(super) template: Rc<Template>,
    /// The number of the part that errors point at.
    pub(super) at: u32,
    pub(super) variables: Vec<(Rc<str>, Item)>,
}

impl Frame {
    pub(super) fn new(template: Rc<Template>, data: Value) -> Self {
        let variables = vec![(Rc::from("$"), Item::plain(data))];
        Self {
            template,
            at: 0,
            variables,
        }
    }

    pub(super) fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::exec(self.said(&message.to_string()), None)
    }

    pub(super) fn error_from(&self, message: &str, cause: Error) -> Error {
        Error::exec(self.said(message), Some(cause))
    }

    fn said(&self, message: &str) -> String {
        let name = &self.template.name;
        match self.template.context(self.at) {
            Some((place, said)) => {
                let name = quoted(name.as_bytes());
                format!("template: {place}: executing {name} at <{said}>: {message}")
            }
            None => format!("template: {name}: {message}"),
        }
    }

    pub(super) fn variable(&self, name: &str) -> Option<&Item> {
        let mut newest_first = self.variables.iter().rev();
        newest_first
            .find(|(each, _)| **each == *name)
            .map(|(_, item)| item)
    }

    /// Sets the newest variable of a name.
    pub(super) fn assign(&mut self, name: &str, item: Item) -> Result<(), Error> {
        let mut newest_first = self.variables.iter_mut().rev();
        match newest_first.find(|(each, _)| **each == *name) {
            Some((_, old)) => {
                *old = item;
                Ok(())
            }
            None => Err(self.error(format!("undefined variable: {name}"))),
        }
    }

    /// Sets the variable that was declared so many before the last.
    pub(super) fn assign_last(&mut self, back: usize, item: Item) {
        if let Some(at) = self.variables.len().checked_sub(back) {
            self.variables[at].1 = item;
        }
    }
}
