//! `[notify]` and `run --metrics`: who is told when something needs a person, and what is measured.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use crate::case::Case;
use crate::plan::world_with;

const AT: &str = "127.0.33.7:8080";

/// A world whose order fails, since nobody is the CA.
fn world(notify: &str) -> Case {
    world_with(&format!("[notify]\n{notify}\n"))
        .fake("sendmail", "/bin/cat >> {dir}/mails")
        .fake("alert", "/bin/cat >> {dir}/alerts")
}

/// What was written to a file so far, and forgets it.
fn taken(case: &Case, name: &str) -> String {
    let text = std::fs::read_to_string(case.path(name)).unwrap_or_default();
    let _ = std::fs::remove_file(case.path(name));
    text
}

/// From now on the hosts are another machine's.
fn cure(case: &Case) {
    let text = std::fs::read_to_string(case.path("mailcert.toml")).unwrap();
    let (text, _) = text.split_once("[[exim]]").unwrap();
    let text = text.replace("127.0.33.7\"]", "127.0.33.8\"]");
    std::fs::write(case.path("mailcert.toml"), text).unwrap();
}

#[test]
fn a_problem_is_told_once_and_once_when_it_is_cured_by_mail_and_to_a_program() {
    let case = world(
        "mail = [\"postmaster@example.org\", \"ops@example.net\"]\n\
         sendmail = [\"{dir}/bin/sendmail\", \"-i\", \"--\"]\ncommand = [\"{dir}/bin/alert\"]",
    );
    assert_eq!(case.run("run").code, 1);
    let called = case.called();
    assert!(called.contains("sendmail -i -- postmaster@example.org ops@example.net"), "{called}");
    let mail = taken(&case, "mails");
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert!(
        head.starts_with("To: postmaster@example.org,\n ops@example.net\nSubject: mailcert on ")
    );
    assert!(head.contains(" problems need a person\nAuto-Submitted: auto-generated\n"), "{head}");
    assert!(body.contains("FAIL ") && body.contains("mx1.example.org"), "{body}");
    let alert: serde_json::Value = serde_json::from_str(&taken(&case, "alerts")).unwrap();
    let told = alert["counts"]["new"].clone();
    assert!(told.as_u64() >= Some(1) && alert["counts"]["cured"] == 0, "{alert}");
    assert!(!alert["new"][0]["message"].as_str().unwrap().is_empty());
    // The same night after night: nobody is told again.
    for _ in 0..2 {
        assert_eq!(case.run("run").code, 1);
        assert_eq!((taken(&case, "mails"), taken(&case, "alerts")), (String::new(), String::new()));
    }
    cure(&case);
    let ran = case.run("run --json");
    let mail = taken(&case, "mails");
    assert!(mail.contains(" problems are cured, all is well\n"), "{mail}{ran:?}");
    let alert: serde_json::Value = serde_json::from_str(&taken(&case, "alerts")).unwrap();
    assert_eq!((&alert["counts"]["new"], &alert["counts"]["cured"]), (&0.into(), &told), "{alert}");
    case.run("run");
    assert_eq!((taken(&case, "mails"), taken(&case, "alerts")), (String::new(), String::new()));
}

#[test]
fn who_could_not_be_told_is_told_by_the_next_run_and_the_others_are_not_told_twice() {
    let case = world(
        "mail = [\"postmaster@example.org\"]\nsendmail = [\"{dir}/bin/broken\"]\n\
         command = [\"{dir}/bin/alert\"]",
    )
    .fake("broken", "echo 'no space left' >&2; exit 75");
    let ran = case.run("run --json");
    let failed = |ran: &crate::case::Ran| {
        let findings = ran.json()["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|one| one["code"] == "notify-failed")
    };
    let found = failed(&ran).unwrap();
    assert_eq!((&found["subject"], &found["level"]), (&"mail".into(), &"warn".into()));
    assert!(found["message"].as_str().unwrap().contains("no space left"), "{found}");
    assert!(!taken(&case, "alerts").is_empty());
    let case = case.fake("broken", "/bin/cat >> {dir}/mails");
    assert!(failed(&case.run("run --json")).is_none());
    assert!(taken(&case, "mails").contains("problems need a person"));
    assert_eq!(taken(&case, "alerts"), "");
}

/// Takes one request, answers it with the status, and hands it out.
fn webhook(status: &'static str) -> JoinHandle<String> {
    let listener = TcpListener::bind(AT).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = Vec::new();
        let mut part = [0; 4096];
        // The body ends with the object.
        while !text.ends_with(b"}") {
            let count = stream.read(&mut part).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&text));
            text.extend(&part[..count]);
        }
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        String::from_utf8(text).unwrap()
    })
}

#[test]
fn a_webhook_gets_json_once_it_is_there_and_its_url_is_named_nowhere() {
    let case = world("webhook = \"http://127.0.33.7:8080/T0/secret\"");
    // Nobody is there; then somebody who refuses; then it is taken.
    let ran = case.run("run -vv");
    assert!(ran.stdout.contains("notify-failed"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("secret"), "{ran:?}");
    let request = webhook("500 Internal Server Error");
    let ran = case.run("run -vv");
    assert!(ran.stdout.contains("the server answers 500"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("secret"), "{ran:?}");
    assert!(request.join().unwrap().starts_with("POST /T0/secret HTTP/1.1\r\n"));
    let request = webhook("204 No Content");
    let ran = case.run("run");
    assert!(!ran.stdout.contains("notify-failed"), "{ran:?}");
    let request = request.join().unwrap();
    assert!(request.to_lowercase().contains("content-type: application/json\r\n"), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let said: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(said["text"].as_str().unwrap().ends_with(" problems need a person"), "{said}");
    // Nobody listens any more, and nobody is called.
    assert!(!case.run("run").stdout.contains("notify-failed"));
}

#[test]
fn what_is_measured_is_written_whole_beside_the_answer_for_everybody_to_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let case = world("command = [\"{dir}/bin/alert\"]");
    let file = case.path("mailcert.prom");
    let ran = case.run("run --metrics {dir}/mailcert.prom");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("FAIL"), "{ran:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\nmailcert_run_ok 0\n"), "{text}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    let ran = case.run("run --metrics {dir}/none/mailcert.prom");
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("error: --metrics "), "{ran:?}");
    assert!(ran.stdout.contains("FAIL"), "the answer comes first: {ran:?}");
    assert_eq!(case.run("run --dry-run --metrics {dir}/x").code, 2);
}
