//! Proof by programs that are not ours: OpenSSL, GnuTLS and Postfix's own client. They are
//! judged by their words, since their exit codes lie.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use crate::world::{World, text};

/// The ports on which every name is to show its certificate, and how their TLS begins.
pub(crate) const PORTS: &[(u16, Option<&str>)] =
    &[(25, Some("smtp")), (587, Some("smtp")), (465, None), (143, Some("imap")), (993, None)];

/// The names of the world: whose they are is seen by the address.
pub(crate) fn names(world: &World) -> Vec<(&'static str, Ipv4Addr)> {
    let (one, two) = (world.postfix(), world.exim());
    vec![
        ("mx.alpha.test", one),
        ("mail.alpha.test", one),
        ("mail.beta.test", one),
        ("mx.gamma.test", two),
        ("mail.gamma.test", two),
        ("mail.delta.test", two),
    ]
}

/// What OpenSSL sees: the certificate shown if it verifies for the name, else what it says.
pub(crate) fn openssl(
    world: &World,
    address: Ipv4Addr,
    (port, starttls): (u16, Option<&str>),
    sni: Option<&str>,
    name: &str,
) -> Result<String, String> {
    openssl_with(&[], world, address, (port, starttls), sni, name)
}

/// The same for a client with further options.
pub(crate) fn openssl_with(
    options: &[&str],
    world: &World,
    address: Ipv4Addr,
    (port, starttls): (u16, Option<&str>),
    sni: Option<&str>,
    name: &str,
) -> Result<String, String> {
    let roots = world.path("roots.pem");
    let peer = format!("{address}:{port}");
    let mut arguments = vec!["s_client", "-connect", &peer, "-verify_return_error", "-ign_eof"];
    arguments.extend(["-verify_hostname", name, "-CAfile", text(&roots)]);
    arguments.extend(["-no-CApath", "-no-CAstore"]);
    arguments.extend(options);
    arguments.extend(sni.iter().flat_map(|sni| ["-servername", sni]));
    arguments.extend(sni.is_none().then_some("-noservername"));
    arguments.extend(starttls.iter().flat_map(|protocol| ["-starttls", protocol]));
    let said = ask("openssl", &arguments, farewell(port), &[]);
    let good = said.contains("Verification: OK") && said.contains("Verify return code: 0 (ok)");
    if !good || !said.contains("Verified peername: ") {
        return Err(said);
    }
    let start = said.find("-----BEGIN CERTIFICATE").ok_or_else(|| said.clone())?;
    let end = said[start..].find("-----END").ok_or_else(|| said.clone())?;
    Ok(said[start..start + end].to_owned())
}

/// Whether GnuTLS trusts what is shown.
pub(crate) fn gnutls(
    world: &World,
    address: Ipv4Addr,
    (port, starttls): (u16, Option<&str>),
    sni: Option<&str>,
    name: &str,
) -> Result<(), String> {
    let roots = world.path("roots.pem");
    let (address, port_word) = (address.to_string(), port.to_string());
    let mut arguments = vec!["--port", &port_word, "--x509cafile", text(&roots)];
    arguments.extend(["--verify-hostname", name]);
    arguments.extend(sni.iter().flat_map(|sni| ["--sni-hostname", sni]));
    arguments.extend(sni.is_none().then_some("--disable-sni"));
    arguments.extend(starttls.iter().flat_map(|protocol| ["--starttls-proto", protocol]));
    arguments.push(&address);
    let said = ask("gnutls-cli", &arguments, farewell(port), &[]);
    let good = said.contains("- Status: The certificate is trusted.")
        && said.contains("- Handshake was completed");
    if good { Ok(()) } else { Err(said) }
}

/// Whether Postfix's client verifies what is shown; for the SMTP ports.
pub(crate) fn posttls(
    world: &World,
    address: Ipv4Addr,
    (port, starttls): (u16, Option<&str>),
    sni: Option<&str>,
    name: &str,
) -> Result<(), String> {
    let roots = world.path("roots.pem");
    let peer = format!("[{address}]:{port}");
    let mut arguments = vec!["-c", "-l", "verify", "-F", text(&roots)];
    arguments.extend(sni.iter().flat_map(|sni| ["-s", sni]));
    arguments.extend(starttls.is_none().then_some("-w"));
    arguments.extend([peer.as_str(), name]);
    let settings = world.path("postfix/etc");
    let said = ask("posttls-finger", &arguments, "", &[("MAIL_CONFIG", text(&settings))]);
    if said.contains("Verified TLS connection established") { Ok(()) } else { Err(said) }
}

/// Every name on every port with every client, with SNI: what is wrong, in one text.
pub(crate) fn everything_verifies(world: &World) {
    let wrong = for_each_name(world, |name, address| {
        let mut wrong = String::new();
        for &port in PORTS {
            let sni = Some(name);
            let mut note = |client: &str, answer: Result<(), String>| {
                if let Err(said) = answer {
                    wrong += &format!("=== {name} on {address}:{} by {client}\n{said}\n", port.0);
                }
            };
            note("openssl", openssl(world, address, port, sni, name).map(drop));
            note("gnutls-cli", gnutls(world, address, port, sni, name));
            if matches!(port.0, 25 | 465 | 587) {
                note("posttls-finger", posttls(world, address, port, sni, name));
            }
        }
        wrong
    })
    .concat();
    assert!(wrong.is_empty(), "{wrong}");
}

/// The certificate each name shows on each port, or nothing where it does not verify.
pub(crate) fn shown(world: &World) -> Vec<(&'static str, u16, Option<String>)> {
    let of_name = |name, address| {
        let show = |&port: &(u16, Option<&str>)| {
            (name, port.0, openssl(world, address, port, Some(name), name).ok())
        };
        PORTS.iter().map(show).collect::<Vec<_>>()
    };
    for_each_name(world, of_name).concat()
}

/// Asks for all names at once; the answers come in the order of [`names`].
pub(crate) fn for_each_name<T: Send>(
    world: &World,
    ask: impl Fn(&'static str, Ipv4Addr) -> T + Sync,
) -> Vec<T> {
    let ask = &ask;
    std::thread::scope(|scope| {
        let threads: Vec<_> = names(world)
            .into_iter()
            .map(|(name, address)| scope.spawn(move || ask(name, address)))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("it asked")).collect()
    })
}

fn farewell(port: u16) -> &'static str {
    match port {
        143 | 993 => "a logout\r\n",
        _ => "QUIT\r\n",
    }
}

/// Runs a client with a deadline and returns all it says.
fn ask(program: &str, arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> String {
    let mut child = Command::new("timeout")
        .args(["20", program])
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("timeout {program}: {error}; tests/run installs it"));
    // A client that gave up does not read it.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
