//! Running templates: Go's text/template/exec of Go 1.26, over [`Value`]s.

mod call;
mod field;
mod frame;
mod limits;
mod walk;

use std::collections::BTreeMap;
use std::rc::Rc;

pub use limits::Limits;

use crate::error::Error;
use crate::format::quoted;
use crate::parse::node::Template;
use crate::random::Random;
use crate::templates::{Scope, Templates};
use crate::time::Time;
use crate::value::{Text, Value};
use frame::{Frame, Item};

/// What a key that is not in a map gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// `missingkey=default`: no value at all.
    Default,
    /// `missingkey=zero`: the zero of the map's type. Helm's.
    #[default]
    Zero,
    /// `missingkey=error`: an error. Helm's with `--strict`.
    Error,
}

/// Reads an object of the cluster: API version, kind, namespace, name (or all, if empty).
pub type Lookup<'l> = dyn FnMut(&str, &str, &str, &str) -> Result<Value, String> + 'l;

/// What a run depends on besides the templates and the data.
#[derive(Default)]
pub struct Options<'l> {
    /// What a key that is not in a map gives.
    pub missing_key: MissingKey,
    /// Whether `required` and `fail` let everything pass, as `helm lint` has it.
    pub lint: bool,
    /// What random values are drawn from: the same seed draws the same.
    pub seed: [u8; 32],
    /// What `now` says: seconds since 1970 and nanoseconds.
    pub now: (i64, u32),
    /// Where it ends.
    pub limits: Limits,
    /// What `lookup` asks; nothing is found without.
    pub lookup: Option<Box<Lookup<'l>>>,
}

/// One rendering: runs templates of one set, one after the other. Limits, the count of includes
/// and the random numbers go on from template to template.
pub struct Execution<'l> {
    pub(crate) scope: Rc<Scope>,
    pub(crate) missing_key: MissingKey,
    pub(crate) lint: bool,
    pub(crate) now: Time,
    pub(crate) random: Random,
    pub(crate) lookup: Option<Box<Lookup<'l>>>,
    pub(crate) meter: limits::Meter,
    pub(crate) included: BTreeMap<Text, usize>,
    pub(crate) parsed: BTreeMap<Text, Rc<[Rc<Template>]>>,
    pub(crate) regexes: crate::functions::Regexes,
}

impl<'l> Execution<'l> {
    /// Prepares to run templates.
    pub fn new(templates: &Templates, options: Options<'l>) -> Self {
        Self {
            scope: templates.scope(),
            missing_key: options.missing_key,
            lint: options.lint,
            now: Time::at(options.now.0, options.now.1),
            random: Random::new(options.seed),
            lookup: options.lookup,
            meter: limits::Meter::new(options.limits),
            included: BTreeMap::new(),
            parsed: BTreeMap::new(),
            regexes: crate::functions::Regexes::default(),
        }
    }

    /// Runs a template by name. The error is a [`Error::is_exec`] unless there is no such template.
    pub fn execute(&mut self, name: &str, data: Value) -> Result<Vec<u8>, Error> {
        let Some(template) = self.scope.find(name) else {
            let name = quoted(name.as_bytes());
            let message =
                format!("template: no template {name} associated with template \"gotpl\"");
            return Err(Error::plain(message));
        };
        self.run(&template, data)
    }

    /// Runs a template from its beginning.
    pub(crate) fn run(&mut self, template: &Rc<Template>, data: Value) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.run_into(template, data, &mut out)?;
        Ok(out)
    }

    fn run_into(
        &mut self,
        template: &Rc<Template>,
        data: Value,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.meter.enter()?;
        let mut frame = Frame::new(Rc::clone(template), data.clone());
        let dot = Item::plain(data);
        let body = &template.body;
        let run = || self.walk_all(&mut frame, &dot, body, out);
        let ran = stacker::maybe_grow(256 << 10, 2 << 20, run);
        self.meter.leave();
        ran.map(drop)
    }
}
