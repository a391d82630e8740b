//! How what was measured is printed: a table for people, JSON for programs.

use std::fmt::Write as _;

/// A table with a title.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Row>,
}

/// One line, which may be shorter than the head.
#[derive(Debug)]
pub(crate) struct Row(pub(crate) Vec<String>);

impl Table {
    /// The first column to the left, the others to the right.
    pub(crate) fn text(&self) -> String {
        let head = Row(self.head.iter().map(|it| (*it).to_owned()).collect());
        let lines: Vec<&Row> = std::iter::once(&head).chain(&self.rows).collect();
        let columns = lines.iter().map(|line| line.0.len()).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.0.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = format!("{}\n", self.title);
        for line in lines {
            let mut printed = String::new();
            for (column, cell) in line.0.iter().enumerate() {
                let width = widths[column];
                if column == 0 {
                    write!(printed, "  {cell:<width$}")
                } else {
                    write!(printed, "  {cell:>width$}")
                }
                .expect("a string takes what is written to it");
            }
            text.push_str(printed.trim_end());
            text.push('\n');
        }
        text
    }
}

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate a second, in whole numbers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive and far smaller"
)]
pub(crate) fn rate(per_second: f64) -> String {
    count(per_second.round() as u64)
}

/// A share of one.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(
            (rate(1_499.6), percent(0.805)),
            ("1,500".into(), "80 %".into())
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let table = Table {
            title: "Title".to_owned(),
            head: vec!["", "a", "b"],
            rows: vec![
                Row(vec!["long name".to_owned(), "1".to_owned()]),
                Row(vec!["x".to_owned(), "100".to_owned(), "2".to_owned()]),
            ],
        };
        let wanted = "Title\n               a  b\n  long name    1\n  x          100  2\n";
        assert_eq!(table.text(), wanted);
    }
}
