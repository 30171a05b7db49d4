//! What is asked of a certificate's issuer (`--aia`, `--crl`), and the issuers the store knows.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::expect;
use mailcert::model::{Bundle, CertName, PrivateKey};
use mailcert::store::{Files, Store as _};
use mailcert::verify::facts;
use rcgen::{
    CertificateRevocationListParams, CrlDistributionPoint, CustomExtension, KeyIdMethod, KeyPair,
    RevocationReason, RevokedCertParams, SerialNumber,
};
use time::OffsetDateTime;

use crate::files::{AT, Issuer, ca, day, leaf, pki, pki_with};
use crate::mail::showing;

/// A web server at 127.0.82.1 that does not answer yet, and a URL there.
fn web(path: &str) -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.82.1:0").unwrap();
    (format!("http://{}/{path}", listener.local_addr().unwrap()), listener)
}

/// From now on everybody gets these bytes; how many did.
fn serve(listener: TcpListener, body: Vec<u8>) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 2048]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    count
}

/// authorityInfoAccess with one caIssuers URL (RFC 5280 section 4.2.2.1).
fn issuer_at(url: &str) -> CustomExtension {
    let wrapped =
        |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let method = [6, 8, 43, 6, 1, 5, 5, 7, 48, 2];
    let access = [&method[..], &wrapped(0x86, url.as_bytes())].concat();
    let all = wrapped(0x30, &wrapped(0x30, &access));
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], all)
}

