//! `[challenge]`: how the CA is shown that a name is ours, and which ways are still to come.

use super::fault::Trouble;
use super::raw::{self, Table};
use super::{Dns01, Http01, value};

pub(super) mod dns01;

/// `[challenge]`. The kinds still to come are left alone beside one that there is, but alone they
/// say that http-01 is not wanted, or would not work.
pub(super) fn challenges(root: &Table<'_>) -> (Option<Http01>, Option<Dns01>) {
    let Some(challenge) = root.table("challenge", raw::CHALLENGE) else { return (None, None) };
    let http01 = challenge.value("http-01").is_some();
    let mut others = Vec::new();
    if let Some(table) = challenge.any_table("challenge.tls-alpn-01") {
        others.push(("tls-alpn-01".to_owned(), table.span));
    }
    let mut updates = None;
    if let Some(table) = challenge.table("challenge.dns-01", raw::DNS_01) {
        updates = dns01::dns01(&table, !http01);
    }
    for (name, span) in others {
        let message = format!("`[challenge.{name}]` is not available yet");
        match (http01, &updates) {
            (false, None) => root.log.missing(
                Some(span),
                Trouble::new(message, "expected `[challenge.http-01]`, at least beside it"),
            ),
            (true, None) => {
                root.log.note(Some(span), Trouble::new(message, "only http-01 is used for now"));
            }
            (_, Some(_)) => {
                let label = "only http-01 and dns-01 are used for now";
                root.log.note(Some(span), Trouble::new(message, label));
            }
        }
    }
    (challenge.table("challenge.http-01", raw::HTTP_01).and_then(|table| answer(&table)), updates)
}

fn answer(table: &Table<'_>) -> Option<Http01> {
    let listen = table.some_texts("listen", |text| value::socket(text, 80));
    let webroot = table.text("webroot", value::path);
    if let (Some(first), Some(second)) = (table.key("listen"), table.key("webroot")) {
        let (later, earlier) =
            if first.start < second.start { (second, "listen") } else { (first, "webroot") };
        table.log.wrong(
            later,
            Trouble::new("both `listen` and `webroot` are there", "expected one of them").help(
                format!(
                    "`{earlier}` stands in line {}",
                    table.key(earlier).map_or(0, |key| table.log.source.line(key.start))
                ),
            ),
        );
    }
    let mut sockets = Vec::new();
    for (socket, value) in listen.unwrap_or_default() {
        if sockets.contains(&socket) {
            value.wrong(Trouble::new(format!("`{socket}` stands twice"), "expected each once"));
        }
        sockets.push(socket);
    }
    match webroot {
        Some(directory) => Some(Http01::Webroot(directory)),
        None => (!sockets.is_empty()).then_some(Http01::Listen(sockets)),
    }
}
