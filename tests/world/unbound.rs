//! Unbound, the resolver of a world whose zone is signed, which it validates, or delegates to others.

use std::process::Command;

use crate::world::{World, knot, text};

pub(crate) fn start(world: &mut World) {
    let directory = world.directory_of("unbound", "unbound:unbound", 0o755);
    let (directory, address) = (text(&directory), world.block.address(54));
    let knot = world.block.address(53);
    let signed = world.wish.signed;
    let anchors = if signed { knot::trust_anchors(world) } else { Vec::new() };
    let anchors: String =
        anchors.iter().map(|anchor| format!("  trust-anchor: \"{anchor}\"\n")).collect();
    let modules = if signed { "validator iterator" } else { "iterator" };
    let config = format!(
        r#"server:
  interface: {address}@53
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  do-ip6: no
  chroot: ""
  username: ""
  directory: "{directory}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
  infra-host-ttl: 1
  module-config: "{modules}"
  qname-minimisation: no
  local-zone: "test." nodefault
{anchors}remote-control:
  control-enable: no
stub-zone:
  name: test.
  stub-addr: {knot}@53
"#
    );
    let config = world.write("unbound/unbound.conf", &config, 0o644);
    let mut command = Command::new("unbound");
    let command = command.args(["-d", "-p", "-c"]).arg(config);
    let pid = world.daemons.start(command, "unbound.log", None);
    world.write("unbound.pid", &pid.to_string(), 0o644);
    world.daemons.wait(address, &[53]);
}
