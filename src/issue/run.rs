//! [`issue`]: the order of things. CAA and preflight leave hopeless names out, the CA is asked for
//! the rest, and what it refuses is left out in turn.

use futures_util::stream::{self, StreamExt};

use crate::dns::Dns;
use crate::http::Http;
use crate::issue::caa::{self, Caa};
use crate::issue::key::Key;
use crate::issue::preflight::{Seen, preflight};
use crate::issue::{Ca, CaIdentity, Issued, Order, Refusal, Solver};
use crate::model::{Bundle, Code, DnsId, Finding, Hostname};

/// Issues one certificate: CAA and preflight leave hopeless names out, the order is made, names
/// the CA refuses are left out and the rest is ordered again in the same run, three times at most.
///
/// # Errors
/// [`Refusal`] when no name could be certified; its findings include those of the names left out
/// before.
pub async fn issue(
    order: Order,
    ca: &dyn Ca,
    dns: &dyn Dns,
    http: &Http,
    solver: &dyn Solver,
) -> Result<Issued, Refusal> {
    let key = match order.key {
        Some(kept) => Key::again(kept),
        None => Key::make(order.key_type),
    }
    .map_err(|why| of_our_own(&order.names, why))?;
    let identity = ca.identity().await?;
    let mut names = order.names;
    names.sort();
    names.dedup();
    let mut work = Work { names, left_out: Vec::new(), findings: Vec::new() };
    work.ask_caa(dns, &identity).await;
    if let Some(port) = identity.http_port {
        work.try_first(port, dns, http, solver).await?;
    }
    let chain = work.order(&key, order.profile.as_deref(), ca, solver).await?;
    let bundle = Bundle { key: key.pem, chain };
    Ok(Issued { bundle, left_out: work.left_out, findings: work.findings })
}

/// What is left of an order while it is worked on.
struct Work {
    /// Still to be certified.
    names: Vec<Hostname>,
    left_out: Vec<(Hostname, Finding)>,
    findings: Vec<Finding>,
}

impl Work {
    async fn ask_caa(&mut self, dns: &dyn Dns, identity: &CaIdentity) {
        let asked: Vec<_> = std::mem::take(&mut self.names)
            .into_iter()
            .map(|name| async move {
                let said = caa::check(dns, &DnsId::Host(name.clone()), identity).await;
                (name, said)
            })
            .collect();
        let mut answers = stream::iter(asked).buffered(AT_ONCE);
        while let Some((name, said)) = answers.next().await {
            match said {
                Caa::Permits => self.names.push(name),
                Caa::Forbids(finding) => self.left_out.push((name, finding)),
                Caa::Unknown(finding) => {
                    self.findings.push(finding);
                    self.names.push(name);
                }
            }
        }
    }

    async fn try_first(
        &mut self,
        port: u16,
        dns: &dyn Dns,
        http: &Http,
        solver: &dyn Solver,
    ) -> Result<(), Refusal> {
        let tried: Vec<_> = std::mem::take(&mut self.names)
            .into_iter()
            .map(|name| async move {
                let seen = preflight(&name, port, dns, http, solver).await;
                (name, seen)
            })
            .collect();
        let mut answers = stream::iter(tried).buffered(AT_ONCE);
        while let Some((name, seen)) = answers.next().await {
            match seen {
                Ok(Seen::Right(findings)) => {
                    self.findings.extend(findings);
                    self.names.push(name);
                }
                Ok(Seen::Unseen(finding)) => {
                    self.findings.push(finding);
                    self.names.push(name);
                }
                Ok(Seen::Wrong(finding)) => self.left_out.push((name, finding)),
                Err(why) => return Err(self.refused(of_our_own(&[name], why))),
            }
        }
        Ok(())
    }

    /// The chain, for the names that are left at the end.
    async fn order(
        &mut self,
        key: &Key,
        profile: Option<&str>,
        ca: &dyn Ca,
        solver: &dyn Solver,
    ) -> Result<String, Refusal> {
        let ours = |names: &[Hostname], why| of_our_own(names, why);
        for round in 1.. {
            if self.names.is_empty() {
                break;
            }
            let request = key.request(&self.names);
            let request = request.map_err(|why| self.refused(ours(&self.names, why)))?;
            let refusal = match ca.order(&self.names, profile, &request, solver).await {
                Ok(chain) => {
                    let fits = key.fits(&chain, &self.names);
                    fits.map_err(|why| self.refused(ours(&self.names, why)))?;
                    return Ok(chain);
                }
                Err(refusal) => refusal,
            };
            if !self.names.iter().any(|name| refusal.names.contains(name)) || round == ROUNDS {
                return Err(self.refused(refusal));
            }
            tracing::info!(names = ?refusal.names, "the CA refused names; ordering the others");
            if self.names.iter().all(|name| refusal.names.contains(name)) {
                return Err(self.refused(refusal));
            }
            self.leave_out(refusal);
        }
        let nothing =
            Refusal { findings: Vec::new(), names: Vec::new(), retry_after: None, by_ca: false };
        Err(self.refused(nothing))
    }

