//! `fix`, a dialogue: what is wrong, what is to be done about it, consent where the admin's own
//! configuration is touched; then the flow, and its verdict.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::app::output::{Output, Progress, ask_consent, can_ask, say};
use crate::app::session::Session;
use crate::app::work::{Before, ours, work};
use crate::app::{Failure, setup};
use crate::discover::Discovered;
use crate::flow::{self, Fresh, Means, Notes, Scene};
use crate::model::{Code, Finding, Inspection, Level, NotOurs, StageMark};
use crate::plan::{self, Mode, Plan};
use crate::report::{self, Body, Report, Verified};
use crate::survey::{Anew, Asked};
use crate::verify::{self, Ask};

/// What was typed.
#[derive(Clone, Copy)]
pub(in crate::app) struct How {
    /// Consent to everything, without a question.
    pub(in crate::app) yes: bool,
    /// Nothing is done.
    pub(in crate::app) dry_run: bool,
}

/// `fix`, and `fix --dry-run`.
pub(in crate::app) async fn fix(
    session: &Session,
    how: How,
    output: &Output,
) -> Result<u8, Failure> {
    let _lock = if how.dry_run { None } else { Some(session.lock(output).await?) };
    let asks = !how.yes && can_ask();
    let everything = how.yes || asks;
    let mode = Mode::Fix { hook: everything, publish: everything };
    let (scene, verified) = look(session, &mode, output).await?;
    let findings = [scene.findings.clone(), silent(&scene.asked, &verified)].concat();
    let code = match (scene.plan.steps.is_empty(), ours(&findings)) {
        (false, _) => 3,
        (true, true) => 1,
        (true, false) => 0,
    };
    let plan = Plan { findings: Vec::new(), ..scene.plan.clone() };
    let report = Report::new("plan", Body::Diagnosis { verified, plan }, findings);
    if how.dry_run {
        output.answer(&report)?;
        return Ok(code);
    }
    output.part(&report)?;
    let mode = if asks { consent(session, &scene).await } else { mode };
    let Body::Diagnosis { verified, .. } = report.body else { return Ok(code) };
    let before = Before { verified: Some(verified), asked: scene.asked };
    Ok(work(session, "fix", &mode, output, before).await?.code)
}

/// What is there, what would be done, and what senders see now. Nothing is written.
async fn look(
    session: &Session,
    mode: &Mode,
    output: &Output,
) -> Result<(Scene, Verified), Failure> {
    let progress = Progress::new(output.quiet());
    // How many steps there are, the plan says itself.
    let tell = |event: &flow::Event| match event {
        flow::Event::Planned(_) => progress.end(),
        event => progress.tell(event),
    };
    let means = session.means(&tell);
    let found = flow::discover(&means, Fresh::Anew, Notes::None).await.map_err(Failure::store)?;
    let asks = published(&means, &found);
    let (scene, seen) =
        tokio::join!(flow::look(&means, &found, mode, None), flow::verify(&means, &asks));
    let scene = scene.map_err(Failure::store)?;
    progress.end();
    Ok((scene, Verified::of(session.config.verify.profile.as_str(), seen)))
}

/// What the DNS publishes on this machine, of the names that somebody typed.
fn published(means: &Means<'_>, found: &[Discovered]) -> Vec<Ask> {
    let named = match means.only.as_slice() {
        [] => Anew::Everything,
        only => Anew::Only(only),
    };
    let machine = Some(means.machine.as_slice());
    let asks = found.iter().flat_map(|found| {
        verify::asks_of(&found.domain, &found.hosts, &found.not_offered, machine)
    });
    asks.filter(|ask| ask.ours == Some(true) && named.takes_in(&ask.endpoint.host)).collect()
}

