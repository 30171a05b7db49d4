//! Second looks at servers that answer by hand, as our library would not, on 127.0.80.0/24.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::AlertDescription;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Answer, explained};
use crate::model::{Code, Inspection, Service, Stage, Verdict};
use crate::verify::hello::{Chosen, Suite, Version};
use crate::verify::probe::inspect_all;
use crate::verify::probe::tests::{Ca, MX, Mode, ask, ca, certified, how, server, told};
use crate::verify::{Extras, Fault, How};

/// The two suites with RC4 as they stand in a hello made by hand.
const RC4: [u8; 4] = [0x00, 0x05, 0x00, 0x04];

/// What a server sends after a hello, which it takes for one made by hand if RC4 is in it.
#[derive(Clone, Debug)]
struct Manner {
    /// To our library's.
    first: Vec<u8>,
    /// To the one made by hand.
    second: Vec<u8>,
    /// Whether the connection stays open then.
    stays: bool,
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    [&[kind, 3, 1][..], &length.to_be_bytes(), content].concat()
}

fn alert(description: u8) -> Vec<u8> {
    record(21, &[2, description])
}

fn sized(width: usize, bytes: &[u8]) -> Vec<u8> {
    [&bytes.len().to_be_bytes()[8 - width..], bytes].concat()
}

/// A server's flight: ServerHello, the certificate of `name`, ServerHelloDone.
fn flight(ca: &Ca, name: &str, version: [u8; 2], suite: u16) -> Vec<u8> {
    let leaf = certified(ca, name, true);
    let hello = [&version[..], &[1; 32], &[0], &suite.to_be_bytes(), &[0]].concat();
    let chain = sized(3, &sized(3, &leaf.cert[0]));
    let messages = [&[2][..], &sized(3, &hello), &[11], &sized(3, &chain), &[14, 0, 0, 0]];
    record(22, &messages.concat())
}

async fn answer(mut stream: TcpStream, manner: Manner, count: Arc<AtomicUsize>) {
    count.fetch_add(1, Ordering::SeqCst);
    let _ = stream.write_all(b"220 mx ESMTP\r\n").await;
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        let reply = match &buffer[..read] {
            [] => return,
            [b'E', ..] => b"250-mx\r\n250 STARTTLS\r\n".to_vec(),
            [b'S', ..] => b"220 go\r\n".to_vec(),
            [22, ..] if !buffer[..read].windows(4).any(|suites| suites == RC4) => {
                let _ = stream.write_all(&manner.first).await;
                return;
            }
            [22, ..] => manner.second.clone(),
            _ => return,
        };
        let _ = stream.write_all(&reply).await;
        if buffer[0] == 22 && !manner.stays {
            return;
        }
    }
}

/// A server of this manner: its address, and how many connections it has seen.
async fn by_hand(manner: Manner) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.80.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, manner.clone(), Arc::clone(&seen)));
        }
    });
    (address, count)
}

fn with_second_look(ca: &Ca) -> How {
    How { extras: Extras { second_look: true, ..Extras::default() }, ..how(ca) }
}

async fn looked_at(ca: &Ca, to: SocketAddr) -> Inspection {
    let asks = [ask(to, Service::Smtp)];
    inspect_all(&asks, &with_second_look(ca), &|_| {}).await.remove(0)
}

fn session(inspection: &Inspection) -> Option<String> {
    let tls = inspection.details.as_ref()?.second_look.as_ref()?;
    Some(format!("{}, {}", tls.version, tls.cipher))
}