    /// Leaves the refused names out, each with its finding.
    fn leave_out(&mut self, refusal: Refusal) {
        let Refusal { findings, names, .. } = refusal;
        self.names.retain(|name| !names.contains(name));
        for name in names {
            let finding = findings.iter().find(|f| f.subject == name.as_str()).cloned();
            let finding = finding.unwrap_or_else(|| {
                Finding::new(Code::NameRefused, &name, format!("{name}: the CA refused it"))
            });
            self.left_out.push((name, finding));
        }
    }

    /// A refusal that also tells what was left out before it.
    fn refused(&self, mut refusal: Refusal) -> Refusal {
        let before = self.left_out.iter().map(|(_, finding)| finding.clone());
        refusal.findings.splice(0..0, before);
        refusal.names.extend(self.left_out.iter().map(|(name, _)| name.clone()));
        refusal
    }
}

/// A refusal the CA has no part in.
fn of_our_own(names: &[Hostname], why: String) -> Refusal {
    let subject = names.first().map_or("order", Hostname::as_str);
    let findings = vec![Finding::new(Code::OrderFailed, subject, why)];
    Refusal { findings, names: Vec::new(), retry_after: None, by_ca: false }
}

/// Orders for one certificate in one run.
const ROUNDS: usize = 3;
/// Names looked at side by side.
const AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;

    use super::issue;
    use crate::dns::{Absence, Answer, Dns, Failure, Kind, Record, Reply};
    use crate::http::Http;
    use crate::issue::{CaIdentity, Issued, MemoryCa, Order, Refusal, Solver};
    use crate::model::{Hostname, KeyType, PrivateKey, Timestamp};

    /// CAA: `closed.example` lets nobody issue, `broken.example` fails, all others have none.
    struct Zone;

    #[async_trait]
    impl Dns for Zone {
        async fn ask(&self, name: &str, kind: Kind) -> Answer {
            assert_eq!(kind, Kind::Caa, "{name}");
            let none = Record::Caa { critical: false, tag: "issue".into(), value: ";".into() };
            let reply = match name {
                "closed.example" => Reply::Records(vec![none]),
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
        async fn present(&self, _: &Hostname, _: &str, _: &str) -> Result<(), String> {
            self.0.map_err(ToOwned::to_owned)
        }

        async fn clear(&self, _: &Hostname, _: &str) {}
    }

    fn ca() -> MemoryCa {
        let identity = CaIdentity { caa: vec!["ca.example".to_owned()], ..CaIdentity::default() };
        MemoryCa::new(Timestamp::from_unix(1_790_000_000)).unwrap().with_identity(identity)
    }

    fn host(name: &str) -> Hostname {
        Hostname::parse(name).unwrap()
    }

    fn order(names: &[&str]) -> Order {
        let names = names.iter().map(|name| host(name)).collect();
        Order { names, key_type: KeyType::EcdsaP256, key: None, profile: None }
    }

    async fn made(order: Order, ca: &MemoryCa, solver: &Shows) -> Result<Issued, Refusal> {
        let http = Http::trusting_nobody();
        issue(order, ca, &Zone, &http, solver).await
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
                let by = if refusal.by_ca { "the CA" } else { "us" };
                lines.push(format!("refused by {by}"));
                lines.extend(refusal.findings.iter().map(|f| format!("{}: {}", f.code, f.message)));
                let names = refusal.names.iter();
                lines.push(format!(
                    "names: {}",
                    names.map(Hostname::as_str).collect::<Vec<_>>().join(" ")
                ));
            }
        }
        lines.join("\n")
    }

    #[tokio::test]
    async fn bad_names_do_not_hold_up_the_others() {
        let ca = ca();
        ca.refuse(host("no.example"));
        let names =
            ["mx.a.example", "no.example", "closed.example", "broken.example", "mx.a.example"];
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

    #[tokio::test]
    async fn nothing_left_is_a_refusal_that_names_every_name() {
        let ca = ca();
        ca.refuse(host("no.example"));
        assert_eq!(
            text(&made(order(&["closed.example"]), &ca, &Shows(Ok(()))).await),
            "refused by us\n\
             caa-forbids: closed.example: the CAA set at closed.example (`0 issue \";\"`) does not name ca.example; add: closed.example. CAA 0 issue \"ca.example\"\n\
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
        let rsa = Order { key_type: KeyType::Rsa2048, ..order(&["mx.a.example"]) };
        let said = text(&made(rsa, &ca, &Shows(Ok(()))).await);
        assert!(said.starts_with("refused by us\norder-failed: keys of type rsa-2048 "), "{said}");
        assert_eq!(ca.orders().len(), 0);
    }
}
