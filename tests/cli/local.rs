//! `verify` from the other side: what this machine's own programs trust and speak. What JVMs are
//! installed on the machine of the test is left out; the one in the case is not.

use std::net::TcpListener;

use expect_test::expect;
use serde_json::Value;

use crate::case::{Case, Ran};
use crate::mail::{Ca, self_signed};

/// An `openssl` whose `s_client` says this.
fn openssl(said: &str) -> String {
    format!(
        "case $1 in\nversion) echo 'OpenSSL 3.0.19 27 Jan 2026'; echo 'OPENSSLDIR: \"/nowhere\"';;\n\
         *) echo \"$SSL_CERT_FILE $OPENSSL_CONF\" >> {{dir}}/variables\n/bin/cat >&2 <<'END'\n{said}\nEND\n;;\nesac"
    )
}

const VERIFIED: &str = "CONNECTION ESTABLISHED\nProtocol version: TLSv1.3\n\
                        Ciphersuite: TLS_AES_256_GCM_SHA384\nVerification: OK\n\
                        Verified peername: mail.example.org";
const UNKNOWN_ISSUER: &str = "verify error:num=20:unable to get local issuer certificate";

/// A right server, a system that knows the roots in `system.pem`, and a JVM that knows those in
/// `java.pem`.
fn machine(said: &str, system: &Ca, java: &Ca) -> Case {
    let ca = Ca::new();
    Case::new()
        .server("one", ca.server(&["mail.example.org"]))
        .zone("mail.example.org A 127.0.0.1")
        .file("ca.pem", &ca.pem())
        .file("system.pem", &[ca.pem(), system.pem()].concat())
        .file("other.pem", &system.pem())
        .file("java.pem", &java.pem())
        .file("jdk/release", "JAVA_VERSION=\"21.0.1\"\n")
        .file("jdk/lib/security/cacerts", "sealed")
        .fake("keytool", "echo 'Alias name: one'\n/bin/cat {dir}/java.pem")
        .fake("openssl", &openssl(said))
        .with("SSL_CERT_FILE", "{dir}/system.pem")
        .with("JAVA_HOME", "{dir}/jdk")
}

/// A root of another name than those of [`Ca`].
fn another_root() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().self_signed(&key).unwrap().pem()
}

const VERIFY: &str = "verify mail.example.org:{one} --dns {dns} --roots {dir}/ca.pem --local-trust";

/// The one answer, without the JVMs of the machine that runs the test.
fn local(ran: &Ran) -> Value {
    let mut answer = ran.json();
    assert_eq!(answer["local"].as_array().unwrap().len(), 1, "{answer}");
    let mut local = answer["local"][0].take();
    let ours = |store: &Value| {
        store["kind"] != "java" || store["path"].as_str().unwrap().starts_with("{dir}")
    };
    local["stores"].as_array_mut().unwrap().retain(ours);
    local
}

fn rows(local: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |row: &Value| {
        format!("{} {} {} {}\n", row["kind"], row["accepts"], word(&row["path"]), word(&row["why"]))
    };
    let stores = local["stores"].as_array().unwrap().iter().map(row).collect::<String>();
    let openssl = &local["openssl"];
    let (cause, sentence) = (word(&local["cause"]), word(&local["sentence"]));
    let said = format!("{} {}", openssl["accepts"], word(&openssl["why"]));
    format!("{cause}: {sentence}\n{stores}openssl {said}\npolicy {}\n", local["policy"]["allows"])
}

