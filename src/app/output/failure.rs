//! [`Failure`]: why a command ended without an answer, as a text for a person.

use std::fmt::Display;

use crate::report;
use crate::store::StoreError;

/// Why a command ended without an answer; each kind has its exit code.
#[derive(Debug)]
pub(in crate::app) enum Failure {
    /// What was typed or configured cannot be used: 2.
    Usage(String),
    /// Our work failed: 1.
    Work(String),
    /// Another mailcert is at work: 5.
    Locked(String),
}

impl Failure {
    /// What was typed or configured is wrong, in a sentence with the thing, the found and the
    /// expected.
    pub(in crate::app) fn usage(error: impl Display) -> Self {
        Self::Usage(sentence(error))
    }

    /// The same with what to do about it.
    pub(in crate::app) fn helped(error: impl Display, help: impl Display) -> Self {
        Self::Usage(sentence(error) + &Self::hint(help))
    }

    /// The same below what was found out before.
    pub(in crate::app) fn told(before: &str, error: impl Display, help: impl Display) -> Self {
        Self::Usage(format!("{before}{}{}", sentence(error), Self::hint(help)))
    }

    /// Our work failed.
    pub(in crate::app) fn work(error: impl Display) -> Self {
        Self::Work(sentence(error))
    }

    /// The same with what to do about it.
    pub(in crate::app) fn work_helped(error: impl Display, help: impl Display) -> Self {
        Self::Work(sentence(error) + &Self::hint(help))
    }

    /// What to do about it, as it stands below a message.
    pub(in crate::app) fn hint(help: impl Display) -> String {
        let lines = report::wrapped(&help.to_string(), HELP);
        format!("  = help: {}", lines.trim_start())
    }

    pub(in crate::app) fn store(error: StoreError) -> Self {
        match error {
            StoreError::Locked { .. } => Self::Locked(
                sentence(error)
                    + &Self::hint("wait until it has ended, as `--wait` does, and call again"),
            ),
            StoreError::Unsafe { .. } | StoreError::Schema { .. } => Self::usage(error),
            _ => Self::work(error),
        }
    }

    /// What a person reads, without a line end.
    pub(in crate::app) fn text(&self) -> &str {
        let (Self::Usage(text) | Self::Work(text) | Self::Locked(text)) = self;
        text.trim_end()
    }

    pub(in crate::app) fn code(&self) -> u8 {
        match self {
            Self::Work(_) => 1,
            Self::Usage(_) => 2,
            Self::Locked(_) => 5,
        }
    }
}

/// Why a file cannot be read, without the number of the error.
pub(in crate::app) fn why(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or_else(|| text.clone(), |(why, _)| why.to_owned())
}

fn sentence(error: impl Display) -> String {
    report::wrapped(&format!("error: {error}"), "")
}

/// As wide as what stands before a hint.
const HELP: &str = "          ";

#[cfg(test)]
mod tests {
    use super::{Failure, why};

    #[test]
    fn a_long_sentence_is_broken_and_its_hint_stands_below_itself() {
        let failure = Failure::helped(
            "/a: no such file, and this goes on for longer than a terminal is wide, word by word",
            "call `mailcert this` where that is what you want, or `mailcert that` where it is not",
        );
        expect_test::expect![[r#"
            error: /a: no such file, and this goes on for longer than a terminal is wide,
            word by word
              = help: call `mailcert this` where that is what you want, or `mailcert that`
                      where it is not"#]]
        .assert_eq(failure.text());
        assert_eq!(failure.code(), 2);
    }

    #[test]
    fn the_number_of_an_error_is_nobodys_business() {
        let error = std::io::Error::from_raw_os_error(2);
        assert_eq!(why(&error), "No such file or directory");
        assert_eq!(why(&std::io::Error::other("odd")), "odd");
    }
}
