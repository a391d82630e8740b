//! Why a template could not be read or run, in Go's words.

use std::fmt;

/// Why a template could not be parsed or run.
pub struct Error(Box<Inner>);

struct Inner {
    form: Form,
    /// What this error adds in front of its cause.
    text: String,
    cause: Option<Error>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A message.
    Plain,
    /// A message that wraps its cause.
    Wrapping,
    /// Go's `template.ExecError`.
    Exec,
    /// One of our limits.
    Limit,
}

impl Error {
    /// A message.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::with(Form::Plain, text.into(), None)
    }

    /// A message in front of its cause.
    pub(crate) fn wrapping(text: String, cause: Self) -> Self {
        Self::with(Form::Wrapping, text, Some(cause))
    }

    /// What running a template ended with.
    pub(crate) fn exec(text: String, cause: Option<Self>) -> Self {
        Self::with(Form::Exec, text, cause)
    }

    /// A limit that was reached.
    pub(crate) fn limited(text: impl Into<String>) -> Self {
        Self::with(Form::Limit, text.into(), None)
    }

    fn with(form: Form, text: String, cause: Option<Self>) -> Self {
        Self(Box::new(Inner { form, text, cause }))
    }

    /// Whether it came from running a template (`template.ExecError`), not from reading it.
    pub fn is_exec(&self) -> bool {
        self.0.form == Form::Exec
    }

    /// The text of the limit that was reached, if that is why.
    pub fn limit(&self) -> Option<&str> {
        self.causes()
            .find(|each| each.0.form == Form::Limit)
            .map(|each| &*each.0.text)
    }

    /// The texts of this error, of what Go's `errors.Unwrap` gives of it, and so on. Each is as
    /// long as what follows it, so this is for the few errors that are shown.
    pub fn chain(&self) -> Vec<String> {
        let mut chain = Vec::new();
        for error in self.causes() {
            let text = error.to_string();
            if error.0.form == Form::Exec {
                chain.push(text.clone());
            }
            chain.push(text);
        }
        chain
    }

    fn causes(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |error| error.0.cause.as_ref())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.causes().try_for_each(|each| f.write_str(&each.0.text))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl Drop for Inner {
    /// One by one: a chain may be longer than the stack is deep.
    fn drop(&mut self) {
        let mut next = self.cause.take();
        while let Some(mut error) = next {
            next = error.0.cause.take();
        }
    }
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Self::plain(text)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Self {
        Self::plain(text)
    }
}
