//! The lines by which a web server passes the CA's question on to mailcert.

use std::net::SocketAddr;

use crate::model::WebServer;

/// The lines for one web server, with what to do with them.
#[must_use]
pub fn forwarding(server: WebServer, at: SocketAddr) -> String {
    let lines = match server {
        WebServer::Nginx => include_str!("../../templates/web/nginx.conf"),
        WebServer::Apache => include_str!("../../templates/web/apache.conf"),
        WebServer::Caddy => include_str!("../../templates/web/caddy.conf"),
    };
    lines.replace("{at}", &at.to_string())
}
