//! What somebody else has to cure: one sentence that says who must do what.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::case::Case;
use crate::mail::{Ca, tls};
use crate::plan::world_with;

#[test]
fn a_caa_record_in_the_way_comes_with_the_record_to_publish() {
    let case = machine("127.0.33.21", LIMIT, "mx1.example.org CAA 0 issue \"other.example\"");
    let said = told(&case);
    let sentence = "mx1.example.org: the CAA set at mx1.example.org (`0 issue \"other.example\"`) \
                    does not name ca.test: whoever keeps that zone has to publish \
                    `mx1.example.org. CAA 0 issue \"ca.test\"`";
    assert!(said.contains(sentence), "{said}");
}

#[test]
fn a_wrong_answer_on_port_80_names_the_server_that_gives_it() {
    let case = machine("127.0.33.22", LIMIT, "");
    serve(TcpListener::bind("127.0.33.22:80").unwrap(), None, |_, _| {
        "HTTP/1.1 403 Forbidden\r\nserver: nginx\r\ncontent-length: 0\r\n\r\n".to_owned()
    });
    let said = told(&case);
    let sentence = "mx1.example.org: another server (Server: nginx) answers at 127.0.33.22:80 with \
                    403 Forbidden instead of the token, and the CA would get the same: whoever \
                    keeps that server, on this machine, has to serve /.well-known/acme-challenge/";
    assert!(said.contains(sentence), "{said}");
}

#[test]
fn a_rate_limit_is_waited_for_until_a_moment() {
    // The preflight is content: the web server shows what is asked for.
    let case = machine("127.0.33.23", LIMIT, "");
    let root = case.path("www");
    shows("127.0.33.23:80", root);
    let said = told(&case);
    let sentence = "the CA's limit is reached: too many certificates already issued \
                    (urn:ietf:params:acme:error:rateLimited); it is for nobody to do anything but \
                    wait: `mailcert run` tries again at TIME";
    assert!(said.contains(sentence), "{said}");
}

/// A web server that shows what lies below a directory.
pub(crate) fn shows(at: &str, root: PathBuf) {
    serve(TcpListener::bind(at).unwrap(), None, move |path, _| {
        let body = std::fs::read_to_string(format!("{}{path}", root.display())).unwrap_or_default();
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    });
}

/// The answer to an order.
const LIMIT: &str = "HTTP/1.1 429 Too Many\r\nreplay-nonce: n\r\nretry-after: 86400\r\n\
    content-type: application/problem+json\r\n";
const LIMITED: &str = r#"{"type":"urn:ietf:params:acme:error:rateLimited",
    "detail":"too many certificates already issued"}"#;

/// A machine at `address` with a CA that answers orders so, and more lines of DNS.
fn machine(address: &str, order: &'static str, zone: &str) -> Case {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("https://{}", listener.local_addr().unwrap());
    let ca = Ca::new();
    let (chain, key) = ca.issue(&["127.0.0.1"], 80);
    let own = at.clone();
    serve(listener, Some(tls(chain[..1].to_vec(), &key)), move |path, _| {
        let whole =
            |head: &str, body: &str| format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        let ok = "HTTP/1.1 200 OK\r\nreplay-nonce: n\r\n";
        match path {
            "/dir" => whole(
                ok,
                &format!(
                    r#"{{"newNonce":"{own}/nonce","newAccount":"{own}/account",
                    "newOrder":"{own}/order","meta":{{"caaIdentities":["ca.test"]}}}}"#
                ),
            ),
            "/account" => {
                let head = "HTTP/1.1 201 Created\r\nreplay-nonce: n\r\nlocation: ";
                whole(&format!("{head}{own}/account/1\r\n"), "{}")
            }
            "/order" => whole(order, LIMITED),
            _ => whole(ok, ""),
        }
    });
    let case = world_with("")
        .file("ca.pem", &ca.pem())
        .zone(&format!("example.org MX 10 mx1.example.org\nmx1.example.org A {address}\n{zone}"));
    case.whole_config(&format!(
        "[acme]\ndirectory = \"{at}/dir\"\nca-file = \"{{dir}}/ca.pem\"\nagree-to-terms = true\n\
         [challenge.http-01]\nwebroot = \"{{dir}}/www\"\n[dns]\nservers = [\"{{dns}}\"]\n\
         [state]\ndirectory = \"{{dir}}/state\"\n[machine]\naddresses = [\"{address}\"]\n\
         [discover]\nguesses = false\n[[domain]]\nname = \"example.org\"\n\
         [[exim]]\nbinary = \"{{dir}}/bin/exim4\"\ndirectory = \"{{dir}}/tls\"\n"
    ))
    .file("www/.well-known/acme-challenge/.keep", "")
}

/// What `fix` says at its end below its heading, in one line.
fn told(case: &Case) -> String {
    let ran = case.run("fix --yes");
    assert_eq!(ran.code, 1, "{ran:?}");
    let heading = "For somebody else to cure:";
    let (_, said) = ran.stdout.rsplit_once(heading).unwrap_or_else(|| panic!("{ran:?}"));
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Answers every request by its path and body, over TLS where there is a certificate, until the
/// process ends.
pub(crate) fn serve(
    listener: TcpListener,
    config: Option<Arc<ServerConfig>>,
    answer: impl Fn(&str, &[u8]) -> String + Send + Sync + 'static,
) {
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, answer) = (config.clone(), Arc::clone(&answer));
            // A client that hangs up is not a failure of the server.
            std::thread::spawn(move || match config {
                Some(config) => {
                    let tls = ServerConnection::new(config).unwrap();
                    converse(StreamOwned::new(tls, stream), &*answer).ok()
                }
                None => converse(stream, &*answer).ok(),
            });
        }
    });
}

fn converse(
    stream: impl Read + Write,
    answer: &dyn Fn(&str, &[u8]) -> String,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if stream.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            match line.trim().to_lowercase().split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse().unwrap_or(0),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let path = first.split(' ').nth(1).unwrap_or_default();
        stream.get_mut().write_all(answer(path, &body).as_bytes())?;
        stream.get_mut().flush()?;
    }
}
