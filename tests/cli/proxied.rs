//! `verify` of a listener of our own that stands behind a load balancer.

use expect_test::expect;

use crate::case::Case;
use crate::mail::Ca;

const EXIM: &str = "\
case \"$*\" in
 *-bV*) echo 'Exim version 4.96 #2'; echo 'Support for: crypteq IPv6 TLS PROXY'
        echo 'Configuration file is {dir}/exim.conf';;
 *-bP*hosts_proxy*) echo 'hosts_proxy = 127.0.0.1'; echo 'daemon_smtp_ports = {one}'
        echo 'exim_group = root';;
esac";

fn case(config: &str) -> Case {
    let ca = Ca::new();
    Case::new()
        .server("one", ca.proxied(&["mail.example.org"]))
        .file("ca.pem", &ca.pem())
        .file("exim.conf", "")
        .fake("exim4", EXIM)
        .config(&format!("{config}[[domain]]\nname = \"example.org\"\n"))
}

const VERIFY: &str = "verify mail.example.org:{one} --connect 127.0.0.1 --roots {dir}/ca.pem \
                      --timeout 2";

#[test]
fn a_header_is_sent_where_our_own_server_wants_one() {
    let case = case("[[exim]]\nbinary = \"{dir}/bin/exim4\"\nreload = [\"true\"]\n");
    let ran = case.run(VERIFY);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    assert!(case.called().ends_with("spool_directory hosts_proxy\n"), "{}", case.called());
}

#[test]
fn without_it_a_silent_port_is_unknown_and_its_reasons_are_guessed() {
    case("[[exim]]\nbinary = \"{dir}/bin/none\"\n").run(VERIFY).is(expect![[r#"
        --- stdout
        unknown  mail.example.org: its mail server could not be tested, nothing is
        refused

        server                      connect greeting STARTTLS handshake chain name dates
        mail.example.org
          127.0.0.1:10001           ok      ?        -        -         -     -    -

        unknown timeout: No answer in time
          where     mail.example.org 127.0.0.1:10001 STARTTLS
          expected  the server's greeting in time
          found     no answer, or one that did not end
          why       it neither greets nor answers TLS at once; it may wait for a load
                    balancer's PROXY header
          fix       let senders reach port 10001: firewall, or a server that hangs
          more      mailcert explain timeout

        0 of 1 endpoint without a fault

        In Gmail: no server can be named: none could be tested from here (see above)
        --- exit 4
    "#]]);
}
