//! `setup`: lines are shown, and applied only with consent.

use std::fs;

use expect_test::expect;

use crate::plan::world;

#[test]
fn the_lines_are_shown_and_not_applied_without_consent() {
    let case = world();
    let before = fs::read_to_string(case.path("exim.conf")).unwrap();
    case.run("setup").is(expect![[r#"
        --- stdout
        exim:
        --- {dir}/exim.conf
        +++ {dir}/exim.conf
        @@ -1 +1,5 @@
        -tls_certificate = /etc/ssl/snakeoil.pem
        +# tls_certificate = /etc/ssl/snakeoil.pem
        +# The certificates mailcert keeps (mailcert setup --undo takes this back).
        +tls_advertise_hosts = *
        +tls_certificate = ${if match{${lc:$tls_in_sni}}{\N^[a-z0-9][a-z0-9.-]*$\N}{${lookup{${lc:$tls_in_sni}.pem}dsearch,ret=full,filter=file{{dir}/tls}{$value${lookup{${lc:$tls_in_sni}.alt.pem}dsearch,ret=full,filter=file{{dir}/tls}{:$value}{}}}{{dir}/tls/default.pem${if exists{{dir}/tls/default.alt.pem}{:{dir}/tls/default.alt.pem}}}}}{{dir}/tls/default.pem${if exists{{dir}/tls/default.alt.pem}{:{dir}/tls/default.alt.pem}}}}
        +
        what a client without SNI is shown:
          127.0.33.7:25 smtp  before: not looked at  after: the same (no certificate
          yet)
        exim: not applied; `mailcert setup --yes` does it

        FAIL server-not-running: exim
          exim is set up here but does not run; start it, then run mailcert again
        --- exit 3
    "#]]);
    assert_eq!(fs::read_to_string(case.path("exim.conf")).unwrap(), before);
    assert!(!case.path("state").exists());
}

#[test]
fn where_nothing_was_applied_there_is_nothing_to_undo() {
    let case = world();
    case.run("setup --undo --yes").is(expect![[r#"
        --- stdout
        exim: nothing was applied here

        FAIL server-not-running: exim
          exim is set up here but does not run; start it, then run mailcert again
        --- exit 0
    "#]]);
    assert!(!case.path("state").exists());
}

#[test]
fn json_has_the_changes_on_stdout_and_the_talk_on_stderr() {
    let ran = world().run("setup --json");
    let answer = ran.json();
    assert_eq!(answer["changes"][0]["server"], "exim", "{answer}");
    assert_eq!(answer["listeners"][0]["port"], 25, "{answer}");
    assert!(!ran.stderr.is_empty());
}
