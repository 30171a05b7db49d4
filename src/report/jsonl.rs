//! `verify --format jsonl`: one line for each endpoint as it is done, and a last one that sums up.

use serde::Serialize;
use serde_json::Value;

use super::{Report, Verified, json};
use crate::model::Inspection;

/// One endpoint with what every answer has.
#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    command: &'static str,
    #[serde(flatten)]
    look: &'a Inspection,
}

/// The line of an endpoint, with its end.
///
/// # Errors
/// None in truth: it is written to memory.
pub fn line(look: &Inspection) -> serde_json::Result<String> {
    let line = Line { schema: json::SCHEMA, command: "verify", look };
    Ok(json::text(&line)? + "\n")
}

/// The last line: everything the one JSON object says beside its endpoints, and the counts.
///
/// # Errors
/// None in truth: it is written to memory.
pub fn last(report: &Report, verified: &Verified) -> serde_json::Result<String> {
    let mut summary = json::beside_endpoints(report)?;
    summary.remove("schema");
    summary.remove("command");
    if let Value::Object(counts) = serde_json::to_value(&verified.counts)? {
        summary.extend(counts);
    }
    summary.insert("millis".to_owned(), verified.millis.into());
    let line = serde_json::json!({
        "schema": json::SCHEMA, "command": report.command, "summary": summary,
    });
    Ok(json::text(&line)? + "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{last, line};
    use crate::model::Code;
    use crate::report::tests::{HOSTILE, look};
    use crate::report::{Body, Report, Verified};

    #[test]
    fn a_line_is_a_line_whatever_a_server_says() {
        let line = line(&look("mx.example.org", Some(Code::TemporaryRefusal))).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.trim_end().chars().all(|c| !c.is_control()), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&read["schema"], &read["command"]), (&1.into(), &"verify".into()));
        assert_eq!(read["problems"][0]["found"][0], HOSTILE);
    }

    #[test]
    fn the_last_line_sums_up() {
        let looks = vec![look("a.example.org", None), look("b.example.org", Some(Code::Expired))];
        let verified = Verified { millis: Some(7), ..Verified::of("gmail", looks) };
        let report = Report::new("verify", Body::Verify(verified), Vec::new());
        let Body::Verify(verified) = &report.body else { panic!("another body") };
        expect_test::expect![[r#"
            {"command":"verify","schema":1,"summary":{"accepted":1,"clean":1,"complete":true,"endpoints":2,"findings":[],"first_end":"2027-02-25T08:00:05Z","millis":7,"policies":[],"profile":"gmail","proved_at":"2027-01-15T08:00:00Z","refused":1,"unknown":0,"verdict":"refused","warned":0}}
        "#]]
        .assert_eq(&last(&report, verified).unwrap());
    }
}
