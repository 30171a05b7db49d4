//! The tables of the page: every certificate, and every endpoint with its stages; worst first. Of a
//! row there may be 50,000: what HTML lets be left out is (quotes, the end tags of cells and rows).

use std::cmp::Reverse;
use std::io;
use std::sync::Arc;

use super::markup::{Day, Minute, Text};
use super::{Page, timeline};
use crate::model::{Inspection, Level, Problem, StageMark, Timestamp, Verdict};
use crate::report::{CertificateRow, RenewBecause, explain};

/// Every certificate: what is refused, then what ends first.
pub(super) fn certificates(page: &Page<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    begin("certificates", "Certificates", out)?;
    if page.certificates.is_empty() {
        return out.write_all(b"<p>No certificate is held yet.</p>\n</section>\n");
    }
    let mut rows: Vec<&CertificateRow> = page.certificates.iter().collect();
    rows.sort_by_key(|row| (Reverse(row.verdict), row.renew_at, &row.name));
    out.write_all(
        b"<table class=\"find\"><caption>Moments are UTC. The bar is the life that is left, \
          its mark the renewal.</caption>\n<thead><tr><th scope=\"col\">Certificate</th>\
          <th scope=\"col\" class=\"life\">Renewal and end</th><th scope=\"col\" class=\"shown\">Shown</th></tr></thead>\n<tbody>\n",
    )?;
    let scale = (page.at, timeline::reach(page));
    for row in rows.iter().take(MOST_CERTIFICATES) {
        certificate(row, scale, out)?;
    }
    end(rows.len(), MOST_CERTIFICATES, "certificates", out)
}

fn certificate(
    row: &CertificateRow,
    scale: (Timestamp, i64),
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let names: Vec<String> = row.names.iter().map(ToString::to_string).collect();
    write!(
        out,
        "<tr><th scope=row><b>{}</b><small>{}</small><small>version {}, {}</small><td>",
        Text(row.name.as_str()),
        Text(&names.join(" ")),
        row.version,
        row.key_type,
    )?;
    let suggested = match row.renew_because {
        RenewBecause::Suggested => ", as its CA suggests",
        RenewBecause::Lifetime => "",
    };
    write!(
        out,
        "renewed from <b>{}</b>{suggested}<br>ends <b>{}</b>",
        Day(row.renew_at),
        Day(row.not_after)
    )?;
    timeline::life(row, scale, out)?;
    match (row.shown_by.is_empty(), row.verdict) {
        (true, _) => writeln!(out, "<td class=odd>not seen on any server yet"),
        (false, verdict) => {
            let word = verdict.map_or("not looked at", Verdict::as_str);
            let class = verdict.map_or("odd", Verdict::as_str);
            let servers = row.shown_by.join(", ");
            writeln!(
                out,
                "<td><span class={class}>{word}</span><small>on {}</small>",
                Text(&servers)
            )
        }
    }
}

/// Every endpoint: what is refused, what could not be tested, what has a problem, the rest.
pub(super) fn endpoints(page: &Page<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    begin("endpoints", "Endpoints", out)?;
    if page.endpoints.is_empty() {
        return out.write_all(b"<p>No server was looked at yet.</p>\n</section>\n");
    }
    let mut looks: Vec<&Arc<Inspection>> = page.endpoints.iter().collect();
    looks.sort_by_key(|look| {
        let bad = (Reverse(look.verdict), look.problems.is_empty());
        (bad, &look.host, look.address, look.port)
    });
    out.write_all(
        b"<table class=\"find stages\"><caption>Each stage of a look: ok; warn, accepted and to \
          be mended; FAIL, senders refuse here; ?, could not be told; - not reached, or not \
          there. Moments of the looks are UTC.</caption>\n<thead><tr><th scope=\"col\">Endpoint</th><th scope=\"col\" class=\"verdict\">Verdict</th>",
    )?;
    for stage in ["connect", "greeting", "STARTTLS", "handshake", "chain", "name", "dates"] {
        write!(out, "<th scope=\"col\" class=\"s\">{stage}</th>")?;
    }
    out.write_all(b"</tr></thead>\n<tbody>\n")?;
    for look in looks.iter().take(MOST_ENDPOINTS) {
        endpoint(look, out)?;
    }
    end(looks.len(), MOST_ENDPOINTS, "endpoints", out)
}

fn endpoint(look: &Inspection, out: &mut dyn io::Write) -> io::Result<()> {
    let verdict = look.verdict.as_str();
    write!(
        out,
        "<tr><th scope=row>{}<small>{}</small><td class={verdict}>{verdict}<small>{}</small>",
        Text(look.host.as_str()),
        Text(&place(look)),
        Minute(look.proved_at),
    )?;
    for mark in look.stages.in_order() {
        out.write_all(match mark {
            Some(StageMark::Ok) => b"<td class=o>ok",
            Some(StageMark::Warn) => b"<td class=w>warn",
            Some(StageMark::Fail) => b"<td class=f>FAIL",
            Some(StageMark::Unknown) => b"<td class=u>?",
            None => b"<td>-",
        })?;
    }
    out.write_all(b"\n")?;
    if look.problems.is_empty() {
        return Ok(());
    }
    out.write_all(b"<tr class=why><td colspan=9>")?;
    for one in &look.problems {
        problem(one, out)?;
    }
    out.write_all(b"\n")
}

/// Where it is, beside its host.
pub(super) fn place(look: &Inspection) -> String {
    let address = look.address.map_or_else(|| "no address".to_owned(), |ip| ip.to_string());
    format!("{} {}, {address}", look.service, look.port)
}

/// One problem with all that is known of it.
pub(super) fn problem(problem: &Problem, out: &mut dyn io::Write) -> io::Result<()> {
    let class = if problem.level == Level::Fail { "f" } else { "w" };
    write!(
        out,
        "<div class=\"p\"><p><span class=\"{class}\">{}</span> {}: {}</p><dl>",
        problem.level.mark(),
        problem.code,
        Text(explain::headline(problem.code)),
    )?;
    let found = problem.found.iter().take(MOST_FOUND).cloned().collect::<Vec<_>>().join(", ");
    let more = problem.found.len().saturating_sub(MOST_FOUND);
    let found = if more > 0 { format!("{found} and {more} more") } else { found };
    for (what, said) in [
        ("expected", problem.expected.as_deref()),
        ("found", Some(found.as_str())),
        ("sender says", problem.sender_says.as_deref()),
        ("why", problem.why.as_deref()),
    ] {
        if let Some(said) = said.filter(|said| !said.is_empty()) {
            write!(out, "<dt>{what}</dt><dd>{}</dd>", Text(said))?;
        }
    }
    writeln!(out, "</dl><p class=\"soft\">mailcert explain {}</p></div>", problem.code)
}

fn begin(id: &str, title: &str, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"{id}\" aria-labelledby=\"{id}-h\">\n<h2 id=\"{id}-h\">{title}</h2>"
    )
}

fn end(all: usize, most: usize, things: &str, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(b"</tbody></table>\n")?;
    if let more @ 1.. = all.saturating_sub(most) {
        writeln!(
            out,
            "<p>{more} more {things} are left out, none of them worse: <code>mailcert status \
             --json</code> and <code>mailcert verify --format jsonl</code> have all.</p>"
        )?;
    }
    out.write_all(b"</section>\n")
}

/// What a browser can show still.
const MOST_CERTIFICATES: usize = 20_000;
/// Likewise.
const MOST_ENDPOINTS: usize = 50_000;
/// So many of what was found instead.
const MOST_FOUND: usize = 20;
