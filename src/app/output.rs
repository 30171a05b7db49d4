//! Where answers go: stdout, as a person or a program wants them. stderr is for the talk.

mod bar;
mod failure;
pub(super) mod log;
mod progress;
mod stream;

use std::io::{BufRead, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};

use crate::app::environment;
use crate::cli::{Color, Format, Global};
use crate::disk::{self, Access};
use crate::model::Verdict;
use crate::report::{self, Body, Detail, Report, Verified, nagios};
use crate::watch::Page;

pub(super) use bar::Bar;
pub(super) use failure::{Failure, why};
pub(super) use progress::Progress;
pub(super) use stream::Stream;

/// Where answers go and how much they say.
pub(super) struct Output {
    format: Format,
    detail: Detail,
    coloured: bool,
    /// Where Prometheus reads the answer, too.
    metrics: Option<PathBuf>,
    /// Where it is served.
    page: Option<Arc<Page>>,
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
        Self { format: global.format(), detail, coloured, metrics: None, page: None }
    }

    /// The same, where what is measured is written to this file as well.
    pub(super) fn measured_in(self, metrics: Option<PathBuf>) -> Self {
        Self { metrics, ..self }
    }

    /// The same, where what is measured is served as well.
    pub(super) fn shown_on(self, page: Option<Arc<Page>>) -> Self {
        Self { page, ..self }
    }

    /// Whether a program reads the answer: then stdout is for nothing else.
    pub(super) fn is_for_programs(&self) -> bool {
        self.format != Format::Human
    }

    /// Whether a page is to be written.
    pub(super) fn is_page(&self) -> bool {
        self.format == Format::Html
    }

    /// Whether what is right is wanted, too.
    pub(super) fn is_verbose(&self) -> bool {
        self.detail == Detail::Verbose
    }

    /// Whether talk is unwanted.
    pub(super) fn quiet(&self) -> bool {
        self.detail == Detail::Quiet
    }

    /// Whether the endpoints of `verify` are written in the order of the targets while others are
    /// looked at still. The other formats sort at their end, or not at all.
    pub(super) fn in_order(&self) -> bool {
        self.format == Format::Json
    }

    /// How many endpoints of `verify` have to be held until its end, since a person or Nagios is
    /// told of the worst; with `-v` a person is told of all.
    pub(super) fn holds(&self) -> usize {
        match (self.format, self.detail) {
            (Format::Human, Detail::Verbose) => usize::MAX,
            (Format::Human | Format::Nagios, _) => 1000,
            _ => 0,
        }
    }

    /// The exit code for a verdict, in the codes of the format.
    pub(super) fn code(&self, verified: &Verified) -> u8 {
        match (self.format, verified.verdict) {
            (Format::Nagios, _) => nagios::State::of(verified).code(),
            (_, Verdict::Accepted) => 0,
            (_, Verdict::Refused) => 1,
            (_, Verdict::Unknown) => 4,
        }
    }

    /// The answer of a command.
    ///
    /// # Errors
    /// [`Failure::Work`] when it cannot be written.
    pub(super) fn answer(&self, report: &Report) -> Result<(), Failure> {
        self.told(report)?;
        if self.metrics.is_none() && self.page.is_none() {
            return Ok(());
        }
        let mut text = Vec::new();
        report::prometheus::write(report, &mut text).map_err(|error| Failure::work(why(&error)))?;
        let written = self.metrics.as_deref().map_or(Ok(()), |file| lay("--metrics", file, &text));
        if let Some(page) = &self.page {
            page.measured(text);
        }
        written
    }

    /// The page.
    ///
    /// # Errors
    /// [`Failure::Work`] when it cannot be written.
    pub(super) fn page(&self, page: &report::Page<'_>) -> Result<(), Failure> {
        print_with(|stdout| page.write(stdout)).map(|_| ())
    }

    fn told(&self, report: &Report) -> Result<(), Failure> {
        match (&report.body, self.format) {
            (Body::Verify(_), _) => Stream::new(self).whole(report),
            (_, Format::Prometheus) => {
                print_with(|stdout| report::prometheus::write(report, stdout)).map(|_| ())
            }
            (_, Format::Human) => self.print(&self.for_people(report)).map(|_| ()),
            _ => print_with(|stdout| {
                report::json::write(&report::json(report), &mut *stdout)?;
                stdout.write_all(b"\n")
            })
            .map(|_| ()),
        }
    }

    /// A part of the answer for a person; a program gets all of it at the end.
    ///
    /// # Errors
    /// [`Failure::Work`] when it cannot be written.
    pub(super) fn part(&self, report: &Report) -> Result<(), Failure> {
        if self.is_for_programs() || self.quiet() {
            return Ok(());
        }
        self.print(&self.for_people(report)).map(|_| ())
    }

    fn for_people(&self, report: &Report) -> String {
        let text = report::human(report, self.detail);
        if self.coloured { painted(&text) } else { text }
    }

    /// Writes to stdout.
    fn print(&self, text: &str) -> Result<Reader, Failure> {
        print_with(|stdout| stdout.write_all(text.as_bytes()))
    }

    /// A part of the answer before all of it is known; where a program reads it, stdout is for the
    /// one object, and this is talk.
    ///
    /// # Errors
    /// [`Failure::Work`] when it cannot be written.
    pub(super) fn text(&self, text: &str) -> Result<(), Failure> {
        if self.is_for_programs() {
            say(text.trim_end());
            return Ok(());
        }
        self.print(text).map(|_| ())
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

/// Writes what an option wants written to a file that others read at any moment: whole or not at
/// all.
///
/// # Errors
/// [`Failure::Work`] when it cannot be written.
pub(super) fn lay(option: &str, file: &Path, text: &[u8]) -> Result<(), Failure> {
    // node_exporter and web servers have no need to be root.
    let everybody = Access { mode: 0o644, uid: None, gid: None };
    let written = std::path::absolute(file)
        .map_err(|error| why(&error))
        .and_then(|file| disk::replace(&file, text, everybody).map_err(|error| error.to_string()));
    match written {
        Ok(_) => Ok(()),
        Err(why) => Err(Failure::work(format_args!("{option} {}: {why}", file.display()))),
    }
}

/// Whether somebody reads the answer still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// As far as can be told.
    There,
    /// Nobody does.
    Gone,
}

/// Writes to stdout. A reader that went away (`| head`) is no failure of ours; a full disk is one,
/// since somebody waits for the answer.
fn print_with(
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<Reader, Failure> {
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::work(format_args!("stdout takes no answer: {}", why(&error)))),
    }
}

/// Writes a line to stderr.
pub(super) fn say(text: &str) {
    let mut stderr = std::io::stderr().lock();
    // Nobody is left to be told when stderr is gone.
    let _ = writeln!(stderr, "{text}");
}

/// Tells Nagios, which reads stdout, why there is no answer; in its codes that is 3.
pub(super) fn unknown_to_nagios(text: &str) -> ExitCode {
    // Nobody is left to be told when stdout is gone.
    let _ = print_with(|stdout| stdout.write_all(nagios::failure(text).as_bytes()));
    ExitCode::from(nagios::State::Unknown.code())
}

/// Whether somebody is there to be asked.
pub(super) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a person; without a terminal the answer is no.
pub(super) fn ask_consent(question: &str) -> bool {
    if !can_ask() {
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
