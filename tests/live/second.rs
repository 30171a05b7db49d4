//! The second look at real servers of old: `openssl s_server` at security level 0.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::mailcert::Ran;
use crate::world::daemons::run;
use crate::world::text;

const ADDRESS: &str = "127.0.80.10";
const HOST: &str = "mx.second.test";

/// A server in the making: what it shows and with which options it is started.
struct Old<'a> {
    /// `rsa:2048`, and the digest its certificate is signed with.
    key: &'static str,
    digest: &'static str,
    options: &'a [&'a str],
}

/// The s_server; it ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes a CA and a leaf of it in `directory`.
fn certify(directory: &Path, old: &Old<'_>) {
    let file = |name: &str| text(&directory.join(name)).to_owned();
    let (ca, ca_key, leaf, key) = (file("ca.pem"), file("ca.key"), file("leaf.pem"), file("key"));
    let new = |key: &str, out: &str, newkey: &str, digest: &str| {
        let words = ["req", "-x509", "-nodes", "-days", "80", "-newkey", newkey, digest];
        let files = ["-keyout", key, "-out", out];
        words.iter().chain(&files).map(|word| (*word).to_owned()).collect::<Vec<String>>()
    };
    let with = |mut words: Vec<String>, more: &[&str]| {
        words.extend(more.iter().map(|word| (*word).to_owned()));
        run("openssl", &words.iter().map(String::as_str).collect::<Vec<_>>());
    };
    with(new(&ca_key, &ca, "rsa:2048", "-sha256"), &["-subj", "/CN=Second Root"]);
    let (subject, names) = (format!("/CN={HOST}"), format!("subjectAltName=DNS:{HOST}"));
    with(
        new(&key, &leaf, old.key, old.digest),
        &["-CA", &ca, "-CAkey", &ca_key, "-subj", &subject, "-addext", &names]
            .into_iter()
            .chain(["-addext", "basicConstraints=critical,CA:FALSE"])
            .collect::<Vec<_>>(),
    );
}

