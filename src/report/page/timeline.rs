//! When certificates are renewed and when they end: a table whose counts are bars as well.

use std::io;

use super::Page;
use super::markup::{Day, Text};
use crate::model::Timestamp;
use crate::report::CertificateRow;

/// The section.
pub(super) fn write(page: &Page<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(
        b"<section id=\"timeline\" aria-labelledby=\"timeline-h\">\n\
          <h2 id=\"timeline-h\">Timeline</h2>\n",
    )?;
    if page.certificates.is_empty() {
        return out.write_all(b"<p>No certificate is held yet.</p>\n</section>\n");
    }
    let spans = spans(page);
    let most = spans.iter().map(|span| span.renewed.len().max(span.ending.len())).max();
    let most = most.unwrap_or_default();
    out.write_all(
        b"<table><caption>How many certificates are to be renewed and how many end, if \
          nothing renews them</caption>\n<thead><tr><th scope=\"col\" class=\"count\">From (UTC)</th>\
          <th scope=\"col\">Renewals</th><th scope=\"col\">Ends</th></tr></thead>\n<tbody>\n",
    )?;
    for span in &spans {
        write!(out, "<tr><th scope=\"row\" class=\"count\">{}</th>", span.title)?;
        cell(&span.renewed, (most, ""), out)?;
        cell(&span.ending, (most, " class=\"end\""), out)?;
        out.write_all(b"</tr>\n")?;
    }
    out.write_all(b"</tbody></table>\n</section>\n")
}

/// What happens from a moment until that of the next one.
struct Span<'a> {
    title: String,
    from: Timestamp,
    renewed: Vec<&'a CertificateRow>,
    ending: Vec<&'a CertificateRow>,
}

/// What is past, days, weeks or longer from now on, and what comes after them. Where nothing happens in
/// several of them, they are one.
fn spans<'a>(page: &Page<'a>) -> Vec<Span<'a>> {
    let reach = reach(page);
    let length = [1, 7, 30, 91].map(|days| days * DAY).into_iter().find(|one| reach < one * MOST);
    let length = length.unwrap_or(365 * DAY);
    let number = (reach / length + 1).clamp(1, MOST);
    let today = page.at.unix() - page.at.unix().rem_euclid(DAY);
    let span = |title, from| {
        let from = Timestamp::from_unix(from);
        Span { title, from, renewed: Vec::new(), ending: Vec::new() }
    };
    let mut spans = vec![span("past".to_owned(), i64::MIN), span("now".to_owned(), page.at.unix())];
    spans.extend((1..number).map(|at| {
        let from = today + at * length;
        span(Day(Timestamp::from_unix(from)).to_string(), from)
    }));
    if reach >= number * length {
        let from = today + number * length;
        spans.push(span(Day(Timestamp::from_unix(from)).to_string(), from));
    }
    let place = |moment: Timestamp, spans: &[Span<'_>]| {
        spans.partition_point(|span| span.from <= moment).saturating_sub(1)
    };
    for row in page.certificates {
        let (renewed, ending) = (place(row.renew_at, &spans), place(row.not_after, &spans));
        spans[renewed].renewed.push(row);
        spans[ending].ending.push(row);
    }
    let is_empty = |span: &Span<'_>| span.renewed.is_empty() && span.ending.is_empty();
    spans.retain(|span| span.from.unix() != i64::MIN || !is_empty(span));
    spans.dedup_by(|later, earlier| is_empty(later) && is_empty(earlier));
    spans
}

/// How many seconds from now the last certificate ends.
pub(super) fn reach(page: &Page<'_>) -> i64 {
    let last = page.certificates.iter().map(|row| row.not_after).max().unwrap_or(page.at);
    last.unix().saturating_sub(page.at.unix())
}

/// The number, the first names, and a bar.
fn cell(
    rows: &[&CertificateRow],
    (most, class): (usize, &str),
    out: &mut dyn io::Write,
) -> io::Result<()> {
    if rows.is_empty() {
        return out.write_all(b"<td class=\"soft\">0</td>");
    }
    write!(out, "<td><b>{}</b>", rows.len())?;
    for (at, row) in rows.iter().take(NAMED).enumerate() {
        write!(out, "{}{}", if at == 0 { " " } else { ", " }, Text(row.name.as_str()))?;
    }
    if rows.len() > NAMED {
        out.write_all(b", ...")?;
    }
    let width = (rows.len() * 1000 / most.max(1)).max(5);
    write!(
        out,
        "<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" \
         aria-hidden=\"true\"><rect{class} width=\"{width}\" height=\"10\"/></svg></td>"
    )
}

/// The life of a certificate that is left, the moment of its renewal marked: the same scale for all.
pub(super) fn life(
    row: &CertificateRow,
    (now, reach): (Timestamp, i64),
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let reach = reach.max(DAY);
    let at = |moment: Timestamp| {
        (moment.unix().saturating_sub(now.unix()).clamp(0, reach) * 990) / reach
    };
    write!(
        out,
        "<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect y=\"2\" width=\"{}\" height=\"6\"/><rect class=\"mark\" x=\"{}\" width=\"10\" height=\"10\"/></svg>",
        at(row.not_after),
        at(row.renew_at),
    )
}

const DAY: i64 = 86_400;
/// So many of them stand apart.
const MOST: i64 = 27;
/// So many certificates of one of them are named.
const NAMED: usize = 3;
