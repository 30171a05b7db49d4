//! The one sentence, and what is advised.

use expect_test::expect;

use super::{Ca, ask, how, inspection, own, ports, store, tls};
use crate::local::conf::Said;
use crate::local::{Cause, Found, Kind, Local, OpensslRow, Policy, PortRow, Unread, Wanted};
use crate::local::{compose, findings, wanted};
use crate::model::{Code, Stage};
use crate::verify::Shown;

/// One server as this machine sees it.
struct World<'a> {
    host: &'a str,
    problem: Option<(Code, Stage, &'a str)>,
    system: bool,
    java: bool,
    openssl: OpensslRow,
    policy: Policy,
    ports: Vec<PortRow>,
}

impl Default for World<'_> {
    fn default() -> Self {
        Self {
            host: "mx.test",
            problem: None,
            system: true,
            java: true,
            openssl: OpensslRow::default(),
            policy: Policy::default(),
            ports: Vec::new(),
        }
    }
}

impl World<'_> {
    /// `shown`: whether it came to a session. The root of the chain is the one that decides.
    fn local(self, shown: bool) -> Local {
        let (ca, other) = (Ca::until("Test Root", 2030), Ca::until("Other", 2030));
        let held = |has| Ok(vec![if has { ca.der() } else { other.der() }]);
        let stores =
            vec![store(Kind::System, held(self.system)), store(Kind::Java, held(self.java))];
        let mut own = own(stores);
        own.policy = self.policy;
        let ask = ask(self.host, 587, Some("192.0.2.7"));
        let seen = inspection(&ask, self.problem);
        let chain = ca.chain(self.host);
        let shown = shown.then(|| Shown { chain, tls: tls("TLSv1.2") });
        let found = Found { shown, openssl: self.openssl, ports: self.ports };
        let wanted = Wanted { ask: &ask, seen: &seen, unreachable: Vec::new() };
        let decisive = if self.host == "mx.test" { &ca } else { &other };
        compose(&wanted, found, &how(decisive.roots("ca.pem")), &own)
    }
}

fn refuses(why: &str, number: Option<u32>) -> OpensslRow {
    OpensslRow {
        version: Some("OpenSSL 3.0.19".to_owned()),
        accepts: Some(false),
        verify_error: number,
        why: Some(why.to_owned()),
        ..OpensslRow::default()
    }
}

fn said(value: &str) -> Option<Said> {
    Some(Said { value: value.to_owned(), at: "openssl.cnf:7".to_owned() })
}

fn told(local: &Local) -> String {
    let mut text = format!("{:?}: {}\n", local.cause, local.sentence);
    for advice in &local.advice {
        text.push_str(&format!("  {}: {}\n", advice.what, advice.commands.join("; ")));
    }
    for finding in findings(local) {
        text.push_str(&format!("  {} {}\n", finding.code, finding.message));
    }
    text
}

