//! The top of the page: what needs a person, what the next run does, what is worth knowing. However
//! much is wrong, so much is named that it can be read; the tables below have the rest.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::markup::{Minute, Text, count};
use super::{Page, tables};
use crate::model::{Code, Finding, Hostname, Inspection, Level, Problem, Timestamp, Verdict};
use crate::report::{CertificateRow, explain};

/// What stands on top.
pub(super) struct Needs<'a> {
    refused: Vec<Refused<'a>>,
    broken: Vec<&'a Finding>,
    ended: Vec<&'a CertificateRow>,
    late: Vec<&'a CertificateRow>,
    next: Vec<String>,
    warned: Vec<&'a Finding>,
    /// What endpoints are not refused for, with its level and how many have it.
    marked: BTreeMap<(std::cmp::Reverse<Level>, Code), usize>,
}

/// The endpoints of a host that are refused for the same.
struct Refused<'a> {
    first: &'a Inspection,
    others: Vec<&'a Inspection>,
}

impl<'a> Needs<'a> {
    pub(super) fn of(page: &Page<'a>) -> Self {
        let of_level = |wanted: &[Level]| {
            let fits = page.findings.iter().filter(|found| wanted.contains(&found.level));
            let mut fits: Vec<&Finding> = fits.collect();
            fits.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.cmp(b)));
            fits
        };
        let (ended, living): (Vec<_>, Vec<_>) =
            page.certificates.iter().partition(|row| row.not_after <= page.at);
        let (late, living): (Vec<_>, Vec<_>) =
            living.into_iter().partition(|row| row.renew_at.plus(LATE) < page.at);
        Self {
            refused: refused(page),
            broken: of_level(&[Level::Fail]),
            ended,
            late,
            next: next(page, &living),
            warned: of_level(&[Level::Unknown, Level::Warn]),
            marked: marked(page),
        }
    }

    /// How it is, in a class and a sentence.
    pub(super) fn sum(&self) -> (&'static str, String) {
        let all = self.refused.len() + self.broken.len() + self.ended.len() + self.late.len();
        match (all, self.next.len()) {
            (0, 0) => ("good", "All is well".to_owned()),
            (0, next) => ("odd", format!("Nothing needs a person; {} to do", count(next, "thing"))),
            (1, _) => ("bad", "1 thing needs a person".to_owned()),
            (some, _) => ("bad", format!("{some} things need a person")),
        }
    }

    pub(super) fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(b"<section id=\"needs\" aria-labelledby=\"needs-h\">\n")?;
        out.write_all(b"<h2 id=\"needs-h\">Needs a person</h2>\n")?;
        if self.sum().0 != "bad" {
            out.write_all(b"<p>Nothing does.</p>\n")?;
        }
        some(&self.refused, "refused endpoint", out, |refused, out| refused.write(out))?;
        some(&self.ended, "ended certificate", out, |row, out| {
            let why = format!("It ended at {} UTC and is renewed at once.", Minute(row.not_after));
            item(
                "fail",
                ("FAIL", row.name.as_str()),
                &why,
                "`mailcert plan` says what holds it up",
                out,
            )
        })?;
        some(&self.late, "late certificate", out, |row, out| {
            let (due, end) = (Minute(row.renew_at), Minute(row.not_after));
            let why = format!("It should have been renewed from {due} on and ends at {end} UTC.");
            let cure = "`mailcert plan` says what holds it up; does the timer run?";
            item("fail", ("FAIL", row.name.as_str()), &why, cure, out)
        })?;
        some(&self.broken, "problem", out, |found, out| finding(found, out))?;
        out.write_all(b"</section>\n")?;
        if !self.next.is_empty() {
            out.write_all(b"<section aria-labelledby=\"next\"><h2 id=\"next\">To do</h2>\n")?;
            out.write_all(b"<p>The next run does it.</p>\n")?;
            some(&self.next, "thing", out, |text, out| writeln!(out, "<li>{}</li>", Text(text)))?;
            out.write_all(b"</section>\n")?;
        }
        self.worth_knowing(out)
    }

    fn worth_knowing(&self, out: &mut dyn io::Write) -> io::Result<()> {
        if self.warned.is_empty() && self.marked.is_empty() {
            return Ok(());
        }
        out.write_all(b"<section aria-labelledby=\"worth\"><h2 id=\"worth\">Worth knowing</h2>\n")?;
        some(&self.warned, "finding", out, |found, out| finding(found, out))?;
        let marked: Vec<_> = self.marked.iter().collect();
        some(&marked, "kind of problem", out, |((level, code), number), out| {
            let subject = format!("{code} at {}", count(**number, "endpoint"));
            let cure = format!("`mailcert explain {code}`; `{code}` finds the rows below");
            item("warn", (level.0.mark(), &subject), explain::headline(*code), &cure, out)
        })?;
        out.write_all(b"</section>\n")
    }
}

