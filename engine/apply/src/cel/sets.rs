//! The functions of `cel-go/ext/sets.go`: lists as sets.

#![expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "the library's signature"
)]

use cel::common::types::{CelBool, DYN_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

pub(super) fn declare(environment: &mut Env) -> Result<(), DeclarationError> {
    let two = || vec![DYN_TYPE, DYN_TYPE];
    environment.add_overload("sets.contains", "list_sets_contains_list", two(), contains)?;
    environment.add_overload(
        "sets.equivalent",
        "list_sets_equivalent_list",
        two(),
        equivalent,
    )?;
    environment.add_overload(
        "sets.intersects",
        "list_sets_intersects_list",
        two(),
        intersects,
    )
}

/// Whether the first has all elements of the second.
fn contains<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [first, second] = lists(&args)?;
    answer(has_all(&first, &second))
}

/// Whether both have the same elements.
fn equivalent<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [first, second] = lists(&args)?;
    answer(has_all(&first, &second) && has_all(&second, &first))
}

/// Whether there is an element that both have.
fn intersects<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [first, second] = lists(&args)?;
    answer(second.iter().any(|it| has(&first, *it)))
}

fn has_all(all: &[&dyn Val], wanted: &[&dyn Val]) -> bool {
    wanted.iter().all(|it| has(all, *it))
}

fn has(all: &[&dyn Val], wanted: &dyn Val) -> bool {
    all.iter().any(|it| it.equals(wanted))
}

fn answer<'b, 'v>(answer: bool) -> Answer<'b, 'v> {
    Ok(CowVal::owned(CelBool::from(answer)))
}

fn lists<'a>(args: &'a [CowVal<'_, '_>]) -> Result<[Vec<&'a dyn Val>; 2], ExecutionError> {
    let [first, second] = args else {
        return Err(ExecutionError::invalid_argument_count(2, args.len()));
    };
    Ok([elements(first.as_ref())?, elements(second.as_ref())?])
}

fn elements(list: &dyn Val) -> Result<Vec<&dyn Val>, ExecutionError> {
    let types = vec![list.get_type().name().to_owned()];
    let list = list
        .as_iterable()
        .ok_or_else(|| ExecutionError::no_such_overload("sets", types))?;
    let mut elements = Vec::new();
    let mut all = list.iter();
    while let Some(element) = all.next() {
        elements.push(element);
    }
    Ok(elements)
}
