//! `verify` of domains that publish MTA-STS, TLS-RPT and TLSA records: MX hosts at port 25 and
//! policy hosts at port 443 of 127.0.84.0/24, an address for each test.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use expect_test::expect;
use mailcert::model::Sha256;
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::{ServerConnection, StreamOwned};
use rustls_pki_types::CertificateDer;

use crate::case::Case;
use crate::mail::{Ca, Mail, tls};

/// An MX host at port 25 with a right certificate; the hash of its key.
fn mx(ca: &Ca, at: &str, name: &str) -> Sha256 {
    let (chain, key) = ca.issue(&[name], 80);
    Mail::at(&format!("{at}:25"), chain[..1].to_vec(), &key);
    Sha256::of(&key.subject_public_key_info())
}

/// A web server at port 443 that gives one answer, whatever it is asked.
fn web(at: &str, (chain, key): (Vec<CertificateDer<'static>>, KeyPair), answer: String) {
    let listener = TcpListener::bind(format!("{at}:443")).unwrap();
    let config = tls(chain, &key);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(session) = ServerConnection::new(Arc::clone(&config)) else { continue };
            let mut stream = StreamOwned::new(session, stream);
            let mut request = [0; 2048];
            // Who does not trust the certificate asks nothing.
            if stream.read(&mut request).is_ok_and(|count| count > 0) {
                let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
            }
        }
    });
}

fn plain(policy: &str) -> String {
    let length = policy.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: \
         {length}\r\nConnection: close\r\n\r\n{policy}"
    )
}

/// A domain with one MX host and a policy host at one address.
fn domain(at: &str, more: &str) -> Case {
    Case::new().zone(&format!(
        "example.org MX 10 mx.example.org
         mx.example.org A {at}
         mta-sts.example.org A {at}
         _mta-sts.example.org TXT \"v=STSv1; id=20270210\"
         {more}"
    ))
}

const ENFORCE: &str = "version: STSv1\r\nmode: enforce\r\nmx: *.example.org\r\nmax_age: 604800\r\n";
const VERIFY: &str = "verify example.org --dns {dns} --roots {dir}/ca.pem";

