//! What commands print: tables and details for people, `{"data": …}` for scripts.

use std::io::{ErrorKind, Write};

use serde_json::Value;

/// The widest cell of a table, in characters.
const CELL_CHARS_MAX: usize = 60;

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// Heading.
    pub(crate) title: &'static str,
    /// Where the value is in a row; the first of several pointers that finds something is taken.
    pub(crate) pointers: &'static [&'static str],
}

/// Prints text and a line break to standard output. When the reader has gone (`| head`), the process ends quietly.
pub(crate) fn line(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{}", text.as_ref()).and_then(|()| out.flush()) {
        if error.kind() == ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        eprintln!("error: cannot write to standard output: {error}");
        std::process::exit(1);
    }
}

/// Prints what a server has to say. It serves on when nobody reads it any more.
pub(crate) fn announce(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints a JSON document.
pub(crate) fn json(value: &Value) {
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Prints rows: `{"data": […]}` with `as_json`, else a table, or `when_empty` if there are none.
pub(crate) fn rows(rows: &[Value], columns: &[Column], as_json: bool, when_empty: &str) {
    if as_json {
        json(&serde_json::json!({ "data": rows }));
    } else if rows.is_empty() {
        line(when_empty);
    } else {
        line(table(rows, columns).trim_end());
    }
}

/// Prints one thing: JSON, or its fields line by line.
pub(crate) fn detail(value: &Value, as_json: bool) {
    if as_json {
        json(value);
    } else {
        let mut text = String::new();
        describe(value, 0, &mut text);
        line(text.trim_end());
    }
}

/// Rows as a table with aligned columns. Columns that are empty in every row are left out.
pub(crate) fn table(rows: &[Value], columns: &[Column]) -> String {
    let mut grid: Vec<Vec<String>> = columns
        .iter()
        .map(|column| rows.iter().map(|row| cell(row, column)).collect())
        .collect();
    let mut titles: Vec<&str> = columns.iter().map(|column| column.title).collect();
    let used: Vec<bool> = grid
        .iter()
        .map(|cells: &Vec<String>| cells.iter().any(|cell| !cell.is_empty()))
        .collect();
    let mut keep = used.iter();
    titles.retain(|_| *keep.next().unwrap_or(&true));
    let mut keep = used.iter();
    grid.retain(|_| *keep.next().unwrap_or(&true));
    let widths: Vec<usize> = titles
        .iter()
        .zip(&grid)
        .map(|(title, cells)| width(title, cells))
        .collect();
    let mut text = aligned(titles.iter().copied(), &widths);
    for index in 0..rows.len() {
        text.push_str(&aligned(
            grid.iter().map(|cells| cells[index].as_str()),
            &widths,
        ));
    }
    text
}

fn width(title: &str, cells: &[String]) -> usize {
    cells
        .iter()
        .map(|cell| cell.chars().count())
        .chain([title.chars().count()])
        .max()
        .unwrap_or(0)
}

fn aligned<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
    }
    format!("{}\n", line.trim_end())
}

fn cell(row: &Value, column: &Column) -> String {
    let found = column
        .pointers
        .iter()
        .filter_map(|pointer| row.pointer(pointer))
        .find(|value| !value.is_null());
    let text: String = found.map(scalar).unwrap_or_default();
    if text.chars().count() <= CELL_CHARS_MAX {
        return text;
    }
    text.chars().take(CELL_CHARS_MAX - 1).chain(['…']).collect()
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => shorter_instant(text),
        Value::Array(items) => items.iter().map(scalar).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// `2026-03-01T10:00:00.000Z` without its milliseconds, everything else unchanged; control characters are dropped,
/// so that what customers wrote cannot steer the terminal.
fn shorter_instant(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let is_instant =
        text.len() == 24 && text.as_bytes()[10] == b'T' && text.get(19..) == Some(".000Z");
    if is_instant {
        format!("{}Z", &text[..19])
    } else {
        text
    }
}

fn describe(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(_, value)| !is_empty(value)) {
                if is_nested(value) {
                    text.push_str(&format!("{indent}{name}:\n"));
                    describe(value, depth + 1, text);
                } else {
                    text.push_str(&format!("{indent}{name}: {}\n", scalar(value)));
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                if is_nested(item) {
                    let mut inner = String::new();
                    describe(item, depth + 1, &mut inner);
                    text.push_str(&format!("{indent}- {}", inner.trim_start()));
                } else {
                    text.push_str(&format!("{indent}- {}\n", scalar(item)));
                }
            }
        }
        other => text.push_str(&format!("{indent}{}\n", scalar(other))),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(is_nested),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: &[Column] = &[
        Column {
            title: "ID",
            pointers: &["/id"],
        },
        Column {
            title: "NAME",
            pointers: &["/traits/name", "/name"],
        },
        Column {
            title: "NEVER",
            pointers: &["/never"],
        },
    ];

    #[test]
    fn a_table_is_aligned_and_leaves_empty_columns_out() {
        let rows = [
            json!({"id": "acc_1", "traits": {"name": "Größe & Co"}}),
            json!({"id": "a", "name": "B"}),
        ];
        assert_eq!(
            table(&rows, COLUMNS),
            "ID     NAME\nacc_1  Größe & Co\na      B\n"
        );
    }

    #[test]
    fn control_characters_of_customers_do_not_reach_the_terminal() {
        let rows = [json!({"id": "a\u{1b}[2Jb", "name": "x"})];
        assert!(!table(&rows, COLUMNS).contains('\u{1b}'));
    }

    #[test]
    fn details_show_nested_fields_indented_and_nothing_for_null() {
        let mut text = String::new();
        describe(
            &json!({"id": "p", "none": null, "traits": {"plan": "pro"}, "in": [{"a": 1, "b": 2}, "x"]}),
            0,
            &mut text,
        );
        assert_eq!(
            text,
            "id: p\nin:\n  - a: 1\n    b: 2\n  - x\ntraits:\n  plan: pro\n"
        );
    }
}
