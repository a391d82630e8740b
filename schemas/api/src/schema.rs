//! A compact schema language: what a kind's fields are, said once.
//!
//! [`read`](Schema::read) checks an object against it, [`openapi`](Schema::openapi) turns it into a CRD's schema.
//! Only what Flux's kinds need can be said; the schemas themselves are next to their kinds.

mod openapi;
mod read;
pub(crate) mod shared;

use serde_json::Value;

pub(crate) use read::Problem;

/// What a value may be.
pub(crate) struct Schema {
    shape: Shape,
    description: &'static str,
    default: Option<Value>,
    rules: Vec<Rule>,
}

enum Shape {
    Boolean,
    Integer {
        minimum: Option<i64>,
    },
    Text(Text),
    /// Text to text.
    Map,
    List {
        item: Box<Schema>,
        items_min: usize,
    },
    Object(Vec<Field>),
    /// An object whose fields are not said here; all are kept.
    OpenObject,
    /// Any JSON value; it is kept as it is.
    Anything,
}

#[derive(Default)]
struct Text {
    words: &'static [&'static str],
    form: Option<&'static Form>,
    characters_min: usize,
    characters_max: Option<usize>,
    date_time: bool,
}

/// A form of text: the pattern that the API server checks, and the same in Rust.
pub(crate) struct Form {
    /// The regular expression in the CRD; empty where none can say it.
    pub(crate) pattern: &'static str,
    /// What is allowed, to finish the sentence "must be …".
    pub(crate) says: &'static str,
    /// May accept more than the pattern where an older version did, and less where the pattern lets
    /// nonsense through.
    pub(crate) accepts: fn(&str) -> bool,
    /// Whether an error may repeat the text: never where it could hold a credential.
    pub(crate) may_be_shown: bool,
}

struct Field {
    name: &'static str,
    schema: Schema,
    required: bool,
}

/// A rule over an object's fields, in CEL for the API server and in Rust for [`Schema::read`].
pub(crate) struct Rule {
    pub(crate) cel: &'static str,
    pub(crate) message: &'static str,
    pub(crate) holds: fn(&Value) -> bool,
}

pub(crate) fn boolean(description: &'static str) -> Schema {
    Schema::new(Shape::Boolean, description)
}

pub(crate) fn integer(description: &'static str) -> Schema {
    Schema::new(Shape::Integer { minimum: None }, description)
}

pub(crate) fn text(description: &'static str) -> Schema {
    Schema::new(Shape::Text(Text::default()), description)
}

/// A time in RFC 3339.
pub(crate) fn time(description: &'static str) -> Schema {
    Schema::new(
        Shape::Text(Text {
            date_time: true,
            ..Text::default()
        }),
        description,
    )
}

/// One of a few words.
pub(crate) fn word(words: &'static [&'static str], description: &'static str) -> Schema {
    Schema::new(
        Shape::Text(Text {
            words,
            ..Text::default()
        }),
        description,
    )
}

/// Text of a form.
pub(crate) fn formed(form: &'static Form, description: &'static str) -> Schema {
    Schema::new(
        Shape::Text(Text {
            form: Some(form),
            ..Text::default()
        }),
        description,
    )
}

pub(crate) fn map(description: &'static str) -> Schema {
    Schema::new(Shape::Map, description)
}

pub(crate) fn list(item: Schema, description: &'static str) -> Schema {
    Schema::new(
        Shape::List {
            item: Box::new(item),
            items_min: 0,
        },
        description,
    )
}

pub(crate) fn object(description: &'static str) -> Schema {
    Schema::new(Shape::Object(Vec::new()), description)
}

pub(crate) fn open_object(description: &'static str) -> Schema {
    Schema::new(Shape::OpenObject, description)
}

pub(crate) fn anything(description: &'static str) -> Schema {
    Schema::new(Shape::Anything, description)
}

impl Schema {
    fn new(shape: Shape, description: &'static str) -> Self {
        Self {
            shape,
            description,
            default: None,
            rules: Vec::new(),
        }
    }

    /// The value of the field when it is absent.
    pub(crate) fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// How many characters a text has, at least and at most.
    pub(crate) fn characters(mut self, min: usize, max: usize) -> Self {
        if let Shape::Text(text) = &mut self.shape {
            text.characters_min = min;
            text.characters_max = Some(max);
        }
        self
    }

    /// The least integer.
    pub(crate) fn minimum(mut self, least: i64) -> Self {
        if let Shape::Integer { minimum } = &mut self.shape {
            *minimum = Some(least);
        }
        self
    }

    /// A field that must be there.
    pub(crate) fn required(self, name: &'static str, schema: Self) -> Self {
        self.field(name, schema, true)
    }

    /// A field that may be there.
    pub(crate) fn optional(self, name: &'static str, schema: Self) -> Self {
        self.field(name, schema, false)
    }

    fn field(mut self, name: &'static str, schema: Self, required: bool) -> Self {
        if let Shape::Object(fields) = &mut self.shape {
            fields.push(Field {
                name,
                schema,
                required,
            });
        }
        self
    }

    /// A rule over the fields of an object.
    pub(crate) fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }
}
