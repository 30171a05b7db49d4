//! `--format prometheus`: the text exposition format, version 0.0.4, for the textfile collector. Every sample of a metric stands below its HELP and TYPE, so that the rows are held
//! until all are known; one is about 300 bytes.

use std::collections::BTreeMap;
use std::io;

use super::{Body, CertificateRow, Report, Verified};
use crate::model::{Code, Inspection, Level, Timestamp, Verdict};
use crate::plan::Fate;

/// The endpoints, each by its labels: no two samples of a metric have the same.
#[derive(Debug, Default)]
pub struct Exposition {
    rows: BTreeMap<String, Row>,
}

#[derive(Debug)]
struct Row {
    validity: Option<(Timestamp, Timestamp)>,
    verdict: Verdict,
    problems: BTreeMap<Code, Level>,
    proved_at: Timestamp,
    millis: u64,
}

impl Exposition {
    /// One more endpoint.
    pub fn add(&mut self, look: &Inspection) {
        let seen = look.certificate.as_ref();
        let mut problems = BTreeMap::new();
        for problem in &look.problems {
            let level = problems.entry(problem.code).or_insert(problem.level);
            *level = (*level).max(problem.level);
        }
        let row = Row {
            validity: seen.map(|seen| (seen.not_before, seen.not_after)),
            verdict: look.verdict,
            problems,
            proved_at: look.proved_at,
            millis: look.millis,
        };
        self.rows.insert(labels(look), row);
    }

    /// All of it, written as it is walked: as a text it would be several times as large as what
    /// is held.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, verified: &Verified, writer: &mut dyn io::Write) -> io::Result<()> {
        let out = &mut Metrics { writer, name: "" };
        self.certificates(out)?;
        self.verdicts(out)?;
        out.begin("mailcert_look_duration_seconds", "How long the look took.")?;
        for (labels, row) in &self.rows {
            out.sample(labels, &seconds(row.millis))?;
        }
        out.begin("mailcert_look_timestamp_seconds", "When the look was made.")?;
        for (labels, row) in &self.rows {
            out.sample(labels, &row.proved_at.unix().to_string())?;
        }
        totals(out, verified)
    }

    fn certificates(&self, out: &mut Metrics<'_>) -> io::Result<()> {
        let valid = |(labels, row): (&'_ String, &'_ Row)| Some((labels.clone(), row.validity?));
        out.begin(
            "mailcert_certificate_not_after_timestamp_seconds",
            "When the certificate ends that the endpoint shows.",
        )?;
        for (labels, (_, end)) in self.rows.iter().filter_map(valid) {
            out.sample(&labels, &end.unix().to_string())?;
        }
        out.begin(
            "mailcert_certificate_not_before_timestamp_seconds",
            "When the certificate begins that the endpoint shows.",
        )?;
        for (labels, (begin, _)) in self.rows.iter().filter_map(valid) {
            out.sample(&labels, &begin.unix().to_string())?;
        }
        Ok(())
    }

    fn verdicts(&self, out: &mut Metrics<'_>) -> io::Result<()> {
        out.begin("mailcert_verdict", "1 for the verdict on the endpoint, 0 for the others.")?;
        for (labels, row) in &self.rows {
            for verdict in VERDICTS {
                let labels = format!("{labels},verdict=\"{}\"", verdict.as_str());
                out.sample(&labels, if row.verdict == verdict { "1" } else { "0" })?;
            }
        }
        out.begin("mailcert_problem", "1 for each problem of the endpoint.")?;
        for (labels, row) in &self.rows {
            for (code, level) in &row.problems {
                let level = level.mark().to_ascii_lowercase();
                out.sample(&format!("{labels},code=\"{code}\",level=\"{level}\""), "1")?;
            }
        }
        Ok(())
    }
}

/// The answer of `verify`, `run`, `fix`, `rollback` or `status`; the others have nothing that is
/// measured.
///
/// # Errors
/// Those of the writer.
pub fn write(report: &Report, writer: &mut dyn io::Write) -> io::Result<()> {
    let (verified, run) = match &report.body {
        Body::Verify(verified) => (verified, None),
        Body::Run { verified, outcomes, ok, .. } => (verified, Some((outcomes, *ok))),
        Body::Status(rows) => return held(&mut Metrics { writer, name: "" }, rows),
        _ => return Ok(()),
    };
    let mut exposition = Exposition::default();
    verified.endpoints.iter().for_each(|look| exposition.add(look));
    exposition.write(verified, writer)?;
    let Some((outcomes, ok)) = run else { return Ok(()) };
    let out = &mut Metrics { writer, name: "" };
    out.begin("mailcert_run_ok", "1 if all is as wanted after the run.")?;
    out.sample("", if ok { "1" } else { "0" })?;
    out.begin("mailcert_run_steps", "How many steps of the run had this fate.")?;
    for fate in [Fate::Done, Fate::Failed, Fate::Skipped] {
        let count = outcomes.iter().filter(|outcome| outcome.fate == fate).count();
        out.sample(&format!("fate=\"{}\"", fate.as_str()), &count.to_string())?;
    }
    Ok(())
}

