//! The further looks at an endpoint whose first went through: with SNI again, without, with a name
//! that nobody has, and one with an injected command. After a time-out there is no further one.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::inspect::judged;
use super::lanes::Lanes;
use super::look::{Aim, GOODBYE, Look, Talk, look_with};
use crate::config::Profile;
use crate::model::{Code, Hostname, Level, Service, Sha256, Stage, TlsMode};
use crate::verify::judge::Judgement;
use crate::verify::starttls::injected;
use crate::verify::{Ask, Fault, How, profiles};

/// A name no server can be set up for (RFC 6761 section 6.4).
const UNKNOWN: &str = "unknown.mailcert.invalid";
/// As many bytes inside TLS as the reply to an injected command can need.
const REPLIES: u64 = 8192;

/// What the first look showed, and how to look again.
#[derive(Clone, Copy)]
pub(super) struct Again<'a> {
    pub(super) aim: Aim<'a>,
    pub(super) deadline: Instant,
    pub(super) ask: &'a Ask,
    pub(super) how: &'a How,
    pub(super) first: &'a Look,
    pub(super) judgement: &'a Judgement,
}

impl Again<'_> {
    /// Looks with the name again, one look after the other: what a server that differs shows
    /// depends on their order. An error says that there is nothing more to ask, and what differed.
    pub(super) async fn tries(&self, lanes: &Lanes<'_>) -> Result<(), Vec<Fault>> {
        for _ in 1..self.how.tries {
            let Some(other) = self.look_at(self.aim, lanes).await else { return Err(Vec::new()) };
            let found: Vec<Fault> = self.flapping(&other).into_iter().collect();
            if is_timeout(&other) || !found.is_empty() {
                return Err(found);
            }
        }
        Ok(())
    }

    /// Makes all other looks, side by side as far as there are lanes.
    pub(super) async fn others(&self, lanes: &Lanes<'_>) -> Vec<Fault> {
        let (nameless, unknown, injected) = tokio::join!(
            Box::pin(self.nameless(lanes)),
            Box::pin(self.unknown(lanes)),
            Box::pin(self.injection(lanes)),
        );
        [nameless, unknown, injected].into_iter().flatten().collect()
    }

    async fn nameless(&self, lanes: &Lanes<'_>) -> Option<Fault> {
        if !self.how.without_sni {
            return None;
        }
        let other = self.look_at(Aim { sni: false, ..self.aim }, lanes).await?;
        self.without_sni(&other)
    }

    async fn unknown(&self, lanes: &Lanes<'_>) -> Option<Fault> {
        if !self.how.extras.thorough || self.how.profile != Profile::Strict {
            return None;
        }
        let unknown = Hostname::parse(UNKNOWN).ok()?;
        let aim = Aim { sni: true, host: &unknown, ..self.aim };
        unknown_sni(&self.look_at(aim, lanes).await?)
    }

    async fn injection(&self, lanes: &Lanes<'_>) -> Option<Fault> {
        if !self.how.extras.second_look || self.aim.mode != TlsMode::Starttls {
            return None;
        }
        let _lane = lanes.take().await?;
        injection(self.aim, self.deadline).await
    }

    /// One more look; what is offered inside TLS was heard already. `None` after a time-out.
    async fn look_at(&self, aim: Aim<'_>, lanes: &Lanes<'_>) -> Option<Look> {
        let _lane = lanes.take().await?;
        let other = look_with(aim, aim.dialogue().brief(), self.deadline).await;
        if is_timeout(&other) {
            lanes.close();
        }
        Some(other)
    }

    /// Another look whose verdict differs from the first's.
    fn flapping(&self, other: &Look) -> Option<Fault> {
        let found = self.differs(other);
        (!found.is_empty()).then(|| Fault {
            expected: Some("the same answer every time".to_owned()),
            found,
            why: Some("two looks at one address differ: several servers behind it?".to_owned()),
            ..Fault::new(Code::Flapping, Stage::Chain)
        })
    }

    /// What a sender refuses in one of two looks only; nothing if they show the same chain. A
    /// server that is busy by now proves nothing.
    fn differs(&self, other: &Look) -> Vec<String> {
        if let Some(fault) = &other.fault {
            let busy = fault.code == Code::ConnectionClosed && fault.stage != Stage::Handshake;
            let new = profiles::level(fault.code, self.how.profile) == Level::Fail
                && matches!(fault.stage, Stage::Starttls | Stage::Handshake)
                && !busy;
            return if new { vec![fault.code.to_string()] } else { Vec::new() };
        }
        if other.chain == self.first.chain {
            return Vec::new();
        }
        let Some(judgement) = judged(other, self.ask, self.how) else { return Vec::new() };
        let fails = |judgement: &Judgement| -> Vec<Code> {
            let codes = judgement.faults.iter().map(|fault| fault.code);
            let level = |code| profiles::level(code, self.how.profile);
            codes.filter(|code| level(*code) == Level::Fail).collect()
        };
        let (before, after) = (fails(self.judgement), fails(&judgement));
        let differ = before.iter().filter(|code| !after.contains(code));
        let differ = after.iter().filter(|code| !before.contains(code)).chain(differ);
        differ.map(ToString::to_string).collect()
    }

    /// What clients without SNI get. That it could not be tried is no finding.
    fn without_sni(&self, other: &Look) -> Option<Fault> {
        if other.fault.is_some() {
            return refused(other).map(|fault| Fault {
                expected: Some("a session for clients without SNI, too".to_owned()),
                found: fault.found.clone(),
                why: Some(format!("without SNI: {}", fault.code)),
                ..Fault::new(Code::NoSniFails, Stage::Handshake)
            });
        }
        if other.chain == self.first.chain {
            return None;
        }
        let judgement = judged(other, self.ask, self.how)?;
        if leaf(&judgement) == leaf(self.judgement) {
            return None;
        }
        let fails = judgement.faults.iter().filter(|fault| fault.code.level() == Level::Fail);
        let fails: Vec<String> = fails.map(|fault| fault.code.to_string()).collect();
        let names = judgement.certificate.as_ref().map(|certificate| certificate.names.clone());
        let names = names.filter(|names| !names.is_empty());
        (!fails.is_empty()).then(|| Fault {
            expected: Some(self.ask.endpoint.host.to_string()),
            found: names.unwrap_or_else(|| vec!["a certificate without names".to_owned()]),
            why: Some(format!(
                "clients without SNI get the default certificate: {}",
                fails.join(", ")
            )),
            ..Fault::new(Code::NoSniDiffers, Stage::Name)
        })
    }
}