#[tokio::test]
async fn a_server_our_library_cannot_speak_with_is_told_for_what_it_is() {
    // Why our library was refused, what the server chose then, for whom its certificate is; the
    // stages from the handshake on and the codes.
    type Row<'a> = (&'a [u8], [u8; 2], u16, &'a str, &'a str, &'a [&'a str]);
    let ca = ca();
    let handshake_failure = alert(40);
    let cases: &[Row<'_>] = &[
        (&alert(70), [3, 1], 0xc013, MX, "fail ok ok ok", &["protocol-too-old"]),
        (&alert(70), [3, 2], 0x0005, MX, "fail ok ok ok", &["protocol-too-old"]),
        (&alert(70), [3, 0], 0x000a, MX, "fail ok ok ok", &["protocol-too-old"]),
        (&[], [3, 1], 0x000a, MX, "fail ok ok ok", &["protocol-too-old"]),
        (&handshake_failure, [3, 3], 0xc014, MX, "warn ok ok ok", &["weak-ciphers"]),
        (&handshake_failure, [3, 3], 0x009e, MX, "warn ok ok ok", &["weak-ciphers"]),
        (&handshake_failure, [3, 3], 0x009d, MX, "warn ok ok ok", &["no-forward-secrecy"]),
        (&handshake_failure, [3, 3], 0xc02f, MX, "fail ok ok ok", &["tls-alert"]),
        (
            &alert(70),
            [3, 1],
            0x002f,
            "other.example.org",
            "fail ok fail ok",
            &["protocol-too-old", "name-mismatch"],
        ),
    ];
    for (first, version, suite, name, stages, codes) in cases {
        let second = flight(&ca, name, *version, *suite);
        let (to, count) = by_hand(Manner { first: first.to_vec(), second, stays: true }).await;
        let seen = looked_at(&ca, to).await;
        let expected = (format!("ok ok ok {stages}"), codes.to_vec());
        assert_eq!(told(&seen), expected, "{version:?} {suite:04x} {:?}", seen.problems);
        assert!(session(&seen).is_some() && seen.tls.is_none(), "{seen:?}");
        assert_eq!(seen.certificate.as_ref().unwrap().names, [*name]);
        assert_eq!(count.load(Ordering::SeqCst), 2, "one more connection and no other");
        let weak = codes[0] == "weak-ciphers" || codes[0] == "no-forward-secrecy";
        assert_eq!(seen.verdict == Verdict::Accepted, weak, "{codes:?}");
    }
}

#[tokio::test]
async fn a_refusal_that_the_second_look_cannot_explain_stays() {
    let ca = ca();
    let hello = flight(&ca, MX, [3, 1], 0x002f);
    for (first, second, stays, code, why) in [
        (alert(40), alert(40), true, "tls-alert", "was refused, too: the alert HandshakeFailure"),
        (alert(112), alert(70), true, "tls-alert", "was refused, too: the alert ProtocolVersion"),
        (alert(80), b"500 what\r\n".to_vec(), true, "tls-alert", "was answered with 500 what"),
        (alert(40), hello[..30].to_vec(), false, "tls-alert", "ended in the middle"),
        (alert(40), Vec::new(), false, "tls-alert", "no usable certificate for this name"),
        // It falls silent, and the deadline is that of the endpoint.
        (alert(70), Vec::new(), true, "protocol-too-old", ""),
    ] {
        let (to, count) = by_hand(Manner { first, second, stays }).await;
        let seen = looked_at(&ca, to).await;
        assert_eq!(told(&seen), ("ok ok ok fail - - -".to_owned(), vec![code]), "{why}");
        let said = seen.problems[0].why.clone().unwrap_or_default();
        assert!(said.contains(why), "{why:?} in {said:?}");
        assert_eq!((session(&seen), count.load(Ordering::SeqCst)), (None, 2), "{why}");
    }
}

