//! The text of a first configuration file, from what was found on this machine.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::model::{Hostname, Owner};

/// Where the terms are that the text agrees to: those of the CA it names, Let's Encrypt.
pub const TERMS: &str = "https://letsencrypt.org/repository/";

/// What was found on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The mail domains: those typed, else those guessed from the servers and the host name.
    pub domains: Vec<Hostname>,
    /// The mail servers.
    pub servers: Vec<Server>,
    /// A mail address of the admin, without `mailto:`.
    pub contact: Option<String>,
    /// Where others' certificates lie, and whose they are.
    pub sources: Vec<(PathBuf, Owner)>,
    /// The program that already listens on port 80, if one does.
    pub port_80: Option<String>,
}

/// A mail server found on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// Postfix with this configuration directory.
    Postfix(PathBuf),
    /// Exim: the program.
    Exim(PathBuf),
    /// Dovecot with this main file.
    Dovecot(PathBuf),
}

/// A commented configuration file that can be used as it is.
#[must_use]
pub fn text(found: &Found) -> String {
    let contact = match &found.contact {
        Some(address) => format!("contact = [{}]", string(&format!("mailto:{address}"))),
        None => "# contact = [\"mailto:postmaster@example.org\"]".to_owned(),
    };
    let head = HEAD.replace("{contact}", &contact).replace("{terms}", TERMS);
    let challenge = challenge(found.port_80.as_deref());
    let mut text = [head, challenge, sources(&found.sources) + DOMAINS].join("\n");
    if found.domains.is_empty() {
        text.push_str("# [[domain]]\n# name = \"example.org\"\n");
    }
    for (index, domain) in found.domains.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        let _ = writeln!(text, "{gap}[[domain]]\nname = {}", string(domain.as_str()));
        if index == 0 {
            let _ = writeln!(text, "# hosts = [\"smtp.{domain}\"]");
            let _ = writeln!(text, "# exclude = [\"old.{domain}\"]");
        }
    }
    text.push('\n');
    text.push_str(&servers(&found.servers));
    text
}

fn challenge(port_80: Option<&str>) -> String {
    let Some(program) = port_80 else { return LISTEN.to_owned() };
    let program: String =
        program.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(40).collect();
    WEBROOT.replace("{program}", &program)
}

/// The table of others' certificates, commented out; nothing where there are none.
fn sources(sources: &[(PathBuf, Owner)]) -> String {
    if sources.is_empty() {
        return String::new();
    }
    let mut owners: Vec<String> = sources.iter().map(|(_, owner)| owner.to_string()).collect();
    owners.sort_unstable();
    owners.dedup();
    let mut text = SOURCES.replace("{owners}", &owners.join(", "));
    for (at, (place, _)) in sources.iter().enumerate() {
        let begin = if at == 0 { "paths = [" } else { "         " };
        let end = if at + 1 == sources.len() { "]" } else { "," };
        let _ = writeln!(text, "# {begin}{}{end}", path_string(place));
    }
    text + "\n"
}

fn servers(servers: &[Server]) -> String {
    let mut text = SERVERS.to_owned();
    if servers.is_empty() {
        text.push_str("# None was found when this file was written.\n");
    }
    for server in servers {
        let (kind, key, path) = match server {
            Server::Postfix(path) => ("postfix", "config-directory", path),
            Server::Exim(path) => ("exim", "binary", path),
            Server::Dovecot(path) => ("dovecot", "config-file", path),
        };
        let _ = writeln!(text, "#\n# [[{kind}]]\n# {key} = {}", path_string(path));
    }
    text
}

fn path_string(path: &Path) -> String {
    string(&path.to_string_lossy())
}

/// The text as a TOML string.
fn string(text: &str) -> String {
    toml::Value::String(text.replace(['\n', '\r'], " ")).to_string()
}

