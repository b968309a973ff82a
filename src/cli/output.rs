//! The only place that prints: data to stdout, the rest to stderr. A reader that left early is no error.
#![expect(
    clippy::print_stderr,
    reason = "this is the place that the rule points to"
)]

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

/// How lists are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table for people.
    Text,
    /// An array of objects for machines.
    Json,
}

/// A line of data.
pub fn line(text: impl AsRef<str>) {
    let mut stdout = anstream::stdout().lock();
    drop(writeln!(stdout, "{}", text.as_ref()));
    drop(stdout.flush());
}

/// Data as it is, without a line break of ours.
pub fn raw(text: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    drop(stdout.write_all(text));
    drop(stdout.flush());
}

/// A line about the work.
pub fn note(text: impl AsRef<str>) {
    drop(writeln!(anstream::stderr().lock(), "{}", text.as_ref()));
}

/// A line that replaces itself on a terminal, and is a line of its own elsewhere.
pub fn status(text: impl AsRef<str>) {
    let mut stdout = anstream::stdout().lock();
    if std::io::stdout().is_terminal() {
        drop(write!(stdout, "\r\u{1b}[2K{}", text.as_ref()));
    } else {
        drop(writeln!(stdout, "{}", text.as_ref()));
    }
    drop(stdout.flush());
}

/// Whether stdout is a terminal, where a view can be renewed.
#[must_use]
pub fn is_live() -> bool {
    std::io::stdout().is_terminal()
}

/// Lines on a terminal that replace those before them.
#[derive(Debug, Default)]
pub struct Screen {
    lines: usize,
}

impl Screen {
    /// Shows the lines in place of the last ones.
    pub fn show(&mut self, lines: &[String]) {
        let mut stdout = anstream::stdout().lock();
        if self.lines > 0 {
            drop(write!(stdout, "\u{1b}[{}A", self.lines));
        }
        for line in lines {
            drop(writeln!(stdout, "\u{1b}[2K{line}"));
        }
        drop(stdout.flush());
        self.lines = lines.len();
    }
}

/// A bar on stderr for work of so many steps; nothing where that is no terminal.
#[must_use]
pub fn progress(steps: u64) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    let bar = indicatif::ProgressBar::new(steps);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Whether somebody sits in front of it who can answer a question.
#[must_use]
pub fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a question; anything but yes is no.
#[must_use]
pub fn confirm(question: &str) -> bool {
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Lists things: as a table of the given columns, or as JSON.
pub fn list<T: Serialize>(
    format: Format,
    columns: &[&str],
    rows: &[T],
    cells: impl Fn(&T) -> Vec<String>,
) {
    match format {
        Format::Json => json(rows),
        Format::Text => line(table(columns, rows.iter().map(cells)).trim_end()),
    }
}

/// An array of objects, for machines.
pub fn json<T: Serialize>(rows: &[T]) {
    line(serde_json::to_string_pretty(rows).unwrap_or_default());
}

/// A plain table: columns, no frame, readable in a log as well.
#[must_use]
pub fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_header(columns);
    for row in rows {
        table.add_row(row.into_iter().map(|cell| printable(&cell)));
    }
    table.to_string()
}

/// What a respondent wrote must not move the cursor of whoever looks.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
