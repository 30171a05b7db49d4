//! Reads this machine: its distribution, trust stores, TLS policies, `openssl`, JVMs; and tries
//! ports. The only file of the room that touches the world.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PortRow;
use super::conf::Conf;
use super::openssl::{self, OpensslRow};
use super::policy::{Gnutls, Policy, crypto_policy};
use super::stores::{Kind, Store, Unread, certificates};
use super::system::{Family, Os, package_version};
use crate::command::{self, CommandError};
use crate::model::Endpoint;
use crate::verify::visible;

/// The variables of the caller that its other programs heed as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `OPENSSL_CONF`.
    pub openssl_conf: Option<String>,
    /// `SSL_CERT_FILE`.
    pub ssl_cert_file: Option<String>,
    /// `SSL_CERT_DIR`, several behind colons.
    pub ssl_cert_dir: Option<String>,
    /// `JAVA_HOME`.
    pub java_home: Option<String>,
}

impl Environment {
    /// The variables that name a trust store, where one is set.
    pub(super) fn store_variables(&self) -> Option<&'static str> {
        match (&self.ssl_cert_file, &self.ssl_cert_dir) {
            (Some(_), Some(_)) => Some("SSL_CERT_FILE with SSL_CERT_DIR"),
            (Some(_), None) => Some("SSL_CERT_FILE"),
            (None, Some(_)) => Some("SSL_CERT_DIR"),
            (None, None) => None,
        }
    }

    /// Those that OpenSSL heeds.
    fn of_openssl(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("OPENSSL_CONF", &self.openssl_conf),
            ("SSL_CERT_FILE", &self.ssl_cert_file),
            ("SSL_CERT_DIR", &self.ssl_cert_dir),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

/// What this machine has, read once.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The distribution.
    pub os: Os,
    /// Its trust store, and each JVM's.
    pub stores: Vec<Store>,
    /// Its TLS policies.
    pub policy: Policy,
    /// What is known of `openssl` before it is asked about a server.
    pub openssl: OpensslRow,
    pub(super) environment: Environment,
    /// The text of Debian's /etc/ca-certificates.conf.
    pub(super) deselected: String,
}

impl Own {
    /// Reads what lies below `root` (`/`, but for tests), without the stores. Programs are looked
    /// for in PATH.
    pub async fn read(root: &Path, environment: Environment) -> Self {
        let files = Files(root);
        let os = files.text("/etc/os-release").or_else(|_| files.text("/usr/lib/os-release"));
        let os = Os::read(&os.unwrap_or_default());
        let (openssl, directory) = installed(&environment).await;
        Self {
            stores: Vec::new(),
            policy: policy(&files, environment.openssl_conf.as_deref(), directory.as_deref()),
            openssl,
            deselected: files.text("/etc/ca-certificates.conf").unwrap_or_default(),
            environment,
            os,
        }
    }

    /// The same with the trust stores, which start a JVM each.
    pub async fn with_stores(self, root: &Path) -> Self {
        let (files, environment) = (Files(root), &self.environment);
        let mut stores = vec![system_store(&files, environment, &self.os).await];
        stores.extend(java_stores(&files, environment.java_home.as_deref()).await);
        Self { stores, ..self }
    }

    /// What an installed `openssl` says of a server.
    pub(super) async fn ask_openssl(
        &self,
        to: SocketAddr,
        endpoint: &Endpoint,
        deadline: Duration,
    ) -> OpensslRow {
        if self.openssl.version.is_none() {
            return self.openssl.clone();
        }
        let version = self.openssl.version.clone();
        let argv = openssl::question(to, endpoint.service, &endpoint.host);
        let variables = self.environment.of_openssl();
        match command::run_with(&argv, &variables, b"", deadline.min(PATIENCE)).await {
            Ok(ran) => openssl::answer(version, &format!("{}\n{}", ran.stderr, ran.stdout)),
            Err(error) => OpensslRow { version, why: Some(in_words(&error)), ..Default::default() },
        }
    }
}

