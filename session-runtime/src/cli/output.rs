//! Output of a command: aligned columns on a terminal, tab-separated lines in a pipe, or JSON.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::exit::Failure;
use super::progress::grouped;
use crate::clock::Timestamp;

/// Latest moment that is written as a date, the end of the year 9999.
const LAST: i64 = 253_402_300_799_999;

/// Form of the output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Terminal,
    Tabs,
    Json,
}

/// Standard output.
pub(super) struct Output {
    form: Form,
    stream: AutoStream<std::io::Stdout>,
}

/// Column of a table.
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Number of characters on a terminal, if a cell has fewer; numbers are aligned to the right.
    pub(super) width: usize,
    pub(super) is_number: bool,
}

impl Column {
    pub(super) const fn text(title: &'static str, width: usize) -> Self {
        Self { title, width, is_number: false }
    }

    pub(super) const fn number(title: &'static str, width: usize) -> Self {
        Self { title, width, is_number: true }
    }
}

/// Cell of a table.
pub(super) enum Cell {
    Text(String),
    Number(u64),
    Styled(Style, String),
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl Output {
    pub(super) fn new(is_json: bool) -> Self {
        let form = match std::io::stdout().is_terminal() {
            _ if is_json => Form::Json,
            true => Form::Terminal,
            false => Form::Tabs,
        };
        Self { form, stream: AutoStream::auto(std::io::stdout()) }
    }

    pub(super) fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.form == Form::Terminal
    }

    /// Prints an object: on one line unless a person reads it.
    pub(super) fn json(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        if !std::io::stdout().is_terminal() {
            return self.json_line(object);
        }
        let text = serde_json::to_string_pretty(object).map_err(std::io::Error::other)?;
        Ok(writeln!(self.stream, "{}", escape_json(&text))?)
    }

    /// Prints an object on one line.
    pub(super) fn json_line(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(object).map_err(std::io::Error::other)?;
        Ok(writeln!(self.stream, "{}", escape_json(&text))?)
    }

    /// Prints the titles of the columns, for a person.
    pub(super) fn header(&mut self, columns: &[Column]) -> Result<(), Failure> {
        if self.is_terminal() {
            let bold = Style::new().bold();
            let cells: Vec<Cell> = columns.iter().map(|column| Cell::Styled(bold, column.title.to_owned())).collect();
            self.row(columns, &cells)?;
        }
        Ok(())
    }

    pub(super) fn row(&mut self, columns: &[Column], cells: &[Cell]) -> Result<(), Failure> {
        let line = match self.form {
            Form::Terminal => aligned(columns, cells),
            _ => cells.iter().map(plain).collect::<Vec<_>>().join("\t"),
        };
        Ok(writeln!(self.stream, "{}", line.trim_end_matches(' '))?)
    }

    /// Prints an outcome: a sentence for a person, the number in it for a pipe, or an object.
    pub(super) fn outcome(&mut self, sentence: &str, number: u64, object: &impl Serialize) -> Result<(), Failure> {
        match self.form {
            Form::Terminal => Ok(writeln!(self.stream, "{sentence}")?),
            Form::Tabs => Ok(writeln!(self.stream, "{number}")?),
            Form::Json => self.json(object),
        }
    }
}

fn aligned(columns: &[Column], cells: &[Cell]) -> String {
    let cell = |(column, cell): (&Column, &Cell)| {
        let (style, text) = match cell {
            Cell::Text(text) => (Style::new(), visible(text)),
            Cell::Number(number) => (Style::new(), grouped(*number)),
            Cell::Styled(style, text) => (*style, visible(text)),
        };
        let padding = " ".repeat(column.width.saturating_sub(text.chars().count()));
        let (before, after) = if column.is_number { (padding.as_str(), "") } else { ("", padding.as_str()) };
        format!("{before}{style}{text}{style:#}{after}")
    };
    columns.iter().zip(cells).map(cell).collect::<Vec<_>>().join("  ")
}

fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) | Cell::Styled(_, text) => visible(text),
        Cell::Number(number) => number.to_string(),
    }
}

/// Replaces characters that would control the terminal or end a cell. Names of schemas may be those of any program.
fn visible(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// Escapes the control characters that JSON allows in a text, such as DEL.
fn escape_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() && letter != '\n' {
            // Writing into a `String` cannot fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(letter));
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

/// Colour of a verdict or of a mark.
pub(super) const fn coloured(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(anstyle::Color::Ansi(colour)))
}

/// Writes a moment as RFC 3339 does, to the second and in UTC; one outside of its years as milliseconds.
pub(super) fn time(moment: Timestamp) -> String {
    match moment.as_millis() {
        0..=LAST => humantime::format_rfc3339_seconds(moment.into()).to_string(),
        millis => millis.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_outside_of_the_calendar_is_a_number() {
        let times = [0, LAST, LAST + 1, -1, i64::MAX].map(|millis| time(Timestamp::from_millis(millis)));
        let last = (LAST + 1).to_string();
        assert_eq!(times, ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", &last, "-1", "9223372036854775807"]);
    }

    #[test]
    fn stored_text_does_not_control_the_terminal() {
        assert_eq!(visible("a\u{1b}[2J\tb"), "a\u{fffd}[2J\u{fffd}b");
        assert_eq!(escape_json("\"\u{9b}2J\u{7f}\"\n"), "\"\\u009b2J\\u007f\"\n");
    }
}
