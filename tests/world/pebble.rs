//! Pebble, the test CA.

use std::fs;
use std::process::Command;

use crate::world::{World, daemons::run, papers, text, trixie};

pub(crate) fn start(world: &mut World) {
    let (chain, key) = (world.path("ca-https.pem"), world.path("ca-https.key"));
    papers::for_address(world.block.address(14), &chain, &key);
    let root = serve(world, "pebble", 14000);
    fs::write(world.path("roots.pem"), root).expect("write it");
}

/// Another CA beside it, whose root nobody knows; the root.
pub(crate) fn another(world: &mut World) -> String {
    serve(world, "another", 14002)
}

/// A CA at this port, with its management a thousand above; its root.
fn serve(world: &mut World, name: &str, port: u16) -> String {
    let (address, management) = (world.block.address(14), port + 1000);
    let (chain, key) = (world.path("ca-https.pem"), world.path("ca-https.key"));
    // What the first CA refuses another one may issue.
    let refused = world.wish.refused.iter().filter(|_| name == "pebble");
    let refused: Vec<String> = refused.map(|name| format!("{name:?}")).collect();
    let config = format!(
        r#"{{"pebble": {{
  "listenAddress": "{address}:{port}", "managementListenAddress": "{address}:{management}",
  "certificate": "{}", "privateKey": "{}", "httpPort": 80, "tlsPort": 443,
  "externalAccountBindingRequired": false, "domainBlocklist": [{}]
}}}}"#,
        text(&chain),
        text(&key),
        refused.join(", ")
    );
    let config = world.write(&format!("{name}.json"), &config, 0o644);
    let program =
        if world.wish.ari { trixie::place().join("usr/bin/pebble") } else { "pebble".into() };
    // It validates nothing: a signed zone is asked for at its server.
    let at_the_server = format!("{}:53", world.block.address(53));
    let resolver = if world.wish.delegates { world.resolver() } else { at_the_server };
    let mut command = Command::new(program);
    command
        .arg("-config")
        .arg(config)
        .args(["-strict=false", "-dnsserver", &resolver])
        .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")])
        .env("PEBBLE_AUTHZREUSE", "0")
        .env("PEBBLE_ALTERNATE_ROOTS", world.wish.chains.to_string());
    world.daemons.start(&mut command, &format!("{name}.log"), None);
    world.daemons.wait(address, &[port, management]);
    root(text(&chain), &format!("{address}:{management}"))
}

impl World {
    /// What the CA's management interface says.
    pub(crate) fn ask_ca(&self, path: &str) -> String {
        let at = format!("{}:15000", self.block.address(14));
        manage(text(&self.path("ca-https.pem")), &at, path)
    }
}

/// The root of what it issues, made anew at each start.
fn root(ca_file: &str, management: &str) -> String {
    manage(ca_file, management, "/roots/0")
}

fn manage(ca_file: &str, management: &str, path: &str) -> String {
    let ask = format!(
        "printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -ign_eof \
         -verify_return_error -CAfile {ca_file} -connect {management} 2>/dev/null"
    );
    let said = run("sh", &["-c", &ask]);
    let (_, body) =
        said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer of {path}: {said}"));
    body.to_owned()
}
