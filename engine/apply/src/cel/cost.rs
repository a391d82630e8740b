//! What an expression costs while it is evaluated, and that this has an end.
//!
//! The interpreter counts nothing, so the expression is made to count: what goes into a call, a list or a
//! loop goes through a function of ours, which adds up how large it is and fails once that is too much.
//! Nobody can write these functions: no name in CEL has an `@`.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, operators};
use cel::common::types::{
    CelBool, CelBytes, CelList, CelMap, CelOptional, CelString, DYN_TYPE, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::parser::Expression as Tree;
use cel::{DeclarationError, Env, ExecutionError};

use super::check::is_space;

/// What one evaluation may cost. A value costs one for each of its parts and for each 16 bytes of text.
const COST_MAX: u64 = 300_000;
/// What goes into a function may cost, where the result can be as large as its arguments multiplied.
const SHORT_MAX: u64 = 500;
/// What a pattern costs: to compile, and for each byte; one with a count can stand for very much more.
const PATTERN: u64 = 2_000;
const PATTERN_BYTE: u64 = 50;
const PATTERN_WITH_COUNT: u64 = 50_000;

/// The variable that holds the budget.
pub(super) const BUDGET: &str = "@budget";
const COST: &str = "@cost";
const KEYS: &str = "@keys";
const PATTERN_OF: &str = "@pattern";
const SHORT: &str = "@short";
const WITHIN: &str = "@within";

/// What is left to spend.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<AtomicU64>);

static BUDGET_TYPE: Type = Type::new_unspecified_type("@budget");

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(COST_MAX)))
    }
}

impl Budget {
    /// Whether too much was asked for.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn spend(&self, cost: u64) -> Result<(), ExecutionError> {
        let left = self.0.load(Ordering::Relaxed).saturating_sub(cost);
        self.0.store(left, Ordering::Relaxed);
        if left == 0 {
            return Err(ExecutionError::function_error(COST, "too much"));
        }
        Ok(())
    }
}

impl Val for Budget {
    fn get_type(&self) -> &Type {
        &BUDGET_TYPE
    }

    fn cel_type() -> &'static Type {
        &BUDGET_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Budget {}

/// How large a value is, if not larger than `max`.
fn weigh(value: &dyn Val, max: u64) -> u64 {
    const BYTES: usize = 16;
    let text = |bytes: usize| 1 + u64::try_from(bytes / BYTES).unwrap_or(u64::MAX);
    let sum = |all: &mut dyn Iterator<Item = &dyn Val>| {
        let mut total: u64 = 1;
        for value in all {
            if total > max {
                break;
            }
            total = total.saturating_add(weigh(value, max - total));
        }
        total
    };
    if let Some(it) = value.downcast_ref::<CelString>() {
        text(it.inner().len())
    } else if let Some(it) = value.downcast_ref::<CelBytes>() {
        text(it.inner().len())
    } else if let Some(it) = value.downcast_ref::<CelList>() {
        sum(&mut it.inner().iter().map(|it| &**it as &dyn Val))
    } else if let Some(it) = value.downcast_ref::<CelMap>() {
        let mut entries = it.inner().iter().flat_map(|(key, value)| {
            let value: &dyn Val = &**value;
            [key.inner(), value]
        });
        sum(&mut entries)
    } else if let Some(it) = value.downcast_ref::<CelOptional>() {
        it.option().map_or(1, |it| weigh(it, max))
    } else {
        1
    }
}

type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// The budget and what it is asked about.
fn taken<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<(Budget, CowVal<'b, 'v>), ExecutionError> {
    let mut args = args.into_iter();
    let budget = args
        .next()
        .and_then(|it| it.downcast_ref::<Budget>().cloned());
    match (budget, args.next()) {
        (Some(budget), Some(value)) => Ok((budget, value)),
        (None, _) | (_, None) => Err(ExecutionError::missing_argument_or_target()),
    }
}

fn cost<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let (budget, value) = taken(args)?;
    budget.spend(weigh(value.as_ref(), COST_MAX))?;
    Ok(value)
}

fn short<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let (budget, value) = taken(args)?;
    let weight = weigh(value.as_ref(), SHORT_MAX);
    budget.spend(if weight > SHORT_MAX {
        COST_MAX
    } else {
        weight.pow(2)
    })?;
    Ok(value)
}

fn pattern<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let (budget, value) = taken(args)?;
    let text = value
        .downcast_ref::<CelString>()
        .map_or("", |it| it.inner());
    let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let counted = if text.contains('{') {
        PATTERN_WITH_COUNT
    } else {
        0
    };
    budget.spend(
        bytes
            .saturating_mul(PATTERN_BYTE)
            .saturating_add(PATTERN + counted),
    )?;
    Ok(value)
}

/// What a loop goes over: of a map its keys, in an order that is always the same.
fn keys<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let (budget, value) = taken(args)?;
    budget.spend(weigh(value.as_ref(), COST_MAX))?;
    let Some(map) = value.downcast_ref::<CelMap>() else {
        return Ok(value);
    };
    let mut keys: Vec<_> = map.inner().keys().collect();
    keys.sort();
    let keys: Vec<Box<dyn Val + 'v>> = keys
        .into_iter()
        .map(|key| key.inner().clone_as_boxed())
        .collect();
    Ok(CowVal::owned(CelList::from(keys)))
}