/// Asks a person for what touches the admin's own configuration: the missing lines, shown as
/// `setup` shows them, and a reload that publishes an edit of somebody else's.
async fn consent(session: &Session, scene: &Scene) -> Mode {
    let lines = setup::missing(session, &scene.asked).await;
    let hook = !lines.is_empty() && {
        say(&format!("\n{}", lines.trim_end()));
        ask_consent("Apply these lines?")
    };
    // Without the lines there may be nothing to reload.
    let mode = Mode::Fix { hook, publish: true };
    let plan = plan::plan(&scene.desired, &scene.observed, &mode, session.how.moment());
    let edits: Vec<&Finding> =
        plan.findings.iter().filter(|found| found.code == Code::UnpublishedEdit).collect();
    let publish = edits.is_empty() || {
        for edit in edits {
            say(report::wrapped(&edit.message, "").trim_end());
        }
        ask_consent("Reload, and put that edit into effect?")
    };
    Mode::Fix { hook, publish }
}

/// Ports where one of these servers listens and nobody gets an answer: something stands between.
pub(super) fn silent(asked: &[Asked], verified: &Verified) -> Vec<Finding> {
    let timed_out = |look: &&Arc<Inspection>| {
        look.stages.connect == Some(StageMark::Unknown)
            && look.problems.iter().any(|problem| problem.code == Code::Timeout)
    };
    let looks = verified.endpoints.iter().filter(timed_out);
    looks.filter_map(|look| closed(asked, look)).collect()
}

fn closed(asked: &[Asked], look: &Inspection) -> Option<Finding> {
    let at = SocketAddr::new(look.address?, look.port);
    let listens = |asked: &&Asked| {
        asked.running
            && asked.server.listeners.iter().any(|listener| {
                listener.port == at.port() && listener.address.is_none_or(|own| own == at.ip())
            })
    };
    let server = &asked.iter().find(listens)?.server.id.0;
    let silent = NotOurs::PortSilent { host: &look.host, at, server };
    Some(Finding::new(silent.code(), &look.host, silent.to_string()).at(Level::Unknown))
}

#[cfg(test)]
mod tests {
    use super::{Asked, Verified, silent};
    use crate::config::EximLayout;
    use crate::model::Inspection;
    use crate::plan::Hook;
    use crate::servers::entries::samples::server;
    use crate::servers::{Exim, Kind, Listener};

    /// An endpoint of 192.0.2.7 that nobody could connect to, or that said nothing.
    fn look(port: u16, connect: &str) -> Inspection {
        let text = r#"{"host":"mx.a.test","service":"smtp","port":PORT,"address":"192.0.2.7",
            "verdict":"unknown","stages":{"connect":"CONNECT"},"millis":10000,
            "proved_at":"2026-01-02T03:04:05Z","problems":[{"code":"timeout","level":"unknown",
            "expected":null,"found":[],"sender_says":null,"why":null}]}"#;
        let text = text.replace("PORT", &port.to_string()).replace("CONNECT", connect);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_port_where_a_server_listens_and_nobody_gets_through_is_behind_a_firewall() {
        let (binary, layout) = ("/usr/sbin/exim4".into(), EximLayout::Combined);
        let exim = Exim { binary, config_file: None, layout, fixed_path: false, lists: true };
        let mut server = server(Kind::Exim(exim), "/d");
        let (port, service, proxy) = (25, crate::model::Service::Smtp, false);
        server.listeners = vec![Listener { address: None, port, service, proxy }];
        let asked = |running| Asked {
            server: server.clone(),
            hook: Hook::There,
            running,
            edited_at: None,
            proxied: Vec::new(),
        };
        for (running, port, connect, expected) in [
            (true, 25, "unknown", 1),
            // It is down, or nothing of ours listens there, or it is slow.
            (false, 25, "unknown", 0),
            (true, 465, "unknown", 0),
            (true, 25, "ok", 0),
        ] {
            let verified = Verified::of("gmail", vec![look(port, connect)]);
            let found = silent(&[asked(running)], &verified);
            assert_eq!(found.len(), expected, "{running} {port} {connect}");
            let named = found.iter().all(|found| found.message.contains("192.0.2.7:25"));
            assert!(named, "{found:?}");
        }
    }
}
