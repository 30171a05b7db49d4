//! What this machine's own programs say, by the real `openssl` and the real `keytool`, of a server
//! in the test. Nothing of the machine is changed: stores and policies are files of the test.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::mail::{Ca, Mail};

/// A directory with the CA's root, another's, and JVMs that know one or the other.
struct Machine {
    dir: tempfile::TempDir,
    server: Mail,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ca, stranger) = (Ca::new(), Ca::new());
        let server = ca.server(&["mail.example.org"]);
        for (name, text) in [("ca.pem", ca.pem()), ("stranger.pem", stranger.pem())] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        Self { dir, server }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// A JVM whose `cacerts` is of this type and holds this root.
    fn java(&self, name: &str, kind: &str, root: &str) -> String {
        let home = self.path(name);
        let security = Path::new(&home).join("lib/security");
        std::fs::create_dir_all(&security).unwrap();
        let cacerts = security.join("cacerts").display().to_string();
        let root = self.path(root);
        let made = Command::new("keytool")
            .args(["-importcert", "-noprompt", "-alias", "root", "-storepass", "changeit"])
            .args(["-storetype", kind, "-keystore", &cacerts, "-file", &root])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        home
    }

    /// The answer about this machine.
    fn ask(&self, variables: &[(&str, &str)]) -> Value {
        let target = format!("mail.example.org:{}", self.server.port());
        let ran = Command::new(env!("CARGO_BIN_EXE_mailcert"))
            .args(["verify", &target, "--connect", "127.0.0.1", "--local-trust", "--json"])
            .args(["--roots", &self.path("ca.pem")])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let answer: Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(answer["verdict"], "accepted", "{answer}");
        answer["local"][0].clone()
    }

    fn policy(&self, line: &str) -> String {
        let text =
            format!("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n{line}\n");
        let path = self.path("openssl.cnf");
        std::fs::write(&path, text).unwrap();
        path
    }
}

#[test]
#[ignore = "needs openssl; tests/run runs it"]
fn openssl_agrees_with_the_store_and_the_policy_that_were_read() {
    let machine = Machine::new();
    let (own, stranger) = (machine.path("ca.pem"), machine.path("stranger.pem"));
    let accepted = machine.ask(&[("SSL_CERT_FILE", &own)]);
    assert_eq!(accepted["openssl"]["accepts"], true, "{accepted}");
    assert_eq!(accepted["openssl"]["tls"]["version"], "TLSv1.3");
    assert_eq!(accepted["stores"][2]["accepts"], true);
    let refused = machine.ask(&[("SSL_CERT_FILE", &stranger)]);
    let number = &refused["openssl"]["verify_error"];
    // Without the root, or with another's of the same name.
    assert!([20, 7, 19, 21].iter().any(|known| number == known), "{refused}");
    assert_eq!(
        (&refused["cause"], &refused["stores"][2]["accepts"]),
        (&"trust-store".into(), &false.into())
    );
    for (line, allowed) in [
        ("CipherString = DEFAULT@SECLEVEL=2", true),
        ("CipherString = DEFAULT@SECLEVEL=4", false),
        ("MinProtocol = TLSv1.3", true),
        ("MaxProtocol = TLSv1.1", false),
    ] {
        let conf = machine.policy(line);
        let found = machine.ask(&[("SSL_CERT_FILE", &own), ("OPENSSL_CONF", &conf)]);
        assert_eq!(found["policy"]["allows"], allowed, "{line}: {found}");
        assert_eq!(found["openssl"]["accepts"], allowed, "{line}: {found}");
        assert_eq!(found["cause"] == "policy", !allowed, "{line}: {found}");
    }
}

#[test]
#[ignore = "needs a JVM; tests/run runs it"]
fn both_kinds_of_cacerts_are_read() {
    let machine = Machine::new();
    let own = machine.path("ca.pem");
    for (kind, root, accepted) in [
        ("JKS", "ca.pem", true),
        ("PKCS12", "ca.pem", true),
        ("JKS", "stranger.pem", false),
        ("PKCS12", "stranger.pem", false),
    ] {
        let home = machine.java(&format!("{kind}-{root}"), kind, root);
        let found = machine.ask(&[("SSL_CERT_FILE", &own), ("JAVA_HOME", &home)]);
        let java = found["stores"].as_array().unwrap().iter().find(|row| row["kind"] == "java");
        let java = java.unwrap();
        assert!(java["path"].as_str().unwrap().starts_with(&home), "{found}");
        assert_eq!(java["accepts"], accepted, "{kind} {root}: {found}");
    }
}
