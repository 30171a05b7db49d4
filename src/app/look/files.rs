//! `verify --pem`: judges files before anybody serves them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

use crate::app::output::{Failure, why};
use crate::app::{Output, environment};
use crate::cli;
use crate::http::Http;
use crate::model::{Code, Finding, Level, Stage, Verdict};
use crate::report::{Body, Report, Verified};
use crate::trust::Roots;
use crate::verify::judge::{self, BadBundle};
use crate::verify::{self, Fault, How};

/// No chain with its key is longer; a disk image is.
const LONGEST: u64 = 4 << 20;

/// What is asked of issuers beside what servers send, as typed; and the issuers that the store
/// knows, where a configuration names one.
///
/// # Errors
/// [`Failure::Usage`] when the environment's proxy cannot be used.
pub(super) fn ask_issuers(
    how: How,
    held: Vec<Vec<u8>>,
    typed: &cli::Verify,
) -> Result<How, Failure> {
    let mut how = how;
    how.extras.intermediates = Arc::new(held);
    how.extras.aia = typed.aia;
    how.extras.crl = typed.crl;
    if typed.aia || typed.crl {
        let proxy = environment::proxy();
        how.extras.http =
            Some(Http::new(&Roots::mozilla(), proxy.as_ref()).map_err(Failure::usage)?);
    }
    Ok(how)
}

/// `verify --pem`: the exit codes are those of `verify`.
pub(super) async fn verify(
    pem: &Path,
    typed: &cli::Verify,
    how: How,
    output: &Output,
) -> Result<u8, Failure> {
    let Some(host) = &typed.host else {
        return Err(Failure::helped("--pem needs --host", "add `--host mx1.example.org`"));
    };
    let how = match typed.at {
        Some(at) => How { now: at, since: tokio::time::Instant::now(), ..how },
        None => how,
    };
    let text = text_of(pem, What::Chain)?;
    let chain = judge::chain_of_pem(&text).map_err(|bad| of_chain(pem, &bad))?;
    let (mut more, mut findings) = (Vec::new(), Vec::new());
    if let Some((path, key)) = key_of(pem, &text, typed.key.as_deref())? {
        more.extend(mismatch(path, &key, &text)?);
        findings.extend(exposed(path));
    }
    let file = pem.display().to_string();
    let mut looked = verify::inspect_file(&chain, host, file, more, &how).await;
    if typed.strict {
        looked = verify::profiles::strictly(looked);
    }
    let verified = Verified::of(how.profile.as_str(), vec![looked]);
    let code = match verified.verdict {
        Verdict::Accepted => 0,
        Verdict::Refused => 1,
        Verdict::Unknown => 4,
    };
    output.answer(&Report::new("verify", Body::Verify(verified), findings))?;
    Ok(code)
}

/// A key with the file that it is from: the one that is named, else the chain's, where that has one.
pub(in crate::app) fn key_of<'p>(
    pem: &'p Path,
    chain: &Zeroizing<String>,
    named: Option<&'p Path>,
) -> Result<Option<(&'p Path, Zeroizing<String>)>, Failure> {
    match named {
        Some(path) if path != pem => Ok(Some((path, text_of(path, What::Key)?))),
        _ => Ok(has_key(chain).then(|| (pem, chain.clone()))),
    }
}

/// What a file is to hold.
#[derive(Clone, Copy)]
pub(in crate::app) enum What {
    Chain,
    Key,
}

impl What {
    fn block(self) -> &'static str {
        match self {
            Self::Chain => "BEGIN CERTIFICATE",
            Self::Key => "BEGIN PRIVATE KEY",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Chain => "fullchain.pem",
            Self::Key => "privkey.pem",
        }
    }
}

/// The PEM text of a file, wiped when it goes: a key may be in it.
pub(in crate::app) fn text_of(path: &Path, what: What) -> Result<Zeroizing<String>, Failure> {
    let unreadable = |error: &std::io::Error| {
        let help = format_args!("name a PEM file that you may read, such as {}", what.example());
        Failure::helped(format_args!("{}: {}", path.display(), why(error)), help)
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    // In one piece, so that no copy is left behind while it grows.
    let size = file.metadata().map_or(0, |found| found.len()).min(LONGEST);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size + 2).unwrap_or(0)));
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    let shown = path.display();
    if bytes.is_empty() {
        return Err(Failure::usage(format_args!("{shown}: it is empty; expected a PEM file")));
    }
    if bytes.len() as u64 > LONGEST {
        let found = format_args!("{shown}: longer than 4 MiB; expected a PEM file");
        return Err(Failure::usage(found));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN ") => Ok(Zeroizing::new(text.to_owned())),
        _ => Err(not_pem(path, what, &bytes)),
    }
}