/// A handshake that a client with a name nobody has does not get.
fn unknown_sni(other: &Look) -> Option<Fault> {
    refused(other).map(|fault| Fault {
        expected: Some("the default certificate for an unknown name".to_owned()),
        found: fault.found.clone(),
        why: Some(format!("with the server name {UNKNOWN}: {}", fault.code)),
        ..Fault::new(Code::UnknownSniFails, Stage::Handshake)
    })
}

/// What refused a handshake.
fn refused(other: &Look) -> Option<&Fault> {
    let at = |fault: &&Fault| fault.stage == Stage::Handshake && fault.code.level() == Level::Fail;
    other.fault.as_ref().filter(at)
}

fn is_timeout(look: &Look) -> bool {
    look.fault.as_ref().is_some_and(|fault| fault.code == Code::Timeout)
}

fn leaf(judgement: &Judgement) -> Option<Sha256> {
    judgement.certificate.as_ref().map(|certificate| certificate.sha256)
}

/// Whether a command sent in one piece with STARTTLS is obeyed inside TLS. A server that refuses
/// such a client in any way does well.
async fn injection(aim: Aim<'_>, deadline: Instant) -> Option<Fault> {
    let heard = timeout_at(deadline, heard_inside(aim)).await.ok()??;
    let reply = injected(aim.service, &heard)?;
    let command =
        if matches!(aim.service, Service::Pop3 | Service::Pop3s) { "STLS" } else { "STARTTLS" };
    Some(Fault {
        expected: Some(format!("a server that forgets what came with {command} before TLS")),
        found: vec![reply],
        why: Some(
            "inside TLS it answers a command that was sent before (CVE-2011-0411)".to_owned(),
        ),
        ..Fault::new(Code::StarttlsInjection, Stage::Starttls)
    })
}

/// What is heard inside TLS after the injected command and a goodbye.
async fn heard_inside(aim: Aim<'_>) -> Option<Vec<u8>> {
    let mut talk = Talk::new(aim, aim.dialogue().injecting());
    let mut stream = talk.secure().await.ok()?;
    stream.write_all(talk.dialogue.goodbye().as_bytes()).await.ok()?;
    let mut heard = Vec::new();
    {
        let mut replies = (&mut stream).take(REPLIES);
        // Many servers close without a close_notify: what came is what counts.
        let _ = timeout(GOODBYE, replies.read_to_end(&mut heard)).await;
    }
    let _ = timeout(GOODBYE, stream.shutdown()).await;
    Some(heard)
}
