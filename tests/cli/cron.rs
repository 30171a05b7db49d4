//! The line for cron: what it runs, with `mailcert` and `sleep` that only write down their words.

use std::process::Command;

use crate::case::Case;

#[test]
fn cron_runs_it_after_a_pause_where_systemd_does_not() {
    let file = include_str!("../../templates/cron.d/mailcert");
    let (path, line) =
        file.lines().filter(|line| !line.starts_with('#')).fold(("", ""), |(path, line), found| {
            match found.strip_prefix("PATH=") {
                Some(found) => (found, line),
                None => (path, found),
            }
        });
    for directory in ["/usr/sbin", "/usr/local/bin"] {
        assert!(path.split(':').any(|one| one == directory), "no {directory} in {path}");
    }
    let mut words = line.splitn(7, ' ');
    let times: Vec<&str> = words.by_ref().take(5).collect();
    assert_eq!((times, words.next()), (vec!["17", "3,15", "*", "*", "*"], Some("root")), "{line}");
    let command = words.next().unwrap();
    assert!(!command.contains('%'), "a line break for cron: {command}");

    let case = Case::new().fake("mailcert", "").fake("sleep", "");
    let run = |booted: &str| {
        let command = command.replace("/run/systemd/system", booted);
        let own = format!("{}:/usr/bin:/bin", case.path("bin").display());
        let ran = Command::new("sh").args(["-c", &command]).env("PATH", own).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        case.called()
    };
    assert_eq!(run("/"), "");
    let called = run("/nowhere");
    let (pause, then) = called.split_once('\n').unwrap();
    let seconds: u32 = pause.strip_prefix("sleep ").unwrap().parse().unwrap();
    assert!(seconds < 7200, "{pause}");
    assert_eq!(then, "mailcert run -q\n");
}
