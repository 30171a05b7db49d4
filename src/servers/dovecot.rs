//! Dovecot: one PEM per certificate and one drop-in of `local_name` blocks.
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
//! Measured with 2.4.1 (Debian 13):
//! - the settings are `ssl_server_cert_file` and `ssl_server_key_file`, without `<`; one combined
//!   PEM serves as both; a drop-in needs no `dovecot_config_version` of its own;
//! - two names in one `local_name` are fatal: `doveconf`, the reload and the start all fail;
//! - between a whole name and a wildcard the *last* block wins, the other way round than 2.3;
//! - a missing file makes the whole reload fail, and `doveconf` says nothing, as in 2.3.
//!
//! Everything is read at the start and at a reload, and each block costs: see [`cost_of_blocks`].
//! With 2.3 a certificate has one block for its names and one for its wildcards, not one for each
//! name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::Hostname;
use crate::servers::entries::{Entries, Stems, beside_default, differs};
use crate::servers::{Dovecot, Part, Server, Shown, Want, gitignore};

/// The file name of the drop-in.
pub const DROP_IN: &str = "mailcert.conf";

pub(super) fn wants(
    server: &Server,
    dovecot: &Dovecot,
    certificates: &[&Shown],
    default: Option<&Shown>,
) -> Vec<Want> {
    let stems = Stems::of(certificates);
    let mut wants = stems.wants(server, certificates);
    // Before the index, unlike elsewhere: the drop-in names it, and must never name a file that
    // is not there. Nothing is served before the reload, which comes after all of them.
    wants.extend(default.map(|shown| Want::combined(server, "default.pem", Part::Default, shown)));
    let beside = default.and_then(|shown| beside_default(certificates, shown));
    wants.extend(beside.map(|shown| Want::combined(server, DEFAULT_ALT, Part::Default, shown)));
    wants.extend(gitignore(server));
    let default =
        default.map(|_| ("default.pem".to_owned(), beside.map(|_| DEFAULT_ALT.to_owned())));
    let drop_in = DropIn { syntax: Syntax::of(dovecot), directory: &server.directory, default };
    let text = drop_in.text(&Entries::both(certificates), &stems);
    wants.push(Want::text(server, DROP_IN, text));
    wants
}

/// The RSA certificate beside the default one.
const DEFAULT_ALT: &str = "default.alt.pem";

/// How the version at hand wants its settings written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    /// 2.3.
    Old,
    /// 2.4.
    New,
}

impl Syntax {
    fn of(dovecot: &Dovecot) -> Self {
        if dovecot.version >= (2, 4) { Self::New } else { Self::Old }
    }
}

/// The number of blocks that the names of `certificates` need, and from how many on what they cost
/// is worth a warning.
#[must_use]
pub fn blocks(dovecot: &Dovecot, certificates: &[Shown]) -> (usize, usize) {
    let all: Vec<&Shown> = certificates.iter().collect();
    let entries = Entries::both(&all).0;
    let count = |owners: &BTreeMap<&Hostname, &Shown>| {
        let owners = owners.values().map(|shown| (&shown.name, shown.version));
        owners.collect::<BTreeSet<_>>().len()
    };
    match Syntax::of(dovecot) {
        Syntax::Old => (count(&entries.hosts) + count(&entries.wildcards), 1_000),
        Syntax::New => (entries.hosts.len() + entries.wildcards.len(), 5_000),
    }
}

/// What so many blocks cost, as measured with 2.3.19 and 2.4.1 on two cores.
#[must_use]
pub fn cost_of_blocks(dovecot: &Dovecot) -> &'static str {
    match Syntax::of(dovecot) {
        Syntax::Old => {
            "with 1,000 blocks the first client after a reload waits 1 s, with 2,000 it waits 2 s, \
             and with 10,000 Dovecot 2.3 does not start at all within its default_vsz_limit"
        }
        Syntax::New => {
            "with 2,000 blocks the first client after a reload waits less than 1 s, with 10,000 it \
             waits 4 s"
        }
    }
}

/// A certificate's file, and that of the one beside it.
type Files = (String, Option<String>);

/// How the drop-in is written.
struct DropIn<'a> {
    syntax: Syntax,
    directory: &'a Path,
    default: Option<Files>,
}

