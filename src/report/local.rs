//! `verify` seen from the other side: what this machine's own programs trust and speak, why they
//! cannot connect, and the commands that help.

use super::{Detail, wrapped};
use crate::local::{Local, OpensslRow, Policy, PolicyRow, Said, StoreRow};

/// One section for each server that was looked at from this side.
pub(super) fn text(all: &[Local], detail: Detail) -> String {
    if detail == Detail::Quiet {
        return String::new();
    }
    all.iter().map(|one| section(one, detail)).collect()
}

fn section(local: &Local, detail: Detail) -> String {
    let mut text = format!("\nThis machine and {}:{}\n", local.host, local.port);
    text.push_str(&wrapped(&local.sentence, "  "));
    text.push('\n');
    for row in &local.stores {
        field(&mut text, &row.name, mark(row.accepts), &of_store(row));
    }
    field(&mut text, "openssl", mark(local.openssl.accepts), &of_openssl(&local.openssl));
    if let Some(tls) = &local.tls {
        field(&mut text, "our own session", "ok", &format!("{} {}", tls.version, tls.cipher));
    }
    for (allows, words) in of_policy(&local.policy, detail) {
        field(&mut text, "TLS policy", mark(allows), &words);
    }
    if local.ports.iter().any(|row| !row.open) {
        let ports: Vec<String> =
            local.ports.iter().map(|row| format!("{} {}", row.port, row.found)).collect();
        field(&mut text, "ports", "", &ports.join(", "));
    }
    if !local.unreachable.is_empty() {
        let addresses: Vec<String> = local.unreachable.iter().map(ToString::to_string).collect();
        let words = format!("no answer from {}; others answer", addresses.join(", "));
        field(&mut text, "addresses", "?", &words);
    }
    for advice in &local.advice {
        let end = if advice.commands.is_empty() { "" } else { ":" };
        text.push('\n');
        text.push_str(&wrapped(&format!("{}{end}", advice.what), "  "));
        for line in advice.commands.iter().flat_map(|command| command.lines()) {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text
}

fn of_store(row: &StoreRow) -> String {
    let why = row.why.as_deref().unwrap_or_default();
    match &row.path {
        Some(path) if why.is_empty() => path.clone(),
        Some(path) => format!("{why} ({path})"),
        None => why.to_owned(),
    }
}

fn of_openssl(row: &OpensslRow) -> String {
    let number = row.verify_error.map_or_else(String::new, |number| format!(" ({number})"));
    let session = row.tls.as_ref().map(|tls| format!("{} {}", tls.version, tls.cipher));
    let said = row.why.as_ref().map(|why| format!("{why}{number}"));
    let said = said.or(session).unwrap_or_else(|| "not asked without a connection".to_owned());
    match &row.version {
        Some(version) => format!("{version}: {said}"),
        None => said,
    }
}

/// What is forbidden, each in a row of its own; else what holds.
fn of_policy(row: &PolicyRow, detail: Detail) -> Vec<(Option<bool>, String)> {
    if !row.why.is_empty() {
        return row.why.iter().map(|why| (Some(false), why.clone())).collect();
    }
    let mut words = settings(&row.policy);
    if words.is_empty() {
        words.push("no bound in openssl.cnf but OpenSSL's own".to_owned());
    }
    if detail == Detail::Verbose {
        words.extend(row.policy.files.iter().map(|file| format!("read {file}")));
        words.extend(row.policy.faults.iter().cloned());
    }
    vec![(row.allows, words.join(", "))]
}

fn settings(policy: &Policy) -> Vec<String> {
    let said =
        |key: &str, said: &Option<Said>| said.as_ref().map(|said| format!("{key} {}", said.value));
    let gnutls = policy.gnutls.as_ref().map(|gnutls| format!("GnuTLS by {}", gnutls.file));
    let crypto = policy.crypto_policy.as_ref().map(|name| format!("crypto policy {name}"));
    let all = [
        crypto,
        said("MinProtocol", &policy.min_protocol),
        said("MaxProtocol", &policy.max_protocol),
        policy.security_level().map(|level| format!("SECLEVEL {level}")),
        gnutls,
    ];
    all.into_iter().flatten().collect()
}

fn mark(accepts: Option<bool>) -> &'static str {
    match accepts {
        Some(true) => "ok",
        Some(false) => "FAIL",
        None => "?",
    }
}

/// A row: label, mark, words; what does not fit in 80 columns goes on below itself.
fn field(text: &mut String, label: &str, mark: &str, value: &str) {
    let lines = wrapped(value, &" ".repeat(LABEL + 7));
    let label = if label.chars().count() > LABEL {
        format!("  {label}\n  {:LABEL$}", "")
    } else {
        format!("  {label:LABEL$}")
    };
    let line = format!("{label}{mark:5}{}", lines.trim_start());
    text.push_str(line.trim_end());
    text.push('\n');
}

/// How wide the labels are.
const LABEL: usize = 17;

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::text;
    use crate::local::{Advice, Cause, Kind, Local, OpensslRow, PolicyRow, PortRow, StoreRow};
    use crate::model::{Hostname, Tls};
    use crate::report::Detail;

    fn store(kind: Kind, name: &str, path: Option<&str>, accepts: bool, why: &str) -> StoreRow {
        let (name, path) = (name.to_owned(), path.map(str::to_owned));
        StoreRow { kind, name, path, accepts: Some(accepts), why: Some(why.to_owned()) }
    }

    fn local() -> Local {
        let bundle = "/etc/ssl/certs/ca-certificates.crt, ca-certificates 20200601";
        let commands = ["apt-get update && apt-get install ca-certificates".to_owned()];
        Local {
            host: Hostname::parse("smtp.gmail.com").unwrap(),
            port: 587,
            address: "192.0.2.7".parse().ok(),
            cause: Cause::TrustStore,
            sentence: "it is this system's trust store: GTS Root R1 is missing".to_owned(),
            tls: Some(Tls { version: "TLSv1.3".into(), cipher: "TLS_AES_256_GCM_SHA384".into() }),
            stores: vec![
                store(Kind::Reference, "Mozilla's roots", None, true, "by GTS Root R1"),
                store(Kind::System, "this system", Some(bundle), false, "GTS Root R1 is missing"),
                store(
                    Kind::Java,
                    "Java 17.0.15+6-Debian",
                    Some("/cacerts"),
                    true,
                    "by GTS Root R1",
                ),
            ],
            openssl: OpensslRow {
                version: Some("OpenSSL 1.1.1k".to_owned()),
                accepts: Some(false),
                tls: None,
                verify_error: Some(20),
                why: Some("unable to get local issuer certificate".to_owned()),
            },
            policy: PolicyRow { allows: Some(true), ..PolicyRow::default() },
            ports: vec![PortRow { port: 587, open: true, found: "open" }],
            unreachable: vec!["2001:db8::1".parse().unwrap()],
            advice: vec![Advice {
                what: "refresh this system's trust store (Debian GNU/Linux 11)".to_owned(),
                commands: commands.to_vec(),
            }],
        }
    }

    #[test]
    fn the_sentence_comes_first_and_everything_fits_eighty_columns() {
        let shown = text(&[local()], Detail::Usual);
        expect![[r#"

            This machine and smtp.gmail.com:587
              it is this system's trust store: GTS Root R1 is missing

              Mozilla's roots  ok   by GTS Root R1
              this system      FAIL GTS Root R1 is missing
                                    (/etc/ssl/certs/ca-certificates.crt, ca-certificates
                                    20200601)
              Java 17.0.15+6-Debian
                               ok   by GTS Root R1 (/cacerts)
              openssl          FAIL OpenSSL 1.1.1k: unable to get local issuer certificate
                                    (20)
              our own session  ok   TLSv1.3 TLS_AES_256_GCM_SHA384
              TLS policy       ok   no bound in openssl.cnf but OpenSSL's own
              addresses        ?    no answer from 2001:db8::1; others answer

              refresh this system's trust store (Debian GNU/Linux 11):
                apt-get update && apt-get install ca-certificates
        "#]]
        .assert_eq(&shown);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert_eq!(text(&[local()], Detail::Quiet), "");
        assert_eq!(text(&[], Detail::Verbose), "");
    }

    #[test]
    fn ports_are_told_where_one_is_closed() {
        let ports = [(25, false, "blocked"), (587, true, "open")];
        let ports = ports.map(|(port, open, found)| PortRow { port, open, found });
        let local = Local { ports: ports.to_vec(), stores: Vec::new(), tls: None, ..local() };
        let shown = text(&[local], Detail::Usual);
        assert!(shown.contains("\n  ports                 25 blocked, 587 open\n"), "{shown}");
    }
}
