//! STARTTLS injection (CVE-2011-0411): whether a command sent in one piece with STARTTLS, before
//! TLS, is obeyed inside TLS. RFC 3207 section 4.2 says that it has to be thrown away.
//!
//! The evidence is a reply to that command in front of the reply to the goodbye. Nothing is waited
//! for, so that a slow network hides nothing, and each command is one whose reply is not taken for
//! a second greeting or a list of capabilities that a server sends by itself.

use crate::model::Service;
use crate::verify::visible;

/// The harmless command that follows STARTTLS in the same packet.
pub(super) fn command(service: Service) -> &'static str {
    match service {
        Service::Imap | Service::Imaps => "x NOOP\r\n",
        // NOOP is no command before a login.
        Service::Pop3 | Service::Pop3s => "CAPA\r\n",
        // The reply has the tag in it (RFC 5804 section 2.13).
        Service::Sieve => "NOOP \"mailcert\"\r\n",
        _ => "NOOP\r\n",
    }
}

/// The reply to the injected command in what was heard inside TLS after a goodbye and nothing
/// else; `None` if it was thrown away.
#[must_use]
pub fn injected(service: Service, heard: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(heard);
    let mut lines = text.lines().map(str::trim_end);
    let found = match service {
        Service::Imap | Service::Imaps => {
            lines.find(|line| line.get(..2).is_some_and(|tag| tag.eq_ignore_ascii_case("x ")))
        }
        Service::Pop3 | Service::Pop3s => {
            lines.find(|line| *line == "." || line.starts_with("-ERR"))
        }
        Service::Sieve => lines.find(|line| line.starts_with("OK") && line.contains("mailcert")),
        _ => {
            // A server may greet again; the last reply is the one to the goodbye.
            let is_end = |line: &&str| {
                let bytes = line.as_bytes();
                bytes.len() >= 3
                    && bytes[..3].iter().all(u8::is_ascii_digit)
                    && matches!(bytes.get(3), None | Some(b' '))
                    && !line.starts_with("220")
            };
            let replies: Vec<&str> = lines.filter(is_end).collect();
            (replies.len() > 1).then(|| replies[0])
        }
    };
    found.map(visible)
}

#[cfg(test)]
mod tests {
    use super::injected;
    use crate::model::Service;

    #[test]
    fn only_a_reply_to_the_injected_command_counts() {
        let caps = "\"SASL\" \"PLAIN\"\r\nOK \"ready\"\r\n";
        for (service, heard, expected) in [
            (Service::Smtp, "221 bye\r\n", None),
            (Service::Smtp, "", None),
            (Service::Smtp, "250 ok\r\n221 bye\r\n", Some("250 ok")),
            (Service::Smtp, "502 5.5.1 what\r\n221 bye\r\n", Some("502 5.5.1 what")),
            (Service::Submission, "220-mx\r\n220 hello\r\n221 bye\r\n", None),
            (Service::Smtp, "221-so\r\n221 bye\r\n", None),
            (Service::Smtp, "250 bye\r\n", None),
            (Service::Smtp, "\u{20ac}\r\n2\r\n", None),
            (Service::Imap, "* BYE\r\nd OK\r\n", None),
            (Service::Imap, "* OK hello\r\nx OK done\r\n* BYE\r\nd OK\r\n", Some("x OK done")),
            (Service::Imap, "X BAD\r\n", Some("X BAD")),
            (Service::Pop3, "+OK bye\r\n", None),
            (Service::Pop3, "+OK hello\r\n+OK bye\r\n", None),
            (Service::Pop3, "+OK\r\nTOP\r\n.\r\n+OK bye\r\n", Some(".")),
            (Service::Pop3, "-ERR \x07\r\n+OK bye\r\n", Some("-ERR \\u{7}")),
            (Service::Sieve, &format!("{caps}OK \"bye\"\r\n"), None),
            (
                Service::Sieve,
                &format!("{caps}OK (TAG \"mailcert\") \"done\"\r\nOK\r\n"),
                Some("OK (TAG \"mailcert\") \"done\""),
            ),
        ] {
            assert_eq!(injected(service, heard.as_bytes()).as_deref(), expected, "{heard:?}");
        }
        assert_eq!(injected(Service::Smtp, b"\xff\xfe250 x\r\n\x00"), None);
    }
}
