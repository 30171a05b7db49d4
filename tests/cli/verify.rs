//! `verify` against servers in the test.

use expect_test::expect;

use crate::case::Case;
use crate::mail::{Ca, Mail, greets, old, self_signed, silent};

/// A domain whose two submission servers are right, with the CA's root in `ca.pem`.
pub(crate) fn good() -> Case {
    let ca = Ca::new();
    Case::new().server("one", ca.server(&["smtp.example.org"])).file("ca.pem", &ca.pem()).zone(
        "example.org MX 0 .
             _submission._tcp.example.org SRV 0 1 {one} smtp.example.org
             smtp.example.org A 127.0.0.1",
    )
}

/// The same with a server that shows a self-signed certificate for another name.
fn bad() -> Case {
    Case::new().server("one", self_signed(&["localhost.localdomain"])).zone(
        "example.org MX 0 .
         _submission._tcp.example.org SRV 0 1 {one} smtp.example.org
         smtp.example.org A 127.0.0.1",
    )
}

#[test]
fn a_right_server_is_accepted_and_gmail_is_told_what_to_type() {
    good().run("verify example.org --dns {dns} --roots {dir}/ca.pem").is(expect![[r#"
        --- stdout
        ok    example.org: Gmail would accept its mail server

        server                      connect greeting STARTTLS handshake chain name dates
        smtp.example.org
          127.0.0.1:10001           ok      ok       ok       ok        ok    ok   ok

        1 of 1 endpoint without a fault

        In Gmail: no server can be entered: smtp.example.org works at port 10001, and
        Gmail's dialog has the ports 25, 465 and 587 only
        --- exit 0
    "#]]);
}

#[test]
fn a_wrong_certificate_is_refused_in_gmails_words() {
    bad().run("verify me@example.org --dns {dns}").is(expect![[r#"
        --- stdout
        FAIL  example.org: Gmail would refuse its mail server

        server                      connect greeting STARTTLS handshake chain name dates
        smtp.example.org
          127.0.0.1:10001           ok      ok       ok       ok        FAIL  FAIL ok

        FAIL self-signed: The certificate is signed by its own key
          where     smtp.example.org 127.0.0.1:10001 STARTTLS (SRV _submission of
                    example.org)
          expected  a certificate of a CA among Mozilla's roots
          found     CN=localhost.localdomain, signed with its own key
          sender    Gmail says: "TLS Negotiation failed, the certificate doesn't match
                    the host."
          fix       on the server at 127.0.0.1: mailcert fix smtp.example.org
          more      mailcert explain self-signed

        FAIL name-mismatch: The certificate lacks the name senders use
          where     smtp.example.org 127.0.0.1:10001 STARTTLS (SRV _submission of
                    example.org)
          expected  smtp.example.org
          found     localhost.localdomain (issued by CN=localhost.localdomain, ends
                    TIME)
          sender    Gmail says: "TLS Negotiation failed, the certificate doesn't match
                    the host."
          fix       on the server at 127.0.0.1: mailcert fix smtp.example.org
          more      mailcert explain name-mismatch

        0 of 1 endpoint without a fault

        In Gmail: no server can be entered yet: each one is refused (see above)
        --- exit 1
    "#]]);
}

#[test]
fn the_json_says_everything_of_an_endpoint() {
    let ran = bad().run("verify example.org --dns {dns} --json");
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    let mut answer = ran.json();
    let endpoint = &mut answer["endpoints"][0];
    // Other in each run.
    for field in ["sha256", "spki_sha256"] {
        assert_eq!(endpoint["certificate"][field].as_str().unwrap().len(), 64);
        endpoint["certificate"][field] = "HEX".into();
    }
    assert!(endpoint["millis"].is_u64() && endpoint["certificate"]["serial"].is_string());
    endpoint["millis"] = 0.into();
    endpoint["certificate"]["serial"] = "HEX".into();
    expect![[r#"
        {
          "command": "verify",
          "complete": true,
          "endpoints": [
            {
              "address": "127.0.0.1",
              "certificate": {
                "chain_length": 1,
                "issuer": "CN=localhost.localdomain",
                "names": [
                  "localhost.localdomain"
                ],
                "not_after": "TIME",
                "not_before": "TIME",
                "serial": "HEX",
                "sha256": "HEX",
                "spki_sha256": "HEX"
              },
              "details": {
                "offers": [
                  "AUTH PLAIN LOGIN"
                ]
              },
              "domain": "example.org",
              "host": "smtp.example.org",
              "millis": 0,
              "origin": "SRV _submission of example.org",
              "ours": false,
              "port": 10001,
              "problems": [
                {
                  "code": "self-signed",
                  "expected": "a certificate of a CA among Mozilla's roots",
                  "found": [
                    "CN=localhost.localdomain, signed with its own key"
                  ],
                  "level": "fail",
                  "sender_says": "TLS Negotiation failed, the certificate doesn't match the host.",
                  "why": null
                },
                {
                  "code": "name-mismatch",
                  "expected": "smtp.example.org",
                  "found": [
                    "localhost.localdomain"
                  ],
                  "level": "fail",
                  "sender_says": "TLS Negotiation failed, the certificate doesn't match the host.",
                  "why": null
                }
              ],
              "proved_at": "TIME",
              "service": "submission",
              "sni": "smtp.example.org",
              "stages": {
                "chain": "fail",
                "connect": "ok",
                "dates": "ok",
                "greeting": "ok",
                "handshake": "ok",
                "name": "fail",
                "starttls": "ok"
              },
              "tls": {
                "cipher": "TLS_AES_256_GCM_SHA384",
                "version": "TLSv1.3"
              },
              "verdict": "refused"
            }
          ],
          "findings": [
            {
              "code": "null-mx",
              "level": "note",
              "message": "example.org has a null MX: it says that it takes no mail (RFC 7505); nothing to do unless it should take mail",
              "subject": "example.org"
            },
            {
              "code": "points-elsewhere",
              "level": "note",
              "message": "smtp.example.org points to 127.0.0.1, and none of these is this machine's: if its mail is to come here, whoever keeps its zone has to publish `smtp.example.org. A 192.0.2.2`, else the certificate is that machine's affair; if it is this one behind NAT, state it in [machine] addresses",
              "subject": "smtp.example.org"
            }
          ],
          "policies": [
            {
              "dane": [],
              "domain": "example.org",
              "mta_sts": null,
              "tls_rpt": null
            }
          ],
          "profile": "gmail",
          "schema": 1,
          "verdict": "refused"
        }
    "#]].assert_eq(&format!("{answer:#}\n"));
}

#[test]
fn what_cannot_be_tested_is_unknown_and_not_refused() {
    let case = Case::new()
        .server("busy", greets("421 4.3.2 too many connections"))
        .server("mute", silent());
    let case = case.zone("mx.example.org A 127.0.0.1");
    case.run("verify mx.example.org:{busy} --dns {dns}").is(expect![[r#"
        --- stdout
        unknown  mx.example.org: its mail server could not be tested, nothing is refused

        server                      connect greeting STARTTLS handshake chain name dates
        mx.example.org
          127.0.0.1:10001           ok      ?        -        -         -     -    -

        unknown temporary-refusal: The server says to come back later
          where     mx.example.org 127.0.0.1:10001 STARTTLS
          expected  220
          found     421 4.3.2 too many connections
          fix       ask again later: the server says it is busy
          more      mailcert explain temporary-refusal

        0 of 1 endpoint without a fault

        In Gmail: no server can be named: none could be tested from here (see above)
        --- exit 4
    "#]]);
    let ran = case.run("verify mx.example.org:{mute} --dns {dns} --timeout 1 --json");
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(ran.json()["endpoints"][0]["problems"][0]["code"], "timeout");
}

#[test]
fn a_refusal_outweighs_what_is_unknown() {
    let case = Case::new().server("busy", greets("421 too many")).server("none", Mail::nobody());
    let case = case.zone("mx.example.org A 127.0.0.1");
    let ran = case.run("verify mx.example.org:{busy} mx.example.org:{none} --dns {dns} --json");
    assert_eq!(ran.code, 1, "{ran:?}");
    let answer = ran.json();
    assert_eq!(answer["verdict"], "refused");
    let ports = [0, 1].map(|at| &answer["endpoints"][at]["problems"][0]["code"]);
    assert_eq!(ports, ["temporary-refusal", "connection-refused"], "the order of the targets");
}

#[test]
fn targets_come_from_a_file_or_from_stdin_with_their_addresses() {
    let ca = Ca::new();
    let names = ["smtp.example.org", "mx.example.org"];
    let case = Case::new().server("one", ca.server(&names)).file("ca.pem", &ca.pem());
    let lines = "# ours\nmx.example.org:{one} 127.0.0.1\n\nsmtp.example.org:{one} 127.0.0.1 ::1\n";
    let case = case.file("list", lines).input("mx.example.org:{one} 127.0.0.1\n");
    let roots = "--dns {dns} --roots {dir}/ca.pem --json";
    let from_file = case.run(&format!("verify --targets {{dir}}/list {roots}")).json();
    let rows: Vec<String> = from_file["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {} {}", row["host"], row["address"], row["verdict"]))
        .collect();
    expect![[r#"
        "mx.example.org" "127.0.0.1" "accepted"
        "smtp.example.org" "127.0.0.1" "accepted"
        "smtp.example.org" "::1" "refused"
    "#]]
    .assert_eq(&(rows.join("\n") + "\n"));
    let from_stdin = case.run(&format!("verify --targets - {roots}"));
    assert_eq!(from_stdin.code, 0, "{from_stdin:?}");
    assert_eq!(case.asked(), [""; 0], "the addresses were given");
}

#[test]
fn connect_goes_elsewhere_with_the_name_that_was_asked_for() {
    let case = good().zone("smtp.example.org A 192.0.2.1");
    let ran = case.run(
        "verify submission://smtp.example.org:{one} --connect 127.0.0.1 --dns {dns} \
         --roots {dir}/ca.pem --json",
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let endpoint = &ran.json()["endpoints"][0];
    assert_eq!(
        (&endpoint["address"], &endpoint["sni"]),
        (&"127.0.0.1".into(), &"smtp.example.org".into())
    );
}

#[test]
fn strict_refuses_what_is_only_a_warning() {
    let ca = Ca::new();
    let case =
        Case::new().server("one", ca.expiring(&["mx.example.org"])).file("ca.pem", &ca.pem());
    let case = case.zone("mx.example.org A 127.0.0.1");
    let call = "verify mx.example.org:{one} --dns {dns} --roots {dir}/ca.pem";
    let ran = case.run(call);
    assert!(ran.code == 0 && ran.stdout.contains("warn expires-soon"), "{ran:?}");
    let ran = case.run(&format!("{call} --strict"));
    assert!(ran.code == 1 && ran.stdout.contains("FAIL expires-soon"), "{ran:?}");
}

#[test]
fn a_domain_is_asked_for_once_however_often_it_is_named() {
    let case = good();
    let call =
        "verify example.org me@example.org example.org --dns {dns} --roots {dir}/ca.pem --json";
    let answer = case.run(call).json();
    assert_eq!(answer["endpoints"].as_array().unwrap().len(), 1, "{answer}");
    let codes: Vec<_> = answer["findings"].as_array().unwrap().iter().map(|f| &f["code"]).collect();
    assert_eq!(codes, ["null-mx", "points-elsewhere"]);
    let mx = case.asked().iter().filter(|line| line.ends_with("example.org MX")).count();
    assert_eq!(mx, 1);
}

#[test]
fn hosts_of_the_configuration_are_verified_where_they_answer() {
    let case = Case::new()
        .zone("example.org MX 0 .\nsmtp.example.org A 127.0.0.1\nmail.example.org A 127.0.0.1")
        .config(
            "[machine]\naddresses = [\"127.0.0.1\"]\n[[domain]]\nname = \"example.org\"\n\
             hosts = [\"smtp.example.org\"]\n",
        );
    // Whoever listens on 465 and 587 here, it is looked at; nobody there is no refusal.
    let answer = case.run("verify --json").json();
    for endpoint in answer["endpoints"].as_array().unwrap() {
        assert_ne!(endpoint["port"], 25, "{endpoint}");
    }
}

#[test]
fn quiet_is_one_line_and_verbose_shows_the_session() {
    let case = good();
    let call = "verify example.org --dns {dns} --roots {dir}/ca.pem";
    case.run(&format!("{call} -q")).is(expect![[r#"
        --- stdout
        ok    example.org: Gmail would accept its mail server
        --- exit 0
    "#]]);
    let ran = case.run(&format!("-v {call}"));
    assert!(ran.stdout.contains("TLSv1.3") && ran.stdout.contains("issued by"), "{ran:?}");
}

#[test]
fn a_server_of_old_is_looked_at_again_unless_it_is_to_be_quick() {
    let case = Case::new().server("one", old());
    let run = "verify smtp://mx.example.org:{one} --connect 127.0.0.1";
    case.run(run).is(expect![[r#"
        --- stdout
        FAIL  mx.example.org: Gmail would refuse its mail server

        server                      connect greeting STARTTLS handshake chain name dates
        mx.example.org
          127.0.0.1:10001           ok      ok       ok       FAIL      -     -    -

        FAIL protocol-too-old: TLS 1.0 or 1.1 at best
          where     mx.example.org 127.0.0.1:10001 STARTTLS
          expected  TLS 1.2 or 1.3
          found     TLSv1.0, TLS_RSA_WITH_AES_128_CBC_SHA
          sender    Gmail refuses it; its exact words are not known
          why       it is the best answer to a second look that offered TLS 1.0 to 1.2
                    with old cipher suites
          fix       let the mail server use TLS 1.2 and 1.3 only
          more      mailcert explain protocol-too-old

        On port 25 these refuse: Gmail's "Send mail as", senders that obey an MTA-STS
        policy, Google Workspace's TLS rules. Gmail's delivery to an MX does not verify.

        0 of 1 endpoint without a fault

        In Gmail: no server can be entered yet: each one is refused (see above)
        --- exit 1
    "#]]);
    case.run(&format!("{run} --quick")).is(expect![[r#"
        --- stdout
        FAIL  mx.example.org: Gmail would refuse its mail server

        server                      connect greeting STARTTLS handshake chain name dates
        mx.example.org
          127.0.0.1:10001           ok      ok       ok       FAIL      -     -    -

        FAIL protocol-too-old: TLS 1.0 or 1.1 at best
          where     mx.example.org 127.0.0.1:10001 STARTTLS
          expected  TLS 1.2 or 1.3
          found     the alert ProtocolVersion
          sender    Gmail refuses it; its exact words are not known
          fix       let the mail server use TLS 1.2 and 1.3 only
          more      mailcert explain protocol-too-old

        On port 25 these refuse: Gmail's "Send mail as", senders that obey an MTA-STS
        policy, Google Workspace's TLS rules. Gmail's delivery to an MX does not verify.

        0 of 1 endpoint without a fault

        In Gmail: no server can be entered yet: each one is refused (see above)
        --- exit 1
    "#]]);
}
