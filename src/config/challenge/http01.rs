//! `[challenge.http-01]`: where the answers are, for all names or for those of a domain.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::fault::Trouble;
use crate::config::raw::Table;
use crate::config::value;
use crate::model::Hostname;

/// `[challenge.http-01]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http01 {
    /// How it is answered.
    pub answer: Answer,
    /// Directories for the names of these hosts and domains instead.
    pub webroots: BTreeMap<Hostname, PathBuf>,
}

/// How http-01 is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// By our own listener, bound only while a challenge is presented.
    Listen(Vec<SocketAddr>),
    /// By files below `DIR/.well-known/acme-challenge`, served by the admin's web server.
    Webroot(PathBuf),
}

impl Default for Http01 {
    fn default() -> Self {
        Self { answer: Answer::Listen(everywhere(80)), webroots: BTreeMap::new() }
    }
}

impl Http01 {
    /// The directory of a name, where it has one: that of the longest domain it belongs to.
    #[must_use]
    pub fn webroot(&self, host: &Hostname) -> Option<&Path> {
        if self.webroots.is_empty() {
            return None;
        }
        let mut at = Some(host.clone());
        while let Some(name) = at {
            if let Some(directory) = self.webroots.get(&name) {
                return Some(directory);
            }
            at = name.parent();
        }
        None
    }
}

/// Every address of the machine at this port.
pub(super) fn everywhere(port: u16) -> Vec<SocketAddr> {
    vec![
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
    ]
}

pub(super) fn http01(table: &Table<'_>) -> Http01 {
    let listen = sockets(table, 80);
    let webroot = table.text("webroot", value::path);
    if let (Some(first), Some(second)) = (table.key("listen"), table.key("webroot")) {
        let (later, earlier) =
            if first.start < second.start { (second, "listen") } else { (first, "webroot") };
        table.log.wrong(
            later,
            Trouble::new("both `listen` and `webroot` are there", "expected one of them").help(
                format!(
                    "`{earlier}` stands in line {}",
                    table.key(earlier).map_or(0, |key| table.log.source.line(key.start))
                ),
            ),
        );
    }
    let answer = webroot.map(Answer::Webroot).or_else(|| listen.map(Answer::Listen));
    let default = Http01::default();
    Http01 { answer: answer.unwrap_or(default.answer), webroots: webroots(table) }
}

/// `[challenge.http-01.webroots]`: its keys are names, its values directories.
fn webroots(table: &Table<'_>) -> BTreeMap<Hostname, PathBuf> {
    let mut webroots = BTreeMap::new();
    let Some(entries) = table.any_table("challenge.http-01.webroots") else { return webroots };
    for key in entries.keys() {
        let wrong = |trouble| entries.log.wrong(entries.key(key).unwrap_or_default(), trouble);
        if entries.value(key).is_some_and(|value| value.is_table()) {
            // `mail.example.org = ".."` without quotes is a table in a table.
            let message = format!("`{key}` is a table");
            let trouble = Trouble::new(message, "expected a name in quotes and its directory");
            wrong(
                trouble.help("names have dots, so quote them: \"mail.example.org\" = \"/srv/www\""),
            );
            continue;
        }
        let (host, directory) = (value::host(key), entries.text(key, value::path));
        match (host, directory) {
            (Err(trouble), _) => wrong(trouble),
            (Ok(host), Some(directory)) => {
                let message = format!("`{host}` stands twice in `webroots`");
                if webroots.insert(host, directory).is_some() {
                    wrong(Trouble::new(message, "expected each name once"));
                }
            }
            (Ok(_), None) => {}
        }
    }
    webroots
}

/// `listen`, each socket once.
pub(super) fn sockets(table: &Table<'_>, port: u16) -> Option<Vec<SocketAddr>> {
    let mut sockets = Vec::new();
    for (socket, value) in table.some_texts("listen", |text| value::socket(text, port))? {
        if sockets.contains(&socket) {
            value.wrong(Trouble::new(format!("`{socket}` stands twice"), "expected each once"));
        }
        sockets.push(socket);
    }
    Some(sockets)
}
