//! The PROXY protocol, version 1 (HAProxy's `proxy-protocol.txt`): what a load balancer sends
//! before anything else, and how a server behaves that waits for it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The header for a connection between these two.
#[must_use]
pub fn header(from: SocketAddr, to: SocketAddr) -> String {
    let family = match (from.ip(), to.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) => "TCP4",
        (IpAddr::V6(_), IpAddr::V6(_)) => "TCP6",
        _ => return "PROXY UNKNOWN\r\n".to_owned(),
    };
    format!("PROXY {family} {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port())
}

/// Whether this reply, after so long a silence, is that of a server that waited for the header.
///
/// Postfix says nothing for 5 s and then 421, whose text is also that of other faults, which show
/// at once (measured with 3.7.11). Exim greets and refuses EHLO and HELO by name; Haraka names it,
/// too. Dovecot hangs up without a word, which proves nothing.
#[must_use]
pub fn is_waited_for(reply: &str, silence: Duration) -> bool {
    let reply = reply.to_ascii_lowercase();
    let waited = silence >= Duration::from_millis(4500);
    (waited && reply.starts_with("421") && reply.contains("server local error"))
        || reply.contains("proxy negotiation failed")
        || reply.contains("proxy timed out")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{header, is_waited_for};

    #[test]
    fn the_header_names_both_ends() {
        for (from, to, expected) in [
            ("127.0.81.1:40000", "127.0.81.2:25", "PROXY TCP4 127.0.81.1 127.0.81.2 40000 25\r\n"),
            ("[::1]:40000", "[2001:db8::7]:465", "PROXY TCP6 ::1 2001:db8::7 40000 465\r\n"),
            ("127.0.0.1:4", "[::1]:25", "PROXY UNKNOWN\r\n"),
        ] {
            assert_eq!(header(from.parse().unwrap(), to.parse().unwrap()), expected);
        }
    }

    #[test]
    fn only_evidence_makes_a_listener_one_that_waits_for_the_header() {
        for (reply, seconds, expected) in [
            ("421 4.3.0 mx.example.org Server local error", 5, true),
            ("421 4.3.0 mx.example.org Server local error", 1, false),
            ("421 4.7.0 too many connections", 6, false),
            ("503 Command refused, required Proxy negotiation failed", 3, true),
            ("421 PROXY timed out", 30, true),
            ("220 hello", 6, false),
        ] {
            assert_eq!(is_waited_for(reply, Duration::from_secs(seconds)), expected, "{reply}");
        }
    }
}
