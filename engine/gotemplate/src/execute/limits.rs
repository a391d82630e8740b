//! How far a run may go. What Go would do until its memory ends, ends here with an error.

use crate::error::Error;
use crate::value::Value;

/// Where a run ends. The defaults are far beyond what charts do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Templates within templates.
    pub depth: usize,
    /// Pipelines and loop rounds, in all.
    pub steps: u64,
    /// The bytes of one text or output.
    pub text_bytes: usize,
    /// The bytes of all texts and lists that functions make.
    pub work_bytes: u64,
    /// The items of one list that a function makes.
    pub list_items: usize,
    /// The bytes of a compiled regular expression.
    pub regex_bytes: usize,
    /// Private keys and other expensive secrets, in all.
    pub keys: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 5000,
            steps: 20_000_000,
            text_bytes: 64 << 20,
            work_bytes: 4 << 30,
            list_items: 1_000_000,
            regex_bytes: 4 << 20,
            keys: 32,
        }
    }
}

/// What of the limits is left.
pub(crate) struct Meter {
    limits: Limits,
    depth: usize,
    steps: u64,
    work_bytes: u64,
    keys: usize,
}

/// A value may be nested so deep where a function looks into all of it.
const NESTING_MAX: usize = 1000;

impl Meter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            depth: 0,
            steps: 0,
            work_bytes: 0,
            keys: 0,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Begins a template; each is left again, if only by an error that ends the run.
    pub(super) fn enter(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            let depth = self.limits.depth;
            return Err(Error::limited(format!(
                "cannot go on: templates call each other more than {depth} deep"
            )));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn step(&mut self) -> Result<(), Error> {
        self.steps += 1;
        if self.steps > self.limits.steps {
            let steps = self.limits.steps;
            return Err(Error::limited(format!(
                "cannot go on: the templates take more than {steps} steps"
            )));
        }
        Ok(())
    }

    /// Asks for a text of so many bytes, before it is made where that can be known.
    pub(crate) fn text(&mut self, bytes: usize) -> Result<(), Error> {
        if bytes > self.limits.text_bytes {
            let most = self.limits.text_bytes;
            return Err(Error::limited(format!(
                "cannot make a text of {bytes} bytes: no more than {most} are allowed"
            )));
        }
        self.work(bytes)
    }

    /// Asks for a list of so many items, before it is made.
    pub(crate) fn list(&mut self, items: usize) -> Result<(), Error> {
        if items > self.limits.list_items {
            let most = self.limits.list_items;
            return Err(Error::limited(format!(
                "cannot make a list of {items} items: no more than {most} are allowed"
            )));
        }
        self.work(items.saturating_mul(size_of::<Value>()))
    }

    /// Asks to compare with so many values.
    pub(crate) fn looks(&mut self, count: usize) -> Result<(), Error> {
        self.work(count)
    }

    fn work(&mut self, bytes: usize) -> Result<(), Error> {
        self.work_bytes = self.work_bytes.saturating_add(bytes as u64);
        if self.work_bytes > self.limits.work_bytes {
            let most = self.limits.work_bytes;
            return Err(Error::limited(format!(
                "cannot go on: functions have made more than {most} bytes"
            )));
        }
        Ok(())
    }

    /// Asks for a key.
    pub(crate) fn key(&mut self) -> Result<(), Error> {
        self.keys += 1;
        if self.keys > self.limits.keys {
            let keys = self.limits.keys;
            return Err(Error::limited(format!(
                "cannot make another key: one rendering makes no more than {keys}"
            )));
        }
        Ok(())
    }

    /// Asks to look into all of a value: it may hold itself, or the same thing a billion times.
    pub(crate) fn whole(&mut self, value: &Value) -> Result<(), Error> {
        let mut left = self.limits.text_bytes;
        if measure(value, &mut left, 0) {
            return self.work(self.limits.text_bytes - left);
        }
        Err(Error::limited(
            "cannot look into a value that holds itself, or is too large",
        ))
    }
}

/// Whether a value fits into what is left.
fn measure(value: &Value, left: &mut usize, depth: usize) -> bool {
    let cost = match value {
        Value::Text(text) => text.len() + 8,
        _ => 8,
    };
    if cost > *left || depth > NESTING_MAX {
        return false;
    }
    *left -= cost;
    match value {
        Value::List(list) => list.iter().all(|item| measure(item, left, depth + 1)),
        Value::Map(map) => {
            let mut fits = true;
            map.each(|key, value| {
                fits = fits && key.len() <= *left && measure(value, left, depth + 1);
            });
            fits
        }
        Value::Object(object) => match object.underlying() {
            Some(value) => measure(&value, left, depth + 1),
            None => object
                .fields()
                .iter()
                .all(|(_, field)| measure(field, left, depth + 1)),
        },
        _ => true,
    }
}