/// The endpoints that senders refuse, those of a host together that are refused for the same.
fn refused<'a>(page: &Page<'a>) -> Vec<Refused<'a>> {
    type Key<'a> = (&'a Hostname, Vec<(Code, &'a [String])>);
    let mut all: Vec<Refused<'a>> = Vec::new();
    let mut known: BTreeMap<Key<'a>, usize> = BTreeMap::new();
    for look in page.endpoints.iter().filter(|look| look.verdict == Verdict::Refused) {
        let why = fatal(look).map(|problem| (problem.code, problem.found.as_slice())).collect();
        let at = *known.entry((&look.host, why)).or_insert(all.len());
        match all.get_mut(at) {
            Some(group) => group.others.push(look),
            None => all.push(Refused { first: look, others: Vec::new() }),
        }
    }
    all
}

fn fatal(look: &Inspection) -> impl Iterator<Item = &Problem> {
    look.problems.iter().filter(|problem| problem.level == Level::Fail)
}

impl Refused<'_> {
    fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let places: Vec<String> = std::iter::once(&self.first)
            .chain(self.others.iter().take(MOST_PLACES))
            .map(|look| tables::place(look))
            .collect();
        let more = match self.others.len().saturating_sub(MOST_PLACES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let host = self.first.host.as_str();
        writeln!(
            out,
            "<li class=\"fail\"><h3><span class=\"refused\">refused</span> {}</h3>\n\
             <p>{}{more}</p>",
            Text(host),
            Text(&places.join("; ")),
        )?;
        for problem in fatal(self.first) {
            tables::problem(problem, out)?;
        }
        writeln!(out, "<p>Cure: <kbd>mailcert fix {}</kbd></p></li>", Text(host))
    }
}

/// What the next run does that has to be done.
fn next(page: &Page<'_>, living: &[&CertificateRow]) -> Vec<String> {
    let mut next: Vec<String> =
        page.owed.iter().map(|server| format!("{server} is to be reloaded")).collect();
    for row in living {
        if row.renew_at <= page.at {
            next.push(format!("{} is to be renewed since {} UTC", row.name, Minute(row.renew_at)));
        } else if row.shown_by.is_empty() {
            next.push(format!("{} was not seen on any server yet", row.name));
        }
    }
    if page.certificates.is_empty() {
        next.push("no certificate is held yet: `mailcert plan` shows what would be done".into());
    }
    let old = |at: Timestamp| at.plus(OLD) < page.at;
    match page.endpoints.iter().filter(|look| old(look.proved_at)).count() {
        0 => {}
        many => next.push(format!(
            "{} not seen for more than 8 days: does the timer run?",
            count(many, "endpoint")
        )),
    }
    next
}

fn marked(page: &Page<'_>) -> BTreeMap<(std::cmp::Reverse<Level>, Code), usize> {
    let mut marked = BTreeMap::new();
    for problem in page.endpoints.iter().flat_map(|look| &look.problems) {
        if matches!(problem.level, Level::Warn | Level::Unknown) {
            *marked.entry((std::cmp::Reverse(problem.level), problem.code)).or_default() += 1;
        }
    }
    marked
}

/// A list of so many that they can be read, and how many more there are.
fn some<T>(
    all: &[T],
    thing: &str,
    out: &mut dyn io::Write,
    write: impl Fn(&T, &mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    out.write_all(b"<ul class=\"needs find\">\n")?;
    for one in all.iter().take(MOST) {
        write(one, &mut *out)?;
    }
    out.write_all(b"</ul>\n")?;
    match all.len().saturating_sub(MOST) {
        0 => Ok(()),
        more => writeln!(out, "<p>and {} more</p>", count(more, thing)),
    }
}

fn finding(found: &Finding, out: &mut dyn io::Write) -> io::Result<()> {
    let class = if found.level == Level::Fail { "fail" } else { "warn" };
    let title = format!("{}: {}", found.code, found.subject);
    let cure = format!("`mailcert explain {}`", found.code);
    item(class, (found.level.mark(), &title), &found.message, &cure, out)
}

fn item(
    class: &str,
    (mark, title): (&str, &str),
    says: &str,
    cure: &str,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let colour = if class == "fail" { "f" } else { "w" };
    writeln!(
        out,
        "<li class=\"{class}\"><h3><span class=\"{colour}\">{mark}</span> {}</h3>\n\
         <p class=\"says\">{}</p>\n<p class=\"soft\">{}</p></li>",
        Text(title),
        Text(says),
        Text(cure),
    )
}

/// So many of a kind are named on top.
const MOST: usize = 100;
/// So many further places of one refusal.
const MOST_PLACES: usize = 12;
/// A run comes twice a day; a renewal that is due for longer is held up.
const LATE: Duration = Duration::from_secs(2 * 86_400);
/// Each name is proved every 7 days.
const OLD: Duration = Duration::from_secs(8 * 86_400);
