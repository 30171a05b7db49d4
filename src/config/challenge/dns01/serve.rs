//! `[challenge.dns-01.serve]`: our own name server for delegated names.

use std::net::SocketAddr;

use crate::config::fault::Trouble;
use crate::config::raw::{self, Table};
use crate::config::value;
use crate::model::Hostname;

/// `[challenge.dns-01.serve]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serve {
    /// What the server is called: the target of the NS records that delegate to it.
    pub name: Hostname,
    /// The zone into which aliases at `_acme-challenge` lead; `None` where each of those names is
    /// delegated by itself.
    pub zone: Option<Hostname>,
    /// Where it listens, UDP and TCP.
    pub listen: Vec<SocketAddr>,
}

pub(super) fn serve(table: &Table<'_>) -> Option<Serve> {
    for (key, example) in [("name", "\"acme-dns.example.org\""), ("listen", "[\"192.0.2.7:53\"]")] {
        if table.value(key).is_none() && !table.misspelt(key, raw::SERVE) {
            let expected = format!("expected `{key} = {example}` below");
            let trouble = Trouble::new(format!("`{key}` is missing"), expected);
            table.log.missing(Some(table.span.clone()), trouble);
        }
    }
    let name = table.text("name", value::host);
    let zone = table.text("zone", value::host);
    if let (Some(name), Some(zone), Some(value)) = (&name, &zone, table.value("name"))
        && name.is_within(zone)
    {
        let trouble = Trouble::new(
            format!("`{name}` is within the zone `{zone}`"),
            "expected a name that others answer for",
        );
        value.wrong(trouble.help("its address is asked for while this server is not running"));
    }
    let listen = table.some_texts("listen", |text| {
        let socket = value::socket(text, 53)?;
        match socket.ip().is_unspecified() {
            false => Ok(socket),
            true => Err(Trouble::new(
                format!("`{socket}` is no single address"),
                "expected the addresses of this machine at which it is asked",
            )
            .help("answers must come from the address that was asked; see `ip address`")),
        }
    });
    let listen = listen?.into_iter().map(|(socket, _)| socket).collect();
    Some(Serve { name: name?, zone, listen })
}