/// The installed `openssl` and the directory of its configuration.
async fn installed(environment: &Environment) -> (OpensslRow, Option<String>) {
    let argv = ["openssl", "version", "-v", "-d"].map(str::to_owned);
    match command::run_with(&argv, &environment.of_openssl(), b"", PATIENCE).await {
        Ok(ran) => {
            let version = openssl::version(&ran.stdout);
            let why = version.is_none().then(|| "it does not say its version".to_owned());
            let row = OpensslRow { version, why, ..OpensslRow::default() };
            (row, openssl::directory(&ran.stdout))
        }
        Err(error) => (OpensslRow { why: Some(in_words(&error)), ..OpensslRow::default() }, None),
    }
}

/// Where the bundle of the system is, by distribution, and the package it is from.
const BUNDLES: &[&str] = &[
    // Debian, Ubuntu, Alpine, Arch.
    "/etc/ssl/certs/ca-certificates.crt",
    // RHEL, Fedora.
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    // SUSE.
    "/etc/ssl/ca-bundle.pem",
    // Alpine with LibreSSL, BSD.
    "/etc/ssl/cert.pem",
];

async fn system_store(files: &Files<'_>, environment: &Environment, os: &Os) -> Store {
    let store = |path: Option<String>, held| Store {
        kind: Kind::System,
        name: "this system".to_owned(),
        path,
        held,
    };
    if environment.store_variables().is_some() {
        let (path, held) = named(files, environment);
        return store(Some(path), held);
    }
    let Some(path) = BUNDLES.iter().find(|path| files.at(path).is_file()) else {
        let why = "there is none (is ca-certificates installed?)".to_owned();
        return store(None, Err(Unread::Empty(why)));
    };
    let package = package(files, os).await;
    let shown = package.map_or_else(|| (*path).to_owned(), |package| format!("{path}, {package}"));
    store(Some(shown), held(files, path))
}

/// The store that the caller's environment names.
fn named(
    files: &Files<'_>,
    environment: &Environment,
) -> (String, Result<Vec<CertificateDer<'static>>, Unread>) {
    let mut paths: Vec<String> = environment.ssl_cert_file.iter().cloned().collect();
    let directories = environment.ssl_cert_dir.as_deref().unwrap_or_default();
    for directory in directories.split(':').filter(|directory| !directory.is_empty()) {
        paths.extend(files.list(directory));
    }
    // Directories hold several links to one file.
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    for path in paths.iter().filter(|path| seen.insert(files.real(path))) {
        all.extend(held(files, path).unwrap_or_default());
    }
    let path = match (&environment.ssl_cert_file, &environment.ssl_cert_dir) {
        (Some(file), None) => format!("{file}, by SSL_CERT_FILE"),
        (Some(file), Some(directory)) => format!("{file} and {directory}, by SSL_CERT_*"),
        (None, directory) => format!("{}, by SSL_CERT_DIR", directory.as_deref().unwrap_or("")),
    };
    let none = || Unread::Empty("no certificate can be read".to_owned());
    (visible(&path), if all.is_empty() { Err(none()) } else { Ok(all) })
}

