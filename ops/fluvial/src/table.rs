//! Tables as flux prints them: upper-case header, columns aligned to the left and ended by tabs.

/// Rows of cells below a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<T: AsRef<str>>(header: impl IntoIterator<Item = T>) -> Self {
        let header = header
            .into_iter()
            .map(|cell| cell.as_ref().to_uppercase())
            .collect();
        Self {
            header,
            rows: Vec::new(),
        }
    }

    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        // A line break would end the row.
        let cells = cells
            .into_iter()
            .map(|cell| cell.into().replace('\n', " "))
            .collect();
        self.rows.push(cells);
    }

    /// The text, one line for each row.
    pub(crate) fn text(&self, with_header: bool) -> String {
        let header = with_header.then_some(&self.header);
        let lines: Vec<&Vec<String>> = header.into_iter().chain(&self.rows).collect();
        let columns = lines.iter().map(|line| line.len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = lines.iter().filter_map(|line| line.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for line in lines {
            let mut cells = Vec::new();
            for (cell, width) in line.iter().zip(&widths) {
                cells.push(format!("{cell:width$}"));
            }
            text.push_str(cells.join("\t").trim_end());
            text.push('\n');
        }
        text
    }
}

/// Cuts what looks like a commit or a digest to eight digits. flux: `utils.TruncateHex`.
pub(crate) fn truncate_hex(text: &str) -> String {
    const HEX_MIN: usize = 40;
    const HEX_MAX: usize = 128;
    const KEPT: usize = 8;
    let mut cut = String::with_capacity(text.len());
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let (before, from) = rest.split_at(start);
        cut.push_str(before);
        let (word, after) = from.split_at(from.find(|c| !is_word(c)).unwrap_or(from.len()));
        let is_cut = (HEX_MIN..=HEX_MAX).contains(&word.len()) && word.chars().all(is_hex);
        cut.push_str(if is_cut { &word[..KEPT] } else { word });
        rest = after;
    }
    cut.push_str(rest);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_rows_stay_on_one_line() {
        let mut table = Table::new(["name", "message"]);
        table.row(["a", "first\nsecond"]);
        table.row(["longer", ""]);
        assert_eq!(
            table.text(true),
            "NAME  \tMESSAGE\na     \tfirst second\nlonger\n"
        );
        assert_eq!(table.text(false), "a     \tfirst second\nlonger\n");
    }

    #[test]
    fn commits_and_digests_are_cut_and_nothing_else() {
        let hex = |count: usize| "0123456789abcdef".repeat(9)[..count].to_owned();
        let cases = [
            (
                format!("main@sha1:{}", hex(40)),
                "main@sha1:01234567".to_owned(),
            ),
            (hex(39), hex(39)),
            (hex(128), "01234567".to_owned()),
            (hex(129), hex(129)),
            (format!("x{}", hex(40)), format!("x{}", hex(40))),
            (hex(40).to_uppercase(), hex(40).to_uppercase()),
            (
                format!("'{}', sha256:{}é", hex(40), hex(64)),
                format!("'01234567', sha256:{}é", hex(64)),
            ),
            (String::new(), String::new()),
        ];
        for (text, cut) in cases {
            assert_eq!(truncate_hex(&text), cut);
        }
    }
}
