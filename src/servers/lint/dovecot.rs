//! Dovecot: blocks that contradict each other, old protocols, files.

use std::collections::BTreeMap;

use crate::model::{Code, Finding, Level};
use crate::servers::ServerId;
use crate::servers::lint::protocols::of_dovecot;
use crate::servers::lint::{Named, Side};

/// Everything that is found. `changed` is `doveconf -n`, whose `local` and `local_name` blocks
/// are looked at; `values` are those of single settings, defaults as well.
#[must_use]
pub fn dovecot(id: &ServerId, changed: &str, values: &BTreeMap<String, String>) -> Vec<Finding> {
    conflict(id, changed).into_iter().chain(protocols(id, values)).collect()
}

/// The files with keys and certificates: 2.3 writes `</path`, 2.4 the path alone.
#[must_use]
pub fn dovecot_files(values: &BTreeMap<String, String>) -> Vec<Named> {
    SETTINGS
        .into_iter()
        .filter_map(|name| Some((name, values.get(name)?)))
        .flat_map(|(name, value)| {
            let path = value.trim_start_matches('<').trim();
            Named::all(name, std::iter::once(path), Side::Server)
        })
        .collect()
}

/// A block outside of every other that sets the certificate.
struct Block<'a> {
    kind: &'a str,
    of: &'a str,
}

/// `local ADDRESS` and `local_name NAME` beside each other, each with a certificate: a client that
/// matches both gets none (measured with 2.3.19: `Conflict in setting ssl_cert`), and `doveconf`
/// finds nothing wrong. mailcert writes `local_name` blocks, so the first is enough to warn.
fn conflict(id: &ServerId, changed: &str) -> Option<Finding> {
    let blocks = blocks(changed);
    let local = blocks.iter().find(|block| block.kind == "local")?;
    let name = blocks.iter().find(|block| block.kind == "local_name");
    let (found, level) = match name {
        Some(name) => (
            format!(
                "and local_name {} sets it, too: a client that asks for that name there gets no \
                 session",
                name.of
            ),
            Level::Fail,
        ),
        None => (
            "and mailcert gives each name a local_name block, which then fails there".to_owned(),
            Level::Warn,
        ),
    };
    let message = format!(
        "local {} sets the certificate {found}; expected ssl_cert and ssl_key in local_name \
         blocks alone; `doveconf -n` shows the block: take both out of it and `doveadm reload`",
        local.of
    );
    Some(Finding::new(Code::FilterConflict, id, message).at(level))
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut open: Vec<&str> = Vec::new();
    let mut all: Vec<Block<'_>> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(heading) = line.strip_suffix('{') {
            open.push(heading.trim());
        } else if line == "}" {
            open.pop();
        } else if let ([outer], Some((name, _))) = (open.as_slice(), line.split_once(" =")) {
            let Some((kind, of)) = outer.split_once(' ') else { continue };
            let known = kind == "local" || kind == "local_name";
            let set = name == "ssl_cert" || name == "ssl_server_cert_file";
            if known && set {
                all.push(Block { kind, of });
            }
        }
    }
    all
}

fn protocols(id: &ServerId, values: &BTreeMap<String, String>) -> Option<Finding> {
    let found = values.get("ssl_min_protocol")?;
    let weak = of_dovecot(found)?;
    let message = format!(
        "ssl_min_protocol is {found}, which {}; expected `ssl_min_protocol = TLSv1.2` in \
         Dovecot's configuration, and `doveadm reload`",
        weak.said(),
    );
    Some(Finding::new(Code::OldProtocolAllowed, id, message).at(weak.level()))
}

/// Of 2.3 and of 2.4.
const SETTINGS: [&str; 6] = [
    "ssl_cert",
    "ssl_key",
    "ssl_alt_cert",
    "ssl_alt_key",
    "ssl_server_cert_file",
    "ssl_server_key_file",
];

#[cfg(test)]
mod tests {
    use super::{dovecot, dovecot_files};
    use crate::servers::ServerId;
    use crate::servers::dovecot_settings::values;

    fn told(changed: &str, settings: &str) -> Vec<String> {
        let id = ServerId("dovecot".to_owned());
        let found = dovecot(&id, changed, &values(settings));
        found.iter().map(|f| format!("{} {}: {}", f.level.mark(), f.code, f.message)).collect()
    }

    const LOCAL: &str = "local 192.0.2.7 {\n  ssl_cert = </a\n  ssl_key = # hidden\n}\n";
    const NAME: &str = "local_name mail.a.test {\n  ssl_cert = </b\n}\n";

    #[test]
    fn nothing_is_found_where_nothing_is_wrong() {
        let nested = "local 192.0.2.7 {\n  local_name a.test {\n    ssl_cert = </b\n  }\n}\n";
        let other = "local 192.0.2.7 {\n  protocol imap {\n    ssl_cert = </b\n  }\n  x = y\n}\n";
        for (changed, settings) in [
            ("ssl_cert = </a\n", "ssl_min_protocol = TLSv1.2\n"),
            (NAME, ""),
            (nested, "ssl_min_protocol = TLSv1.3\n"),
            (other, ""),
            ("local {\n", ""),
        ] {
            assert_eq!(told(changed, settings), [""; 0], "{changed}");
        }
    }

    #[test]
    fn blocks_that_contradict_each_other_are_found() {
        assert_eq!(
            told(&format!("{LOCAL}{NAME}"), ""),
            ["FAIL filter-conflict: local 192.0.2.7 sets the certificate and local_name \
              mail.a.test sets it, too: a client that asks for that name there gets no session; \
              expected ssl_cert and ssl_key in local_name blocks alone; `doveconf -n` shows the \
              block: take both out of it and `doveadm reload`"]
        );
        let alone = told(LOCAL, "");
        assert!(alone[0].starts_with("warn filter-conflict: local 192.0.2.7 sets"), "{alone:?}");
        assert!(alone[0].contains("which then fails there; expected"), "{alone:?}");
        let newer = told(&LOCAL.replace("ssl_cert", "ssl_server_cert_file"), "");
        assert_eq!(newer, alone);
    }

    #[test]
    fn an_old_protocol_is_a_note_and_ssl_a_warning() {
        for (value, expected) in [("TLSv1", "note old-"), ("ANY", "warn old-")] {
            let found = told("", &format!("ssl_min_protocol = {value}\n"));
            assert!(found[0].starts_with(expected), "{found:?}");
        }
    }

    #[test]
    fn files_are_named_in_the_way_of_either_version() {
        let all = dovecot_files(&values(
            "ssl_cert = </a.pem\nssl_key = # hidden, use -P to show it\nssl_alt_cert =\n\
             ssl_server_key_file = /b.pem\n",
        ));
        let shown: Vec<String> =
            all.iter().map(|n| format!("{} {}", n.setting, n.path.display())).collect();
        assert_eq!(shown, ["ssl_cert /a.pem", "ssl_server_key_file /b.pem"]);
    }
}
