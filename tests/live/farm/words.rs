//! What a good mail server says, in each protocol.

use mailcert::model::Service;

/// Before TLS or inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Before TLS.
    Plain = 0,
    /// Inside TLS.
    Inside = 1,
}

/// What is offered before TLS and inside it.
pub(crate) fn offers(service: Service) -> [Vec<String>; 2] {
    let [plain, inside]: [&[&str]; 2] = match service {
        Service::Smtp => {
            [&["PIPELINING", "SIZE 10485760", "STARTTLS", "8BITMIME"], &["PIPELINING", "8BITMIME"]]
        }
        Service::Submission | Service::Submissions => [
            &["PIPELINING", "SIZE 10485760", "STARTTLS", "8BITMIME"],
            &["PIPELINING", "SIZE 10485760", "AUTH PLAIN LOGIN", "8BITMIME"],
        ],
        Service::Imap | Service::Imaps => {
            [&["IMAP4rev1", "STARTTLS", "LOGINDISABLED"], &["IMAP4rev1", "AUTH=PLAIN"]]
        }
        Service::Pop3 | Service::Pop3s => [&["UIDL", "STLS"], &["UIDL", "SASL PLAIN"]],
        Service::Sieve => [
            &["\"IMPLEMENTATION\" \"farm\"", "\"SASL\" \"\"", "\"STARTTLS\""],
            &["\"IMPLEMENTATION\" \"farm\"", "\"SASL\" \"PLAIN\""],
        ],
    };
    [plain, inside].map(|offers| offers.iter().map(|offer| (*offer).to_owned()).collect())
}

/// The tag (IMAP has one) and the command in upper case.
pub(crate) fn command(service: Service, line: &str) -> (String, String) {
    let mut words = line.split_ascii_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let tag = match service {
        Service::Imap | Service::Imaps => word(),
        _ => String::new(),
    };
    (tag, word().to_ascii_uppercase())
}

/// Whether TLS begins behind this reply.
pub(crate) fn is_go_ahead(reply: &str) -> bool {
    let first = reply.lines().next().unwrap_or_default();
    first.starts_with("220") || first.starts_with("+OK") || first.contains("OK")
}

/// The reply to a command, or `GREETING`.
pub(crate) fn reply(service: Service, command: &str, offers: &[String]) -> String {
    match service {
        Service::Imap | Service::Imaps => imap(command, offers),
        Service::Pop3 | Service::Pop3s => pop(command, offers),
        Service::Sieve => sieve(command, offers),
        Service::Smtp | Service::Submission | Service::Submissions => smtp(command, offers),
    }
}

fn smtp(command: &str, offers: &[String]) -> String {
    let has = |word: &str| {
        let first = |offer: &String| {
            offer.split([' ', '=']).next().is_some_and(|first| first.eq_ignore_ascii_case(word))
        };
        offers.iter().any(first)
    };
    match command {
        "GREETING" => "220 {host} ESMTP farm\r\n".to_owned(),
        "EHLO" => {
            let mut lines = vec!["{host}".to_owned()];
            lines.extend(offers.iter().cloned());
            let last = lines.len() - 1;
            let line = |(at, line): (usize, &String)| {
                format!("250{}{line}\r\n", if at == last { ' ' } else { '-' })
            };
            lines.iter().enumerate().map(line).collect()
        }
        "HELO" => "250 {host}\r\n".to_owned(),
        "STARTTLS" if has("STARTTLS") => "220 2.0.0 Ready to start TLS\r\n".to_owned(),
        "NOOP" | "RSET" => "250 2.0.0 Ok\r\n".to_owned(),
        "QUIT" => "221 2.0.0 Bye\r\n".to_owned(),
        _ => "502 5.5.2 Error: command not recognized\r\n".to_owned(),
    }
}

fn imap(command: &str, offers: &[String]) -> String {
    let offers = offers.join(" ");
    match command {
        "GREETING" => format!("* OK [CAPABILITY {offers}] {{host}} ready\r\n"),
        "CAPABILITY" => format!("* CAPABILITY {offers}\r\n{{tag}} OK done\r\n"),
        "STARTTLS" if offers.contains("STARTTLS") => "{tag} OK begin TLS\r\n".to_owned(),
        "NOOP" => "{tag} OK done\r\n".to_owned(),
        "LOGOUT" => "* BYE logging out\r\n{tag} OK done\r\n".to_owned(),
        _ => "{tag} BAD unknown\r\n".to_owned(),
    }
}

fn pop(command: &str, offers: &[String]) -> String {
    match command {
        "GREETING" => "+OK {host} ready\r\n".to_owned(),
        "CAPA" => format!("+OK\r\n{}\r\n.\r\n", offers.join("\r\n")),
        "STLS" if offers.iter().any(|offer| offer == "STLS") => "+OK begin TLS\r\n".to_owned(),
        "NOOP" => "+OK\r\n".to_owned(),
        "QUIT" => "+OK bye\r\n".to_owned(),
        _ => "-ERR unknown\r\n".to_owned(),
    }
}

fn sieve(command: &str, offers: &[String]) -> String {
    match command {
        "GREETING" | "CAPABILITY" => {
            format!("{}\r\nOK \"{{host}} ready\"\r\n", offers.join("\r\n"))
        }
        "STARTTLS" if offers.iter().any(|offer| offer == "\"STARTTLS\"") => {
            "OK \"begin TLS\"\r\n".to_owned()
        }
        "NOOP" => "OK\r\n".to_owned(),
        "LOGOUT" => "OK \"bye\"\r\n".to_owned(),
        _ => "NO \"unknown\"\r\n".to_owned(),
    }
}
