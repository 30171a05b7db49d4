//! Dovecot 2.3: one PEM per certificate and one drop-in of `local_name` blocks.
//!
//! Measured with 2.3.19.1:
//! - one combined PEM serves as `ssl_cert` and as `ssl_key`;
//! - `local_name "n1 n2"` takes many names (19,500 bytes of them), wildcards among them;
//! - a name in two blocks gets the last one, but between a whole name and a wildcard the *first*
//!   block wins: blocks of whole names therefore stand before blocks of wildcards;
//! - a missing file makes the whole reload fail, for every name: every file a drop-in names is
//!   installed before it;
//! - a drop-in that a delivery agent may not read is skipped by it in silence, so that 0600 is
//!   right for it as well; `!include_try` with a quoted path includes nothing.
//!
//! Everything is read at the start and at a reload. Around 10,000 blocks the config process dies:
//! a certificate has one block for its names and one for its wildcards, not one for each name.

use std::collections::BTreeMap;
use std::path::Path;

use crate::servers::entries::{Entries, Stems};
use crate::servers::{Part, Server, Shown, Want, gitignore};

/// The file name of the drop-in.
pub const DROP_IN: &str = "mailcert.conf";

pub(super) fn wants(
    server: &Server,
    certificates: &[&Shown],
    default: Option<&Shown>,
) -> Vec<Want> {
    let stems = Stems::of(certificates);
    let mut wants = stems.wants(server, certificates);
    // Before the index, unlike elsewhere: the drop-in names it, and must never name a file that
    // is not there. Nothing is served before the reload, which comes after all of them.
    wants.extend(default.map(|shown| Want::combined(server, "default.pem", Part::Default, shown)));
    wants.extend(gitignore(server));
    let text = drop_in(&server.directory, &Entries::of(certificates), &stems, default.is_some());
    wants.push(Want::text(server, DROP_IN, text));
    wants
}

/// The drop-in's text: the default pair, whole names, wildcards.
fn drop_in(directory: &Path, entries: &Entries<'_>, stems: &Stems<'_>, default: bool) -> String {
    let mut text = String::from(HEADER);
    if default {
        text.push_str(&pair(directory, "default.pem", ""));
    }
    let whole = entries.hosts.iter().map(|(host, shown)| (host.to_string(), stems.pem(shown)));
    text.push_str(&blocks(directory, whole));
    let wild =
        entries.wildcards.iter().map(|(domain, shown)| (format!("*.{domain}"), stems.pem(shown)));
    text.push_str(&blocks(directory, wild));
    text
}

/// One block per file, with all its names, sorted.
fn blocks(directory: &Path, names: impl Iterator<Item = (String, String)>) -> String {
    let mut owned: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, file) in names {
        owned.entry(file).or_default().push(name);
    }
    owned
        .into_iter()
        .map(|(file, names)| {
            let pair = pair(directory, &file, "  ");
            format!("local_name \"{}\" {{\n{pair}}}\n", names.join(" "))
        })
        .collect()
}

fn pair(directory: &Path, file: &str, indent: &str) -> String {
    let path = directory.join(file);
    let path = path.display();
    format!("{indent}ssl_cert = <{path}\n{indent}ssl_key = <{path}\n")
}

const HEADER: &str = "# Written by mailcert from the names on the certificates; edits are lost.\n";

#[cfg(test)]
mod tests {
    use crate::model::CertName;
    use crate::servers::entries::samples::{lines, server, shown, two};
    use crate::servers::{Content, Dovecot, Kind, Shown, Want, wants};

    fn layout(certificates: &[Shown], default: Option<&str>) -> Vec<Want> {
        let kind = Kind::Dovecot(Dovecot { config_file: "/d/d.conf".into(), version: (2, 3) });
        let default = default.map(|name| CertName::parse(name).unwrap());
        wants(&server(kind, "/d/tls"), certificates, default.as_ref())
    }

    fn text(wants: &[Want]) -> &str {
        let Some(Content::Text(text)) = wants.last().map(|want| &want.content) else { panic!() };
        text
    }

    #[test]
    fn every_file_comes_before_the_drop_in_that_names_it() {
        let all = layout(&two(), Some("a.test"));
        assert_eq!(
            lines(&all),
            [
                "/d/tls/a.test.pem a.test 600 pem a.test 1",
                "/d/tls/b.test.pem b.test 600 pem b.test 1",
                "/d/tls/default.pem default 600 pem a.test 1",
                "/d/tls/mailcert.conf index 600 text",
            ]
        );
        for file in text(&all).lines().filter_map(|line| line.split_once('<')) {
            assert!(all.iter().any(|want| want.path.display().to_string() == file.1), "{file:?}");
        }
    }

    #[test]
    fn one_block_for_the_names_of_a_certificate_and_wildcards_last() {
        assert_eq!(
            text(&layout(&two(), Some("a.test"))),
            "\
# Written by mailcert from the names on the certificates; edits are lost.
ssl_cert = </d/tls/default.pem
ssl_key = </d/tls/default.pem
local_name \"mail.a.test mx1.a.test\" {
  ssl_cert = </d/tls/a.test.pem
  ssl_key = </d/tls/a.test.pem
}
local_name \"b.test shared.x.test\" {
  ssl_cert = </d/tls/b.test.pem
  ssl_key = </d/tls/b.test.pem
}
local_name \"*.b.test\" {
  ssl_cert = </d/tls/b.test.pem
  ssl_key = </d/tls/b.test.pem
}
"
        );
    }

    #[test]
    fn without_a_default_the_admins_own_stays() {
        let all = layout(&[shown("a.test", &["mx.a.test"], 1)], None);
        assert_eq!(text(&all).matches("ssl_cert").count(), 1);
    }
}
