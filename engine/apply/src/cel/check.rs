//! What can be said of an expression before it is evaluated.

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use cel::parser::Expression as Tree;

/// Functions that answer with true or false.
const PREDICATES: &[&str] = &[
    // sorted
    "bool",
    "contains",
    "endsWith",
    "hasValue",
    "matches",
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
    "startsWith",
];

/// The other functions that there are.
const FUNCTIONS: &[&str] = &[
    // sorted
    "base64.decode",
    "base64.encode",
    "bytes",
    "charAt",
    "double",
    "dyn",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "replace",
    "size",
    "split",
    "string",
    "strings.quote",
    "substring",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "value",
];

/// Identifiers that are no variables: types, and what functions are named after.
const NAMES: &[&str] = &[
    // sorted
    "base64",
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "optional",
    "sets",
    "string",
    "strings",
    "type",
    "uint",
];

/// The parts of an expression, in the order in which they are written.
pub(super) fn parts(tree: &Tree) -> Vec<&Tree> {
    match &tree.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect(),
        Expr::Comprehension(it) => vec![
            &it.iter_range,
            &it.accu_init,
            &it.loop_cond,
            &it.loop_step,
            &it.result,
        ],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|it| entry(&it.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Struct(it) => it.entries.iter().flat_map(|it| entry(&it.expr)).collect(),
    }
}

fn entry(entry: &EntryExpr) -> Vec<&Tree> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// Whether an expression is small enough to be walked and evaluated.
pub(super) fn size(tree: &Tree, depth_max: usize, nodes_max: usize) -> Result<(), String> {
    let mut nodes = 0;
    let mut open = vec![(tree, 1)];
    while let Some((tree, depth)) = open.pop() {
        nodes += 1;
        if depth > depth_max {
            return Err(format!(
                "it is nested deeper than {depth_max}; make it simpler"
            ));
        }
        if nodes > nodes_max {
            return Err(format!(
                "it has more than {nodes_max} parts; make it simpler"
            ));
        }
        open.extend(parts(tree).into_iter().map(|part| (part, depth + 1)));
    }
    Ok(())
}

/// Whether all that is called is there.
pub(super) fn calls(tree: &Tree) -> Result<(), String> {
    match &tree.expr {
        Expr::Call(call) => {
            let name = qualified(&call.func_name, call.target.as_deref());
            // What an operator is called by, nobody can write as a name: `_==_`, `@in`.
            let is_operator =
                name.contains(|it: char| !it.is_alphanumeric() && it != '_' && it != '.');
            let is_known = [PREDICATES, FUNCTIONS]
                .iter()
                .any(|it| it.contains(&name.as_str()));
            if !is_operator && !is_known {
                return Err(format!(
                    "undeclared reference to '{name}' (in container '')"
                ));
            }
        }
        Expr::Struct(it) => {
            return Err(format!(
                "undeclared reference to '{}' (in container '')",
                it.type_name
            ));
        }
        Expr::Unspecified => return Err("a part of it is missing".to_owned()),
        Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Select(_) => {}
    }
    parts(tree).into_iter().try_for_each(calls)
}

/// The name of a function, with what it is named after.
fn qualified(name: &str, target: Option<&Tree>) -> String {
    match target.map(|it| &it.expr) {
        Some(Expr::Ident(space)) if is_space(space) => format!("{space}.{name}"),
        _ => name.to_owned(),
    }
}

/// Whether functions are named after this.
pub(super) fn is_space(name: &str) -> bool {
    matches!(name, "base64" | "optional" | "sets" | "strings")
}

/// The variables that an expression reads, besides those that it makes itself.
pub(super) fn variables(tree: &Tree) -> Vec<String> {
    let mut all = BTreeSet::new();
    read(tree, &mut Vec::new(), &mut all);
    all.into_iter().collect()
}

fn read(tree: &Tree, made: &mut Vec<String>, all: &mut BTreeSet<String>) {
    match &tree.expr {
        Expr::Ident(name) => {
            if !made.contains(name) && !NAMES.contains(&name.as_str()) {
                all.insert(name.clone());
            }
        }
        Expr::Comprehension(it) => {
            read(&it.iter_range, made, all);
            read(&it.accu_init, made, all);
            let before = made.len();
            made.extend([it.iter_var.clone(), it.accu_var.clone()]);
            made.extend(it.iter_var2.clone());
            for part in [&it.loop_cond, &it.loop_step, &it.result] {
                read(part, made, all);
            }
            made.truncate(before);
        }
        Expr::Call(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Select(_)
        | Expr::Struct(_)
        | Expr::Unspecified => {
            for part in parts(tree) {
                read(part, made, all);
            }
        }
    }
}

/// Whether an expression is certain to be true or false, if it has an answer.
pub(super) fn is_boolean(tree: &Tree) -> bool {
    match &tree.expr {
        Expr::Literal(it) => matches!(it, LiteralValue::Boolean(_)),
        Expr::Select(select) => select.test,
        Expr::Comprehension(it) => is_boolean(&it.result) || is_boolean(&it.accu_init),
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
            call.args.iter().skip(1).all(is_boolean)
        }
        Expr::Call(call) => {
            let name = qualified(&call.func_name, call.target.as_deref());
            let is_operator = matches!(
                name.as_str(),
                operators::EQUALS
                    | operators::GREATER
                    | operators::GREATER_EQUALS
                    | operators::IN
                    | operators::LESS
                    | operators::LESS_EQUALS
                    | operators::LOGICAL_AND
                    | operators::LOGICAL_NOT
                    | operators::LOGICAL_OR
                    | operators::NOT_EQUALS
            );
            is_operator || PREDICATES.contains(&name.as_str())
        }
        Expr::Ident(_) | Expr::List(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
            false
        }
    }
}