/// The certificates of a PEM file.
fn held(files: &Files<'_>, path: &str) -> Result<Vec<CertificateDer<'static>>, Unread> {
    let text =
        files.text(path).map_err(|why| Unread::Empty(format!("it cannot be read: {why}")))?;
    let all = certificates(&text);
    if all.is_empty() { Err(Unread::Empty("no certificate is in it".to_owned())) } else { Ok(all) }
}

/// The package of the system's store with its version.
async fn package(files: &Files<'_>, os: &Os) -> Option<String> {
    const NAME: &str = "ca-certificates";
    if os.family == Some(Family::RedHat) {
        let argv = ["rpm", "-q", NAME].map(str::to_owned);
        let ran = command::run_ok(&argv, b"", PATIENCE).await.ok()?;
        return ran.stdout.lines().next().map(visible);
    }
    let databases = ["/var/lib/dpkg/status", "/lib/apk/db/installed"];
    let mut texts = databases.iter().filter_map(|path| files.text(path).ok());
    texts.find_map(|text| package_version(&text, NAME)).map(|found| format!("{NAME} {found}"))
}

/// Where JVMs are, each in a directory of its own.
const JVMS: &[&str] = &["/usr/lib/jvm", "/usr/lib64/jvm", "/usr/java", "/opt/java"];
/// Where a JVM keeps its roots: the first that is there counts.
const CACERTS: &[&str] =
    &["lib/security/jssecacerts", "lib/security/cacerts", "jre/lib/security/cacerts"];
/// The most JVMs that are looked at.
const MOST_JVMS: usize = 8;

/// One store for each JVM; a file that several share is read once.
async fn java_stores(files: &Files<'_>, home: Option<&str>) -> Vec<Store> {
    let mut homes: Vec<String> =
        home.map(|home| home.trim_end_matches('/').to_owned()).into_iter().collect();
    homes.extend(JVMS.iter().flat_map(|directory| files.list(directory)));
    let (mut seen, mut read, mut stores) = (BTreeSet::new(), Vec::new(), Vec::new());
    for home in homes {
        if !seen.insert(files.real(&home)) || stores.len() >= MOST_JVMS {
            continue;
        }
        let mut paths = CACERTS.iter().map(|path| format!("{home}/{path}"));
        let Some(path) = paths.find(|path| files.at(path).is_file()) else { continue };
        let real = files.real(&path);
        let known = read.iter().find(|(other, _)| *other == real).map(|(_, held)| held);
        let held = match known {
            Some(held) => Result::clone(held),
            None => keystore(files, &home, &path).await,
        };
        read.push((real.clone(), held.clone()));
        let (name, path) = (java_name(files, &home), Some(visible(&files.shown(&real))));
        stores.push(Store { kind: Kind::Java, name, path, held });
    }
    stores
}

/// `Java 17.0.15`, by the JVM's own `release` file, else the last part of its path.
fn java_name(files: &Files<'_>, home: &str) -> String {
    let release = files.text(&format!("{home}/release")).unwrap_or_default();
    let version = release.lines().find_map(|line| line.trim().strip_prefix("JAVA_VERSION="));
    let name = version.map(|version| version.trim_matches('"'));
    format!("Java {}", visible(name.unwrap_or_else(|| home.rsplit('/').next().unwrap_or(home))))
}

/// What `keytool` lists, the JVM's own where it has one: it reads what that JVM reads.
async fn keystore(
    files: &Files<'_>,
    home: &str,
    path: &str,
) -> Result<Vec<CertificateDer<'static>>, Unread> {
    let own = ["bin/keytool", "jre/bin/keytool"].map(|place| files.at(&format!("{home}/{place}")));
    let program = own.iter().find(|program| program.is_file());
    let program = program.map_or_else(|| "keytool".to_owned(), |own| own.display().to_string());
    let path = files.at(path).display().to_string();
    let argv = [&program, "-list", "-rfc", "-keystore", &path, "-storepass", "changeit"];
    let ran = command::run_ok(&argv.map(str::to_owned), b"", PATIENCE).await;
    let ran = ran.map_err(|error| Unread::Unknown(in_words(&error)))?;
    let all = certificates(&ran.stdout);
    if all.is_empty() { Err(Unread::Empty("no certificate is in it".to_owned())) } else { Ok(all) }
}

/// The policies: of OpenSSL by `OPENSSL_CONF`, else by its own directory, else by the usual ones.
fn policy(files: &Files<'_>, named: Option<&str>, directory: Option<&str>) -> Policy {
    let own = directory.map(|directory| format!("{directory}/openssl.cnf"));
    let usual = ["/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf"].map(str::to_owned);
    let mut paths = named.map(str::to_owned).into_iter().chain(own).chain(usual);
    let path = paths.find(|path| named == Some(path) || files.at(path).is_file());
    let reader = |path: &str| files.texts(path);
    let mut policy = path.map_or_else(Policy::default, |path| {
        Policy::of(&Conf::read(&files.shown(&files.real(&path)), &reader))
    });
    let crypto = ["/etc/crypto-policies/state/current", "/etc/crypto-policies/config"];
    policy.crypto_policy = crypto.iter().find_map(|path| crypto_policy(&files.text(path).ok()?));
    let gnutls = "/etc/gnutls/config";
    policy.gnutls = files.text(gnutls).ok().map(|text| Gnutls::read(gnutls, &text));
    policy
}

