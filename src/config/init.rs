//! The text of a first configuration file, from what was found on this machine.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::model::Hostname;

/// What was found on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The mail domains: those typed, else those guessed from the servers and the host name.
    pub domains: Vec<Hostname>,
    /// The mail servers.
    pub servers: Vec<Server>,
    /// A mail address of the admin, without `mailto:`.
    pub contact: Option<String>,
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
    let mut text = HEAD.replace("{contact}", &contact);
    text.push_str(&challenge(found.port_80.as_deref()));
    text.push_str(DOMAINS);
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
    text.push_str(&servers(&found.servers));
    text
}

fn challenge(port_80: Option<&str>) -> String {
    let Some(program) = port_80 else { return LISTEN.to_owned() };
    let program: String =
        program.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(40).collect();
    WEBROOT.replace("{program}", &program)
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

const HEAD: &str = r#"# mailcert: certificates for the mail servers of this machine.
# `mailcert check` says whether this file is right, `mailcert plan` what would be
# done, `mailcert fix` does it.

[acme]
# Who issues: letsencrypt, letsencrypt-staging (to try things out: no sender
# trusts its certificates) or the https URL of any ACME directory.
directory = "letsencrypt"
# Where the CA may write to you.
{contact}
# With this line you agree to the terms of the CA; those of Let's Encrypt are at
# https://letsencrypt.org/repository/
agree-to-terms = true
"#;

const LISTEN: &str = r#"
# The CA fetches a proof from port 80 of every host name. mailcert answers there
# by itself, only while it waits for the CA. Where a web server has port 80, name
# its document root instead: webroot = "/var/www/html"
[challenge.http-01]
listen = ["0.0.0.0:80", "[::]:80"]
"#;

const WEBROOT: &str = r#"
# The CA fetches a proof from port 80 of every host name. {program} listens there
# already: name the directory from which it serves every one of these names.
[challenge.http-01]
webroot = "/var/www/html"
"#;

const DOMAINS: &str = r#"
# The domains whose mail goes through this machine. Their host names are found in
# the DNS (MX and SRV records, and the usual names such as mail.); `hosts` adds
# some, `exclude` takes some out.
"#;

const SERVERS: &str = r#"
# Mail servers: those found on this machine are used as they are. A table is only
# needed to say something else; then every server needs its table.
"#;