/// Starts the server and greets everyone for it: it sends what its input says.
fn start(directory: &Path, old: &Old<'_>) -> (Server, u16) {
    let port = TcpListener::bind((ADDRESS, 0)).unwrap().local_addr().unwrap().port();
    let mut child = Command::new("openssl")
        .args(["s_server", "-quiet", "-accept", &format!("{ADDRESS}:{port}")])
        .args(["-cert", text(&directory.join("leaf.pem")), "-key", text(&directory.join("key"))])
        .args(old.options)
        // Debian's own file forbids what is wanted here.
        .env("OPENSSL_CONF", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    let mut input = child.stdin.take().expect("it is piped");
    std::thread::spawn(move || {
        // Until the server ends. It is a greeting, and a reply with a login.
        while input.write_all(b"250-mx\r\n250 AUTH PLAIN\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let there = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        TcpStream::connect((ADDRESS, port)).is_ok()
    });
    assert!(there, "openssl s_server {:?} does not listen", old.options);
    (Server(child), port)
}

/// What `mailcert verify --json` says of such a server: its one endpoint.
fn verified(old: &Old<'_>, more: &[&str]) -> Value {
    let directory = TempDir::new().unwrap();
    certify(directory.path(), old);
    let (_server, port) = start(directory.path(), old);
    let output = Command::new(env!("CARGO_BIN_EXE_mailcert"))
        .args(["verify", &format!("submissions://{HOST}:{port}"), "--connect", ADDRESS, "--json"])
        .args(["--timeout", "8", "--roots", text(&directory.path().join("ca.pem"))])
        .args(more)
        .env_clear()
        .output()
        .expect("mailcert is there");
    let ran = Ran::from(output);
    let endpoint = ran.json()["endpoints"][0].clone();
    assert!(endpoint.is_object(), "{ran}");
    endpoint
}

/// The codes, and version and cipher of the second look.
fn told(endpoint: &Value) -> (Vec<&str>, String) {
    let problems = endpoint["problems"].as_array().expect("a list");
    let codes = problems.iter().filter_map(|problem| problem["code"].as_str()).collect();
    let session = &endpoint["details"]["second_look"];
    let word = |key: &str| session[key].as_str().unwrap_or("-").to_owned();
    (codes, format!("{} {}", word("version"), word("cipher")))
}

#[test]
#[ignore = "needs openssl; tests/run runs it"]
fn servers_our_library_cannot_speak_with_are_told_for_what_they_are() {
    let old = |options| Old { key: "rsa:2048", digest: "-sha256", options };
    let all = "ALL:@SECLEVEL=0";
    let tls10 = ["-tls1", "-cipher", all];
    let tls11 = ["-tls1_1", "-cipher", all];
    let cbc = ["-tls1_2", "-cipher", "ECDHE+AES+SHA384:!AESGCM:@SECLEVEL=0"];
    let dhe = ["-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"];
    let rsa = ["-tls1_2", "-cipher", "kRSA+AES:@SECLEVEL=0"];
    let rsa_of_old = ["-tls1", "-cipher", "kRSA+AES:@SECLEVEL=0"];
    let sha1 = ["-tls1_2", "-cipher", all, "-sigalgs", "RSA+SHA1"];
    let p521 = ["-tls1_2", "-cipher", "ECDHE+AESGCM", "-curves", "P-521"];
    for (options, code, session) in [
        (&tls10[..], "protocol-too-old", "TLSv1.0 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
        (&tls11, "protocol-too-old", "TLSv1.1 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
        (&rsa_of_old, "protocol-too-old", "TLSv1.0 TLS_RSA_WITH_AES_128_CBC_SHA"),
        (&cbc, "weak-ciphers", "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
        (&dhe, "weak-ciphers", "TLSv1.2 TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
        (&rsa, "no-forward-secrecy", "TLSv1.2 TLS_RSA_WITH_AES_128_GCM_SHA256"),
        (&sha1, "weak-ciphers", "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        (&p521, "tls-alert", "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ] {
        let endpoint = verified(&old(options), &[]);
        assert_eq!(told(&endpoint), (vec![code], session.to_owned()), "{options:?} {endpoint}");
        assert_eq!(endpoint["certificate"]["names"][0], HOST, "{endpoint}");
        let weak = matches!(code, "weak-ciphers" | "no-forward-secrecy");
        let verdict = if weak { "accepted" } else { "refused" };
        assert_eq!(endpoint["verdict"], verdict, "{endpoint}");
        for stage in ["chain", "name", "dates"] {
            assert_eq!(endpoint["stages"][stage], "ok", "{endpoint}");
        }
    }
    // Quick looks once.
    let endpoint = verified(&old(&tls10), &["--quick"]);
    assert_eq!(told(&endpoint), (vec!["protocol-too-old"], "- -".to_owned()), "{endpoint}");
    assert!(endpoint["certificate"].is_null(), "{endpoint}");
}

#[test]
#[ignore = "needs openssl; tests/run runs it"]
fn a_weak_certificate_is_judged_and_old_versions_beside_new_ones_are_seen() {
    let all = ["-cipher", "ALL:@SECLEVEL=0"];
    let new = ["-no_tls1", "-no_tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    let suite = "TLSv1.1 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA";
    for (key, digest, options, codes, session) in [
        ("rsa:2048", "-sha256", &all[..], &["old-protocol-offered"][..], suite),
        ("rsa:2048", "-sha256", &new, &[], "- -"),
        ("rsa:1024", "-sha256", &new, &["weak-key"], "- -"),
        ("rsa:2048", "-sha1", &new, &["weak-signature"], "- -"),
        ("rsa:1024", "-sha1", &all, &["weak-key", "weak-signature", "old-protocol-offered"], suite),
    ] {
        let endpoint = verified(&Old { key, digest, options }, &[]);
        let expected = (codes.to_vec(), session.to_owned());
        assert_eq!(told(&endpoint), expected, "{key} {digest} {options:?} {endpoint}");
        assert_eq!(endpoint["certificate"]["names"][0], HOST, "{endpoint}");
    }
}