/// One connection to each port, side by side.
pub(super) async fn ports(address: IpAddr, ports: &[u16]) -> Vec<PortRow> {
    let rows = ports.iter().map(|port| async move {
        let connected = timeout(CONNECT, TcpStream::connect((address, *port))).await;
        let (open, found) = match connected {
            Ok(Ok(_)) => (true, "open"),
            Ok(Err(error)) => match error.kind() {
                std::io::ErrorKind::ConnectionRefused => (false, "refused"),
                std::io::ErrorKind::TimedOut => (false, "blocked"),
                _ => (false, "no route"),
            },
            Err(_) => (false, "blocked"),
        };
        PortRow { port: *port, open, found }
    });
    futures_util::future::join_all(rows).await
}

/// Why a program could not be asked, without the words of its call.
fn in_words(error: &CommandError) -> String {
    visible(&match error {
        CommandError::NotFound { program } => {
            format!("{} is not installed", program.rsplit('/').next().unwrap_or(program))
        }
        CommandError::Start { source, .. } => format!("it cannot be started: {source}"),
        CommandError::Timeout { seconds, .. } => format!("no answer after {seconds} s"),
        CommandError::Failed { said, .. } => format!("it fails: {said}"),
    })
}

/// Files below a root directory; their paths are those that programs below it would see.
struct Files<'a>(&'a Path);

impl Files<'_> {
    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// The path with every link followed, as it is on disk.
    fn real(&self, path: &str) -> PathBuf {
        let at = self.at(path);
        std::fs::canonicalize(&at).unwrap_or(at)
    }

    /// A path on disk as programs below the root see it.
    fn shown(&self, path: &Path) -> String {
        let root = std::fs::canonicalize(self.0).unwrap_or_else(|_| self.0.to_owned());
        let inside = path.strip_prefix(&root).or_else(|_| path.strip_prefix(self.0));
        inside.map_or_else(|_| path.display().to_string(), |rest| format!("/{}", rest.display()))
    }

    /// The text of a file, at most [`LARGEST`] bytes of it.
    fn text(&self, path: &str) -> Result<String, String> {
        let mut bytes = Vec::new();
        let at = self.at(path);
        // What is no file may never end.
        if !at.is_file() {
            return Err("No such file".to_owned());
        }
        let file = std::fs::File::open(&at).map_err(|error| error.to_string())?;
        file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file, or the configurations of a directory, as [`Conf::read`] wants them.
    fn texts(&self, path: &str) -> Result<Vec<(String, String)>, String> {
        if !self.at(path).is_dir() {
            return Ok(vec![(path.to_owned(), self.text(path)?)]);
        }
        let fits = |path: &String| path.ends_with(".cnf") || path.ends_with(".conf");
        let paths = self.list(path).into_iter().filter(fits);
        paths.map(|path| Ok((path.clone(), self.text(&path)?))).collect()
    }

    /// What is in a directory, in order; nothing if it is none.
    fn list(&self, directory: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.at(directory)) else { return Vec::new() };
        let names = entries.take(MOST_ENTRIES).flatten().map(|entry| entry.file_name());
        let directory = directory.trim_end_matches('/');
        let mut paths: Vec<String> =
            names.map(|name| format!("{directory}/{}", name.to_string_lossy())).collect();
        paths.sort();
        paths
    }
}

/// How long a program may take, and a connection.
const PATIENCE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);
/// The largest file that is read whole, and the most entries of a directory.
const LARGEST: u64 = 16 << 20;
const MOST_ENTRIES: usize = 2000;
