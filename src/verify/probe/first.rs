//! The first look, and what its silence or its first bytes say: a port that begins TLS in the
//! other way, and a listener that waits for a load balancer.
//!
//! The other way is tried on a second connection, and never by talking first on the ports where a
//! client that does is banned (postscreen on 25; 587 for good measure).

use std::time::Duration;

use tokio::time::Instant;

use super::broken::timed_out;
use super::look::{Aim, Look, look, look_with};
use crate::model::{Code, Service, Stage, TlsMode};
use crate::verify::starttls::proxy;
use crate::verify::{Fault, How};

/// How long a server may say nothing before TLS at once is tried: a delayed greeting of 5 s is
/// usual, and postscreen's takes 6 s.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where nobody talks before the server.
const SERVER_FIRST: [u16; 2] = [25, 587];
/// Dovecot hangs up after 3 s without the header; a server that is merely full does so at once.
const HUNG_UP: Duration = Duration::from_millis(2500);

/// The first look at an endpoint.
pub(super) struct First<'a> {
    pub(super) look: Look,
    /// How it was reached: the way for the further looks.
    pub(super) aim: Aim<'a>,
    /// What the second connection found.
    pub(super) faults: Vec<Fault>,
}

/// Looks for the first time.
pub(super) async fn first<'a>(aim: Aim<'a>, deadline: Instant, how: &How) -> First<'a> {
    let may_try = how.extras.second_look && may_talk_first(aim);
    let patience = may_try.then(|| PATIENCE.min(how.timeout.mul_f32(0.7)));
    let dialogue = if how.extras.transcript { aim.dialogue().kept() } else { aim.dialogue() };
    let look = look_with(Aim { patience, ..aim }, dialogue, deadline).await;
    let mut first = First { look, aim, faults: Vec::new() };
    let Some(fault) = &first.look.fault else { return first };
    match (aim.mode, fault.code, fault.stage) {
        (TlsMode::Starttls, Code::Timeout, Stage::Greeting) if first.look.silence.is_none() => {
            if may_try {
                first.at_once(deadline).await;
            }
            first.explain(silence(aim, may_try));
        }
        (TlsMode::Implicit, Code::NotTls, Stage::Handshake) => {
            let why = in_plain(aim, deadline, how.extras.second_look).await;
            first.explain(why);
        }
        _ if !aim.proxy => first.behind_a_proxy(),
        _ => {}
    }
    first
}

fn may_talk_first(aim: Aim<'_>) -> bool {
    aim.mode == TlsMode::Starttls && !SERVER_FIRST.contains(&aim.to.port())
}

impl<'a> First<'a> {
    /// What stands for a look at a port that let another one wait in vain.
    pub(super) fn unasked(aim: Aim<'a>, stage: Stage) -> Self {
        let why = "not asked: this port let another look wait until its deadline";
        let fault = Fault { why: Some(why.to_owned()), ..timed_out(stage) };
        Self { look: Look::ended_by(fault), aim, faults: Vec::new() }
    }

    /// Tries TLS at once; the endpoint is what that shows, if it is TLS.
    async fn at_once(&mut self, deadline: Instant) {
        let aim = Aim { mode: TlsMode::Implicit, ..self.aim };
        let other = look(aim, deadline).await;
        let speaks_tls = other.tls.is_some()
            || other
                .fault
                .as_ref()
                .is_some_and(|fault| matches!(fault.code, Code::TlsAlert | Code::ProtocolTooOld));
        if !speaks_tls {
            return;
        }
        self.faults.push(Fault {
            expected: Some("a greeting in plain text, and TLS by STARTTLS".to_owned()),
            found: vec!["no greeting; TLS at once is answered".to_owned()],
            why: Some(format!("the port speaks TLS at once: ask {}", target(aim))),
            ..Fault::new(Code::ImplicitTlsExpected, Stage::Starttls)
        });
        self.look = other;
        self.aim = aim;
    }

    /// Says why, unless the look got over it.
    fn explain(&mut self, why: String) {
        let unsolved = self.faults.is_empty();
        if let Some(fault) = self.look.fault.as_mut().filter(|_| unsolved) {
            fault.why = Some(why);
        }
    }

    /// Recognises a listener that waits for the PROXY header where it shows.
    fn behind_a_proxy(&mut self) {
        let silence = self.look.silence.unwrap_or_default();
        let Some(fault) = &mut self.look.fault else { return };
        let early = matches!(fault.stage, Stage::Greeting | Stage::Starttls);
        let named = fault.found.iter().any(|reply| proxy::is_waited_for(reply, silence));
        if early && named {
            fault.code = Code::ProxyProtocolExpected;
            fault.expected = Some("a greeting for clients that connect directly".to_owned());
            fault.why = Some("it waited for a load balancer's PROXY header".to_owned());
        } else if fault.code == Code::ConnectionClosed
            && fault.stage == Stage::Greeting
            && silence >= HUNG_UP
        {
            let seconds = silence.as_secs_f32();
            fault.why = Some(format!(
                "it hung up after {seconds:.0} s without a word: it may wait for a load \
                 balancer's PROXY header"
            ));
        }
    }
}

/// What a server that never greets may be.
fn silence(aim: Aim<'_>, tried: bool) -> String {
    let at_once = Aim { mode: TlsMode::Implicit, ..aim };
    if tried {
        return "it neither greets nor answers TLS at once; it may wait for a load balancer's PROXY \
                header"
            .to_owned();
    }
    format!(
        "it never greets: it may speak TLS at once (ask {}), or wait for a load balancer's PROXY \
         header",
        target(at_once)
    )
}

/// What a server that greets in plain text where TLS begins says when it is asked by STARTTLS.
async fn in_plain(aim: Aim<'_>, deadline: Instant, ask: bool) -> String {
    let aim = Aim { mode: TlsMode::Starttls, ..aim };
    let target = target(aim);
    if !ask {
        return format!("the server greets in plain text where TLS begins: ask {target}");
    }
    let other = look(aim, deadline).await;
    let found = match (&other.tls, &other.fault) {
        (Some(tls), _) => format!("it begins {}", tls.version),
        (None, Some(fault)) => format!("{}", fault.code),
        (None, None) => "nothing".to_owned(),
    };
    format!(
        "the server greets in plain text where TLS begins; asked by STARTTLS ({target}): {found}"
    )
}

/// The target that asks for the same port in this mode.
fn target(aim: Aim<'_>) -> String {
    let service = match (aim.service, aim.mode) {
        (Service::Smtp | Service::Submission, TlsMode::Implicit) => Service::Submissions,
        (Service::Imap, TlsMode::Implicit) => Service::Imaps,
        (Service::Pop3, TlsMode::Implicit) => Service::Pop3s,
        (Service::Submissions, TlsMode::Starttls) => Service::Submission,
        (Service::Imaps, TlsMode::Starttls) => Service::Imap,
        (Service::Pop3s, TlsMode::Starttls) => Service::Pop3,
        (service, _) => service,
    };
    format!("{service}://{}:{}", aim.host, aim.to.port())
}