#[test]
fn the_issuers_certificate_is_fetched_to_say_which_one_is_missing() {
    let (url, listener) = web("ca1.der");
    let mut params = leaf("mx1.example.org");
    params.custom_extensions = vec![issuer_at(&url)];
    let pki = pki_with(&params);
    serve(listener, pki.middle.der().to_vec());
    let why = |more: &str| {
        let arguments = format!("verify --pem leaf.pem --host mx1.example.org {AT} --json {more}");
        let ran = pki.case.run(&arguments);
        assert_eq!(ran.code, 1);
        let problem = ran.json()["endpoints"][0]["problems"][0].clone();
        let word = |field: &str| problem[field].as_str().unwrap().replace(&url, "URL");
        format!("{}: {}\n", word("code"), word("why"))
    };
    expect![[r#"
        missing-intermediate: Test CA 1 signed it and is no root that senders know. Whether it leads to one is not known here: --aia asks at URL
        missing-intermediate: missing: CN=Test CA 1; with it the chain reaches CN=Test Root (fetched from URL)
    "#]].assert_eq(&(why("") + &why("--aia")));
}

/// The list of what `Test CA 1` has revoked.
fn list(middle: &Issuer, next: OffsetDateTime, revoked: bool) -> Vec<u8> {
    list_of(middle, day(2027, 1, 25), next, revoked)
}

fn list_of(middle: &Issuer, at: OffsetDateTime, next: OffsetDateTime, revoked: bool) -> Vec<u8> {
    let entry = RevokedCertParams {
        serial_number: SerialNumber::from(0x1234_u64),
        revocation_time: at,
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: at,
        next_update: next,
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: if revoked { vec![entry] } else { Vec::new() },
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(middle).unwrap().der().to_vec()
}

#[test]
fn the_issuers_list_is_asked_whether_the_certificate_is_revoked() {
    let mut told = String::new();
    for what in ["revoked", "good", "stale", "another's", "garbage"] {
        let (url, listener) = web("list.crl");
        let mut params = leaf("mx1.example.org");
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![url.clone()] }];
        let pki = pki_with(&params);
        let later = day(2027, 2, 9);
        let body = match what {
            "revoked" => list(&pki.middle, later, true),
            "good" => list(&pki.middle, later, false),
            "stale" => list(&pki.middle, day(2027, 1, 30), false),
            "garbage" => b"<html>".to_vec(),
            _ => {
                let key = KeyPair::generate().unwrap();
                list(&Issuer::self_signed(ca("Test CA 1"), key).unwrap(), later, true)
            }
        };
        serve(listener, body);
        let arguments =
            format!("verify --pem fullchain.pem --host mx1.example.org {AT} --crl --json");
        let ran = pki.case.run(&arguments);
        told.push_str(&format!("{what}: exit {}\n", ran.code));
        for problem in ran.json()["endpoints"][0]["problems"].as_array().unwrap() {
            let found = problem["found"][0].as_str().unwrap().replace(&url, "URL");
            told.push_str(&format!("  {} {found}\n", problem["code"].as_str().unwrap()));
        }
    }
    expect![[r#"
        revoked: exit 1
          revoked serial 1234, revoked TIME (keyCompromise: others may have the key)
        good: exit 0
        stale: exit 0
          revocation-unknown the list at URL: it is stale, its next update is overdue
        another's: exit 0
          revocation-unknown the list at URL: its signature is not its issuer's
        garbage: exit 0
          revocation-unknown the list at URL: what is there is no list of revoked certificates
    "#]]
    .assert_eq(&told);
}

/// Two hosts of one server, three looks at each: the list is fetched once, and that only the first
/// look asks for it makes no difference between them.
#[test]
fn servers_that_show_one_certificate_cost_one_look_into_the_list() {
    let (url, listener) = web("list.crl");
    let now = OffsetDateTime::now_utc();
    let mut params = leaf("mx1.example.org");
    params.subject_alt_names.extend(leaf("mx2.example.org").subject_alt_names);
    params.not_before = now - time::Duration::days(10);
    params.not_after = now + time::Duration::days(80);
    params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![url.clone()] }];
    let pki = pki_with(&params);
    let yesterday = now - time::Duration::days(1);
    let count =
        serve(listener, list_of(&pki.middle, yesterday, now + time::Duration::days(7), true));
    let key = std::fs::read_to_string(pki.case.path("key.pem")).unwrap();
    let chain = vec![pki.der.into(), pki.middle.der().clone()];
    let server = showing(chain, &KeyPair::from_pem(&key).unwrap());
    let case = pki.case.server("mx", server).zone(
        "mx1.example.org A 127.0.0.1
         mx2.example.org A 127.0.0.1",
    );
    let ran = case.run(
        "verify smtp://mx1.example.org:{mx} smtp://mx2.example.org:{mx} --dns {dns} \
         --roots root.pem --crl --quick --json",
    );
    let answer = ran.json();
    for endpoint in answer["endpoints"].as_array().unwrap() {
        let problems = endpoint["problems"].as_array().unwrap();
        let codes: Vec<_> = problems.iter().map(|problem| problem["code"].as_str()).collect();
        assert_eq!(codes, [Some("revoked")], "{answer:#}");
    }
    assert_eq!((ran.code, answer["endpoints"].as_array().unwrap().len()), (1, 2));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn a_certificate_without_a_list_says_so() {
    let case = pki().case;
    let arguments = format!("verify --pem fullchain.pem --host mx1.example.org {AT} --crl");
    case.run(&arguments).is(expect![[r#"
        --- stdout
        ok    fullchain.pem: Gmail would accept it as mx1.example.org
              chain ok, name ok, dates ok; judged for TIME
              for mx1.example.org; issued by CN=Test CA 1, ends TIME

        note revocation-unknown: Whether it is revoked is not known
          where     fullchain.pem (for mx1.example.org)
          expected  a list of revoked certificates that can be checked
          found     the certificate names no list under http
          fix       ask again later, or from another network
          more      mailcert explain revocation-unknown
        --- exit 0
    "#]]);
}

#[test]
fn the_stores_own_intermediates_say_which_one_is_missing() {
    let pki = pki();
    let case = pki.case.config("");
    let text = |name: &str| std::fs::read_to_string(case.path(name)).unwrap();
    let bundle =
        Bundle { key: PrivateKey::from_pem(text("key.pem")), chain: text("fullchain.pem") };
    let read = |bundle: &Bundle| facts(bundle).map_err(|error| error.to_string());
    let store = Files::open(&case.path("state"), read).unwrap();
    let facts = facts(&bundle).unwrap();
    store.keep(&CertName::parse("example.org").unwrap(), &bundle, &facts).unwrap();
    let ran = case.run(&format!("verify --pem leaf.pem --host mx1.example.org {AT} --json"));
    assert_eq!(
        ran.json()["endpoints"][0]["problems"][0]["why"],
        "missing: CN=Test CA 1; with it the chain reaches CN=Test Root"
    );
}
