//! CEL, as Flux evaluates it for health and readiness: an expression over objects that is true or not.
//!
//! `fluxcd/pkg/runtime/cel` says what is meant: `cel.Parse` for health, whose variables are the fields of
//! an object, and `cel.Compile` to a boolean for readiness, whose variables are declared. What anybody
//! writes comes to an end: size and depth are bounded when an expression is read, and what it costs while
//! it is evaluated (`cel/cost.rs`). Without time: `timestamp` and `duration` are refused by name.

mod check;
mod cost;
mod sets;
mod value;

use std::sync::{Arc, LazyLock};

use cel::common::types::CelBool;
use cel::parser::{Expression as Tree, PrattParser};
use cel::{Context, Env, ExecutionError};
use fluvial_manifest::Value;

use cost::Budget;

/// How long an expression may be, in bytes.
pub const SOURCE_BYTES_MAX: usize = 8 * 1024;
/// How deep it may be nested, and of how many parts it may be, macros expanded.
const DEPTH_MAX: usize = 40;
const NODES_MAX: usize = 2_000;

/// The functions of Flux's environment that are known here, besides the operators and the macros.
static ENVIRONMENT: LazyLock<Option<Arc<Env>>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    environment.add_extension(cel::extensions::strings).ok()?;
    environment.add_extension(cel::extensions::encoders).ok()?;
    cost::declare(&mut environment).ok()?;
    Some(Arc::new(environment))
});

/// Why an expression is none, or has no answer. No value of an object is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("failed to parse the CEL expression '{expression}': {problem}")]
    Parse {
        /// As it was written, shortened.
        expression: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It is known to be something else than true or false.
    #[error("CEL expression output type mismatch: expected bool, got dyn")]
    NotBoolean,
    /// It has no answer for these objects.
    #[error("failed to evaluate the CEL expression '{expression}': {problem}")]
    Evaluate {
        /// As it was written, shortened.
        expression: String,
        /// What is wrong.
        problem: String,
    },
    /// Its answer is neither true nor false.
    #[error("failed to evaluate CEL expression as boolean: '{0}'")]
    Answer(String),
}

/// An expression that was read, and is true or not of what it is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    source: String,
    tree: Tree,
    /// The variables that it reads.
    reads: Vec<String>,
}

impl Expression {
    /// Reads an expression whose variables are known when it is evaluated.
    pub fn parse(source: &str) -> Result<Self, Error> {
        let failed = |problem: String| Error::Parse {
            expression: shortened(source),
            problem,
        };
        if source.len() > SOURCE_BYTES_MAX {
            return Err(failed(format!(
                "it has {} bytes; {SOURCE_BYTES_MAX} are allowed",
                source.len()
            )));
        }
        let tree = PrattParser::new()
            .max_recursion_depth(48)
            .error_recovery_limit(4)
            .max_expression_node_count(NODES_MAX)
            .enable_optional_syntax(true)
            .parse(source)
            .map_err(|errors| {
                let first = errors.errors.first();
                let said = |error: &cel::ParseError| {
                    let (line, column) = error.pos;
                    format!("ERROR: <input>:{line}:{column}: {}", error.msg)
                };
                failed(first.map(said).unwrap_or_default())
            })?;
        check::size(&tree, DEPTH_MAX, NODES_MAX).map_err(failed)?;
        check::calls(&tree).map_err(failed)?;
        let reads = check::variables(&tree);
        Ok(Self {
            source: source.to_owned(),
            tree: cost::counted(tree),
            reads,
        })
    }

    /// Reads an expression that has these variables, no others, and is true or false.
    pub fn boolean(source: &str, variables: &[&str]) -> Result<Self, Error> {
        let this = Self::parse(source)?;
        let unknown = |name: &&String| !variables.contains(&name.as_str());
        if let Some(name) = this.reads.iter().find(unknown) {
            return Err(Error::Parse {
                expression: shortened(source),
                problem: format!("undeclared reference to '{name}' (in container '')"),
            });
        }
        if check::is_boolean(&this.tree) {
            Ok(this)
        } else {
            Err(Error::NotBoolean)
        }
    }

    /// Whether it is true with these variables. It comes to an end, whatever it says.
    pub fn holds<'a>(
        &self,
        variables: impl IntoIterator<Item = (&'a str, &'a Value)>,
    ) -> Result<bool, Error> {
        let failed = |problem: String| Error::Evaluate {
            expression: shortened(&self.source),
            problem,
        };
        let Some(environment) = ENVIRONMENT.as_ref() else {
            return Err(failed("the functions are at odds with each other".into()));
        };
        let budget = Budget::default();
        let mut context = Context::with_env(Arc::clone(environment));
        for (name, value) in variables {
            if self.reads.iter().any(|it| it == name) {
                context.add_variable_as_val(name, value::of(value));
            }
        }
        context.add_variable_as_val(cost::BUDGET, Box::new(budget.clone()));
        let answer = cel::Value::resolve_val(&self.tree, &context);
        if budget.is_spent() {
            return Err(failed("it costs too much; make it simpler".into()));
        }
        let answer = answer.map_err(|error| failed(self.words(&error)))?;
        let answer = answer.downcast_ref::<CelBool>().map(|it| *it.inner());
        answer.ok_or_else(|| Error::Answer(shortened(&self.source)))
    }

    /// What is wrong, in words that have no value of an object in them.
    fn words(&self, error: &ExecutionError) -> String {
        let named = |what: &str, name: &str| {
            if self.source.contains(name) {
                format!("{what}: {name}")
            } else {
                what.to_owned()
            }
        };
        match error {
            ExecutionError::NoSuchKey(key) => named("no such key", key),
            ExecutionError::UndeclaredReference(name) => named("no such attribute(s)", name),
            ExecutionError::NoSuchOverload(overload) => overload.to_string(),
            ExecutionError::FunctionError { function, .. } => {
                named("a function cannot do what is asked of it", function)
            }
            ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
            ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
            ExecutionError::Overflow(..) => "integer overflow".to_owned(),
            ExecutionError::IndexOutOfBounds(_) => "index out of bounds".to_owned(),
            _ => "no such overload".to_owned(),
        }
    }
}

/// As much of an expression as a message can bear.
fn shortened(source: &str) -> String {
    const CHARS_MAX: usize = 200;
    if source.chars().count() <= CHARS_MAX {
        return source.to_owned();
    }
    let start: String = source.chars().take(CHARS_MAX).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests;
