//! Ports that begin TLS in another way than they were asked, on 127.0.81.0/24.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::scripted::Script;
use super::{ask, ca, how, inspect_all, told};
use crate::model::{Inspection, Service, Verdict};
use crate::verify::probe::tap::{MOST, Tap};
use crate::verify::{Ask, Extras, How};

async fn look(asked: Ask, second_look: bool, ca: &super::Ca) -> Inspection {
    let extras = Extras { second_look, ..Extras::default() };
    let how = How { tries: 1, without_sni: false, extras, ..how(ca) };
    inspect_all(&[asked], &how, &|_| {}).await.remove(0)
}

fn why(inspection: &Inspection) -> &str {
    inspection.problems[0].why.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn a_port_that_speaks_tls_at_once_is_judged_by_that() {
    let ca = ca();
    for (service, name) in [
        (Service::Smtp, "submissions"),
        (Service::Submission, "submissions"),
        (Service::Imap, "imaps"),
        (Service::Pop3, "pop3s"),
        (Service::Sieve, "sieve"),
    ] {
        let script = Script { at_once: true, ..Script::new(service) };
        let (to, count) = script.run(&ca, "127.0.81.2:0").await;
        let seen = look(ask(to, service), true, &ca).await;
        let expected = ("ok ok warn ok ok ok ok".to_owned(), vec!["implicit-tls-expected"]);
        assert_eq!(told(&seen), expected, "{service} {:?}", seen.problems);
        assert_eq!((seen.verdict, seen.certificate.is_some()), (Verdict::Accepted, true));
        let told =
            format!("the port speaks TLS at once: ask {name}://mx.example.org:{}", to.port());
        assert_eq!(why(&seen), told);
        if service != Service::Imap {
            continue;
        }
        let before = count.load(Ordering::SeqCst);
        // Without a second look there is a hint.
        let seen = look(ask(to, service), false, &ca).await;
        assert_eq!((seen.problems[0].code.as_str(), seen.verdict), ("timeout", Verdict::Unknown));
        assert!(why(&seen).contains(&format!("{name}://mx.example.org")), "{}", why(&seen));
        assert_eq!(count.load(Ordering::SeqCst), before + 1);
    }
}

#[tokio::test]
async fn nobody_talks_first_on_the_ports_of_smtp() {
    let ca = ca();
    for (service, place) in [
        (Service::Smtp, "127.0.81.21:25"),
        (Service::Submission, "127.0.81.22:587"),
        (Service::Smtp, "127.0.81.23:587"),
    ] {
        let listener = TcpListener::bind(place).await.unwrap();
        let to = listener.local_addr().unwrap();
        let (count, said) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, heard) = (Arc::clone(&count), Arc::clone(&said));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut bytes = Vec::new();
                let _ = stream.read_to_end(&mut bytes).await;
                heard.fetch_add(bytes.len(), Ordering::SeqCst);
            }
        });
        let seen = look(ask(to, service), true, &ca).await;
        assert_eq!(told(&seen), ("ok unknown - - - - -".to_owned(), vec!["timeout"]));
        assert!(why(&seen).contains(&format!("submissions://mx.example.org:{}", to.port())));
        let counts = (count.load(Ordering::SeqCst), said.load(Ordering::SeqCst));
        assert_eq!(counts, (1, 0), "one connection, and nothing said");
    }
}

#[tokio::test]
async fn a_silent_port_elsewhere_is_told_to_be_silent_in_both_ways() {
    let ca = ca();
    let listener = TcpListener::bind("127.0.81.2:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let seen = look(ask(to, Service::Smtp), true, &ca).await;
    assert_eq!(told(&seen), ("ok unknown - - - - -".to_owned(), vec!["timeout"]));
    assert!(why(&seen).starts_with("it neither greets nor answers TLS at once"), "{}", why(&seen));
}

#[tokio::test]
async fn a_plain_greeting_where_tls_begins_is_asked_by_starttls() {
    let ca = ca();
    for (service, name) in
        [(Service::Submissions, "submission"), (Service::Imaps, "imap"), (Service::Pop3s, "pop3")]
    {
        let (to, count) = Script::new(service).run(&ca, "127.0.81.4:0").await;
        let seen = look(ask(to, service), true, &ca).await;
        assert_eq!(told(&seen), ("ok - - fail - - -".to_owned(), vec!["not-tls"]));
        let end = format!("({name}://mx.example.org:{}): it begins TLSv1.3", to.port());
        assert!(why(&seen).ends_with(&end), "{}", why(&seen));
        assert_eq!(count.load(Ordering::SeqCst), 2);
        let seen = look(ask(to, service), false, &ca).await;
        assert!(why(&seen).ends_with(&format!("ask {name}://mx.example.org:{}", to.port())));
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }
}

#[tokio::test]
async fn a_connection_ends_when_too_much_comes() {
    let listener = TcpListener::bind("127.0.81.5:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
    });
    let mut tap = Tap::new(TcpStream::connect(to).await.unwrap());
    let mut heard = Vec::new();
    let error = tap.read_to_end(&mut heard).await.unwrap_err();
    assert_eq!(error.to_string(), format!("more than {MOST} bytes on one connection"));
    assert!(heard.len() < MOST + 1024 * 1024, "{}", heard.len());
}
