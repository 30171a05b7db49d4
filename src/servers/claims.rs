//! Which mail domains a server's own settings name: in the setting itself, or in a table that can
//! be read as a file. What a database holds is not known here.

use std::path::PathBuf;

use super::exim_settings::list;

/// One entry of a setting that lists domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A name, as it stands there.
    Name(String),
    /// A file: the first word of each line is a name.
    File(PathBuf),
    /// A directory: each file in it is called by a name.
    Directory(PathBuf),
    /// Something that only the server itself can look into.
    Unreadable(String),
}

/// The settings of Postfix that name the domains it takes mail for, and its own name.
pub const OF_POSTFIX: [&str; 6] = [
    "mydestination",
    "virtual_mailbox_domains",
    "virtual_alias_domains",
    "relay_domains",
    "mydomain",
    "myhostname",
];

/// The settings and named lists of Exim that do so, the lists as Debian calls them.
pub const OF_EXIM: [&str; 4] =
    ["+local_domains", "+relay_to_domains", "qualify_domain", "primary_hostname"];

/// The settings of Dovecot that name domains.
pub const OF_DOVECOT: [&str; 3] = ["auth_default_realm", "auth_realms", "hostname"];

/// A value of Postfix with every `$name` expanded (postconf(5), `mydestination`): names, `/file`
/// and `type:table`.
#[must_use]
pub fn of_postfix(value: &str) -> Vec<Claim> {
    let words = value.split([' ', '\t', ',']).filter(|word| !word.is_empty());
    words.filter(|word| !word.starts_with('!')).map(postfix_word).collect()
}

fn postfix_word(word: &str) -> Claim {
    if word.starts_with('/') {
        return Claim::File(word.into());
    }
    let word = word.strip_prefix("proxy:").unwrap_or(word);
    match word.split_once(':') {
        None => Claim::Name(word.to_owned()),
        Some((kind, path)) if BESIDE_A_TEXT.contains(&kind) && path.starts_with('/') => {
            Claim::File(path.into())
        }
        Some(_) => Claim::Unreadable(word.to_owned()),
    }
}

/// Types of tables that are built from a text file of their own name.
const BESIDE_A_TEXT: [&str; 6] = ["hash", "btree", "lmdb", "cdb", "dbm", "texthash"];

/// A domain list of Exim (spec section 10.8): names, `@` for the host's own, `/file`,
/// `lsearch;/file`, `dsearch;/directory`. Patterns and what is expanded are not read.
#[must_use]
pub fn of_exim(value: &str) -> Vec<Claim> {
    list(value).iter().filter_map(|item| exim_item(item)).collect()
}

fn exim_item(item: &str) -> Option<Claim> {
    // `@` is primary_hostname, which is asked for by itself; what begins with `!` is left out.
    if item.starts_with(['!', '@']) {
        return None;
    }
    if item.starts_with('/') {
        return Some(Claim::File(item.into()));
    }
    let claim = match item.split_once(';') {
        Some((kind, path)) if path.starts_with('/') && kind.ends_with("lsearch") => {
            Claim::File(path.into())
        }
        Some(("dsearch", path)) if path.starts_with('/') => Claim::Directory(path.into()),
        None if !item.contains(['$', '+', '*', '^', '(']) => Claim::Name(item.to_owned()),
        _ => Claim::Unreadable(item.to_owned()),
    };
    Some(claim)
}

/// The names in such a file: the first word of each line, without the colon that ends a key of
/// Exim's. Addresses and comments are none.
pub fn names_of_file(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.starts_with(['#', ' ', '\t']))
        .filter_map(|line| line.split([' ', '\t', ':', ',']).next())
        .filter(|word| !word.is_empty() && !word.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::{Claim, names_of_file, of_exim, of_postfix};

    fn shown(claims: Vec<Claim>) -> String {
        let one = |claim: Claim| match claim {
            Claim::Name(name) => name,
            Claim::File(path) => format!("file {}", path.display()),
            Claim::Directory(path) => format!("in {}", path.display()),
            Claim::Unreadable(what) => format!("unreadable {what}"),
        };
        claims.into_iter().map(one).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn a_setting_of_postfix_names_domains_and_tables() {
        for (value, expected) in [
            ("", ""),
            ("mx.a.test, localhost.a.test, localhost", "mx.a.test | localhost.a.test | localhost"),
            ("!b.test a.test", "a.test"),
            (
                "hash:/etc/postfix/vdomains /etc/domains",
                "file /etc/postfix/vdomains | file /etc/domains",
            ),
            ("proxy:lmdb:/d", "file /d"),
            ("mysql:/etc/postfix/sql.cf", "unreadable mysql:/etc/postfix/sql.cf"),
            ("proxy:pgsql:/e pcre:/p", "unreadable pgsql:/e | unreadable pcre:/p"),
        ] {
            assert_eq!(shown(of_postfix(value)), expected, "{value}");
        }
    }

    #[test]
    fn a_list_of_exim_names_domains_files_and_directories() {
        for (value, expected) in [
            ("@:localhost:a.test", "localhost | a.test"),
            ("<; a.test ; b.test", "a.test | b.test"),
            ("lsearch;/etc/exim/domains", "file /etc/exim/domains"),
            ("dsearch;/etc/exim4/virtual : /etc/d", "in /etc/exim4/virtual | file /etc/d"),
            ("partial-lsearch;/d : !x.test", "file /d"),
            ("*.a.test : +others", "unreadable *.a.test | unreadable +others"),
            ("${lookup mysql{SELECT x}}", "unreadable ${lookup mysql{SELECT x}}"),
        ] {
            assert_eq!(shown(of_exim(value)), expected, "{value}");
        }
    }

    #[test]
    fn a_file_names_a_domain_in_the_first_word_of_a_line() {
        let text = "# a comment\na.test OK\nb.test: x\nuser@c.test y\n\n  continued\nd.test\n";
        assert_eq!(names_of_file(text).collect::<Vec<_>>(), ["a.test", "b.test", "d.test"]);
    }
}
