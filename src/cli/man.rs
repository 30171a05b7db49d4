//! The man pages: from the definitions, with what only a manual says beside them.

mod keys;

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::Cli;

/// One page for the program, for each command and for the configuration: its file name and its
/// text (roff).
///
/// # Errors
/// None in truth: a page is written to memory.
pub fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    // No page is written for `help`.
    let whole = Cli::command().disable_help_subcommand(true);
    let mut pages = vec![("mailcert.1".to_owned(), program(whole.clone())?)];
    for sub in whole.get_subcommands() {
        let name = format!("mailcert-{}", sub.get_name());
        let typed = format!("mailcert {}", sub.get_name());
        let page = command(sub.clone().display_name(name.clone()).bin_name(typed))?;
        pages.push((format!("{name}.1"), page));
    }
    pages.push(("mailcert.toml.5".to_owned(), keys::page().into_bytes()));
    Ok(pages)
}

fn program(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = dated(Man::new(command));
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    man.render_subcommands_section(&mut page)?;
    page.extend_from_slice(PROGRAM.as_bytes());
    Ok(page)
}

fn command(command: Command) -> io::Result<Vec<u8>> {
    let more = if command.get_name() == "verify" { VERIFY } else { "" };
    let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut page = Vec::new();
    let man = dated(Man::new(command));
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend_from_slice(more.as_bytes());
    page.extend_from_slice(unfilled(&notes).as_bytes());
    page.extend_from_slice(COMMAND.as_bytes());
    Ok(page)
}

fn dated(man: Man) -> Man {
    man.source(concat!("mailcert ", env!("CARGO_PKG_VERSION"))).manual("mailcert")
}

/// What stands below a command's help, its lines as they are: examples are no prose.
fn unfilled(notes: &str) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let (heading, lines) = match notes.split_once('\n') {
        Some((first, rest)) if first.starts_with("Example") => ("EXAMPLES", rest),
        _ => ("NOTES", notes),
    };
    let lines = lines.replace('\\', "\\e").replace('-', "\\-");
    // A dot or a quote that begins a line would be a request.
    let lines: String = lines.lines().map(|line| format!("\\&{line}\n")).collect();
    format!(".SH {heading}\n.nf\n{lines}.fi\n")
}

/// What only the program's page says.
const PROGRAM: &str = include_str!("../../templates/man/mailcert.roff");

/// What only the page of `verify` says.
const VERIFY: &str = include_str!("../../templates/man/verify.roff");

/// The end of every command's page.
const COMMAND: &str = include_str!("../../templates/man/command.roff");

#[cfg(test)]
mod tests {
    use super::{pages, unfilled};

    fn page(name: &str) -> String {
        let (_, page) = pages().unwrap().into_iter().find(|page| page.0 == name).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn the_programs_page_has_exit_codes_files_and_examples_and_names_no_page_that_is_not_there() {
        let main = page("mailcert.1");
        for heading in ["SYNOPSIS", "\"EXIT STATUS\"", "ENVIRONMENT", "FILES", "EXAMPLES"] {
            assert!(main.contains(&format!(".SH {heading}\n")), "{heading}: {main}");
        }
        let names: Vec<String> = pages().unwrap().into_iter().map(|page| page.0).collect();
        let named = main.lines().filter_map(|line| line.strip_suffix("(1)"));
        for name in named.map(|line| line.replace('\\', "")) {
            assert!(names.contains(&format!("{name}.1")), "{name}");
        }
        assert!(main.contains("mailcert\\-verify(1)"), "{main}");
    }

    #[test]
    fn a_commands_page_says_what_is_typed() {
        let verify = page("mailcert-verify.1");
        assert!(verify.contains("\\fBmailcert verify\\fR"), "{verify}");
        assert!(verify.contains(".SH \"OUTPUT FOR PROGRAMS\"\n"), "{verify}");
        assert!(verify.contains("imaps://") && verify.contains(".BR mailcert (1)"), "{verify}");
    }

    #[test]
    fn lines_stay_as_they_are() {
        for (notes, expected) in [
            ("", ""),
            ("Examples:\n  a -b\n", ".SH EXAMPLES\n.nf\n\\&  a \\-b\n.fi\n"),
            ("Example:\n  a", ".SH EXAMPLES\n.nf\n\\&  a\n.fi\n"),
            (".x \\\n'y", ".SH NOTES\n.nf\n\\&.x \\e\n\\&'y\n.fi\n"),
        ] {
            assert_eq!(unfilled(notes), expected);
        }
    }
}