impl DropIn<'_> {
    /// The default pair, then the blocks, of which the whole names are to win over the wildcards.
    fn text(&self, (first, beside): &(Entries<'_>, Entries<'_>), stems: &Stems<'_>) -> String {
        let mut text = String::from(HEADER);
        if let Some(default) = &self.default {
            text.push_str(&self.settings(default, ""));
        }
        let files = |shown: &Shown, beside: Option<&Shown>| {
            let beside = beside.filter(|beside| differs(shown, beside));
            (stems.pem(shown), beside.map(|beside| stems.pem(beside)))
        };
        let whole = first.hosts.iter();
        let whole = whole.map(|(host, shown)| (host.to_string(), files(shown, beside.find(host))));
        let whole = self.blocks(whole);
        let wild = first.wildcards.iter().map(|(domain, shown)| {
            (format!("*.{domain}"), files(shown, beside.wildcards.get(domain).copied()))
        });
        let wild = self.blocks(wild);
        match self.syntax {
            Syntax::Old => text + &whole + &wild,
            Syntax::New => text + &wild + &whole,
        }
    }

    /// The blocks of these names with their files: one for all names with the same, or one for each
    /// name.
    fn blocks(&self, names: impl Iterator<Item = (String, Files)>) -> String {
        let mut owned: BTreeMap<Files, Vec<String>> = BTreeMap::new();
        for (name, files) in names {
            owned.entry(files).or_default().push(name);
        }
        let block = |label: &str, files: &Files| {
            format!("local_name {label} {{\n{}}}\n", self.settings(files, "  "))
        };
        owned
            .into_iter()
            .map(|(files, names)| match self.syntax {
                Syntax::Old => block(&format!("\"{}\"", names.join(" ")), &files),
                Syntax::New => names.iter().map(|name| block(name, &files)).collect(),
            })
            .collect()
    }

    /// The settings for a certificate and the one beside it. Without one, that of the default would
    /// be shown beside it: the settings are then empty.
    fn settings(&self, (file, beside): &Files, indent: &str) -> String {
        let path = |file: &String| self.directory.join(file).display().to_string();
        let (first, alt) = match self.syntax {
            Syntax::Old => (["ssl_cert", "ssl_key"], ["ssl_alt_cert", "ssl_alt_key"]),
            Syntax::New => (
                ["ssl_server_cert_file", "ssl_server_key_file"],
                ["ssl_server_alt_cert_file", "ssl_server_alt_key_file"],
            ),
        };
        let sign = if self.syntax == Syntax::Old { "<" } else { "" };
        let line = |name: &str, file: Option<&String>| match file {
            Some(file) => format!("{indent}{name} = {sign}{}\n", path(file)),
            None => format!("{indent}{name} =\n"),
        };
        let inherits = self.default.as_ref().is_some_and(|(_, alt)| alt.is_some());
        let first = first.map(|name| line(name, Some(file)));
        let alt = alt.map(|name| line(name, beside.as_ref()));
        let alt = if beside.is_some() || inherits { alt.concat() } else { String::new() };
        first.concat() + &alt
    }
}

const HEADER: &str = "# Written by mailcert from the names on the certificates; edits are lost.\n";

#[cfg(test)]
mod tests {
    use super::blocks;
    use crate::model::CertName;
    use crate::servers::entries::samples::{lines, server, shown, three, two};
    use crate::servers::{Content, Dovecot, Kind, Shown, Want, wants};

    fn dovecot(minor: u32) -> Dovecot {
        Dovecot { config_file: "/d/d.conf".into(), version: (2, minor) }
    }

    fn layout(certificates: &[Shown], default: Option<&str>) -> Vec<Want> {
        layout_of(3, certificates, default)
    }

    fn layout_of(minor: u32, certificates: &[Shown], default: Option<&str>) -> Vec<Want> {
        let kind = Kind::Dovecot(dovecot(minor));
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
    fn from_2_4_on_each_name_has_its_block_and_whole_names_come_last() {
        let text = text(&layout_of(4, &two(), Some("a.test"))).to_owned();
        let labels: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("local_name ")).collect();
        assert_eq!(
            labels,
            ["*.b.test {", "mail.a.test {", "mx1.a.test {", "b.test {", "shared.x.test {"]
        );
        assert_eq!(
            text.lines().take(7).collect::<Vec<_>>().join("\n"),
            "\
# Written by mailcert from the names on the certificates; edits are lost.
ssl_server_cert_file = /d/tls/default.pem
ssl_server_key_file = /d/tls/default.pem
local_name *.b.test {
  ssl_server_cert_file = /d/tls/b.test.pem
  ssl_server_key_file = /d/tls/b.test.pem
}"
        );
    }

    /// What has none beside it would inherit that of the default.
    #[test]
    fn rsa_beside_ecdsa_is_the_alternative_pair_and_empty_where_there_is_none() {
        let old = text(&layout(&three()[..2], Some("a.test"))).to_owned();
        assert!(old.contains("ssl_alt_cert = </d/tls/default.alt.pem\nssl_alt_key = <"), "{old}");
        assert!(old.contains("  ssl_alt_key = </d/tls/a.test.rsa.pem\n"), "{old}");
        let new = text(&layout_of(4, &three(), Some("a.test"))).to_owned();
        let wild = "\
local_name *.b.test {
  ssl_server_cert_file = /d/tls/b.test.pem
  ssl_server_key_file = /d/tls/b.test.pem
  ssl_server_alt_cert_file =
  ssl_server_alt_key_file =
}
";
        assert!(new.contains(wild), "{new}");
        assert_eq!(new.matches("ssl_server_alt_key_file = /d/tls/a.test.rsa.pem").count(), 3);
        let without = text(&layout(&three(), None)).to_owned();
        assert!(!without.contains("ssl_alt_cert =\n"), "{without}");
    }

    #[test]
    fn the_blocks_are_counted_as_they_are_written() {
        for (minor, expected) in [(3, 3), (4, 5)] {
            let count = blocks(&dovecot(minor), &two()).0;
            let all = layout_of(minor, &two(), None);
            assert_eq!(count, text(&all).matches("local_name").count(), "2.{minor}");
            assert_eq!(count, expected, "2.{minor}");
        }
    }

    #[test]
    fn without_a_default_the_admins_own_stays() {
        let all = layout(&[shown("a.test", &["mx.a.test"], 1)], None);
        assert_eq!(text(&all).matches("ssl_cert").count(), 1);
    }
}
