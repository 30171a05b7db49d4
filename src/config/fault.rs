//! Problems with their place: [`Faults`] and [`Note`], printed with source line and caret.
//!
//! Columns count characters from 1. Everything printed fits 80 columns and holds no control
//! character of the file, whatever the file holds.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Everything wrong with one configuration file, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    /// The problems one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "\n\n" })?;
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// One thing wrong with the configuration. Printed without a newline at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(Placed);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.print("error", f)
    }
}

/// Something in the configuration that is right and of no use: a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(Placed);

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.print("warning", f)
    }
}

/// What is wrong, without its place: found, expected, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What was found: one lower-case sentence.
    pub(super) message: String,
    /// What is expected instead: stands at the caret.
    pub(super) label: String,
    /// What to do about it.
    help: Option<String>,
}

impl Trouble {
    pub(super) fn new(message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { message: message.into(), label: label.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, with the known word nearest to the one found, if one is near.
    pub(super) fn nearest(self, found: &str, known: &[&str]) -> Self {
        match nearest(found, known) {
            Some(word) => self.help(format!("did you mean `{word}`?")),
            None => self,
        }
    }
}

/// The file being read, for places.
pub(super) struct Source<'a> {
    path: &'a Path,
    pub(super) text: &'a str,
    /// Where each line ends: a file of 10,000 domains is not searched anew for every place.
    newlines: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text, newlines: text.match_indices('\n').map(|(at, _)| at).collect() }
    }

    /// The line, counted from 1, of a byte.
    pub(super) fn line(&self, offset: usize) -> usize {
        1 + self.newlines.partition_point(|newline| *newline < offset)
    }

    pub(super) fn fault(&self, span: Option<Range<usize>>, trouble: Trouble) -> Fault {
        Fault(self.placed(span, trouble))
    }

    pub(super) fn note(&self, span: Option<Range<usize>>, trouble: Trouble) -> Note {
        Note(self.placed(span, trouble))
    }

    /// Without a span the problem is the file's as a whole and no line is shown.
    fn placed(&self, span: Option<Range<usize>>, trouble: Trouble) -> Placed {
        let file = self.path.to_owned();
        let Some(span) = span else {
            return Placed { file, line: 1, column: 1, snippet: None, trouble };
        };
        let number = self.line(span.start);
        let from = number.checked_sub(2).map_or(0, |before| self.newlines[before] + 1);
        let until = self.newlines.get(number - 1).copied().unwrap_or(self.text.len());
        let line = &self.text[from..until];
        let line = line.strip_suffix('\r').unwrap_or(line);
        // A byte order mark is no character of the first line for any editor.
        let mark =
            if from == 0 && line.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let line = &line[mark..];
        let start = line.floor_char_boundary(span.start.saturating_sub(from + mark));
        let end = line.floor_char_boundary(span.end.saturating_sub(from + mark)).max(start);
        let snippet = Snippet {
            line: line.to_owned(),
            before: line[..start].chars().count(),
            marked: line[start..end].chars().count(),
        };
        let column = snippet.before + 1;
        Placed { file, line: number, column, snippet: Some(snippet), trouble }
    }
}

/// How a problem weighs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Not even TOML.
    Syntax,
    /// Wrong in itself.
    Wrong,
    /// Wrong because something else is not there; not said of a file whose syntax is broken.
    Missing,
    /// A warning.
    Note,
}

/// What was found, and where; without a span it is the whole file's.
type Problem = (Weight, Option<Range<usize>>, Trouble);

/// What was found while reading, and what reading needs.
pub(super) struct Log<'a> {
    pub(super) source: Source<'a>,
    pub(super) file: &'a dyn Fn(&Path) -> Result<String, String>,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Log<'a> {
    pub(super) fn new(
        source: Source<'a>,
        file: &'a dyn Fn(&Path) -> Result<String, String>,
    ) -> Self {
        Self { source, file, problems: RefCell::default() }
    }

    pub(super) fn syntax(&self, span: Range<usize>, trouble: Trouble) {
        self.problems.borrow_mut().push((Weight::Syntax, Some(span), trouble));
    }

    pub(super) fn wrong(&self, span: Range<usize>, trouble: Trouble) {
        self.problems.borrow_mut().push((Weight::Wrong, Some(span), trouble));
    }

    /// Without a span it is the file that lacks something.
    pub(super) fn missing(&self, span: Option<Range<usize>>, trouble: Trouble) {
        self.problems.borrow_mut().push((Weight::Missing, span, trouble));
    }

    pub(super) fn note(&self, span: Option<Range<usize>>, trouble: Trouble) {
        self.problems.borrow_mut().push((Weight::Note, span, trouble));
    }

    /// Everything found, in the order of the file. Behind the place where the syntax broke nothing
    /// is believed, since a lost bracket or quote turns keys into what they are not.
    pub(super) fn into_problems(self, broken_at: Option<usize>) -> (Vec<Fault>, Vec<Note>) {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|(_, span, _)| span.as_ref().map_or(0, |span| span.start));
        let (mut faults, mut notes) = (Vec::new(), Vec::new());
        for (weight, span, trouble) in problems {
            let before = |broken| span.as_ref().is_some_and(|span| span.end <= broken);
            let believed = weight == Weight::Syntax
                || broken_at.is_none_or(|broken| weight == Weight::Wrong && before(broken));
            match weight {
                _ if !believed => {}
                Weight::Note => notes.push(self.source.note(span, trouble)),
                _ => faults.push(self.source.fault(span, trouble)),
            }
        }
        (faults, notes)
    }
}