const HEAD: &str = include_str!("../../templates/init/head.toml");
const LISTEN: &str = include_str!("../../templates/init/listen.toml");
const WEBROOT: &str = include_str!("../../templates/init/webroot.toml");
const SOURCES: &str = include_str!("../../templates/init/sources.toml");
const DOMAINS: &str = include_str!("../../templates/init/domains.toml");
const SERVERS: &str = include_str!("../../templates/init/servers.toml");

#[cfg(test)]
mod tests {
    use super::{Found, Server, text};
    use crate::config::{Answer, Config, Note, builtin, read};
    use crate::model::{Hostname, Owner};
    use std::path::{Path, PathBuf};

    fn parsed(text: &str) -> (Config, Vec<Note>) {
        read(Path::new("mailcert.toml"), text, &|_| Err("no file is named".to_owned()))
            .unwrap_or_else(|faults| panic!("{faults}\n{text}"))
    }

    fn found() -> Found {
        Found {
            domains: ["example.org", "example.net"].map(|n| Hostname::parse(n).unwrap()).to_vec(),
            servers: vec![
                Server::Postfix("/etc/postfix".into()),
                Server::Exim("/usr/sbin/exim4".into()),
                Server::Dovecot("/etc/dovecot/dovecot.conf".into()),
            ],
            contact: Some("o'root@example.org".to_owned()),
            sources: vec![
                ("/etc/letsencrypt/live".into(), Owner::Certbot),
                ("/root/.acme.sh".into(), Owner::AcmeSh),
            ],
            port_80: None,
        }
    }

    #[test]
    fn the_text_is_a_right_configuration() {
        let (config, notes) = parsed(&text(&found()));
        assert_eq!(notes, []);
        let names: Vec<_> = config.domains.iter().map(|domain| domain.name.as_str()).collect();
        assert_eq!(names, ["example.org", "example.net"]);
        assert_eq!(config.acme.contact, ["mailto:o'root@example.org"]);
        assert_eq!(config.http01, builtin().http01);
        assert_eq!((config.servers, config.sources), (vec![], Vec::<PathBuf>::new()));
    }

    #[test]
    fn what_it_comments_out_is_right_too() {
        let text: String = text(&found())
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|rest| is_toml(rest)).unwrap_or(line))
            .flat_map(|line| [line, "\n"])
            .collect();
        let (config, notes) = parsed(&text);
        assert_eq!((config.servers.len(), notes.len()), (3, 0), "{text}");
        assert_eq!(config.domains[0].hosts[0].as_str(), "smtp.example.org");
        assert_eq!(config.domains[0].exclude[0].as_str(), "old.example.org");
        let places = ["/etc/letsencrypt/live", "/root/.acme.sh"].map(PathBuf::from);
        assert_eq!(config.sources, places);
    }

    fn is_toml(line: &str) -> bool {
        line.starts_with('[')
            || line.starts_with("         \"")
            || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    }

    #[test]
    fn nothing_found_is_right_as_well_and_says_so() {
        let text = text(&Found::default());
        let (config, notes) = parsed(&text);
        assert_eq!((config.domains.len(), notes.len()), (0, 1));
        assert!(text.contains("# [[domain]]") && text.contains("# None was found"), "{text}");
    }

    #[test]
    fn a_web_server_on_port_80_means_a_webroot() {
        let found = Found { port_80: Some("ngi\nnx".to_owned()), ..found() };
        let text = text(&found);
        assert!(text.contains("nginx listens there\n"), "{text}");
        assert_eq!(parsed(&text).0.http01.answer, Answer::Webroot("/var/www/html".into()));
    }

    #[test]
    fn hostile_paths_stay_in_their_line() {
        let servers = vec![Server::Postfix(PathBuf::from("/etc/\"\n[acme]\n"))];
        let text = text(&Found { servers, ..found() });
        assert_eq!(parsed(&text).1, []);
    }

    #[test]
    fn the_text_fits_a_terminal() {
        for line in text(&found()).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
