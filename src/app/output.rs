//! Where answers go: stdout, as a person or a program wants them. stderr is for the talk.

mod failure;
pub(super) mod log;
mod progress;

use std::io::{BufRead, BufWriter, ErrorKind, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

use crate::app::environment;
use crate::cli::{Color, Format, Global};
use crate::report::{self, Detail, Report};

pub(super) use failure::{Failure, why};
pub(super) use progress::Progress;

/// Where answers go and how much they say.
pub(super) struct Output {
    format: Format,
    detail: Detail,
    coloured: bool,
}

impl Output {
    pub(super) fn new(global: &Global) -> Self {
        let detail = match (global.quiet, global.verbose) {
            (true, _) => Detail::Quiet,
            (false, 0) => Detail::Usual,
            (false, _) => Detail::Verbose,
        };
        let coloured = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stdout().is_terminal() && environment::wants_colour(),
        };
        Self { format: global.format(), detail, coloured }
    }

    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether talk is unwanted.
    pub(super) fn quiet(&self) -> bool {
        self.detail == Detail::Quiet
    }

    /// The answer of a command.
    ///
    /// # Errors
    /// [`Failure::Work`] when it cannot be written.
    pub(super) fn answer(&self, report: &Report) -> Result<(), Failure> {
        match self.format {
            Format::Json => print_with(|stdout| {
                serde_json::to_writer(&mut *stdout, &report::json(report))?;
                stdout.write_all(b"\n")
            }),
            Format::Human if self.coloured => print(&painted(&report::human(report, self.detail))),
            Format::Human => print(&report::human(report, self.detail)),
        }
    }

    /// A part of the answer before all of it is known; where JSON is asked for, stdout is for the
    /// one object, and this is talk.
    ///
    /// # Errors
    /// [`Failure::Work`] when it cannot be written.
    pub(super) fn text(&self, text: &str) -> Result<(), Failure> {
        if self.is_json() {
            say(text.trim_end());
            return Ok(());
        }
        print(text)
    }

    /// Only the findings of a report, for a person who has read the rest already.
    pub(super) fn findings(&self, report: &Report) -> String {
        report::findings(&report.findings, self.detail)
    }

    /// What is worth knowing beside the answer.
    pub(super) fn warn(&self, text: &str) {
        if !self.quiet() {
            say(text);
        }
    }
}

/// Writes to stdout. A reader that went away (`| head`) is no failure of ours; a full disk is one,
/// since somebody waits for the answer.
fn print(text: &str) -> Result<(), Failure> {
    print_with(|stdout| stdout.write_all(text.as_bytes()))
}

fn print_with(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Failure> {
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::work(format_args!("stdout takes no answer: {}", why(&error))))
        }
        _ => Ok(()),
    }
}

/// Writes a line to stderr.
pub(super) fn say(text: &str) {
    let mut stderr = std::io::stderr().lock();
    // Nobody is left to be told when stderr is gone.
    let _ = writeln!(stderr, "{text}");
}

/// Asks a person; without a terminal the answer is no.
pub(super) fn ask_consent(question: &str) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return false;
    }
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes" | "Yes")
}

/// The text with the mark that begins a line in colour.
fn painted(text: &str) -> String {
    text.split_inclusive('\n').map(paint).collect()
}

fn paint(line: &str) -> String {
    let (first, rest) = line.split_at(line.find([' ', '\n']).unwrap_or(line.len()));
    match MARKS.iter().find(|(mark, _)| *mark == first) {
        Some((_, colour)) => {
            let style = Style::new().bold().fg_color(Some((*colour).into()));
            format!("{style}{first}{style:#}{rest}")
        }
        None => line.to_owned(),
    }
}

const MARKS: [(&str, AnsiColor); 4] = [
    ("FAIL", AnsiColor::Red),
    ("ok", AnsiColor::Green),
    ("warn", AnsiColor::Yellow),
    ("unknown", AnsiColor::Yellow),
];

#[cfg(test)]
mod tests {
    use super::painted;

    #[test]
    fn only_the_mark_that_begins_a_line_is_coloured() {
        let text = "FAIL  a: refused\n  b FAIL\nokay\n\nok    c\n";
        let expected = "\x1b[1m\x1b[31mFAIL\x1b[0m  a: refused\n  b FAIL\nokay\n\n\
                        \x1b[1m\x1b[32mok\x1b[0m    c\n";
        assert_eq!(painted(text), expected);
    }
}