#[test]
fn what_this_machine_lacks_is_said_first_and_all_of_it_is_advised() {
    let world = World::default;
    let min = Policy { min_protocol: said("TLSv1.3"), ..Policy::default() };
    let all = [
        world(),
        World { system: false, ..world() },
        World { java: false, ..world() },
        World { system: false, java: false, ..world() },
        World { policy: min, openssl: refuses("tlsv1 alert protocol version", None), ..world() },
        World { openssl: refuses("EE certificate key too weak", Some(66)), ..world() },
        World { openssl: refuses("unable to get local issuer certificate", Some(20)), ..world() },
    ];
    let told: Vec<String> = all.into_iter().map(|world| told(&world.local(true))).collect();
    expect![[r#"
        None: all of this machine's own stores accept it

        TrustStore: it is this system's trust store: Test Root is missing
          add the root to this system's trust store (Debian, Ubuntu): cp ROOT.pem /usr/local/share/ca-certificates/ROOT.crt; update-ca-certificates
          add the root to this system's trust store (RHEL, Fedora): cp ROOT.pem /etc/pki/ca-trust/source/anchors/; update-ca-trust extract
          add the root to this system's trust store (Alpine): cp ROOT.pem /usr/local/share/ca-certificates/ROOT.crt; update-ca-certificates
          system-roots-differ this system refuses the chain: Test Root is missing

        TrustStore: it is the trust store of Java 17: Test Root is missing
          add the root to the trust store of Java 17: keytool -importcert -noprompt -storepass changeit -alias ROOT \
          -keystore CACERTS -file ROOT.pem
          system-roots-differ Java 17 refuses the chain: Test Root is missing

        TrustStore: it is this system's trust store: Test Root is missing
          add the root to this system's trust store (Debian, Ubuntu): cp ROOT.pem /usr/local/share/ca-certificates/ROOT.crt; update-ca-certificates
          add the root to this system's trust store (RHEL, Fedora): cp ROOT.pem /etc/pki/ca-trust/source/anchors/; update-ca-trust extract
          add the root to this system's trust store (Alpine): cp ROOT.pem /usr/local/share/ca-certificates/ROOT.crt; update-ca-certificates
          add the root to the trust store of Java 17: keytool -importcert -noprompt -storepass changeit -alias ROOT \
          -keystore CACERTS -file ROOT.pem
          system-roots-differ this system refuses the chain: Test Root is missing
          system-roots-differ Java 17 refuses the chain: Test Root is missing

        Policy: it is this system's TLS policy: MinProtocol = TLSv1.3 (openssl.cnf:7), and the server speaks TLSv1.2 at most
          change that line, or mend the server; MinProtocol = TLSv1.2 and @SECLEVEL=2 are usual: 
          local-policy MinProtocol = TLSv1.3 (openssl.cnf:7), and the server speaks TLSv1.2 at most

        Policy: it is the policy or the age of OpenSSL 3.0.19: EE certificate key too weak
          see what OpenSSL offers, by its own bounds where no file sets them: openssl version -d; openssl ciphers -s -v
          local-policy openssl refuses: EE certificate key too weak

        TrustStore: it is the trust store of OpenSSL 3.0.19: unable to get local issuer certificate
          add the root to this system's trust store (Debian, Ubuntu): cp ROOT.pem /usr/local/share/ca-certificates/ROOT.crt; update-ca-certificates
          add the root to this system's trust store (RHEL, Fedora): cp ROOT.pem /etc/pki/ca-trust/source/anchors/; update-ca-trust extract
          add the root to this system's trust store (Alpine): cp ROOT.pem /usr/local/share/ca-certificates/ROOT.crt; update-ca-certificates
          system-roots-differ openssl refuses: unable to get local issuer certificate
    "#]].assert_eq(&told.join("\n"));
}

#[test]
fn without_a_connection_it_is_the_network() {
    let at = |host: &'static str, code, states: &[(u16, &'static str)]| World {
        host,
        problem: Some((code, Stage::Connect, "nothing")),
        ports: ports(states),
        ..World::default()
    };
    let gmail = "smtp.gmail.com";
    let all = [
        at(gmail, Code::Timeout, &[(587, "blocked"), (465, "open"), (25, "blocked")]),
        at(gmail, Code::Timeout, &[(587, "blocked"), (465, "open"), (25, "open")]),
        at(gmail, Code::Timeout, &[(587, "blocked"), (465, "blocked"), (25, "blocked")]),
        at(gmail, Code::Unreachable, &[(587, "no route"), (465, "no route"), (25, "no route")]),
        at(gmail, Code::ConnectionRefused, &[(587, "refused"), (465, "blocked"), (25, "open")]),
        at("mx.test", Code::ConnectionRefused, &[(587, "refused"), (465, "open"), (25, "open")]),
    ];
    let told: Vec<String> = all.into_iter().map(|world| told(&world.local(false))).collect();
    expect![[r#"
        Network: it is the network: port 587 is blocked, 465 works
          let the program use port 465, with a login: 
          port-blocked it is the network: port 587 is blocked, 465 works

        Network: it is the network: port 587 is blocked, 465 and 25 work
          let the program use port 465, with a login: 
          port-blocked it is the network: port 587 is blocked, 465 and 25 work

        Network: it is the network: port 587 is blocked, and so are 465 and 25
          ask whoever runs the network or its firewall: 
          port-blocked it is the network: port 587 is blocked, and so are 465 and 25

        Network: it is the network: there is no route to port 587, nor to 465 and 25
          ask whoever runs the network or its firewall: 
          port-blocked it is the network: there is no route to port 587, nor to 465 and 25

        Network: it is the network: port 587 is refused, 25 works
          ask whoever runs the network or its firewall: 
          port-blocked it is the network: port 587 is refused, 25 works

        Server: it is the server or a firewall: port 587 is refused, 465 and 25 work
    "#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_port_is_as_its_inspection_found_it() {
    let ask = ask("mx.test", 587, Some("192.0.2.7"));
    for (code, expected) in [
        (Code::Timeout, "blocked"),
        (Code::ConnectionRefused, "refused"),
        (Code::ConnectionClosed, "refused"),
        (Code::Unreachable, "no route"),
    ] {
        let seen = inspection(&ask, Some((code, Stage::Connect, "")));
        assert_eq!(crate::local::cause::state(&seen), expected, "{code}");
    }
}

#[test]
fn with_a_large_provider_a_wrong_answer_is_somebody_on_the_way_or_the_clock() {
    let with = |host: &'static str, code, stage, found: &'static str| World {
        host,
        problem: Some((code, stage, found)),
        ..World::default()
    };
    let gmail = "smtp.gmail.com";
    let all = [
        (with(gmail, Code::NoStarttls, Stage::Starttls, "250-XXXXXXXA"), false),
        (with(gmail, Code::UntrustedRoot, Stage::Chain, "CN=Test Root"), true),
        (with(gmail, Code::Expired, Stage::Dates, "ended"), true),
        (with(gmail, Code::Timeout, Stage::Greeting, "no answer"), false),
        (with("mx.test", Code::NoStarttls, Stage::Starttls, "250 HELP"), false),
        (with("mx.test", Code::NameMismatch, Stage::Name, "other.test"), true),
        (with("mx.test", Code::UntrustedRoot, Stage::Chain, "CN=Test Root"), true),
        (with("mx.test", Code::ProtocolTooOld, Stage::Handshake, "an older version"), false),
    ];
    let told: Vec<String> =
        all.into_iter().map(|(world, shown)| told(&world.local(shown))).collect();
    expect![[r#"
        Network: it is the network: something on the way takes STARTTLS out of the conversation (firewall, virus scanner)
          ask whoever runs the network or its firewall: 

        Network: it is the network: something on the way answers in its place, with a certificate of Test Root
          ask whoever runs the network or its firewall: 

        Clock: it is this machine's clock, or the server: it is 2026-06-01T00:00:00Z here
          look at the clock: timedatectl status

        Network: it is the network: the connection breaks off, no answer
          ask whoever runs the network or its firewall: 

        Server: it is the server: no-starttls, 250 HELP

        Server: it is the server: name-mismatch, whoever looks (see above)

        None: this system trusts it, by Test Root, which public senders do not know

        Server: it is the version: the server speaks an older version
    "#]].assert_eq(&told.join("\n"));
}

#[test]
fn a_name_that_leads_nowhere_is_the_dns() {
    let ask = ask("smtp.gmail.com", 587, None);
    let problem = (Code::DnsFailure, Stage::Connect, "A of smtp.gmail.com: SERVFAIL");
    let seen = inspection(&ask, Some(problem));
    let wanted = Wanted { ask: &ask, seen: &seen, unreachable: Vec::new() };
    let found = Found { shown: None, openssl: OpensslRow::default(), ports: Vec::new() };
    let roots = Ca::until("Test Root", 2030).roots("ca.pem");
    let local = compose(&wanted, found, &how(roots), &own(Vec::new()));
    assert_eq!(local.cause, Cause::Dns);
    expect![[r#"
        Dns: it is the DNS: A of smtp.gmail.com: SERVFAIL
          ask the resolver of this machine, and another: getent ahosts smtp.gmail.com; mailcert verify --dns 9.9.9.9:53 smtp.gmail.com:587
    "#]].assert_eq(&told(&local));
}

#[test]
fn a_store_that_could_not_be_read_is_no_refusal() {
    let ca = Ca::until("Test Root", 2030);
    let unread = Err(Unread::Unknown("keytool is not installed".to_owned()));
    let stores = vec![store(Kind::System, Ok(vec![ca.der()])), store(Kind::Java, unread)];
    let ask = ask("mx.test", 587, Some("192.0.2.7"));
    let seen = inspection(&ask, None);
    let wanted = Wanted { ask: &ask, seen: &seen, unreachable: Vec::new() };
    let shown = Some(Shown { chain: ca.chain("mx.test"), tls: tls("TLSv1.3") });
    let found = Found { shown, openssl: OpensslRow::default(), ports: Vec::new() };
    let local = compose(&wanted, found, &how(ca.roots("ca.pem")), &own(stores));
    assert_eq!(local.cause, Cause::None);
    assert_eq!(local.sentence, "this machine's own stores accept it; 1 could not be read");
    assert!(findings(&local).is_empty());
}

#[test]
fn each_host_and_port_is_looked_at_once_where_it_answers() {
    let asks = [
        ask("smtp.gmail.com", 587, Some("2001:db8::1")),
        ask("smtp.gmail.com", 587, Some("192.0.2.7")),
        ask("smtp.office365.com", 25, Some("192.0.2.6")),
        ask("mx.test", 25, Some("192.0.2.8")),
        ask("aspmx.l.google.com", 25, Some("192.0.2.9")),
    ];
    let mut asks = asks.to_vec();
    // Typed without a port, it is a domain of its own.
    asks[2].domain = Some(asks[2].endpoint.host.clone());
    // A customer's MX host at Google.
    asks[4].domain = crate::model::Hostname::parse("example.org").ok();
    let deaf = Some((Code::Unreachable, Stage::Connect, "no route"));
    let seen: Vec<_> = asks
        .iter()
        .enumerate()
        .map(|(at, ask)| inspection(ask, if at == 0 { deaf } else { None }))
        .collect();
    for (every, expected) in [
        (
            false,
            vec![
                "smtp.gmail.com 192.0.2.7 without 2001:db8::1",
                "smtp.office365.com 192.0.2.6 without ",
            ],
        ),
        (
            true,
            vec![
                "smtp.gmail.com 192.0.2.7 without 2001:db8::1",
                "smtp.office365.com 192.0.2.6 without ",
                "mx.test 192.0.2.8 without ",
                "aspmx.l.google.com 192.0.2.9 without ",
            ],
        ),
    ] {
        let shown: Vec<String> = wanted(&asks, &seen, every)
            .iter()
            .map(|one| {
                let endpoint = &one.ask.endpoint;
                assert_eq!(endpoint.address, one.seen.address);
                let deaf: Vec<_> = one.unreachable.iter().map(ToString::to_string).collect();
                let address = endpoint.address.unwrap();
                format!("{} {address} without {}", endpoint.host, deaf.join(" "))
            })
            .collect();
        assert_eq!(shown, expected);
    }
}