#[tokio::test]
async fn nobody_is_asked_twice_without_need_or_wish() {
    let ca = ca();
    let old = flight(&ca, MX, [3, 1], 0x002f);
    let manner = Manner { first: alert(70), second: old, stays: true };
    // Not wanted.
    let (to, count) = by_hand(manner.clone()).await;
    let seen = inspect_all(&[ask(to, Service::Smtp)], &how(&ca), &|_| {}).await.remove(0);
    assert_eq!(seen.problems[0].found, ["the alert ProtocolVersion"]);
    assert_eq!((seen.details, count.load(Ordering::SeqCst)), (None, 1));
    // Plain text where TLS begins, and a time-out.
    let plain = Manner { first: b"500 what\r\n".to_vec(), ..manner };
    let (to, count) = by_hand(plain).await;
    assert_eq!(looked_at(&ca, to).await.problems[0].code, Code::NotTls);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let to = server(&ca, Mode::StallsHandshake, false).await;
    let seen = looked_at(&ca, to).await;
    assert_eq!((seen.problems[0].code, seen.details), (Code::Timeout, None));
}

#[tokio::test]
async fn a_good_server_is_asked_whether_it_still_offers_old_versions() {
    let ca = ca();
    let seen = looked_at(&ca, server(&ca, Mode::Good, false).await).await;
    assert_eq!(told(&seen), ("ok ok ok ok ok ok ok".to_owned(), vec![]));
    assert_eq!(session(&seen), None);
    // One door, and behind it the good server for our library and the old one for the other.
    let good = server(&ca, Mode::Good, false).await;
    let manner = Manner { first: Vec::new(), second: flight(&ca, MX, [3, 2], 0xc014), stays: true };
    let (old, _) = by_hand(manner).await;
    let listener = TcpListener::bind("127.0.80.2:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for at in 0_usize.. {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let behind = if at == 1 { old } else { good };
            tokio::spawn(async move {
                let mut behind = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    let seen = looked_at(&ca, to).await;
    let expected = ("ok ok ok warn ok ok ok".to_owned(), vec!["old-protocol-offered"]);
    assert_eq!(told(&seen), expected, "{:?}", seen.problems);
    assert_eq!(seen.problems[0].found, ["TLSv1.1, TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"]);
    assert_eq!(seen.tls.as_ref().unwrap().version, "TLSv1.3");
    assert_eq!(session(&seen).as_deref(), Some("TLSv1.1, TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"));
    assert_eq!(seen.verdict, Verdict::Accepted);
}

#[test]
fn what_a_modern_suite_lacks_is_told_where_it_shows() {
    let refusal = Fault::new(Code::TlsAlert, Stage::Handshake);
    let chosen = |curve, signature| {
        let (version, suite) = (Version::Tls12, Suite(0xc02f));
        let chosen = Chosen { version, suite, chain: Vec::new(), sent: 0, curve, signature };
        explained(refusal.clone(), Some(&Answer::Chose(chosen)))
    };
    let sha1 = chosen(Some(0x1d), Some(0x0201));
    assert_eq!(sha1.code, Code::WeakCiphers);
    let found = "TLSv1.2, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, signed with SHA-1";
    assert_eq!(sha1.found, [found]);
    assert_eq!(sha1.expected.as_deref(), Some("a handshake signed with SHA-256 or better"));
    for (curve, why) in [(0x19, "on P-521"), (0x17, "something that only new hellos have")] {
        let fault = chosen(Some(curve), Some(0x0401));
        assert_eq!(fault.code, Code::TlsAlert);
        assert!(fault.why.unwrap().contains(why));
    }
    let ssl2 = explained(refusal.clone(), Some(&Answer::Ssl2));
    assert_eq!((ssl2.code, ssl2.found), (Code::ProtocolTooOld, vec!["SSLv2".to_owned()]));
    let unknown = explained(refusal, Some(&Answer::Refused(AlertDescription::Unknown(99))));
    assert!(unknown.why.unwrap().contains("0x63"));
}

#[tokio::test]
async fn an_old_server_costs_no_more_time_than_it_has() {
    let ca = ca();
    let (to, _) = by_hand(Manner { first: alert(70), second: Vec::new(), stays: true }).await;
    let begun = tokio::time::Instant::now();
    let how = How { timeout: Duration::from_millis(300), ..with_second_look(&ca) };
    inspect_all(&[ask(to, Service::Smtp)], &how, &|_| {}).await;
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
}
