//! How two states of an object differ, as dyff reports it, which flux prints.
//! `homeport/dyff` 1.10, `pkg/dyff/core.go` and `output_human.go`, as flux calls it: without a header,
//! not indented, no lines around changes in texts.

mod compare;

use fluvial_manifest::Value;
use fluvial_view::difference::lines::{self, Line};

use compare::{Block, Detail, Place};

/// Blocks that are not wider together than this stand side by side.
const WIDTH_MAX: usize = 80;
/// What stands between them.
const GAP: &str = "   ";

/// The report; empty only where nothing differs.
pub(super) fn text(from: &Value, to: &Value) -> String {
    let places = compare::places(from, to);
    let mut text = String::new();
    for Place { path, details } in &places {
        let path = match path.as_slice() {
            [] => "(root level)".to_owned(),
            path => path.join("."),
        };
        let blocks: Vec<_> = details.iter().map(block).collect();
        text.extend(["\n", &path, "\n", &side_by_side(&blocks)]);
    }
    if !places.is_empty() {
        text.push('\n');
    }
    text
}

fn block(detail: &Detail<'_>) -> String {
    match detail {
        Detail::Added(block) => {
            format!("+ {} added:\n{}", counted(block), indented(&yaml(block)))
        }
        Detail::Removed(block) => format!("- {} removed:\n{}", counted(block), yaml(block)),
        Detail::Changed(Value::String(from), Value::String(to)) => strings(from, to),
        Detail::Changed(from, to) => {
            let (was, is) = (kind(from), kind(to));
            let head = if was == is {
                "± value change".to_owned()
            } else {
                format!("± type change from {was} to {is}")
            };
            format!(
                "{head}\n{}{}",
                prefixed("- ", &plain(from)),
                prefixed("+ ", &plain(to))
            )
        }
        Detail::Reordered(from, to) => {
            format!(
                "⇆ order changed\n- {}\n+ {}\n",
                from.join(", "),
                to.join(", ")
            )
        }
    }
}

fn strings(from: &str, to: &str) -> String {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    if bare(from) == bare(to) {
        let shown = |text: &str| text.replace('\n', "↵\n").replace(' ', "·");
        return format!(
            "± whitespace only change\n{}{}",
            prefixed("- ", &shown(from)),
            prefixed("+ ", &shown(to))
        );
    }
    if !from.contains('\n') && !to.contains('\n') {
        return format!(
            "± value change\n{}{}",
            prefixed("- ", from),
            prefixed("+ ", to)
        );
    }
    let (mut inserts, mut deletions, mut text) = (0, 0, String::new());
    let mut last = None;
    for line in lines::of(from, to) {
        let (sign, words) = match line {
            Line::New(words) => ("+ ", words),
            Line::Old(words) => ("- ", words),
            Line::Same(_) | Line::Cut => {
                last = None;
                continue;
            }
        };
        if last != Some(sign) {
            *(if sign == "+ " {
                &mut inserts
            } else {
                &mut deletions
            }) += 1;
        }
        last = Some(sign);
        text.extend([sign, words, "\n"]);
    }
    format!(
        "± value change in multiline text ({}, {})\n{text}\n",
        plural(inserts, "insert", "inserts"),
        plural(deletions, "deletion", "deletions")
    )
}

fn counted(block: &Block<'_>) -> String {
    match block {
        Block::Map(entries) => plural(entries.len(), "map entry", "map entries"),
        Block::List(items) => plural(items.len(), "list entry", "list entries"),
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    const WORDS: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    let number = WORDS
        .get(count)
        .map_or_else(|| count.to_string(), |it| (*it).to_owned());
    format!("{number} {}", if count == 1 { one } else { many })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value, ""),
        Value::Array(_) | Value::Object(_) => {
            let mut text = String::new();
            write_yaml(&mut text, value, "", false);
            text
        }
    }
}

/// The text with `prefix` before its first line, and as much space before the others.
fn prefixed(prefix: &str, text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let space = " ".repeat(prefix.chars().count());
    let lines = text.split('\n').enumerate();
    let line = |(at, line)| format!("{}{line}\n", if at == 0 { prefix } else { &space });
    lines.map(line).collect()
}

fn yaml(block: &Block<'_>) -> String {
    let mut text = String::new();
    match block {
        Block::List(items) => {
            for item in items {
                text.push_str("- ");
                write_yaml(&mut text, item, "  ", true);
            }
        }
        Block::Map(entries) => {
            for (key, value) in entries {
                write_entry(&mut text, key, value, "");
            }
        }
    }
    text
}

/// What was added stands further in than what was removed, in flux's reports.
fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| ["  ", line, "\n"].concat());
    lines.collect()
}

fn write_yaml(text: &mut String, value: &Value, indent: &str, mut goes_on: bool) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                if goes_on {
                    // The first key stands behind a dash.
                    let mut entry = String::new();
                    write_entry(&mut entry, key, value, indent);
                    text.push_str(entry.strip_prefix(indent).unwrap_or(&entry));
                } else {
                    write_entry(text, key, value, indent);
                }
                goes_on = false;
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                if !goes_on {
                    text.push_str(indent);
                }
                goes_on = false;
                text.push_str("- ");
                write_yaml(text, item, &format!("{indent}  "), true);
            }
        }
        other => {
            text.extend([&scalar(other, indent), "\n"]);
        }
    }
}

fn write_entry(text: &mut String, key: &str, value: &Value, indent: &str) {
    text.extend([indent, key, ":"]);
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            write_yaml(text, value, &format!("{indent}  "), false);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            write_yaml(text, value, indent, false);
        }
        other => {
            text.extend([" ", &scalar(other, &format!("{indent}  ")), "\n"]);
        }
    }
}

fn scalar(value: &Value, indent: &str) -> String {
    const SPECIAL: [char; 5] = [' ', '*', '&', ':', ','];
    let Value::String(words) = value else {
        return value.to_string();
    };
    if words.contains('\n') {
        let lines = words.split('\n').map(|line| format!("\n{indent}{line}"));
        return format!("|{}", lines.collect::<String>());
    }
    let is_quoted = matches!(words.as_str(), "true" | "false" | "null") || words.contains(SPECIAL);
    if is_quoted {
        format!("\"{words}\"")
    } else {
        words.clone()
    }
}

/// Blocks as columns where there is room for that, else one below the other.
fn side_by_side(blocks: &[String]) -> String {
    let width = |block: &String| block.split('\n').map(|it| it.chars().count()).max();
    let widths: Vec<_> = blocks.iter().map(|it| width(it).unwrap_or(0)).collect();
    let whole = widths.iter().sum::<usize>() + GAP.len() * blocks.len().saturating_sub(1);
    if whole > WIDTH_MAX {
        return blocks.join("\n") + "\n";
    }
    let columns: Vec<Vec<_>> = blocks.iter().map(|it| it.split('\n').collect()).collect();
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let row = |row: usize| {
        let cells = columns.iter().zip(&widths);
        let cell = |(column, width): (&Vec<&str>, &usize)| {
            format!("{:width$}", column.get(row).copied().unwrap_or_default())
        };
        cells
            .map(cell)
            .collect::<Vec<_>>()
            .join(GAP)
            .trim_end()
            .to_owned()
    };
    (0..rows).map(row).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