#[test]
fn a_store_that_lacks_the_root_is_named_and_counts_where_warnings_do() {
    let case = machine(UNKNOWN_ISSUER, &Ca::new(), &Ca::new())
        .file("none.pem", &another_root())
        .with("SSL_CERT_FILE", "{dir}/none.pem");
    let ran = case.run(&format!("{VERIFY} --json"));
    assert_eq!(ran.code, 0, "{ran:?}");
    expect![[r#"
        trust-store: it is this system's trust store: Test Root is missing
        "reference" true - by Test Root
        "mozilla" false - Test Root is none of them
        "system" false {dir}/none.pem, by SSL_CERT_FILE Test Root is missing
        "java" false {dir}/jdk/lib/security/cacerts Test Root is in it with another key
        openssl false unable to get local issuer certificate
        policy true
    "#]]
    .assert_eq(&rows(&local(&ran)));
    let codes: Vec<_> =
        ran.json()["findings"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    assert!(
        codes.len() >= 2 && codes.iter().all(|code| code == "system-roots-differ"),
        "{codes:?}"
    );
    assert_eq!(case.run(&format!("{VERIFY} --strict")).code, 1);
}

#[test]
fn openssl_is_asked_with_the_callers_variables_and_stdin_closed() {
    let case = machine(VERIFIED, &Ca::new(), &Ca::new()).with("OPENSSL_CONF", "{dir}/openssl.cnf");
    let ran = case.run(&format!("{VERIFY} --json"));
    let found = local(&ran);
    assert_eq!(found["openssl"]["version"], "OpenSSL 3.0.19");
    assert_eq!(found["openssl"]["accepts"], true);
    assert_eq!(found["openssl"]["tls"]["version"], "TLSv1.3");
    let called = case.called();
    let asked = called.lines().filter(|line| line.contains("s_client")).collect::<Vec<_>>();
    assert_eq!(
        asked,
        ["openssl s_client -connect 127.0.0.1:10001 -servername mail.example.org -starttls smtp \
          -verify_return_error -verify_hostname mail.example.org -brief"]
    );
    assert!(called.contains("keytool -list -rfc -keystore {dir}/jdk/lib/security/cacerts"));
    let variables = std::fs::read_to_string(case.path("variables")).unwrap();
    let (file, conf) = (case.path("system.pem"), case.path("openssl.cnf"));
    assert_eq!(variables, format!("{} {}\n", file.display(), conf.display()));
}

#[test]
fn a_policy_that_forbids_what_the_server_has_is_quoted_with_its_line() {
    let conf =
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n.include more.cnf\n";
    let case = machine("verify error:num=66:EE certificate key too weak", &Ca::new(), &Ca::new())
        .file("openssl.cnf", conf)
        .file("more.cnf", "CipherString = DEFAULT:@SECLEVEL=4\n")
        .with("OPENSSL_CONF", "{dir}/openssl.cnf");
    let ran = case.run(&format!("{VERIFY} --json"));
    expect![[r#"
        policy: it is this system's TLS policy: @SECLEVEL=4 ({dir}/more.cnf:1) wants RSA-7680 or EC-384, and the key of mail.example.org is EC-256
        "reference" true - by Test Root
        "mozilla" false - Test Root is none of them
        "system" true {dir}/system.pem, by SSL_CERT_FILE by Test Root
        "java" false {dir}/jdk/lib/security/cacerts Test Root is in it with another key
        openssl false EE certificate key too weak
        policy false
    "#]].assert_eq(&rows(&local(&ran)));
    let policy = |one: &&Value| one["code"] == "local-policy";
    assert_eq!(ran.json()["findings"].as_array().unwrap().iter().filter(policy).count(), 1);
}

#[test]
fn programs_that_are_missing_are_rows_and_no_errors() {
    let case = machine(VERIFIED, &Ca::new(), &Ca::new());
    for program in ["openssl", "keytool"] {
        std::fs::remove_file(case.path("bin").join(program)).unwrap();
    }
    let ran = case.run(&format!("{VERIFY} --json"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let found = local(&ran);
    assert_eq!(found["openssl"]["why"], "openssl is not installed");
    let java = found["stores"].as_array().unwrap().last().unwrap();
    assert_eq!(java["why"], "keytool is not installed");
    assert!(java["accepts"].is_null() && found["openssl"]["accepts"].is_null());
}

#[test]
fn nothing_of_this_machine_is_read_unless_it_is_asked_for() {
    let case = machine(VERIFIED, &Ca::new(), &Ca::new());
    let ran = case.run("verify mail.example.org:{one} --dns {dns} --roots {dir}/ca.pem --json");
    assert!(ran.json().get("local").is_none(), "{ran:?}");
    assert_eq!(case.called(), "");
}

#[test]
fn a_large_provider_that_shows_a_strangers_certificate_is_somebody_on_the_way() {
    let case = machine(UNKNOWN_ISSUER, &Ca::new(), &Ca::new())
        .server("two", self_signed(&["smtp.gmail.com"]))
        .zone("smtp.gmail.com A 127.0.0.1");
    let ran = case.run("verify smtp.gmail.com:{two} --dns {dns}");
    assert_eq!(ran.code, 1, "{ran:?}");
    let (_, section) = ran.stdout.split_once("This machine and").unwrap();
    // A JVM has a row, which may go on below it.
    let mut java = false;
    let lines = section.lines().filter(|line| {
        java = line.starts_with("  Java") || (java && line.starts_with("     "));
        !java
    });
    expect![[r#"
        This machine and smtp.gmail.com:10002
          it is the network: something on the way answers in its place, with a
          certificate of smtp.gmail.com

          Mozilla's roots  FAIL smtp.gmail.com is none of them
          this system      FAIL smtp.gmail.com is not in it
                                ({dir}/system.pem, by SSL_CERT_FILE)
          openssl          FAIL OpenSSL 3.0.19: unable to get local issuer certificate
                                (20)
          our own session  ok   TLSv1.3 TLS_AES_256_GCM_SHA384
          TLS policy       ok   no bound in openssl.cnf but OpenSSL's own

          ask whoever runs the network or its firewall
    "#]]
    .assert_eq(&format!("This machine and{}\n", lines.collect::<Vec<_>>().join("\n")));
}

#[test]
fn a_port_that_does_not_answer_is_compared_with_the_others() {
    let case = machine(VERIFIED, &Ca::new(), &Ca::new()).zone("smtp.gmail.com A 127.0.85.9");
    let _open = TcpListener::bind("127.0.85.9:465").unwrap();
    let ran = case.run("verify smtp.gmail.com:587 --dns {dns} --json");
    let found = local(&ran);
    assert_eq!(found["cause"], "network");
    assert_eq!(found["sentence"], "it is the network: port 587 is refused, 465 works");
    let ports: Vec<String> = found["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {} {}", row["port"], row["open"], row["found"]))
        .collect();
    assert_eq!(ports, ["25 false \"refused\"", "465 true \"open\"", "587 false \"refused\""]);
    assert_eq!(ran.json()["findings"][0]["code"], "port-blocked");
    assert!(!case.called().contains("s_client"), "{}", case.called());
}

#[test]
fn a_name_the_dns_does_not_answer_for_is_the_dns() {
    let case = machine(VERIFIED, &Ca::new(), &Ca::new()).zone("smtp.gmail.com SERVFAIL");
    let ran = case.run("verify smtp.gmail.com:587 --dns {dns} --json");
    assert_eq!(ran.code, 4, "{ran:?}");
    let found = local(&ran);
    assert_eq!((&found["cause"], &found["address"]), (&"dns".into(), &Value::Null));
    assert_eq!(found["sentence"], "it is the DNS: AAAA of smtp.gmail.com: SERVFAIL");
}
