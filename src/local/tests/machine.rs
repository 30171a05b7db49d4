//! A machine that is a directory.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Ca;
use crate::local::{Environment, Family, Kind, Own, Unread};

/// Writes files below a root; those that begin with `#!` can be run.
fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test makes its own world")]
        fs::write(&path, text).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    root
}

async fn read(root: &Path) -> Own {
    // A configuration is named, so that the installed openssl does not decide which is read.
    let environment = Environment {
        openssl_conf: Some("/etc/ssl/openssl.cnf".to_owned()),
        ..Environment::default()
    };
    Own::read(root, environment).await.with_stores(root).await
}

#[tokio::test]
async fn everything_is_read_below_the_root() {
    let ca = Ca::until("Test Root", 2030).pem();
    let keytool = format!("#!/bin/sh\necho \"Alias name: one\"\ncat <<'END'\n{ca}END\n");
    let root = machine(&[
        ("/usr/lib/os-release", "ID=debian\nPRETTY_NAME=\"Debian 12\"\n"),
        ("/etc/ssl/certs/ca-certificates.crt", &ca),
        ("/var/lib/dpkg/status", "Package: ca-certificates\nVersion: 20230311\n\n"),
        ("/etc/ca-certificates.conf", "!mozilla/Test_Root.crt\n"),
        (
            "/etc/ssl/openssl.cnf",
            "openssl_conf = a\n.include = /etc/ssl/d\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n",
        ),
        ("/etc/ssl/d/1.cnf", "[c]\nMinProtocol = TLSv1.3\n"),
        ("/etc/ssl/d/README", "[c]\nMinProtocol = TLSv1.0\n"),
        ("/etc/crypto-policies/config", "# comment\nFUTURE\n"),
        ("/etc/gnutls/config", "[overrides]\ndisabled-version = tls1.2\n"),
        ("/usr/lib/jvm/jdk/release", "JAVA_VERSION=\"17.0.15\"\n"),
        ("/usr/lib/jvm/jdk/lib/security/cacerts", "sealed"),
        ("/usr/lib/jvm/jdk/bin/keytool", &keytool),
        ("/usr/lib/jvm/jre/jre/lib/security/cacerts", "sealed"),
        (
            "/usr/lib/jvm/jre/bin/keytool",
            "#!/bin/sh\necho 'keytool error: wrong password'\nexit 1\n",
        ),
        ("/usr/lib/jvm/docs/README", "no JVM"),
    ]);
    std::os::unix::fs::symlink("jdk", root.path().join("usr/lib/jvm/default")).unwrap();
    let own = read(root.path()).await;
    assert_eq!(own.os.family, Some(Family::Debian));
    let rows: Vec<String> = own
        .stores
        .iter()
        .map(|store| {
            let path = store.path.as_deref().unwrap_or_default();
            let held = match &store.held {
                Ok(held) => held.len().to_string(),
                Err(Unread::Empty(why) | Unread::Unknown(why)) => why.clone(),
            };
            format!("{}: {path}: {held}", store.name)
        })
        .collect();
    assert_eq!(
        rows,
        [
            "this system: /etc/ssl/certs/ca-certificates.crt, ca-certificates 20230311: 1",
            "Java 17.0.15: /usr/lib/jvm/jdk/lib/security/cacerts: 1",
            "Java jre: /usr/lib/jvm/jre/jre/lib/security/cacerts: \
             it fails: keytool error: wrong password",
        ]
    );
    let min = own.policy.min_protocol.as_ref().unwrap();
    assert_eq!((min.value.as_str(), min.at.as_str()), ("TLSv1.3", "/etc/ssl/d/1.cnf:2"));
    assert_eq!(own.policy.files, ["/etc/ssl/openssl.cnf", "/etc/ssl/d/1.cnf"]);
    assert_eq!(own.policy.crypto_policy.as_deref(), Some("FUTURE"));
    assert_eq!(own.policy.gnutls.as_ref().unwrap().disabled_versions, ["tls1.2"]);
    assert_eq!(own.deselected, "!mozilla/Test_Root.crt\n");
}

#[tokio::test]
async fn an_empty_machine_has_an_empty_store_and_no_policy() {
    let root = machine(&[]);
    let own = read(root.path()).await;
    assert_eq!(own.stores.len(), 1);
    let why = "there is none (is ca-certificates installed?)".to_owned();
    assert_eq!(own.stores[0].held, Err(Unread::Empty(why)));
    assert_eq!(own.policy.faults, ["/etc/ssl/openssl.cnf: No such file"]);
    assert_eq!((own.policy.min_protocol, own.policy.gnutls), (None, None));
}

#[tokio::test]
async fn the_environment_names_other_stores() {
    let (one, two) = (Ca::until("One", 2030).pem(), Ca::until("Two", 2030).pem());
    let root = machine(&[
        ("/etc/ssl/certs/ca-certificates.crt", &one),
        ("/own/one.pem", &one),
        ("/own/two.pem", &two),
        ("/own/README", "no certificate"),
    ]);
    std::os::unix::fs::symlink("one.pem", root.path().join("own/5ed36f99.0")).unwrap();
    for (file, directory, path, count) in [
        (Some("/own/two.pem"), None, "/own/two.pem, by SSL_CERT_FILE", Some(1)),
        (None, Some("/gone:/own"), "/gone:/own, by SSL_CERT_DIR", Some(2)),
        (Some("/own/one.pem"), Some("/own"), "/own/one.pem and /own, by SSL_CERT_*", Some(2)),
        (Some("/gone"), None, "/gone, by SSL_CERT_FILE", None),
    ] {
        let environment = Environment {
            ssl_cert_file: file.map(str::to_owned),
            ssl_cert_dir: directory.map(str::to_owned),
            ..Environment::default()
        };
        let own = Own::read(root.path(), environment).await.with_stores(root.path()).await;
        assert_eq!(own.stores[0].kind, Kind::System);
        assert_eq!(own.stores[0].path.as_deref(), Some(path));
        assert_eq!(own.stores[0].held.as_ref().map(Vec::len).ok(), count, "{path}");
    }
}