#[expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "the library's signature"
)]
fn within<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let budget = args.first().and_then(|it| it.downcast_ref::<Budget>());
    let is_within = budget.is_some_and(|it| it.spend(1).is_ok());
    Ok(CowVal::owned(CelBool::from(is_within)))
}

/// Makes the functions known that [`counted`] calls, and Flux's of sets.
pub(super) fn declare(environment: &mut Env) -> Result<(), DeclarationError> {
    let two = || vec![DYN_TYPE, DYN_TYPE];
    environment.add_overload(COST, COST, two(), cost)?;
    environment.add_overload(KEYS, KEYS, two(), keys)?;
    environment.add_overload(PATTERN_OF, PATTERN_OF, two(), pattern)?;
    environment.add_overload(SHORT, SHORT, two(), short)?;
    environment.add_overload(WITHIN, WITHIN, vec![DYN_TYPE], within)?;
    super::sets::declare(environment)
}

/// The same expression, which fails where it costs too much.
pub(super) fn counted(tree: Tree) -> Tree {
    let Tree { id, expr } = tree;
    let expr = match expr {
        Expr::Call(call) => Expr::Call(call_counted(call)),
        Expr::Comprehension(it) => Expr::Comprehension(Box::new(loop_counted(*it))),
        Expr::List(mut list) => {
            list.elements = list
                .elements
                .into_iter()
                .map(|it| through(COST, it))
                .collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = through(COST, std::mem::take(&mut entry.key));
                    entry.value = through(COST, std::mem::take(&mut entry.value));
                }
            }
            Expr::Map(map)
        }
        Expr::Select(mut select) => {
            select.operand = Box::new(counted(*select.operand));
            Expr::Select(select)
        }
        expr @ (Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified) => expr,
    };
    Tree { id, expr }
}

fn call_counted(call: CallExpr) -> CallExpr {
    let target = call.target.as_ref().map(|it| &it.expr);
    let is_of_sets = matches!(target, Some(Expr::Ident(name)) if name == "sets");
    let by = match call.func_name.as_str() {
        "join" | "replace" | "split" => SHORT,
        _ if is_of_sets => SHORT,
        _ => COST,
    };
    let is_pattern = call.func_name == "matches";
    let last = call.args.len().saturating_sub(1);
    let each = |(position, it): (usize, Tree)| match call.func_name.as_str() {
        // These take what is true or false, and evaluate only what they need.
        operators::LOGICAL_AND
        | operators::LOGICAL_OR
        | operators::LOGICAL_NOT
        | operators::NOT_STRICTLY_FALSE => counted(it),
        operators::CONDITIONAL if position > 0 => counted(it),
        operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT if position == 0 => {
            counted(it)
        }
        // A loop that builds a list is known to the interpreter by this form.
        operators::ADD if is_result(&it) => it,
        operators::ADD if matches!(it.expr, Expr::List(_)) => counted(it),
        _ if is_pattern && position == last => through(PATTERN_OF, it),
        _ => through(by, it),
    };
    CallExpr {
        args: call.args.into_iter().enumerate().map(each).collect(),
        target: call.target.map(|target| {
            Box::new(match &target.expr {
                Expr::Ident(name) if is_space(name) => *target,
                _ => through(by, *target),
            })
        }),
        func_name: call.func_name.clone(),
    }
}

fn loop_counted(it: ComprehensionExpr) -> ComprehensionExpr {
    let loop_cond = counted(it.loop_cond);
    ComprehensionExpr {
        iter_range: through(KEYS, it.iter_range),
        accu_init: counted(it.accu_init),
        // Where there is no condition, a step that costs too much ends the loop; elsewhere the loop
        // would go on, in search of one that is true.
        loop_cond: match &loop_cond.expr {
            Expr::Literal(_) => loop_cond,
            _ => call(
                operators::CONDITIONAL,
                vec![call(WITHIN, vec![budget()]), loop_cond, literal_false()],
            ),
        },
        loop_step: counted(it.loop_step),
        result: counted(it.result),
        ..it
    }
}

fn through(function: &str, tree: Tree) -> Tree {
    if matches!(tree.expr, Expr::Literal(_)) && function == COST {
        return tree;
    }
    call(function, vec![budget(), counted(tree)])
}

fn call(function: &str, args: Vec<Tree>) -> Tree {
    Tree {
        id: 0,
        expr: Expr::Call(CallExpr {
            func_name: function.to_owned(),
            target: None,
            args,
        }),
    }
}

fn budget() -> Tree {
    Tree {
        id: 0,
        expr: Expr::Ident(BUDGET.to_owned()),
    }
}

fn literal_false() -> Tree {
    Tree {
        id: 0,
        expr: Expr::Literal(cel::common::ast::LiteralValue::Boolean(CelBool::from(
            false,
        ))),
    }
}

fn is_result(tree: &Tree) -> bool {
    matches!(&tree.expr, Expr::Ident(name) if name == "@result")
}