/// Which other form a file has, and how it becomes PEM.
fn not_pem(path: &Path, what: What, bytes: &[u8]) -> Failure {
    let (shown, block) = (path.display(), what.block());
    let (found, command) = match form(bytes) {
        Form::Certificate => {
            ("a certificate in DER", format!("openssl x509 -inform der -in {shown} -out cert.pem"))
        }
        Form::Key => (
            "a private key in DER",
            format!("umask 077; openssl pkey -inform der -in {shown} -out key.pem"),
        ),
        Form::Pkcs12 => (
            "a PKCS#12 container (.p12, .pfx)",
            format!("umask 077; openssl pkcs12 -in {shown} -nodes -out combined.pem"),
        ),
        Form::Pkcs7 => (
            "a PKCS#7 container (.p7b)",
            format!("openssl pkcs7 -inform der -in {shown} -print_certs -out chain.pem"),
        ),
        Form::Other => {
            return Failure::usage(format_args!("{shown}: no PEM block in it; expected {block}"));
        }
    };
    Failure::helped(
        format_args!("{shown}: {found}; expected PEM ({block})"),
        format_args!("`{command}` converts it"),
    )
}

enum Form {
    Certificate,
    Key,
    Pkcs12,
    Pkcs7,
    Other,
}

/// A container of certificates is known by how its DER begins: PFX by its version, an INTEGER of
/// 3 (RFC 7292 section 4), signed data by its OID (RFC 2315 section 9).
fn form(bytes: &[u8]) -> Form {
    const SIGNED_DATA: [u8; 11] = [6, 9, 42, 134, 72, 134, 247, 13, 1, 7, 2];
    let begin = &bytes[..bytes.len().min(6)];
    let content = match begin {
        [0x30, 0x80, ..] => 2,
        [0x30, long, ..] if long & 0x80 != 0 => 2 + usize::from(long & 0x7f),
        [0x30, ..] => 2,
        _ => return Form::Other,
    };
    let content = bytes.get(content..).unwrap_or_default();
    if content.starts_with(&[2, 1, 3]) {
        Form::Pkcs12
    } else if content.starts_with(&SIGNED_DATA) {
        Form::Pkcs7
    } else if judge::certificate_of(bytes).is_ok() {
        Form::Certificate
    } else if PrivateKeyDer::try_from(bytes).is_ok() {
        Form::Key
    } else {
        Form::Other
    }
}

pub(in crate::app) fn of_chain(pem: &Path, bad: &BadBundle) -> Failure {
    let shown = pem.display();
    match bad {
        BadBundle::NoCertificate => Failure::helped(
            format_args!("{shown}: {bad}"),
            "name the chain, such as fullchain.pem; the key goes to `--key`",
        ),
        _ => Failure::usage(format_args!("{shown}: {bad}")),
    }
}

fn has_key(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----"))
}

/// Whether the key is another certificate's; a key that cannot be read is a usage error.
pub(in crate::app) fn mismatch(
    path: &Path,
    key: &str,
    chain: &str,
) -> Result<Option<Fault>, Failure> {
    let shown = path.display();
    let whose = match judge::pair_matches(key, chain) {
        Ok(()) => return Ok(None),
        Err(BadBundle::Mismatch { .. }) => "a key of none of the certificates".to_owned(),
        Err(BadBundle::LeafNotFirst { position }) => {
            format!("the key of certificate {position} of the file")
        }
        Err(bad @ BadBundle::EncryptedKey) => {
            let help =
                format_args!("`umask 077; openssl pkey -in {shown} -out plain.pem` takes it off");
            return Err(Failure::helped(format_args!("{shown}: {bad}"), help));
        }
        Err(bad) => return Err(Failure::usage(format_args!("{shown}: {bad}"))),
    };
    Ok(Some(Fault {
        expected: Some("the private key of the first certificate".to_owned()),
        found: vec![format!("{shown}: {whose}")],
        ..Fault::new(Code::KeyMismatch, Stage::Chain)
    }))
}

/// A key that everybody on the machine can read.
pub(in crate::app) fn exposed(path: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(path).ok()?.mode() & 0o7777;
    let shown = path.display();
    let message =
        format!("{shown} holds a private key and has mode {mode:04o}; expected 0600 or 0640");
    (mode & 0o007 != 0).then(|| Finding::new(Code::KeyExposed, shown, message).at(Level::Warn))
}
