//! Pebble, the test CA.

use std::fs;
use std::process::Command;

use crate::world::{World, daemons::run, papers, text};

pub(crate) fn start(world: &mut World) {
    let address = world.block.address(14);
    let (chain, key) = (world.path("ca-https.pem"), world.path("ca-https.key"));
    papers::for_address(address, &chain, &key);
    let refused: Vec<String> = world.wish.refused.iter().map(|name| format!("{name:?}")).collect();
    let config = format!(
        r#"{{"pebble": {{
  "listenAddress": "{address}:14000", "managementListenAddress": "{address}:15000",
  "certificate": "{}", "privateKey": "{}", "httpPort": 80, "tlsPort": 443,
  "externalAccountBindingRequired": false, "domainBlocklist": [{}]
}}}}"#,
        text(&chain),
        text(&key),
        refused.join(", ")
    );
    let config = world.write("pebble.json", &config, 0o644);
    let mut command = Command::new("pebble");
    command
        .arg("-config")
        .arg(config)
        .args(["-strict=false", "-dnsserver", &format!("{}:53", world.block.address(53))])
        .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")])
        .env("PEBBLE_AUTHZREUSE", "0");
    world.daemons.start(&mut command, "pebble.log", None);
    world.daemons.wait(address, &[14000, 15000]);
    let root = root(text(&chain), &format!("{address}:15000"));
    fs::write(world.path("roots.pem"), root).expect("write it");
}

/// The root of what it issues, made anew at each start.
fn root(ca_file: &str, management: &str) -> String {
    let ask = format!(
        "printf 'GET /roots/0 HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -ign_eof \
         -verify_return_error -CAfile {ca_file} -connect {management} 2>/dev/null"
    );
    let said = run("sh", &["-c", &ask]);
    let start = said.find("-----BEGIN").unwrap_or_else(|| panic!("no root: {said}"));
    said[start..].to_owned()
}
