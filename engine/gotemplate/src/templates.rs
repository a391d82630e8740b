//! The set of named templates, and the sets that `tpl` lays over it.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::error::Error;
use crate::parse::node::Template;
use crate::parse::parse;

/// What a file defines, to be added to any number of sets.
#[derive(Clone, Debug)]
pub struct Parsed(Rc<[Rc<Template>]>);

impl Parsed {
    /// Reads a file.
    pub fn new(name: &str, text: &str) -> Result<Self, Error> {
        let templates = parse(name, text)?.into_iter();
        Ok(Self(templates.map(Rc::new).collect()))
    }
}

/// All templates of a chart: files and what they define, by name.
#[derive(Default)]
pub struct Templates {
    scope: Scope,
}

impl Templates {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file and adds what it defines. What is there already is replaced, unless by nothing
    /// but space.
    pub fn parse(&mut self, name: &str, text: &str) -> Result<(), Error> {
        self.add(&Parsed::new(name, text)?);
        Ok(())
    }

    /// Adds what a file defines that was read before, in the same way.
    pub fn add(&mut self, parsed: &Parsed) {
        for template in parsed.0.iter() {
            self.scope.add(Rc::clone(template));
        }
    }

    /// Whether there is a template of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.scope.find(name).is_some()
    }

    pub(crate) fn scope(&self) -> Rc<Scope> {
        Rc::new(self.scope.clone())
    }
}

/// Templates by name, over those of an outer set.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    outer: Option<Rc<Self>>,
    templates: BTreeMap<Rc<str>, Rc<Template>>,
}

impl Scope {
    /// What a text defines, over an outer set, and the template of the text itself.
    pub(crate) fn over(outer: Rc<Self>, templates: impl IntoIterator<Item = Rc<Template>>) -> Self {
        let mut scope = Self {
            outer: Some(outer),
            templates: BTreeMap::new(),
        };
        for template in templates {
            scope.add(template);
        }
        scope
    }

    fn add(&mut self, template: Rc<Template>) {
        if !template.is_empty() || self.find(&template.name).is_none() {
            self.templates.insert(Rc::clone(&template.name), template);
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<Rc<Template>> {
        let mut scopes = std::iter::successors(Some(self), |scope| scope.outer.as_deref());
        scopes.find_map(|scope| scope.templates.get(name)).cloned()
    }
}
