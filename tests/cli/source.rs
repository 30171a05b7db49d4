//! Certificates that others made: taken, said to be of no use, offered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;

use crate::case::Case;
use crate::mail::Ca;
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
    let (chain, key) = ca.issue(names, days);
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
