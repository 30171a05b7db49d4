//! `[notify]`: who is told when something needs a person.

use super::fault::{Trouble, shown};
use super::files::argv;
use super::raw::Table;
use super::value;

/// `[notify]`: at least one way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// Mail addresses.
    pub mail: Vec<String>,
    /// The argv that takes a mail, if stated; the recipients come behind it.
    pub sendmail: Option<Vec<String>>,
    /// The URL that takes JSON by POST. It may hold a password.
    pub webhook: Option<String>,
    /// The argv of a program that takes the same JSON.
    pub command: Option<Vec<String>>,
}

pub(super) fn notify(root: &Table<'_>) -> Option<Notify> {
    let table = root.table("notify", NOTIFY)?;
    let mail = table.some_texts("mail", |text| {
        value::mail_address(text).ok_or_else(|| {
            let found = format!("{} is no mail address", shown(text));
            Trouble::new(found, "expected one such as postmaster@example.org")
        })
    });
    let ways = ["mail", "webhook", "command"];
    let said = |key: &&str| table.value(key).is_some() || table.misspelt(key, NOTIFY);
    if !ways.iter().any(said) {
        let expected = "expected `mail`, `webhook` or `command` below";
        let trouble = Trouble::new("`[notify]` names nobody", expected)
            .help("mail = [\"postmaster@example.org\"]");
        root.log.missing(Some(table.span.clone()), trouble);
    }
    Some(Notify {
        mail: mail.unwrap_or_default().into_iter().map(|(address, _)| address).collect(),
        sendmail: argv(&table, "sendmail"),
        webhook: table.text("webhook", webhook),
        command: argv(&table, "command"),
    })
}

/// An https URL; http only where nobody else can listen.
fn webhook(text: &str) -> Result<String, Trouble> {
    // The URL may be a secret: it is not shown.
    let expected = "expected an https URL, or an http one of this machine's loopback";
    let trouble = |found| Err(Trouble::new(found, expected));
    let Ok(uri) = text.parse::<::http::Uri>() else { return trouble("this is no URL") };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let loopback = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        _ if host.is_empty() => trouble("this URL names no host"),
        Some("https") => Ok(text.to_owned()),
        Some("http") if loopback => Ok(text.to_owned()),
        Some("http") => trouble("what is told would go through the net unencrypted"),
        _ => trouble("this is no URL of the web"),
    }
}

const NOTIFY: &[&str] = &["mail", "sendmail", "webhook", "command"];