#[test]
fn a_domain_that_holds_its_policy_says_so_in_a_line() {
    let (ca, at) = (Ca::new(), "127.0.84.1");
    let key = mx(&ca, at, "mx.example.org");
    web(at, ca.issue(&["mta-sts.example.org"], 80), plain(ENFORCE));
    let case = domain(
        at,
        &format!(
            "_smtp._tls.example.org TXT \"v=TLSRPTv1; rua=mailto:tls@example.org\"
             _25._tcp.mx.example.org TLSA 3 1 1 {key}
             _25._tcp.mx.example.org TLSA 3 1 1 {}
             example.org secure",
            "00".repeat(32)
        ),
    );
    let case = case.file("ca.pem", &ca.pem());
    case.run(VERIFY).is(expect![[r#"
        --- stdout
        ok    example.org: Gmail would accept its mail server

        server                      connect greeting STARTTLS handshake chain name dates
        mx.example.org
          127.0.84.1:25             ok      ok       ok       ok        ok    ok   ok

        MTA-STS   enforce, 1 of 1 MX hosts listed: ok
        TLS-RPT   mailto:tls@example.org
        DANE      mx.example.org: 2 records, as is shown: ok

        1 of 1 endpoint without a fault

        In Gmail: SMTP server mx.example.org, port 25, secured connection using TLS
        --- exit 0
    "#]]);
    let answer = case.run(&format!("{VERIFY} --json")).json();
    let mut policies = answer["policies"].clone();
    policies[0]["dane"][0]["records"][0]["data"] = "HEX".into();
    policies[0]["dane"][0]["records"][1]["data"] = "HEX".into();
    expect![[r#"
        [
          {
            "dane": [
              {
                "authenticated": true,
                "holds": true,
                "host": "mx.example.org",
                "port": 25,
                "problem": null,
                "records": [
                  {
                    "data": "HEX",
                    "matches": true,
                    "matching": 1,
                    "selector": 1,
                    "usage": 3
                  },
                  {
                    "data": "HEX",
                    "matches": false,
                    "matching": 1,
                    "selector": 1,
                    "usage": 3
                  }
                ]
              }
            ],
            "domain": "example.org",
            "mta_sts": {
              "hosts": [
                {
                  "accepted": true,
                  "host": "mx.example.org",
                  "listed": true
                }
              ],
              "id": "20270210",
              "max_age": 604800,
              "mode": "enforce",
              "mx": [
                "*.example.org"
              ],
              "problem": null
            },
            "tls_rpt": {
              "problem": null,
              "rua": [
                "mailto:tls@example.org"
              ]
            }
          }
        ]
    "#]]
    .assert_eq(&format!("{policies:#}\n"));
}

#[test]
fn an_enforced_policy_that_leaves_an_mx_host_out_refuses_it() {
    let (ca, at) = (Ca::new(), "127.0.84.2");
    mx(&ca, at, "mx.example.org");
    web(at, ca.issue(&["mta-sts.example.org"], 80), plain(&ENFORCE.replace("*.", "mail.")));
    let case = domain(at, "").file("ca.pem", &ca.pem());
    case.run(VERIFY).is(expect![[r#"
        --- stdout
        FAIL  example.org: Gmail would refuse its mail server

        server                      connect greeting STARTTLS handshake chain name dates
        mx.example.org
          127.0.84.2:25             ok      ok       ok       ok        ok    FAIL ok

        FAIL mta-sts-mismatch: The host breaks the domain's MTA-STS policy
          where     mx.example.org 127.0.84.2:25 STARTTLS (MX 10 of example.org)
          expected  a host of the MTA-STS policy of example.org: mail.example.org
          found     mx.example.org
          sender    Gmail refuses it; its exact words are not known
          why       mode enforce: Gmail and others do not deliver to this host
          fix       add `mx: mx.example.org` to the policy, and a new id to its TXT
                    record
          more      mailcert explain mta-sts-mismatch

        MTA-STS   enforce, 0 of 1 MX hosts listed: FAIL

        0 of 1 endpoint without a fault

        In Gmail: no server can be entered yet: each one is refused (see above)
        --- exit 1
    "#]]);
}

#[test]
fn a_listed_host_that_is_refused_breaks_the_policy_in_every_profile_and_warns_in_testing() {
    let (ca, at) = (Ca::new(), "127.0.84.3");
    mx(&ca, at, "www.example.org");
    let testing = ENFORCE.replace("enforce", "testing");
    web(at, ca.issue(&["mta-sts.example.org"], 80), plain(ENFORCE));
    web("127.0.84.4", ca.issue(&["mta-sts.example.org"], 80), plain(&testing));
    let case = domain(at, "").file("ca.pem", &ca.pem());
    for profile in ["gmail", "workspace", "strict"] {
        let ran = case.run(&format!("{VERIFY} --profile {profile} --json"));
        let answer = ran.json();
        let problem = answer["endpoints"][0]["problems"].as_array().unwrap().last().unwrap();
        assert_eq!((ran.code, problem["code"].as_str()), (1, Some("mta-sts-mismatch")), "{answer}");
        assert_eq!(problem["level"], "fail");
        assert_eq!(problem["found"], serde_json::json!(["name-mismatch"]));
        assert_eq!(answer["policies"][0]["mta_sts"]["hosts"][0]["accepted"], false);
    }
    let case = domain(at, "").zone(&format!(
        "example.org MX 10 mx.example.org
         mx.example.org A {at}
         mta-sts.example.org A 127.0.84.4
         _mta-sts.example.org TXT \"v=STSv1; id=20270210\""
    ));
    case.file("ca.pem", &ca.pem()).run(VERIFY).is(expect![[r#"
        --- stdout
        FAIL  example.org: Gmail would refuse its mail server

        server                      connect greeting STARTTLS handshake chain name dates
        mx.example.org
          127.0.84.3:25             ok      ok       ok       ok        ok    FAIL ok

        FAIL name-mismatch: The certificate lacks the name senders use
          where     mx.example.org 127.0.84.3:25 STARTTLS (MX 10 of example.org)
          expected  mx.example.org
          found     www.example.org (issued by CN=Test Root, ends TIME)
          sender    Gmail says: "TLS Negotiation failed, the certificate doesn't match
                    the host."
          fix       on the server at 127.0.84.3: mailcert fix mx.example.org
          more      mailcert explain name-mismatch

        warn mta-sts-mismatch: The host breaks the domain's MTA-STS policy
          where     mx.example.org 127.0.84.3:25 STARTTLS (MX 10 of example.org)
          expected  TLS as the MTA-STS policy of example.org asks for it
          found     name-mismatch
          why       mode testing: under enforce Gmail and others would not deliver to
                    this host
          fix       on the server at 127.0.84.3: mailcert fix mx.example.org
          more      mailcert explain mta-sts-mismatch

        On port 25 these refuse: Gmail's "Send mail as", senders that obey an MTA-STS
        policy, Google Workspace's TLS rules. Gmail's delivery to an MX does not verify.

        MTA-STS   testing, 1 of 1 MX hosts listed, 1 of them refused: warn

        0 of 1 endpoint without a fault

        In Gmail: no server can be entered yet: each one is refused (see above); or
        enter a name that its certificate covers, if it leads to the same server:
        www.example.org (port 25)
        --- exit 1
    "#]]);
}

/// What `verify` finds of a domain with this policy host.
fn finds(at: &str, case: Case, ca: &Ca) -> String {
    let ran = case.file("ca.pem", &ca.pem()).run(&format!("{VERIFY} --json"));
    assert_eq!(ran.code, 0, "{at}: {}", ran.stdout);
    let answer = ran.json();
    let found = answer["findings"].as_array().unwrap().iter();
    let found = found.filter(|finding| finding["code"] != "points-elsewhere");
    let line = |finding: &serde_json::Value| {
        let text = |field: &str| finding[field].as_str().unwrap().to_owned();
        format!("{} {} {}: {}\n", text("level"), text("code"), text("subject"), text("message"))
    };
    found.map(line).collect()
}

#[test]
fn what_is_wrong_with_the_policy_host_is_named() {
    let ca = Ca::new();
    let head = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\n{more}\r\n\r\n");
    let days = |days| ca.issue(&["mta-sts.example.org"], days);
    let cases = [
        ("127.0.84.10", days(-3), plain(ENFORCE)),
        ("127.0.84.11", ca.issue(&["example.org"], 80), plain(ENFORCE)),
        (
            "127.0.84.12",
            Ca::called("Another Root").issue(&["mta-sts.example.org"], 80),
            plain(ENFORCE),
        ),
        (
            "127.0.84.13",
            days(80),
            head("301 Moved", "Location: https://www.example.org/\r\nContent-Length: 0"),
        ),
        ("127.0.84.14", days(80), head("404 Not Found", "Content-Length: 0")),
        ("127.0.84.15", days(80), plain(ENFORCE).replace("plain; charset=utf-8", "html")),
        ("127.0.84.16", days(80), plain(&ENFORCE.replace("mode: enforce", "mode: Enforce"))),
        ("127.0.84.17", days(80), plain(&format!("{ENFORCE}x: {}", "y".repeat(65_536)))),
        ("127.0.84.18", days(80), plain(&ENFORCE.replace("604800", "600"))),
        ("127.0.84.19", days(80), plain(&ENFORCE.replace("enforce", "none"))),
    ];
    let mut found = String::new();
    for (at, shown, answer) in cases {
        mx(&ca, at, "mx.example.org");
        web(at, shown, answer);
        found.push_str(&finds(at, domain(at, ""), &ca));
    }
    expect![[r#"
        warn mta-sts-broken example.org: TLS with mta-sts.example.org: its certificate ended TIME, 3 days ago: senders go without a policy, or keep the last one until its max_age is over
        warn mta-sts-broken example.org: TLS with mta-sts.example.org: its certificate is for example.org only: senders go without a policy, or keep the last one until its max_age is over
        warn mta-sts-broken example.org: the certificate of mta-sts.example.org has no issuer among {dir}/ca.pem: senders go without a policy, or keep the last one until its max_age is over
        warn mta-sts-broken example.org: https://mta-sts.example.org/.well-known/mta-sts.txt answered 301 Moved Permanently, and senders follow no redirect: senders go without a policy, or keep the last one until its max_age is over
        warn mta-sts-broken example.org: https://mta-sts.example.org/.well-known/mta-sts.txt answered 404 Not Found; expected 200 OK: senders go without a policy, or keep the last one until its max_age is over
        warn mta-sts-broken example.org: the policy of example.org is sent as text/html; expected text/plain: some senders do not take it
        warn mta-sts-broken example.org: the policy: line 2: mode is "Enforce"; expected enforce, testing or none: senders go without a policy, or keep the last one until its max_age is over
        warn mta-sts-broken example.org: the policy at https://mta-sts.example.org/.well-known/mta-sts.txt has more than 65536 bytes: senders go without a policy, or keep the last one until its max_age is over
        note mta-sts-weak example.org: max_age 600: senders forget the policy within a day; RFC 8461 section 3.2 recommends weeks, such as 1209600
        note mta-sts-weak example.org: mode none: senders treat the domain as one that has no policy
    "#]].assert_eq(&found);
}

#[test]
fn what_is_wrong_with_the_records_is_named() {
    let (ca, at) = (Ca::new(), "127.0.84.20");
    mx(&ca, at, "mx.example.org");
    let mut found = String::new();
    for records in [
        "_mta-sts.example.org TXT \"v=STSv1; id=1\"\n_mta-sts.example.org TXT \"v=STSv1; id=2\"",
        "_mta-sts.example.org TXT \"id=1; v=STSv1\"",
        "_mta-sts.example.org CNAME _mta-sts.provider.example\n\
         _mta-sts.provider.example TXT \"v=STSv1; id=2027-02-10\"",
        "_mta-sts.example.org TXT \"v=STSv1; id=1\"",
        "_mta-sts.example.org SERVFAIL",
        "_mta-sts.example.org TXT \"v=spf1 -all\"",
        "_smtp._tls.example.org TXT \"v=TLSRPTv1; rua=tls@example.org\"",
        "_smtp._tls.example.org TXT \"v=TLSRPTv1\"",
    ] {
        let case = Case::new()
            .zone(&format!("example.org MX 10 mx.example.org\nmx.example.org A {at}\n{records}"));
        found.push_str(&finds(at, case, &ca));
    }
    expect![[r#"
        warn mta-sts-broken example.org: the record _mta-sts.example.org: there are 2 such records, and of several none counts: senders go without a policy, or keep the last one until its max_age is over
        warn mta-sts-broken example.org: the record _mta-sts.example.org: it does not begin with "v=STSv1;", found "id=1; v=STSv1": senders go without a policy, or keep the last one until its max_age is over
        warn mta-sts-broken example.org: the record _mta-sts.example.org: its id is "2027-02-10"; expected 1 to 32 letters and digits: senders go without a policy, or keep the last one until its max_age is over
        warn mta-sts-broken example.org: mta-sts.example.org, where the policy should be, has no address: senders go without a policy, or keep the last one until its max_age is over
        warn mta-sts-broken example.org: the DNS did not answer for TXT _mta-sts.example.org (SERVFAIL): senders go without a policy, or keep the last one until its max_age is over
        warn tls-rpt-broken example.org: the record _smtp._tls.example.org: "tls@example.org" is no address for reports; expected mailto:USER@DOMAIN or https://HOST/PATH: nobody sends reports; see RFC 8460 section 3
        warn tls-rpt-broken example.org: the record _smtp._tls.example.org: it does not begin with "v=TLSRPTv1;", found "v=TLSRPTv1": nobody sends reports; see RFC 8460 section 3
    "#]].assert_eq(&found);
}

/// A domain whose only host has these TLSA records.
fn pinned(at: &str, records: &str, more: &str) -> Case {
    Case::new().zone(&format!(
        "example.org MX 10 mx.example.org
         mx.example.org A {at}
         {records}
         {more}"
    ))
}

#[test]
fn a_key_that_no_tlsa_record_names_is_a_warning_with_the_record_to_publish() {
    let (ca, at) = (Ca::new(), "127.0.84.30");
    let key = mx(&ca, at, "mx.example.org").to_string();
    let records = format!("_25._tcp.mx.example.org TLSA 3 1 1 {}", "00".repeat(32));
    let case = pinned(at, &records, "example.org secure").file("ca.pem", &ca.pem());
    let mut ran = case.run(VERIFY);
    ran.stdout = ran.stdout.replace(&key, &"ab".repeat(32));
    ran.is(expect![[r#"
        --- stdout
        ok    example.org: Gmail would accept its mail server

        server                      connect greeting STARTTLS handshake chain name dates
        mx.example.org
          127.0.84.30:25            ok      ok       ok       ok        warn  ok   ok

        warn dane-mismatch: The TLSA records name another certificate
          where     mx.example.org 127.0.84.30:25 STARTTLS (MX 10 of example.org)
          expected  3 1 1
                    0000000000000000000000000000000000000000000000000000000000000000
          found     3 1 1
                    abababababababababababababababababababababababababababababababab
          fix       publish TLSA _25._tcp.mx.example.org as found, beside the old
                    records
          more      mailcert explain dane-mismatch

        DANE      mx.example.org: 1 record, not what is shown (dane-mismatch)

        0 of 1 endpoint without a fault

        In Gmail: SMTP server mx.example.org, port 25, secured connection using TLS
        --- exit 0
    "#]]);
}

#[test]
fn a_ca_is_pinned_where_the_chain_leads_to_it() {
    let (ca, at) = (Ca::new(), "127.0.84.31");
    let (chain, key) = ca.issue(&["mx.example.org"], 80);
    let root = chain[1].clone();
    Mail::at(&format!("{at}:25"), chain, &key);
    let (other, key) = ca.issue(&["other.example.org"], 80);
    Mail::at("127.0.84.32:25", vec![other[0].clone(), root.clone()], &key);
    let hash = Sha256::of(&root);
    for (at, code) in [(at, 0), ("127.0.84.32", 1)] {
        let records = format!("_25._tcp.mx.example.org TLSA 2 0 1 {hash}");
        let case = pinned(at, &records, "example.org secure").file("ca.pem", &ca.pem());
        let ran = case.run(&format!("{VERIFY} --json"));
        let answer = ran.json();
        assert_eq!(ran.code, code, "{answer}");
        let matches = &answer["policies"][0]["dane"][0]["records"][0]["matches"];
        assert_eq!(*matches, code == 0);
        let problems = answer["endpoints"][0]["problems"].as_array().unwrap();
        let broken = problems.iter().find(|problem| problem["code"] == "dane-mismatch");
        let why = broken.map(|problem| problem["why"].as_str().unwrap());
        let expected = "the certificate is not for mx.example.org or example.org";
        assert_eq!(why, (code == 1).then_some(expected));
    }
}

#[test]
fn records_that_count_for_nobody_say_why() {
    let (ca, at) = (Ca::new(), "127.0.84.33");
    let key = mx(&ca, at, "mx.example.org");
    let right = format!("_25._tcp.mx.example.org secure TLSA 3 1 1 {key}");
    let wrong = format!("_25._tcp.mx.example.org TLSA 3 1 1 {}", "00".repeat(32));
    let mut found = String::new();
    for (records, more) in [
        (right.as_str(), "mx.example.org secure A 127.0.84.33"),
        (&right, "other.example secure"),
        (&wrong, "example.org secure AAAA ::1"),
        (&wrong, ". secure"),
        (&wrong, ""),
        ("_25._tcp.mx.example.org TLSA 1 1 1 00", "example.org secure"),
        ("_25._tcp.mx.example.org TLSA 3 1 1 00", "example.org secure"),
        ("_25._tcp.mx.example.org SERVFAIL", ""),
    ] {
        found.push_str(&format!("{}\n", records.replace(&key.to_string(), "KEY")));
        found.push_str(&finds(at, pinned(at, records, more), &ca));
    }
    expect![[r#"
        _25._tcp.mx.example.org secure TLSA 3 1 1 KEY
        note dane-unusable mx.example.org: DNSSEC does not vouch for the MX records of example.org, so senders other than Postfix pass the TLSA records over
        _25._tcp.mx.example.org secure TLSA 3 1 1 KEY
        note dane-unusable mx.example.org: DNSSEC does not vouch for the MX records of example.org, the addresses of mx.example.org, so senders pass the TLSA records over
        _25._tcp.mx.example.org TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
        note dane-unusable mx.example.org: DNSSEC does not vouch for the addresses of mx.example.org, the TLSA records, so senders pass the TLSA records over; they name another certificate than is shown
        _25._tcp.mx.example.org TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
        note dane-unusable mx.example.org: DNSSEC does not vouch for the MX records of example.org, the addresses of mx.example.org, the TLSA records, so senders pass the TLSA records over; they name another certificate than is shown
        _25._tcp.mx.example.org TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
        note dane-unusable mx.example.org: whether senders use the TLSA records cannot be told: the resolver that was asked validates no DNSSEC (--dns names another); they name another certificate than is shown
        _25._tcp.mx.example.org TLSA 1 1 1 00
        note dane-unusable mx.example.org: usage 1 does not count between mail servers; expected 3 or 2: senders encrypt and do not look at the certificate
        _25._tcp.mx.example.org TLSA 3 1 1 00
        note dane-unusable mx.example.org: 1 bytes of data for matching type 1; expected 32: senders encrypt and do not look at the certificate
        _25._tcp.mx.example.org SERVFAIL
    "#]].assert_eq(&found);
}

#[test]
fn a_signed_zone_that_does_not_answer_for_tlsa_is_a_warning() {
    let (ca, at) = (Ca::new(), "127.0.84.34");
    mx(&ca, at, "mx.example.org");
    let case = pinned(at, "_25._tcp.mx.example.org BOGUS", "example.org secure");
    case.file("ca.pem", &ca.pem()).run(VERIFY).is(expect![[r#"
        --- stdout
        ok    example.org: Gmail would accept its mail server

        server                      connect greeting STARTTLS handshake chain name dates
        mx.example.org
          127.0.84.34:25            ok      ok       ok       ok        warn  ok   ok

        warn dane-broken: The TLSA records cannot be read
          where     mx.example.org 127.0.84.34:25 STARTTLS (MX 10 of example.org)
          expected  TLSA records, or a signed answer that there are none
          found     TLSA _25._tcp.mx.example.org: DNSSEC validation failed
          why       its zone is signed, so senders with DANE wait for the answer
          fix       mend the zone of _25._tcp.mx.example.org
          more      mailcert explain dane-broken

        DANE      mx.example.org: cannot be read (dane-broken)

        0 of 1 endpoint without a fault

        In Gmail: SMTP server mx.example.org, port 25, secured connection using TLS
        --- exit 0
    "#]]);
}

#[test]
fn the_records_of_the_name_that_an_mx_host_is_an_alias_of_count() {
    let (ca, at) = (Ca::new(), "127.0.84.35");
    let key = mx(&ca, at, "mx.example.org");
    let case = Case::new().zone(&format!(
        "example.org MX 10 mx.example.org
         mx.example.org CNAME real.example.org
         real.example.org A {at}
         _25._tcp.real.example.org TLSA 3 1 1 {key}
         _25._tcp.mx.example.org TLSA 3 1 1 {}
         example.org secure",
        "00".repeat(32)
    ));
    let ran = case.file("ca.pem", &ca.pem()).run(&format!("{VERIFY} --json"));
    let answer = ran.json();
    assert_eq!(ran.code, 0, "{answer}");
    assert_eq!(answer["policies"][0]["dane"][0]["holds"], true, "{answer}");
}
