//! Tables whose columns stand under each other, whatever script is in them.

use unicode_width::UnicodeWidthStr as _;

use super::clean;

/// Rows under headings.
#[derive(Debug)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new(headings: &[&'static str]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; it has a cell for each heading.
    pub fn row(&mut self, cells: &[String]) {
        self.rows
            .push(cells.iter().map(|cell| one_line(cell)).collect());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text; every line ends with a line feed and none with blanks.
    pub fn render(&self) -> String {
        let headings: Vec<String> = self
            .headings
            .iter()
            .map(|&heading| heading.to_owned())
            .collect();
        let widths: Vec<usize> = (0..headings.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .chain(headings.get(column))
                    .map(|cell| cell.width())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width - cell.width() + 2));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn one_line(cell: &str) -> String {
    clean(&cell.replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_in_any_script() {
        let mut table = Table::new(&["NAME", "VERSION", "WHO"]);
        table.row(&["laptop".to_owned(), "12".to_owned(), "ann".to_owned()]);
        table.row(&[
            "日本語".to_owned(),
            "3".to_owned(),
            "a\u{1b}b\nc".to_owned(),
        ]);
        table.row(&["é".to_owned(), "4".to_owned(), String::new()]);
        insta::assert_snapshot!(table.render(), @"
        NAME    VERSION  WHO
        laptop  12       ann
        日本語  3        a�b c
        é       4
        ");
    }

    #[test]
    fn an_empty_table_is_its_headings() {
        assert_eq!(Table::new(&["A", "B"]).render(), "A  B\n");
    }
}
