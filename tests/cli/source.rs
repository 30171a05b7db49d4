//! Certificates that others made: taken, said to be of no use, offered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::case::Case;
use crate::mail::{Ca, Mail};
use crate::plan::world;

const CONFIG: &str = "[dns]
    servers = [\"{dns}\"]
    [state]
    directory = \"{dir}/state\"
    [machine]
    addresses = [\"127.0.33.7\"]
    [verify]
    roots = \"{dir}/roots.pem\"
    [[domain]]
    name = \"example.org\"
    [[exim]]
    binary = \"{dir}/bin/exim4\"
    directory = \"{dir}/tls\"
    reload = [\"{dir}/bin/reload\"]\n";

const SOURCE: &str = "[source.files]\npaths = [\"{dir}/.acme.sh\"]\n";

/// A certificate of acme.sh that ends in so many days.
pub(crate) fn acme_sh(case: Case, ca: &Ca, names: &[&str], days: i64) -> Case {
    made_by_acme_sh(case, ca, names, &ca.issue(names, days))
}

/// This certificate and its key where acme.sh has them.
fn made_by_acme_sh(
    case: Case,
    ca: &Ca,
    names: &[&str],
    (chain, key): &(Vec<CertificateDer<'static>>, KeyPair),
) -> Case {
    let body = STANDARD.encode(&chain[0]);
    let leaf = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    let key_file = format!(".acme.sh/{0}_ecc/{0}.key", names[0]);
    case.file("roots.pem", &ca.pem())
        .file(&format!(".acme.sh/{}_ecc/fullchain.cer", names[0]), &leaf)
        .file(&key_file, &key.serialize_pem())
        .mode(&key_file, 0o600)
}

#[test]
fn a_good_certificate_of_others_is_adopted_and_nothing_is_ordered() {
    let case = world().whole_config(&format!("{SOURCE}{CONFIG}"));
    let case = acme_sh(case, &Ca::new(), &["mx1.example.org", "mx2.example.org"], 80);
    case.run("plan").is(expect![[r#"
        --- stdout
        4 steps:
         1. adopt {dir}/.acme.sh/mx1.example.org_ecc/fullchain.cer as
            mx1.example.org.acme-sh
            because acme.sh made it and the configuration says to use it
         2. install mx1.example.org.acme-sh on exim
            because it follows from step 1
         3. install default on exim
            because it follows from steps 1 and 2
         4. hook our files into the configuration of exim
            because the server does not use our files yet
        The next look is due at TIME.

        FAIL server-not-running: exim
          exim is set up here but does not run; start it, then run mailcert again
        --- exit 3
    "#]]);
}

#[test]
fn without_a_ca_what_no_certificate_is_good_for_is_said() {
    let case = world().whole_config(&format!("{SOURCE}{CONFIG}"));
    let case = acme_sh(case, &Ca::new(), &["mx1.example.org"], 80);
    case.run("plan").is(expect![[r#"
        --- stdout
        4 steps:
         1. adopt {dir}/.acme.sh/mx1.example.org_ecc/fullchain.cer as
            mx1.example.org.acme-sh
            because acme.sh made it and the configuration says to use it
         2. install mx1.example.org.acme-sh on exim
            because it follows from step 1
         3. install default on exim
            because it follows from steps 1 and 2
         4. hook our files into the configuration of exim
            because the server does not use our files yet
        The next look is due at TIME.

        FAIL server-not-running: exim
          exim is set up here but does not run; start it, then run mailcert again

        FAIL source-missing: mx2.example.org
          no certificate that others made is good for mx2.example.org, and none may be
          ordered: have one made by whoever makes the others, or add [acme] with
          `agree-to-terms = true`

        warn default-uncovered: exim
          1 of 2 MX names that reach exim are not on mx1.example.org.acme-sh, which
          clients without SNI get: mx2.example.org
        --- exit 3
    "#]]);
}

#[test]
fn where_a_ca_may_be_asked_it_is_for_what_has_ended() {
    let acme = "[acme]\ndirectory = \"https://127.0.0.1:1/directory\"\nagree-to-terms = true\n";
    let case = world().whole_config(&format!("{acme}{SOURCE}{CONFIG}"));
    let case = acme_sh(case, &Ca::new(), &["mx1.example.org", "mx2.example.org"], -3);
    case.run("plan").is(expect![[r#"
        --- stdout
        4 steps:
         1. issue example.org for mx1.example.org and mx2.example.org
            because no certificate covers mx1.example.org and mx2.example.org
            by http-01, since no [challenge] is configured
         2. install example.org on exim
            because it follows from step 1
         3. install default on exim
            because it follows from step 2
         4. hook our files into the configuration of exim
            because the server does not use our files yet

        FAIL server-not-running: exim
          exim is set up here but does not run; start it, then run mailcert again

        warn source-unusable:
          {dir}/.acme.sh/mx1.example.org_ecc/fullchain.cer
          the certificate in {dir}/.acme.sh/mx1.example.org_ecc/fullchain.cer
          has ended at TIME; `acme.sh --renew -d mx1.example.org` renews
          it
        --- exit 3
    "#]]);
}

#[test]
fn fix_offers_what_others_have_and_run_does_not() {
    let acme = "[acme]\ndirectory = \"https://127.0.0.1:1/directory\"\nagree-to-terms = true\n";
    let case = world().whole_config(&format!("{acme}{CONFIG}")).with("HOME", "{dir}");
    let case = acme_sh(case, &Ca::new(), &["mx1.example.org", "mx2.example.org"], 80);
    let ran = case.run("fix --dry-run -v");
    let note = ran
        .stdout
        .split_once("\n  note ")
        .map(|(_, rest)| rest.split_once("\n\n").map_or(rest, |(note, _)| note));
    expect![[r#"
        source-found: {dir}/.acme.sh
              acme.sh has a good certificate for mx1.example.org and 1 more below
              {dir}/.acme.sh; to show that instead of ordering another, add
              [source.files] with `paths = ["{dir}/.acme.sh"]` to the
              configuration"#]]
    .assert_eq(note.unwrap_or_default());
    assert!(!case.run("plan").stdout.contains("source-found"));
    let ran = case.run("fix --json").json();
    let found: Vec<_> = ran["findings"].as_array().unwrap().iter().collect();
    let offers = found.iter().filter(|one| one["code"] == "source-found").count();
    assert_eq!(offers, 1, "{found:?}");
}

#[test]
fn a_place_that_is_not_there_is_found_by_check_and_plan() {
    let case =
        world().whole_config(&format!("{SOURCE}{CONFIG}")).file("roots.pem", &Ca::new().pem());
    for command in ["check", "plan"] {
        let ran = case.run(&format!("{command} --json"));
        let found = ran.json()["findings"].to_string();
        let said = "[source.files] names what cannot be searched: {dir}/.acme.sh: No such file";
        assert!(found.contains(said), "{command}: {ran:?}");
    }
}

#[test]
fn init_writes_down_where_others_keep_certificates() {
    let case = Case::new().with("HOME", "{dir}");
    let case = acme_sh(case, &Ca::new(), &["mx1.example.org"], 80);
    let ran = case.run("init --print example.org");
    let table = ran.stdout.split_once("# On this").map(|(_, rest)| rest);
    let table = table.and_then(|rest| rest.split_once("\n\n")).map_or("", |(table, _)| table);
    expect![[r#"
         machine others keep certificates, too:
        # acme.sh.
        # With this table mailcert shows theirs, takes their renewals at its next run,
        # and orders only for names that none of them is good for.
        # [source.files]
        # paths = ["{dir}/.acme.sh"]"#]]
    .assert_eq(table);
    let plain = Case::new().run("init --print example.org");
    assert!(!plain.stdout.contains("source"), "{plain:?}");
}

/// CAs leave it out more and more; then the alternative names are all there is.
#[test]
fn a_certificate_without_a_cn_is_taken_installed_proved_and_shown() {
    let (ca, names) = (Ca::new(), ["mx.example.org", "mail.example.org"]);
    let made = ca.without_cn(&names, 80);
    let (_, parsed) = X509Certificate::from_der(&made.0[0]).unwrap();
    assert_eq!(parsed.subject().to_string(), "");
    Mail::at("127.0.33.66:25", made.0[..1].to_vec(), &made.1);
    let config = "[source.files]\npaths = [\"{dir}/.acme.sh\"]\n[dns]\nservers = [\"{dns}\"]\n\
                  [state]\ndirectory = \"{dir}/state\"\n[machine]\naddresses = [\"127.0.33.66\"]\n\
                  [verify]\nroots = \"{dir}/roots.pem\"\n[[files]]\nname = \"app\"\n\
                  combined = \"{dir}/app/all.pem\"\nlisten = [\"127.0.33.66:25\"]\nreload = [\"{dir}/bin/reload\"]\n\
                  [[domain]]\nname = \"example.org\"\n";
    let case = Case::new()
        .whole_config(config)
        .zone("example.org MX 10 mx.example.org\nmx.example.org A 127.0.33.66")
        .file("app/.keep", "")
        .fake("reload", "");
    let case = made_by_acme_sh(case, &ca, &names, &made);
    case.run("run").is(expect![[r#"
        --- stdout
        All 5 steps worked.
        The next look is due at TIME.

        ok    2 domains and hosts: Gmail would accept all 2 mail servers
        In Gmail, for example.org: SMTP server mx.example.org, port 25, secured
        connection using TLS
        In Gmail, for mail.example.org: SMTP server mail.example.org, port 25, secured
        connection using TLS
        --- stderr
        5 steps
        done     adopt {dir}/.acme.sh/mx.example.org_ecc/fullchain.cer as mx.example.org.acme-sh
        done     install mx.example.org.acme-sh on files:app
        done     reload files:app
        done     prove mx.example.org.acme-sh on files:app
        done     prove what files:app shows without SNI
        --- exit 0
    "#]]);
    let verified = case.run("verify --json").json();
    assert_eq!(verified["endpoints"][0]["certificate"]["names"], serde_json::json!(names));
    assert_eq!(verified["verdict"], "accepted");
    case.run("status").is(expect![[r#"
        --- stdout
        mx.example.org.acme-sh  version 1, ecdsa-p256
          names    mail.example.org, mx.example.org
          ends     TIME, renewed from TIME
          shown    accepted on files:app
        --- exit 0
    "#]]);
    case.run("verify --pem {dir}/app/all.pem --host mx.example.org").is(expect![[r#"
        --- stdout
        ok    {dir}/app/all.pem: Gmail would accept it as mx.example.org
              chain ok, name ok, dates ok; judged for TIME
              for mx.example.org, mail.example.org; issued by CN=Test Root, ends
              TIME
        --- exit 0
    "#]]);
    let installed = std::fs::read_to_string(case.path("app/all.pem")).unwrap();
    assert!(installed.contains(&made.1.serialize_pem()));
}
