//! The rounds of an order, against the CA in memory.

mod rehearsal;

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use super::issue;
use crate::dns::{Absence, Answer, Dns, Failure, Kind, Record, Reply};
use crate::http::Http;
use crate::issue::{Book, Ca, CaIdentity, Issued, MemoryCa, Order, Refusal, Solver};
use crate::model::{CertName, Challenge, Code, DnsId, KeyType, Mark, PrivateKey, Timestamp};
use crate::store::{Memory, Store};

/// CAA: `closed.example` lets nobody issue, `txt.example` only by dns-01, `broken.example` fails,
/// all others have none.
struct Zone;

#[async_trait]
impl Dns for Zone {
    async fn ask(&self, name: &str, kind: Kind) -> Answer {
        let issue = |value: &str| Record::Caa {
            critical: false,
            tag: "issue".to_owned(),
            value: value.to_owned(),
        };
        let reply = match name {
            // Nothing can be seen from here.
            _ if kind != Kind::Caa => Reply::Failed(Failure::Timeout),
            "closed.example" => Reply::Records(vec![issue(";")]),
            "txt.example" => Reply::Records(vec![issue("ca.example; validationmethods=dns-01")]),
            "broken.example" => Reply::Failed(Failure::ServFail),
            _ => Reply::Absent(Absence::NoData),
        };
        let ttl = Duration::from_secs(1);
        Answer { reply, aliases: Vec::new(), authenticated: false, ttl }
    }
}

