//! `verify` of names that lead nowhere.

use expect_test::expect;

use crate::case::Case;
use crate::verify::good;

#[test]
fn a_host_without_an_address_is_an_endpoint_without_one() {
    let case = Case::new().zone(
        "example.org MX 10 mx.example.org
         mx.example.org CAA 0 issue \"ca.example\"
         sick.example.org SERVFAIL",
    );
    case.run("verify example.org --dns {dns}").is(expect![[r#"
        --- stdout
        unknown  example.org: its mail server could not be tested, nothing is refused

        server                      connect greeting STARTTLS handshake chain name dates
        mx.example.org
          no address, port 25       ?       -        -        -         -     -    -

        unknown no-such-host: The name does not exist or has no address
          where     mx.example.org no address, port 25 STARTTLS (MX 10 of example.org)
          expected  an A or AAAA record of mx.example.org
          found     mx.example.org has no address
          fix       publish an A or AAAA record for mx.example.org, or drop its MX
                    record
          more      mailcert explain no-such-host

        0 of 1 endpoint without a fault

        In Gmail: no server can be named: none could be tested from here (see above)
        --- exit 4
    "#]]);
    let ran = case.run(
        "verify example.org gone.example.org:587 sick.example.org:25 typo.example --dns {dns} --json",
    );
    assert_eq!(ran.code, 4, "{ran:?}");
    let answer = ran.json();
    let endpoints = answer["endpoints"].as_array().unwrap();
    let rows: Vec<String> = endpoints
        .iter()
        .map(|endpoint| {
            assert_eq!(endpoint["verdict"], "unknown");
            assert!(endpoint["address"].is_null());
            let problem = &endpoint["problems"][0];
            let found = problem["found"][0].as_str().unwrap();
            format!("{}:{} {} {found}", endpoint["host"], endpoint["port"], problem["code"])
        })
        .collect();
    expect![[r#"
        "mx.example.org":25 "no-such-host" mx.example.org has no address
        "gone.example.org":587 "no-such-host" gone.example.org does not exist (NXDOMAIN)
        "sick.example.org":25 "dns-failure" AAAA of sick.example.org: SERVFAIL
        "typo.example":25 "no-such-host" typo.example does not exist (NXDOMAIN)
    "#]]
    .assert_eq(&(rows.join("\n") + "\n"));
}

#[test]
fn a_domain_that_does_not_exist_spoils_no_other_and_is_not_accepted_either() {
    let case = good();
    let ran = case.run("verify example.org typo.example --dns {dns} --roots {dir}/ca.pem");
    ran.is(expect![[r#"
        --- stdout
        unknown  2 domains and hosts: 1 of 2 mail servers could not be tested, nothing
        is refused

        server                      connect greeting STARTTLS handshake chain name dates
        smtp.example.org
          127.0.0.1:10001           ok      ok       ok       ok        ok    ok   ok
        typo.example
          no address, port 25       ?       -        -        -         -     -    -

        unknown no-such-host: The name does not exist or has no address
          where     typo.example no address, port 25 STARTTLS
          expected  an A or AAAA record of typo.example
          found     typo.example does not exist (NXDOMAIN)
          fix       correct the name of the domain, or publish an MX record for
                    typo.example
          more      mailcert explain no-such-host

        1 of 2 endpoints without a fault

        In Gmail, for example.org: no server can be entered: smtp.example.org works at
        port 10001, and Gmail's dialog has the ports 25, 465 and 587 only
        In Gmail, for typo.example: no server can be named: none could be tested from
        here (see above)
        --- exit 4
    "#]]);
    case.run("verify typo.example --dns {dns}").is(expect![[r#"
        --- stdout
        unknown  typo.example: its mail server could not be tested, nothing is refused

        server                      connect greeting STARTTLS handshake chain name dates
        typo.example
          no address, port 25       ?       -        -        -         -     -    -

        unknown no-such-host: The name does not exist or has no address
          where     typo.example no address, port 25 STARTTLS
          expected  an A or AAAA record of typo.example
          found     typo.example does not exist (NXDOMAIN)
          fix       correct the name of the domain, or publish an MX record for
                    typo.example
          more      mailcert explain no-such-host

        0 of 1 endpoint without a fault

        In Gmail: no server can be named: none could be tested from here (see above)
        --- exit 4
    "#]]);
}

#[test]
fn a_domain_that_takes_no_mail_says_so() {
    let case = Case::new().zone("null.example MX 0 .\nnull.example A 192.0.2.1");
    case.run("verify null.example --dns {dns}").is(expect![[r#"
        --- stdout
        unknown  no mail server was tested

        note null-mx: null.example
          null.example has a null MX: it says that it takes no mail (RFC 7505); nothing
          to do unless it should take mail
        --- exit 4
    "#]]);
}