/// Every certificate in the store, by its name there.
fn held(out: &mut Metrics<'_>, rows: &[CertificateRow]) -> io::Result<()> {
    let label = |row: &CertificateRow| format!("name=\"{}\"", escaped(row.name.as_str()));
    out.begin(
        "mailcert_held_certificate_not_after_timestamp_seconds",
        "When the certificate that is shown ends.",
    )?;
    for row in rows {
        out.sample(&label(row), &row.not_after.unix().to_string())?;
    }
    out.begin("mailcert_held_certificate_renewal_timestamp_seconds", "When it is renewed.")?;
    for row in rows {
        out.sample(&label(row), &row.renew_at.unix().to_string())?;
    }
    out.begin("mailcert_held_certificates", "How many are held.")?;
    out.sample("", &rows.len().to_string())
}

/// What holds for the whole run.
fn totals(out: &mut Metrics<'_>, verified: &Verified) -> io::Result<()> {
    let counts = &verified.counts;
    out.begin("mailcert_endpoints", "How many endpoints have the verdict.")?;
    for (verdict, count) in VERDICTS.iter().zip([counts.accepted, counts.unknown, counts.refused]) {
        out.sample(&format!("verdict=\"{}\"", verdict.as_str()), &count.to_string())?;
    }
    out.begin("mailcert_endpoints_warned", "How many are accepted with a warning.")?;
    out.sample("", &counts.warned.to_string())?;
    out.begin("mailcert_verify_complete", "1 if everything that was asked for was looked at.")?;
    out.sample("", if verified.stopped.is_none() { "1" } else { "0" })?;
    if let Some(at) = counts.proved_at {
        out.begin("mailcert_verify_timestamp_seconds", "When the last look of the run was made.")?;
        out.sample("", &at.unix().to_string())?;
    }
    if let Some(millis) = verified.millis {
        out.begin("mailcert_verify_duration_seconds", "How long the run took.")?;
        out.sample("", &seconds(millis))?;
    }
    Ok(())
}

const VERDICTS: [Verdict; 3] = [Verdict::Accepted, Verdict::Unknown, Verdict::Refused];

/// Lines of the exposition; the metric they belong to is the last that began.
struct Metrics<'a> {
    writer: &'a mut dyn io::Write,
    name: &'static str,
}

impl Metrics<'_> {
    fn begin(&mut self, name: &'static str, help: &str) -> io::Result<()> {
        self.name = name;
        write!(self.writer, "# HELP {name} {help}\n# TYPE {name} gauge\n")
    }

    fn sample(&mut self, labels: &str, value: &str) -> io::Result<()> {
        let name = self.name;
        match labels {
            "" => writeln!(self.writer, "{name} {value}"),
            labels => writeln!(self.writer, "{name}{{{labels}}} {value}"),
        }
    }
}

fn labels(look: &Inspection) -> String {
    let address = look.address.map(|address| address.to_string()).unwrap_or_default();
    let domain = look.domain.as_ref().map(ToString::to_string).unwrap_or_default();
    format!(
        "host=\"{}\",port=\"{}\",service=\"{}\",address=\"{}\",domain=\"{}\"",
        escaped(look.host.as_str()),
        look.port,
        look.service,
        escaped(&address),
        escaped(&domain),
    )
}

