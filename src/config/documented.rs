//! Every key that is read is in mailcert.toml(5).

use super::{dane, raw};

/// The tables as the page names them, with their keys.
const TABLES: &[(&str, &[&str])] = &[
    ("[acme]", raw::ACME),
    ("[challenge.http-01]", raw::HTTP_01),
    ("[challenge.tls-alpn-01]", raw::TLS_ALPN_01),
    ("[challenge.dns-01]", raw::DNS_01),
    ("[challenge.dns-01.rfc2136]", raw::RFC2136),
    ("[challenge.dns-01.exec]", raw::EXEC),
    ("[challenge.dns-01.serve]", raw::SERVE),
    ("[dane.rfc2136]", dane::RFC2136),
    ("[dane.exec]", dane::EXEC),
    ("[source.files]", raw::SOURCE_FILES),
    ("[dns]", raw::DNS),
    ("[discover]", raw::DISCOVER),
    ("[machine]", raw::MACHINE),
    ("[state]", raw::STATE),
    ("[verify]", raw::VERIFY),
    ("[[domain]]", raw::DOMAIN),
    ("[[postfix]]", raw::POSTFIX),
    ("[[exim]]", raw::EXIM),
    ("[[dovecot]]", raw::DOVECOT),
    ("[[files]]", raw::FILES),
];

/// Tables whose keys are other tables; of the last one, keys of another one.
const PARENTS: &[(&str, &[&str])] = &[
    ("", raw::ROOT),
    ("challenge.", raw::CHALLENGE),
    ("challenge.dns-01.", &["rfc2136", "exec", "serve"]),
    ("dane.", dane::DANE),
    ("source.", raw::SOURCE),
];

#[test]
fn every_key_is_in_the_manual() {
    let page = include_str!("../../templates/share/man/man5/mailcert.toml.5").replace('\\', "");
    let sections: Vec<_> = page.split(".SS ").map(|text| text.split_once('\n')).collect();
    let section = |table: &str| {
        let mut texts = sections.iter().flatten();
        texts.find(|(name, _)| name.trim_matches('"') == table).map(|(_, text)| *text)
    };
    for (table, keys) in TABLES {
        let text = section(table).unwrap_or_else(|| panic!("no section {table}"));
        for key in *keys {
            // The servers say what they have in common once, in Postfix's table.
            let common = raw::POSTFIX.contains(key) && table.starts_with("[[");
            let places =
                if common { vec![text, section("[[postfix]]").unwrap()] } else { vec![text] };
            let here = places.iter().any(|text| text.contains(&format!(".TP\nfB{key} = ")));
            let below =
                sections.iter().flatten().any(|(name, _)| name.contains(&format!(".{key}]")));
            assert!(here || below, "{table}: no `{key}`");
        }
    }
    for key in raw::EAB {
        assert!(section("[acme]").unwrap().contains(&format!("{key} = ")), "eab: no `{key}`");
    }
    for key in raw::FALLBACK {
        assert!(raw::ACME.contains(key), "[[acme.fallback]] has a key of its own: {key}");
    }
    for (parent, keys) in PARENTS {
        for key in *keys {
            let name = format!("[{parent}{key}");
            assert!(page.contains(&name), "no table {name}]");
        }
    }
}
