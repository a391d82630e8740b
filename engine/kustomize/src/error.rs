//! Why a build gave nothing: the file, the field and the line where they are known.

use std::fmt;

use fluvial_manifest::yaml;

/// Why a build was refused. It reads `cannot build FILE: line N: FIELD: reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The file or directory that was being read, relative to the tree.
    pub file: String,
    /// The field in that file, such as `patches[0].target`; empty when it is not about one.
    pub field: String,
    /// The line of that field, from 1.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot build")?;
        if !self.file.is_empty() {
            write!(f, " {}", self.file)?;
        }
        f.write_str(": ")?;
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.reason)
    }
}

impl Error {
    /// About something that has no file yet; a caller adds it with [`Error::in_file`].
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            file: String::new(),
            field: String::new(),
            line: None,
            reason: reason.into(),
        }
    }

    /// Says which file this is about, unless that is known already.
    pub(crate) fn in_file(mut self, file: &str) -> Self {
        if self.file.is_empty() {
            file.clone_into(&mut self.file);
        }
        self
    }

    /// Says which field this is about, unless that, or another file, is known already.
    pub(crate) fn in_field(mut self, field: &str) -> Self {
        if self.field.is_empty() && self.file.is_empty() {
            field.clone_into(&mut self.field);
        }
        self
    }

    /// Says which object this is about, whose field it may name: then it is about no field of the file.
    pub(crate) fn of(mut self, object: &impl fmt::Display) -> Self {
        if self.file.is_empty() {
            let within = match std::mem::take(&mut self.field).as_str() {
                "" => String::new(),
                field => format!(" at {field:?}"),
            };
            self.reason = format!("cannot change {object}{within}: {}", self.reason);
        }
        self
    }

    /// Says which plugin's configuration this is about, whose field it may name.
    pub(crate) fn of_plugin(mut self, plugin: &impl fmt::Display) -> Self {
        if self.file.is_empty() && !self.field.is_empty() {
            let field = std::mem::take(&mut self.field);
            self.reason = format!("{field} of {plugin}: {}", self.reason);
        }
        self
    }

    /// Says in which entry the field is, unless this is about another file.
    pub(crate) fn below(mut self, entry: &str) -> Self {
        if self.file.is_empty() {
            self.field = match self.field.as_str() {
                "" => entry.to_owned(),
                field => format!("{entry}.{field}"),
            };
        }
        self
    }

    /// Looks up the line of the field, if this is about `file`, whose text is given.
    pub(crate) fn at_line_of(mut self, file: &str, text: &str) -> Self {
        if self.line.is_none() && self.file == file && !self.field.is_empty() {
            let path = self.field.replace('[', ".").replace(']', "");
            let mut path: Vec<&str> = path.split('.').collect();
            while self.line.is_none() && !path.is_empty() {
                self.line = yaml::line_of(text, &path);
                path.pop();
            }
        }
        self
    }

    /// A text that is no YAML.
    pub(crate) fn yaml(file: &str, error: yaml::Error) -> Self {
        Self {
            file: file.to_owned(),
            field: String::new(),
            line: Some(error.line),
            reason: error.message,
        }
    }
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;
