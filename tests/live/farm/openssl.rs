//! What rustls and rcgen refuse to make or to speak: by the `openssl` program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::{sleep, timeout};

use super::pki::{Pki, Shown};

/// How long openssl may take to start, on a machine with much else to do.
const START: Duration = Duration::from_secs(20);
/// How long the last words of a server may take to be carried.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// RSA keys of these sizes (PKCS #8 in PEM), made side by side.
pub(crate) fn rsa_keys<const N: usize>(bits: [u32; N]) -> [String; N] {
    let made = bits.map(|bits| {
        let size = format!("rsa_keygen_bits:{bits}");
        let mut command = program(&["genpkey", "-algorithm", "RSA", "-pkeyopt", &size]);
        command.stdout(Stdio::piped()).spawn().expect("openssl; tests/run installs it")
    });
    made.map(|child| {
        let output = child.wait_with_output().expect("it is ours");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("PEM")
    })
}

/// A certificate that openssl signs, for keys and hashes that libraries of today refuse.
pub(crate) struct Signed<'a> {
    /// What its files are called.
    pub(crate) name: &'a str,
    /// Its subjectAltName.
    pub(crate) host: &'a str,
    /// The private key in PEM.
    pub(crate) key: &'a str,
    /// `middle` or `rsa_middle`.
    pub(crate) issuer: &'a str,
    /// `sha1`, `sha256`.
    pub(crate) hash: &'a str,
    /// Days until its end; it began now.
    pub(crate) days: &'a str,
}

impl Signed<'_> {
    /// The leaf with its issuer behind it.
    pub(crate) fn by(&self, pki: &Pki) -> Shown {
        let path = |name: &str| {
            let path = pki.directory().join(name);
            path.to_str().expect("the farm's paths are text").to_owned()
        };
        let key = path(&format!("{}.key", self.name));
        fs::write(&key, self.key).expect("written");
        let [request, extensions, out] =
            ["csr", "ext", "crt"].map(|end| path(&format!("{}.{end}", self.name)));
        let lines = format!(
            "subjectAltName=DNS:{}\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n",
            self.host
        );
        fs::write(&extensions, lines).expect("written");
        run(&["req", "-new", "-key", &key, "-subj", "/CN=farm", "-out", &request]);
        let issuer = path(&format!("{}.pem", self.issuer));
        let issuer_key = path(&format!("{}.key", self.issuer));
        let hash = format!("-{}", self.hash);
        let serial = format!("{}", 1000 + self.name.len());
        run(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &issuer,
            "-CAkey",
            &issuer_key,
            "-days",
            self.days,
            &hash,
            "-extfile",
            &extensions,
            "-set_serial",
            &serial,
            "-out",
            &out,
        ]);
        let chain = [out, issuer].map(|file| CertificateDer::from_pem_file(file).expect("PEM"));
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from_pem_slice(self.key.as_bytes());
        let key = key.expect("PKCS #8").secret_pkcs8_der().to_vec();
        Shown { chain: chain.to_vec(), key }
    }
}

/// An `openssl s_server` for each connection, reached by a socket in the farm's directory.
#[derive(Debug)]
pub(crate) struct Peer {
    directory: PathBuf,
    name: String,
    options: Vec<&'static str>,
}

/// Sockets so far: each has a name of its own, a short one, since openssl prints it into 32 bytes.
static SOCKETS: AtomicUsize = AtomicUsize::new(0);

impl Peer {
    /// Shows these certificates; `options` are those of s_server.
    pub(crate) fn new(pki: &Pki, name: &str, shown: &Shown, options: &[&'static str]) -> Arc<Self> {
        let own = pem("CERTIFICATE", &shown.chain[0]) + &pem("PRIVATE KEY", &shown.key);
        let rest: String = shown.chain[1..].iter().map(|der| pem("CERTIFICATE", der)).collect();
        pki.write(&format!("{name}.own"), &own);
        pki.write(&format!("{name}.rest"), &rest);
        let (directory, options) = (pki.directory().to_owned(), options.to_vec());
        Arc::new(Self { directory, name: name.to_owned(), options })
    }

    /// Splices a connection to a server of its own; `inside` speaks what TLS carries. Everything
    /// ends with the first of the two.
    pub(crate) async fn carry<F, T>(&self, mut stream: TcpStream, inside: F) -> io::Result<()>
    where
        F: FnOnce(Inner) -> T,
        T: Future<Output = io::Result<()>>,
    {
        let socket = format!("s{}", SOCKETS.fetch_add(1, Ordering::Relaxed));
        let mut child = self.start(&socket)?;
        let pipes = (child.stdout.take(), child.stdin.take());
        let (Some(output), Some(input)) = pipes else { return Ok(()) };
        let socket = self.directory.join(socket);
        let mut server = connected(&socket).await?;
        // One that is killed does not do it.
        let _ = fs::remove_file(socket);
        let inside = inside(tokio::io::join(output, input));
        tokio::pin!(inside);
        tokio::select! {
            ended = tokio::io::copy_bidirectional(&mut stream, &mut server) => ended.map(|_| ()),
            ended = &mut inside => {
                // What was said last is still on its way.
                let rest = tokio::io::copy_bidirectional(&mut stream, &mut server);
                let _ = timeout(LAST_WORDS, rest).await;
                ended
            }
        }
    }

    /// One that takes one connection. The kernel ends it with the farm, however the farm ends.
    fn start(&self, socket: &str) -> io::Result<Child> {
        let [own, rest] = ["own", "rest"].map(|end| format!("{}.{end}", self.name));
        tokio::process::Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "openssl", "s_server", "-quiet", "-naccept", "1"])
            .args(["-unix", socket, "-unlink", "-cert", &own, "-key", &own, "-cert_chain", &rest])
            .args(&self.options)
            .current_dir(&self.directory)
            .env("OPENSSL_CONF", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }
}

/// The plain side of an s_server: its output and its input.
pub(crate) type Inner = tokio::io::Join<ChildStdout, ChildStdin>;

async fn connected(socket: &Path) -> io::Result<UnixStream> {
    let listens = async {
        loop {
            match UnixStream::connect(socket).await {
                Ok(stream) => return stream,
                Err(_) => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    Ok(timeout(START, listens).await?)
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments).env("OPENSSL_CONF", "/dev/null");
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) {
    let output = program(arguments).output().expect("openssl; tests/run installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {said}");
}

fn pem(tag: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|l| str::from_utf8(l).ok()).collect();
    format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", lines.join("\n"))
}