/// Shows whatever it is given, or says why not.
struct Shows(Result<(), &'static str>);

#[async_trait]
impl Solver for Shows {
    async fn present(&self, _: &DnsId, _: &str, _: &str) -> Result<(), String> {
        self.0.map_err(ToOwned::to_owned)
    }

    async fn clear(&self, _: &DnsId, _: &str) {}
}

/// Names below `txt.example` take dns-01; the zone of `shut.txt.example` takes no updates.
#[derive(Default)]
struct Both {
    presented: Mutex<Vec<(DnsId, String)>>,
}

#[async_trait]
impl Solver for Both {
    fn kind(&self, host: &DnsId) -> Challenge {
        match host.domain().as_str().ends_with("txt.example") {
            true => Challenge::Dns01,
            false => Challenge::Http01,
        }
    }

    async fn rehearse(&self, host: &DnsId) -> Result<(), String> {
        assert_eq!(self.kind(host), Challenge::Dns01, "{host} has a preflight");
        match host.domain().as_str() {
            "shut.txt.example" => Err(format!("{host}: 192.0.2.53 refuses updates")),
            _ => Ok(()),
        }
    }

    async fn present(&self, host: &DnsId, token: &str, _: &str) -> Result<(), String> {
        self.presented.lock().unwrap().push((host.clone(), token.to_owned()));
        Ok(())
    }

    async fn clear(&self, _: &DnsId, _: &str) {}
}

fn ca() -> MemoryCa {
    let identity = CaIdentity { caa: vec!["ca.example".to_owned()], ..CaIdentity::default() };
    MemoryCa::new(Timestamp::from_unix(1_790_000_000)).unwrap().with_identity(identity)
}

fn host(name: &str) -> DnsId {
    DnsId::parse(name).unwrap()
}

fn order(names: &[&str]) -> Order {
    let names: Vec<_> = names.iter().map(|name| host(name)).collect();
    Order::of(names, KeyType::EcdsaP256)
}

async fn made(order: Order, ca: &MemoryCa, solver: &dyn Solver) -> Result<Issued, Refusal> {
    made_by(order, ca, solver, &Memory::new()).await
}

async fn made_by(
    order: Order,
    ca: &dyn Ca,
    solver: &dyn Solver,
    store: &dyn Store,
) -> Result<Issued, Refusal> {
    let http = Http::trusting_nobody();
    let certificate = CertName::parse("a.example").unwrap();
    let (ca_is, now) = (Mark::of("ca"), Timestamp::from_unix(1_790_000_000));
    let book = Book { store, certificate: &certificate, ca: ca_is, now };
    issue(order, ca, &Zone, &http, solver, &book).await
}

/// What came of it, as text.
fn text(result: &Result<Issued, Refusal>) -> String {
    let mut lines = Vec::new();
    match result {
        Ok(issued) => {
            let pem = issued.bundle.chain.matches("BEGIN CERTIFICATE").count();
            lines.push(format!("issued a chain of {pem}"));
            let left_out = issued.left_out.iter();
            lines.extend(left_out.map(|(name, f)| format!("left out {name}: {}", f.code)));
            lines.extend(issued.findings.iter().map(|f| format!("{} {}", f.code, f.subject)));
        }
        Err(refusal) => {
            let by = if refusal.by_ca() { "the CA" } else { "us" };
            lines.push(format!("refused by {by}"));
            lines.extend(refusal.findings.iter().map(|f| format!("{}: {}", f.code, f.message)));
            let names = refusal.names.iter();
            lines.push(format!(
                "names: {}",
                names.map(ToString::to_string).collect::<Vec<_>>().join(" ")
            ));
        }
    }
    lines.join("\n")
}

#[tokio::test]
async fn bad_names_do_not_hold_up_the_others() {
    let ca = ca();
    ca.refuse(host("no.example"));
    let names = ["mx.a.example", "no.example", "closed.example", "broken.example", "mx.a.example"];
    let result = made(order(&names), &ca, &Shows(Ok(()))).await;
    assert_eq!(
        text(&result),
        "issued a chain of 2\n\
         left out closed.example: caa-forbids\n\
         left out no.example: name-refused\n\
         caa-unknown broken.example"
    );
    let orders: Vec<_> = ca.orders().iter().map(|names| names.len()).collect();
    assert_eq!(orders, [3, 2], "once with the refused name, once without");
}

/// A newer version without a name that works would take the place of the one that has it.
#[tokio::test]
async fn a_name_that_works_is_not_left_out() {
    let names = ["a.example", "b.example", "c.example"];
    let port = CaIdentity { http_port: Some(80), ..CaIdentity::default() };
    let caa = CaIdentity { caa: vec!["ca.example".to_owned()], ..CaIdentity::default() };
    for (dead, identity, orders) in [
        ("closed.example", caa.clone(), &[][..]),
        ("a.example", port, &[1]),
        ("b.example", caa, &[3]),
    ] {
        let ca = ca().with_identity(identity);
        ca.refuse(host(dead));
        let names: Vec<&str> = names.into_iter().chain(["closed.example"]).collect();
        let names = if dead == "closed.example" { &names[..] } else { &names[..3] };
        let order = Order { must_stay: vec![host(dead)], ..order(names) };
        let refusal = made(order, &ca, &Shows(Ok(()))).await.err();
        let refusal = refusal.unwrap_or_else(|| panic!("{dead} was left out"));
        assert_eq!(refusal.names, [host(dead)]);
        assert_eq!(refusal.findings[0].subject, dead);
        let asked: Vec<_> = ca.orders().iter().map(Vec::len).collect();
        assert_eq!(asked, orders);
    }
}

/// What is held is good for the others: one like it would only count against the CA's limits.
#[tokio::test]
async fn without_those_it_is_for_nothing_is_issued() {
    for (dead, sake, expected) in [
        (&["b.example"][..], &["b.example"][..], "refused by the CA"),
        (&["b.example"], &["b.example", "c.example"], "issued a chain of 2"),
        (&["b.example", "closed.example"], &["b.example", "closed.example"], "refused by the CA"),
        (&["a.example"], &["b.example"], "issued a chain of 2"),
        (&["closed.example"], &["closed.example"], "refused by the CA"),
        (&["b.example"], &[], "issued a chain of 2"),
    ] {
        let ca = ca();
        dead.iter().for_each(|name| ca.refuse(host(name)));
        let names = ["a.example", "b.example", "c.example", "closed.example"];
        let sake = sake.iter().map(|name| host(name)).collect();
        let made = made(Order { sake, ..order(&names) }, &ca, &Shows(Ok(()))).await;
        assert_eq!(text(&made).lines().next(), Some(expected), "{dead:?}");
        let hopeless = dead == ["closed.example"];
        let orders = usize::from(!hopeless) + usize::from(made.is_ok());
        assert_eq!(ca.orders().len(), orders, "{dead:?}");
    }
}

#[tokio::test]
async fn nothing_left_is_a_refusal_that_names_every_name() {
    let ca = ca();
    ca.refuse(host("no.example"));
    assert_eq!(
        text(&made(order(&["closed.example"]), &ca, &Shows(Ok(()))).await),
        "refused by the CA\n\
         caa-forbids: closed.example: the CAA set at closed.example (`0 issue \";\"`) does not name ca.example: whoever keeps that zone has to publish `closed.example. CAA 0 issue \"ca.example\"`\n\
         names: closed.example"
    );
    assert_eq!(ca.orders().len(), 0, "a hopeless order is not made");
    assert_eq!(
        text(&made(order(&["no.example"]), &ca, &Shows(Ok(()))).await),
        "refused by the CA\n\
         name-refused: no.example: the CA refused it: it was told to refuse it\n\
         names: no.example"
    );
}

#[tokio::test]
async fn a_ca_that_is_down_and_a_solver_that_cannot_blame_no_name() {
    let ca = ca();
    let cannot = Shows(Err("0.0.0.0:80 is taken by nginx (pid 7)"));
    assert_eq!(
        text(&made(order(&["mx.a.example"]), &ca, &cannot).await),
        "refused by us\norder-failed: 0.0.0.0:80 is taken by nginx (pid 7)\nnames: "
    );
    ca.set_down(true);
    assert_eq!(
        text(&made(order(&["mx.a.example"]), &ca, &Shows(Ok(()))).await),
        "refused by us\norder-failed: the CA cannot be asked: it was told to be down\nnames: "
    );
}

#[tokio::test]
async fn where_nothing_is_seen_two_failures_are_enough() {
    let identity = CaIdentity { http_port: Some(80), ..CaIdentity::default() };
    let names = ["a.example", "b.example", "c.example", "d.example"];
    for (refused, expected, asked) in [
        (&[][..], "issued a chain of 2", &[1, 4][..]),
        (&["a.example"], "issued a chain of 2\nleft out a.example: name-refused", &[1, 1, 3]),
        (
            &["a.example", "b.example"],
            "refused by the CA\n\
             name-refused: a.example: the CA refused it: it was told to refuse it\n\
             name-refused: b.example: the CA refused it: it was told to refuse it\n\
             order-failed: nothing can be seen from here and the CA found no answer for 2 names; c.example and the others (2 in all) were not tried\n\
             names: a.example b.example",
            &[1, 1],
        ),
    ] {
        let ca = ca().with_identity(identity.clone());
        refused.iter().for_each(|name| ca.refuse(host(name)));
        let mut result = made(order(&names), &ca, &Shows(Ok(()))).await;
        if let Ok(issued) = &mut result {
            issued.findings.retain(|finding| finding.code != Code::PreflightUnseen);
        }
        assert_eq!(text(&result), expected);
        let orders: Vec<_> = ca.orders().iter().map(Vec::len).collect();
        assert_eq!(orders, asked);
    }
}

/// The CA names itself and asks on port 80.
fn whole_ca() -> MemoryCa {
    let caa = vec!["ca.example".to_owned()];
    ca().with_identity(CaIdentity { caa, http_port: Some(80), ..CaIdentity::default() })
}

#[tokio::test]
async fn names_that_take_dns_01_need_no_port_80_and_no_scout() {
    let (ca, solver, shut) = (whole_ca(), Both::default(), host("shut.txt.example"));
    let names = ["a.txt.example", "b.txt.example", "shut.txt.example", "txt.example"];
    assert_eq!(
        text(&made(order(&names), &ca, &solver).await),
        "issued a chain of 2\nleft out shut.txt.example: dns-01-failed"
    );
    let asked: Vec<_> = ca.orders().iter().map(Vec::len).collect();
    assert_eq!(asked, [3], "nobody went first");
    let presented = solver.presented.into_inner().unwrap();
    assert_eq!(presented.len(), 3, "once each, for the CA: {presented:?}");
    assert!(!presented.iter().any(|(host, _)| *host == shut));

    let alone = text(&made(order(&["shut.txt.example"]), &ca, &Both::default()).await);
    assert_eq!(
        alone,
        "refused by us\n\
         dns-01-failed: shut.txt.example: 192.0.2.53 refuses updates\n\
         names: shut.txt.example"
    );
    let must_stay = vec![shut.clone()];
    let refusal = made(Order { must_stay, ..order(&names) }, &ca, &Both::default()).await.err();
    assert_eq!(refusal.expect("it works on what is held").names, [shut]);
    assert_eq!(ca.orders().len(), 1, "the CA was asked no more");
}

#[tokio::test]
async fn caa_is_asked_for_the_challenge_that_a_name_takes() {
    let ca = ca();
    let names = ["mx.txt.example"];
    let by_http = text(&made(order(&names), &ca, &Shows(Ok(()))).await);
    assert!(by_http.contains("names ca.example without the method http-01"), "{by_http}");
    let by_dns = text(&made(order(&names), &ca, &Both::default()).await);
    assert_eq!(by_dns, "issued a chain of 2");
}

#[tokio::test]
async fn a_blocked_port_80_does_not_hold_up_names_that_take_dns_01() {
    let ca = whole_ca();
    ["a.example", "b.example"].iter().for_each(|name| ca.refuse(host(name)));
    let names = ["a.example", "b.example", "c.example", "mx.txt.example"];
    let mut result = made(order(&names), &ca, &Both::default()).await;
    if let Ok(issued) = &mut result {
        issued.findings.retain(|finding| finding.code != Code::PreflightUnseen);
    }
    assert_eq!(
        text(&result),
        "issued a chain of 2\n\
         left out a.example: name-refused\n\
         left out b.example: name-refused\n\
         left out c.example: order-failed"
    );
    assert_eq!(ca.orders().last().unwrap(), &[host("mx.txt.example")]);
}

#[tokio::test]
async fn an_order_can_be_worked_on_by_a_task_of_its_own() {
    let task = async {
        let ca = ca();
        let made = made(order(&["mx.a.example"]), &ca, &Shows(Ok(()))).await;
        made.is_ok()
    };
    assert!(tokio::spawn(task).await.unwrap());
}

#[tokio::test]
async fn a_key_is_used_again() {
    let ca = ca();
    let first = made(order(&["mx.a.example"]), &ca, &Shows(Ok(()))).await.ok().unwrap();
    let pem = first.bundle.key.expose_pem().to_owned();
    let key = Some(PrivateKey::from_pem(pem.clone()));
    let again = Order { key, ..order(&["mx.a.example", "mx.b.example"]) };
    let second = made(again, &ca, &Shows(Ok(()))).await.ok().unwrap();
    assert_eq!(second.bundle.key.expose_pem(), pem);
    assert_ne!(second.bundle.chain, first.bundle.chain);
}

#[tokio::test]
async fn a_key_type_that_cannot_be_made_is_said_before_anything_is_asked() {
    let ca = ca();
    let other = Order { key_type: KeyType::Other, ..order(&["mx.a.example"]) };
    let said = text(&made(other, &ca, &Shows(Ok(()))).await);
    assert!(said.starts_with("refused by us\norder-failed: nothing is known of this"), "{said}");
    assert_eq!(ca.orders().len(), 0);
}
