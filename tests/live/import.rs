//! Certificates that certbot holds are shown instead of ordered, and its renewals are taken.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use crate::clients::{everything_verifies, names, shown};
use crate::fix::{a_run_after_it_does_nothing, fix};
use crate::mailcert::steps;
use crate::world::{Exim, Wish, World, text};

#[test]
#[ignore = "needs root and mail servers; tests/run runs it"]
fn what_certbot_holds_is_shown_without_an_order_and_its_renewal_is_taken() {
    let world = World::start(Wish { exim: Exim::Combined, ..Wish::default() });
    for (lineage, address) in
        [("mail.alpha.test", world.postfix()), ("mx.gamma.test", world.exim())]
    {
        let own = names(&world).into_iter().filter(|(_, own)| *own == address);
        let hosts: Vec<&str> = own.map(|(name, _)| name).collect();
        let hosts = hosts.join(",");
        let new = ["certonly", "--cert-name", lineage, "-d", &hosts];
        certbot(&world, address, &new);
    }
    let live = world.path("letsencrypt/live");
    let table = format!("[source.files]\npaths = [\"{}\"]\n\n[dns]\n", text(&live));
    world.reconfigure("[dns]\n", &table);
    let ordered = orders(&world);
    assert_eq!(ordered, 2, "certbot's own");

    let plan = world.mailcert(&["plan", "--json"]).exits(3).json();
    let word = |wanted: &str| steps(&plan).into_iter().filter(|step| step.0 == wanted).count();
    assert_eq!((word("adopt"), word("issue")), (2, 0), "{plan}");
    fix(&world);
    a_run_after_it_does_nothing(&world);

    let before = shown(&world);
    certbot(&world, world.postfix(), &["renew", "--cert-name", "mail.alpha.test"]);
    let ordered_by_certbot = orders(&world);
    assert_eq!(ordered_by_certbot, ordered + 1);
    let answer = world.mailcert(&["run", "--json"]).exits(0).json();
    let adopted: Vec<String> = steps(&answer)
        .into_iter()
        .filter(|step| step.0 == "adopt")
        .map(|(_, subject)| subject)
        .collect();
    assert_eq!(adopted, ["mail.alpha.test.certbot"], "{answer}");
    everything_verifies(&world);
    for (old, new) in before.iter().zip(&shown(&world)) {
        let renewed = ["alpha.test", "beta.test"].iter().any(|domain| old.0.ends_with(domain));
        assert_eq!(old.2 != new.2, renewed, "{} on {}", old.0, old.1);
    }
    a_run_after_it_does_nothing(&world);
    assert_eq!(orders(&world), ordered_by_certbot, "mailcert ordered");

    // Gone before it is read: what is held goes on being shown, and nothing is ordered.
    std::fs::remove_dir_all(&live).unwrap();
    let ran = world.mailcert(&["run"]).exits(0).says("source-unusable");
    everything_verifies(&world);
    assert_eq!(orders(&world), ordered_by_certbot, "{ran}");
}

/// Runs certbot, which answers the CA by itself on port 80 of this address.
fn certbot(world: &World, address: Ipv4Addr, arguments: &[&str]) {
    let own = |name: &str| text(&world.path(&format!("letsencrypt{name}"))).to_owned();
    let address = address.to_string();
    let output = Command::new("certbot")
        .args(arguments)
        .args(["--standalone", "--http-01-address", &address, "--server", &world.ca()])
        .args(["--config-dir", &own(""), "--work-dir", &own("/work"), "--logs-dir", &own("/log")])
        .args(["--non-interactive", "--agree-tos", "--register-unsafely-without-email"])
        .args(["--force-renewal", "--no-random-sleep-on-renew"])
        .env("REQUESTS_CA_BUNDLE", world.path("ca-https.pem"))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("certbot: {error}; tests/run installs it"));
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "certbot {arguments:?}: {}", said.concat());
}

/// How many orders the CA has got.
fn orders(world: &World) -> usize {
    world.ca_log().lines().filter(|line| line.contains("POST /order-plz")).count()
}
