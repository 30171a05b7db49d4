//! `discover`.

use expect_test::expect;

use crate::case::Case;

const ZONE: &str = "
    example.org MX 10 mx1.example.org
    example.org MX 20 mx2.example.org
    _submission._tcp.example.org SRV 0 1 587 smtp.example.org
    _imaps._tcp.example.org SRV 0 1 993 mx1.example.org
    mx1.example.org A 192.0.2.7
    mx1.example.org AAAA 2001:db8::7
    mx2.example.org A 198.51.100.9
    smtp.example.org A 192.0.2.7
    www.example.org A 192.0.2.7
    mail.example.org A 192.0.2.7
";

const CONFIG: &str = "
    [machine]
    addresses = [\"192.0.2.7\", \"2001:db8::7\"]
    [[domain]]
    name = \"example.org\"
    hosts = [\"www.example.org\", \"gone.example.org\"]
    exclude = [\"smtp.example.org\"]
";

fn world() -> Case {
    Case::new().zone(ZONE).config(CONFIG)
}

#[test]
fn every_host_is_told_with_its_reasons_and_where_it_points() {
    world().run("discover").is(expect![[r#"
        --- stdout
        example.org
          ok  mx1.example.org  (mx 10, srv _imaps 993)
              2001:db8::7, 192.0.2.7: this machine
          -   mx2.example.org  (mx 20)
              198.51.100.9: not this machine
              left out: none of its addresses is this machine's
          -   smtp.example.org  (srv _submission 587)
              192.0.2.7: this machine
              left out: the configuration excludes it
          -   gone.example.org  (config)
              left out: it does not exist in the DNS
          ok  www.example.org  (config)
              192.0.2.7: this machine
          ok  mail.example.org  (guess mail)
              192.0.2.7: this machine

        unknown no-such-host: gone.example.org
          gone.example.org does not exist in the DNS (NXDOMAIN): add A and AAAA records,
          or remove what names it
        --- exit 0
    "#]]);
}

#[test]
fn the_json_has_one_row_for_each_host_and_domain() {
    let ran = world().run("discover --json");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    expect![[r#"
        {
          "command": "discover",
          "findings": [
            {
              "code": "no-such-host",
              "level": "unknown",
              "message": "gone.example.org does not exist in the DNS (NXDOMAIN): add A and AAAA records, or remove what names it",
              "subject": "gone.example.org"
            },
            {
              "code": "points-elsewhere",
              "level": "note",
              "message": "mx2.example.org points to 198.51.100.9, and none of these is this machine's: if its mail is to come here, whoever keeps its zone has to publish `mx2.example.org. A 192.0.2.7`, else the certificate is that machine's affair; if it is this one behind NAT, state it in [machine] addresses",
              "subject": "mx2.example.org"
            }
          ],
          "hosts": [
            {
              "addresses": [
                "2001:db8::7",
                "192.0.2.7"
              ],
              "domain": "example.org",
              "host": "mx1.example.org",
              "included": true,
              "points": "all",
              "points_here": true,
              "reasons": [
                "mx 10",
                "srv _imaps 993"
              ],
              "why_not": null
            },
            {
              "addresses": [
                "198.51.100.9"
              ],
              "domain": "example.org",
              "host": "mx2.example.org",
              "included": false,
              "points": "none",
              "points_here": false,
              "reasons": [
                "mx 20"
              ],
              "why_not": "none of its addresses is this machine's"
            },
            {
              "addresses": [
                "192.0.2.7"
              ],
              "domain": "example.org",
              "host": "smtp.example.org",
              "included": false,
              "points": "all",
              "points_here": true,
              "reasons": [
                "srv _submission 587"
              ],
              "why_not": "the configuration excludes it"
            },
            {
              "addresses": [],
              "domain": "example.org",
              "host": "gone.example.org",
              "included": false,
              "points": "none",
              "points_here": false,
              "reasons": [
                "config"
              ],
              "why_not": "it does not exist in the DNS"
            },
            {
              "addresses": [
                "192.0.2.7"
              ],
              "domain": "example.org",
              "host": "www.example.org",
              "included": true,
              "points": "all",
              "points_here": true,
              "reasons": [
                "config"
              ],
              "why_not": null
            },
            {
              "addresses": [
                "192.0.2.7"
              ],
              "domain": "example.org",
              "host": "mail.example.org",
              "included": true,
              "points": "all",
              "points_here": true,
              "reasons": [
                "guess mail"
              ],
              "why_not": null
            }
          ],
          "persist": [],
          "schema": 1
        }
    "#]].assert_eq(&ran.pretty());
}

#[test]
fn no_configuration_is_needed_where_a_domain_is_named() {
    let case = Case::new().zone(ZONE);
    let ran = case.run("discover example.org --dns {dns} --json");
    assert_eq!(ran.code, 0, "{ran:?}");
    let answer = ran.json();
    let hosts = answer["hosts"].as_array().unwrap();
    let names: Vec<&str> = hosts.iter().map(|row| row["host"].as_str().unwrap()).collect();
    assert_eq!(names, ["mx1.example.org", "mx2.example.org", "smtp.example.org"]);
}

#[test]
fn a_silent_domain_does_not_fail_the_others() {
    let zone = format!("{ZONE}\nbad.example SERVFAIL\nnull.example MX 0 .\n");
    let case = Case::new().zone(&zone);
    case.run("discover bad.example null.example typo.example example.org --dns {dns}").is(expect![
        [r#"
            --- stdout
            example.org
              -   mx1.example.org  (mx 10, srv _imaps 993)
                  2001:db8::7, 192.0.2.7: not this machine
                  left out: none of its addresses is this machine's
              -   mx2.example.org  (mx 20)
                  198.51.100.9: not this machine
                  left out: none of its addresses is this machine's
              -   smtp.example.org  (srv _submission 587)
                  192.0.2.7: not this machine
                  left out: none of its addresses is this machine's

            unknown dns-failure: bad.example
              the DNS did not answer for MX, SRV _submission._tcp and 6 more of bad.example
              (SERVFAIL): certificates keep the names they cover; ask by hand: dig MX
              bad.example

            unknown no-such-host: typo.example
              the mail domain typo.example does not exist in the DNS (NXDOMAIN): correct its
              name in the configuration, or register and delegate it
            --- exit 0
        "#]
    ]);
}

#[test]
fn where_the_dns_lets_nothing_be_found_it_fails() {
    let case = Case::new().zone("bad.example SERVFAIL\nnull.example MX 0 .");
    case.run("discover bad.example --dns {dns}").is(expect![[r#"
        --- stdout
        no mail host was found

        unknown dns-failure: bad.example
          the DNS did not answer for MX, SRV _submission._tcp and 6 more of bad.example
          (SERVFAIL): certificates keep the names they cover; ask by hand: dig MX
          bad.example
        --- exit 1
    "#]]);
    case.run("discover null.example --dns {dns} -v").is(expect![[r#"
        --- stdout
        no mail host was found

        note null-mx: null.example
          null.example has a null MX: it says that it takes no mail (RFC 7505); nothing
          to do unless it should take mail
        --- exit 0
    "#]]);
}