/// A problem and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    file: PathBuf,
    line: usize,
    column: usize,
    snippet: Option<Snippet>,
    trouble: Trouble,
}

/// A source line with the characters before the caret and below it counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Snippet {
    line: String,
    before: usize,
    marked: usize,
}

impl Placed {
    fn place(&self) -> String {
        format!("{}:{}:{}", visible(&self.file.to_string_lossy()), self.line, self.column)
    }

    fn print(&self, kind: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{kind}: {}: {}", self.place(), self.trouble.message)?;
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len() + 1);
        if let Some(snippet) = &self.snippet {
            let (line, before, marked) = snippet.window(WIDTH - number.len() - 3);
            write!(f, "\n{gutter}|\n{}", format!("{number} | {line}").trim_end())?;
            write!(f, "\n{gutter}| {}{}", " ".repeat(before), "^".repeat(marked))?;
            self.print_label(&gutter, before + marked + 1, f)?;
        }
        if let Some(help) = &self.trouble.help {
            let lines = wrapped(help, WIDTH - gutter.len() - HELP.len());
            let indent = format!("\n{gutter}{}", " ".repeat(HELP.len()));
            write!(f, "\n{gutter}|\n{gutter}{HELP}{}", lines.join(&indent))?;
        }
        Ok(())
    }

    /// What is expected: behind the caret where there is room, else below it.
    fn print_label(&self, gutter: &str, column: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = (WIDTH - gutter.len() - 2).saturating_sub(column);
        let label = &self.trouble.label;
        if label.chars().count() <= room || room >= NARROWEST {
            let indent = format!("\n{gutter}| {}", " ".repeat(column));
            return write!(f, " {}", wrapped(label, room).join(&indent));
        }
        wrapped(label, WIDTH - gutter.len() - 2)
            .iter()
            .try_for_each(|line| write!(f, "\n{gutter}| {line}"))
    }
}

impl Snippet {
    /// The line as it is shown in at most `room` columns, and where its caret begins and how many
    /// columns it marks.
    fn window(&self, room: usize) -> (String, usize, usize) {
        let shown: Vec<String> = self.line.chars().map(visible_char).collect();
        let width = |pieces: &[String]| pieces.concat().chars().count();
        let before = width(&shown[..self.before]);
        let marked = width(&shown[self.before..self.before + self.marked]).max(1);
        let columns: Vec<char> = shown.concat().chars().collect();
        if columns.len().max(before + marked) <= room {
            return (columns.into_iter().collect(), before, marked);
        }
        let from = if before + marked.min(room / 2) + CUT.len() <= room {
            0
        } else {
            before.saturating_sub(room / 3)
        };
        let until = (from + room).min(columns.len());
        let mut part = columns[from..until].to_vec();
        if from > 0 {
            part.splice(..CUT.len().min(part.len()), CUT.chars());
        }
        if until < columns.len() {
            let end = part.len();
            part.splice(end - CUT.len().., CUT.chars());
        }
        (part.into_iter().collect(), before - from, marked.min(room - (before - from)))
    }
}

/// A text of the file for use in a message: control characters visible, cut at 60 characters.
pub(super) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    let dots = if cut.len() < text.len() { CUT } else { "" };
    format!("`{}{dots}`", visible(&cut))
}

/// Words as a list in a sentence: `` `a`, `b` ``.
pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The known word that was probably meant.
pub(crate) fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    let plain = found.trim().to_lowercase().replace('_', "-");
    // Long texts are no slip of the finger, and the distance costs their product.
    if plain.len() < 2 || plain.len() > 60 {
        return None;
    }
    let near = known.iter().map(|word| (strsim::osa_distance(&plain, word), *word)).min()?;
    if near.0 <= (plain.len().max(near.1.len()) / 3).max(1) {
        return Some(near.1);
    }
    known.iter().copied().find(|word| plain.len() >= 3 && word.starts_with(&plain))
}

fn visible(text: &str) -> String {
    text.chars().map(visible_char).collect()
}

/// Control characters, invisible characters and those that turn the direction of the line round
/// are written as escapes; a tab is one blank, so that a caret stands right below it.
fn visible_char(c: char) -> String {
    match c {
        '\t' => " ".to_owned(),
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            c.escape_unicode().to_string()
        }
        '\'' | '"' | '\\' => c.to_string(),
        _ => c.escape_debug().to_string(),
    }
}

/// The text in lines of at most `width` characters, broken at blanks; a command in backquotes is
/// never broken, since it is there to be pasted.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut quoted = false;
    let words = text.split(|c: char| {
        quoted ^= c == '`';
        c == ' ' && !quoted
    });
    for word in words {
        let line = lines.len() - 1;
        let length = lines[line].chars().count();
        if length == 0 {
            lines[line].push_str(word);
        } else if length + 1 + word.chars().count() <= width {
            lines[line].push(' ');
            lines[line].push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// The columns of a terminal.
const WIDTH: usize = 80;

/// The narrowest column that is still pleasant to read.
const NARROWEST: usize = 30;

const CUT: &str = "...";

const HELP: &str = "= help: ";

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn a_command_is_never_broken() {
        assert_eq!(
            wrapped("try this one: `a b c d e f` and then go on", 12),
            ["try this", "one:", "`a b c d e f`", "and then go", "on"]
        );
    }
}
