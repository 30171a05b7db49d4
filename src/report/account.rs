//! `account`: what is kept here, and what the CA makes of it. Never the key.

use std::path::PathBuf;

use serde::Serialize;

use super::wrapped;

/// The account; field names are the JSON interface.
#[derive(Debug, Serialize)]
pub struct AccountRow {
    /// What was done: `show`, `register`, `rollover`, `contacts` or `deactivate`.
    pub action: &'static str,
    /// The CA's directory.
    pub directory: String,
    /// The URL of the account, also of one that was given up just now; `None` where none is kept
    /// here.
    pub account: Option<String>,
    /// The file of its key; `None` likewise.
    pub file: Option<PathBuf>,
    /// The CA's word (`valid`, `deactivated`, `revoked`), or `unknown` (it knows no such account),
    /// `refused`, `unasked` (it could not be asked); `None` where there is nothing to ask for.
    pub standing: Option<String>,
    /// Why it is refused or could not be asked.
    pub said: Option<String>,
    /// Whom the CA writes to; `None` where it does not say.
    pub contact: Option<Vec<String>>,
    /// Whether a rollover was begun and nobody knows yet which key the CA takes.
    pub is_rolling: bool,
}

/// What is said on a terminal.
pub(super) fn text(row: &AccountRow) -> String {
    let done = match row.action {
        "register" => "there is an account, and the CA takes it\n",
        "rollover" => "the account has another key; the old one is worth nothing now\n",
        "contacts" => "the CA was told the contacts of the configuration\n",
        "deactivate" => {
            return wrapped(
                &format!(
                    "deactivated: the account at {} is given up for good, and its key is \
                     forgotten here; the next `mailcert run` that orders makes another one",
                    row.directory
                ),
                "",
            );
        }
        _ => "",
    };
    let Some(account) = &row.account else {
        let none = format!(
            "no account at {} is kept here; the first order makes one, or \
             `mailcert account register`",
            row.directory
        );
        return wrapped(&none, "");
    };
    let mut text = format!("{done}account   {account}\n");
    if let Some(file) = &row.file {
        text += &format!("key in    {}\n", file.display());
    }
    text += &format!("the CA    {}\n", standing(row));
    if let Some(said) = &row.said {
        text += &wrapped(said, BELOW);
    }
    match (&row.contact, row.standing.as_deref()) {
        (Some(contact), _) => text += &format!("contacts  {}\n", contact.join(", ")),
        (None, Some("valid")) => text += "contacts  the CA names none\n",
        (None, _) => {}
    }
    if row.is_rolling {
        text += "rollover  begun, its end is not known: the next use asks which key counts\n";
    }
    text
}

fn standing(row: &AccountRow) -> String {
    match row.standing.as_deref() {
        Some("valid") => "takes it (valid)".to_owned(),
        Some("unknown") => "knows no such account: the next order makes another one".to_owned(),
        Some("refused") => "refuses it: `mailcert account register` makes another one".to_owned(),
        Some("unasked") | None => "could not be asked".to_owned(),
        Some(word) => {
            format!("says {word}: `mailcert account register` makes another one")
        }
    }
}

/// As wide as what stands before a value.
const BELOW: &str = "          ";