/// A label's value: a backslash, a quote and a line end are written with a backslash.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::{Exposition, escaped, write};
    use crate::model::{CertName, Code, KeyType, Timestamp, Version};
    use crate::report::tests::{NOW, look};
    use crate::report::{Body, CertificateRow, RenewBecause, Report, Verified};

    #[test]
    fn every_sample_stands_below_its_metric_and_a_host_looked_at_twice_has_one() {
        let looks = || {
            vec![
                look("mx.example.org", None),
                look("mx2.example.org", Some(Code::NameMismatch)),
                look("mx.example.org", None),
            ]
        };
        let mut exposition = Exposition::default();
        looks().iter().for_each(|look| exposition.add(look));
        let verified = Verified { millis: Some(1_041), ..Verified::of("gmail", looks()) };
        let mut text = Vec::new();
        exposition.write(&verified, &mut text).unwrap();
        expect_test::expect![[r##"
            # HELP mailcert_certificate_not_after_timestamp_seconds When the certificate ends that the endpoint shows.
            # TYPE mailcert_certificate_not_after_timestamp_seconds gauge
            mailcert_certificate_not_after_timestamp_seconds{host="mx.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org"} 1803542405
            mailcert_certificate_not_after_timestamp_seconds{host="mx2.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org"} 1803542405
            # HELP mailcert_certificate_not_before_timestamp_seconds When the certificate begins that the endpoint shows.
            # TYPE mailcert_certificate_not_before_timestamp_seconds gauge
            mailcert_certificate_not_before_timestamp_seconds{host="mx.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org"} 1799913600
            mailcert_certificate_not_before_timestamp_seconds{host="mx2.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org"} 1799913600
            # HELP mailcert_verdict 1 for the verdict on the endpoint, 0 for the others.
            # TYPE mailcert_verdict gauge
            mailcert_verdict{host="mx.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org",verdict="accepted"} 1
            mailcert_verdict{host="mx.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org",verdict="unknown"} 0
            mailcert_verdict{host="mx.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org",verdict="refused"} 0
            mailcert_verdict{host="mx2.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org",verdict="accepted"} 0
            mailcert_verdict{host="mx2.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org",verdict="unknown"} 0
            mailcert_verdict{host="mx2.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org",verdict="refused"} 1
            # HELP mailcert_problem 1 for each problem of the endpoint.
            # TYPE mailcert_problem gauge
            mailcert_problem{host="mx2.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org",code="name-mismatch",level="fail"} 1
            # HELP mailcert_look_duration_seconds How long the look took.
            # TYPE mailcert_look_duration_seconds gauge
            mailcert_look_duration_seconds{host="mx.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org"} 0.041
            mailcert_look_duration_seconds{host="mx2.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org"} 0.041
            # HELP mailcert_look_timestamp_seconds When the look was made.
            # TYPE mailcert_look_timestamp_seconds gauge
            mailcert_look_timestamp_seconds{host="mx.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org"} 1800000000
            mailcert_look_timestamp_seconds{host="mx2.example.org",port="25",service="smtp",address="192.0.2.7",domain="example.org"} 1800000000
            # HELP mailcert_endpoints How many endpoints have the verdict.
            # TYPE mailcert_endpoints gauge
            mailcert_endpoints{verdict="accepted"} 2
            mailcert_endpoints{verdict="unknown"} 0
            mailcert_endpoints{verdict="refused"} 1
            # HELP mailcert_endpoints_warned How many are accepted with a warning.
            # TYPE mailcert_endpoints_warned gauge
            mailcert_endpoints_warned 0
            # HELP mailcert_verify_complete 1 if everything that was asked for was looked at.
            # TYPE mailcert_verify_complete gauge
            mailcert_verify_complete 1
            # HELP mailcert_verify_timestamp_seconds When the last look of the run was made.
            # TYPE mailcert_verify_timestamp_seconds gauge
            mailcert_verify_timestamp_seconds 1800000000
            # HELP mailcert_verify_duration_seconds How long the run took.
            # TYPE mailcert_verify_duration_seconds gauge
            mailcert_verify_duration_seconds 1.041
        "##]].assert_eq(&String::from_utf8(text).unwrap());
    }

    #[test]
    fn what_is_held_is_told_by_its_name() {
        let row = CertificateRow {
            name: CertName::parse("example.org-2").unwrap(),
            names: Vec::new(),
            key_type: KeyType::EcdsaP256,
            not_after: Timestamp::from_unix(NOW + 86_400),
            renew_because: RenewBecause::Lifetime,
            explanation: None,
            renew_at: Timestamp::from_unix(NOW),
            version: Version(1),
            ca: None,
            on_hold: None,
            shown_by: Vec::new(),
            verdict: None,
        };
        let mut text = Vec::new();
        write(&Report::new("status", Body::Status(vec![row]), Vec::new()), &mut text).unwrap();
        expect_test::expect![[r##"
            # HELP mailcert_held_certificate_not_after_timestamp_seconds When the certificate that is shown ends.
            # TYPE mailcert_held_certificate_not_after_timestamp_seconds gauge
            mailcert_held_certificate_not_after_timestamp_seconds{name="example.org-2"} 1800086400
            # HELP mailcert_held_certificate_renewal_timestamp_seconds When it is renewed.
            # TYPE mailcert_held_certificate_renewal_timestamp_seconds gauge
            mailcert_held_certificate_renewal_timestamp_seconds{name="example.org-2"} 1800000000
            # HELP mailcert_held_certificates How many are held.
            # TYPE mailcert_held_certificates gauge
            mailcert_held_certificates 1
        "##]].assert_eq(&String::from_utf8(text).unwrap());
    }

    #[test]
    fn a_label_cannot_be_left_early() {
        assert_eq!(escaped("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
    }
}
