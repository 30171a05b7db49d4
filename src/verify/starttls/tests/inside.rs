//! Logins, the lines that are kept, and the injected command.

use super::{EHLO, GREETING, OFFERS, converse};
use crate::model::{Code, Service, Stage};
use crate::verify::starttls::{Dialogue, Move};

const GO: &str = "220 2.0.0 go ahead\r\n";
const BYE: &str = "221 bye\r\n";

#[test]
fn a_login_that_gmail_can_use_is_wanted_inside_tls_on_submission_ports() {
    for (inside, expected) in [
        ("250-mx\r\n250 AUTH PLAIN LOGIN\r\n", None),
        ("250-mx\r\n250-auth login\r\n250 HELP\r\n", None),
        ("250-mx\r\n250 AUTH=LOGIN\r\n", None),
        ("220-mx\r\n220 hello again\r\n250-mx\r\n250 AUTH LOGIN\r\n", None),
        ("250-mx\r\n250-AUTH=NTLM\r\n250 AUTH XOAUTH2 PLAIN\r\n", None),
        ("250-mx\r\n250 AUTH XOAUTH2\r\n", Some("AUTH XOAUTH2")),
        (
            "250-mx\r\n250 AUTH XOAUTH2 OAUTHBEARER CRAM-MD5\r\n",
            Some("AUTH XOAUTH2 OAUTHBEARER CRAM-MD5"),
        ),
        ("250-mx\r\n250-SIZE 1\x1b\r\n250 PLAINTEXT\r\n", Some("SIZE 1\\u{1b}|PLAINTEXT")),
        ("250-mx\r\n250-AUTHOR PLAIN\r\n250 AUTH\r\n", Some("AUTH")),
        ("250 mx\r\n", Some("250 mx")),
        ("503 5.5.1 no\r\n", Some("503 5.5.1 no")),
    ] {
        for service in [Service::Submission, Service::Submissions] {
            let starttls = [GREETING, OFFERS, GO, inside, BYE];
            let at_once = [GREETING, inside, BYE];
            let lines = if service == Service::Submission { &starttls[..] } else { &at_once };
            let (_, end, heard) = converse(Dialogue::new(service), lines, 7);
            assert_eq!(end, Move::Done);
            let found: Vec<_> = heard
                .faults
                .iter()
                .map(|fault| (fault.code, fault.stage, fault.found.join("|")))
                .collect();
            let expected =
                expected.map(|found| (Code::NoAuthOffered, Stage::Greeting, found.to_owned()));
            assert_eq!(found, Vec::from_iter(expected), "{service} {inside}");
        }
        // Between servers nobody logs in.
        let (_, _, heard) =
            converse(Dialogue::new(Service::Smtp), &[GREETING, OFFERS, GO, inside], 7);
        assert_eq!(heard.faults, []);
    }
}

#[test]
fn a_login_before_tls_is_noticed_where_tls_is_asked_for() {
    let before = "250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n";
    let inside = "250-mx\r\n250 AUTH PLAIN\r\n";
    for service in [Service::Smtp, Service::Submission] {
        let (_, _, heard) =
            converse(Dialogue::new(service), &[GREETING, before, GO, inside, BYE], 9);
        let [fault] = &heard.faults[..] else { panic!("{service}: {:?}", heard.faults) };
        assert_eq!((fault.code, fault.stage), (Code::AuthBeforeTls, Stage::Starttls));
        assert_eq!(fault.found, ["AUTH PLAIN"]);
    }
    let (_, _, heard) = converse(Dialogue::new(Service::Submissions), &[GREETING, inside, BYE], 9);
    assert_eq!(heard.faults, []);
}

#[test]
fn the_lines_are_kept_if_they_are_wanted_and_not_without_end() {
    let lines = [GREETING, "250-mx\r\n250 STARTTLS\r\n", GO, "250 m\x07x\r\n", "221 b"];
    let (_, _, heard) = converse(Dialogue::new(Service::Smtp).kept(), &lines, 2);
    assert_eq!(
        heard.transcript,
        [
            "S: 220 mx.example.org ESMTP",
            "C: EHLO mailcert.invalid",
            "S: 250-mx",
            "S: 250 STARTTLS",
            "C: STARTTLS",
            "S: 220 2.0.0 go ahead",
            "C: EHLO mailcert.invalid",
            "S: 250 m\\u{7}x",
            "C: QUIT",
            "S: 221 b",
        ]
    );
    let many = format!("{}220 mx\r\n", "220-x\r\n".repeat(99));
    let (_, _, heard) = converse(Dialogue::new(Service::Smtp).kept(), &[&many], 1000);
    assert_eq!((heard.transcript.len(), heard.transcript[60].as_str()), (61, "S: (and more)"));
    let (_, _, heard) = converse(Dialogue::new(Service::Smtp), &[&many], 1000);
    assert_eq!(heard.transcript, [""; 0]);
}

#[test]
fn the_injected_command_goes_in_one_piece_with_starttls() {
    let imap = ["* OK\r\n", "* CAPABILITY STARTTLS\r\na OK\r\n", "b OK\r\n"];
    let pop = ["+OK\r\n", "+OK\r\nSTLS\r\n.\r\n", "+OK\r\n"];
    for (service, lines, expected) in [
        (Service::Smtp, &[GREETING, OFFERS, GO][..], "STARTTLS\r\nNOOP\r\n"),
        (Service::Imap, &imap, "b STARTTLS\r\nx NOOP\r\n"),
        (Service::Pop3, &pop, "STLS\r\nCAPA\r\n"),
        (
            Service::Sieve,
            &["\"STARTTLS\"\r\nOK\r\n", "OK\r\n"],
            "STARTTLS\r\nNOOP \"mailcert\"\r\n",
        ),
    ] {
        let (said, end, _) = converse(Dialogue::new(service).injecting(), lines, 1000);
        assert_eq!((said.last().map(String::as_str), end), (Some(expected), Move::Handshake));
    }
    let (said, ..) =
        converse(Dialogue::new(Service::Smtp).injecting(), &[GREETING, "250 mx\r\n"], 9);
    assert_eq!(said, [EHLO], "nothing is injected where TLS is not offered");
}

#[test]
fn it_is_known_whether_anything_was_said() {
    let mut dialogue = Dialogue::new(Service::Smtp);
    assert!(dialogue.is_silent());
    assert_eq!(dialogue.hear(b"2"), Move::Wait);
    assert!(!dialogue.is_silent());
}
