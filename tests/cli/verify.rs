//! `verify` against servers in the test.

use expect_test::expect;

use crate::case::Case;
use crate::mail::{Ca, Mail, greets, self_signed, silent};

/// A domain whose two submission servers are right, with the CA's root in `ca.pem`.
fn good() -> Case {
    let ca = Ca::new();
    Case::new().server("one", ca.server(&["smtp.example.org"])).file("ca.pem", &ca.pem()).zone(
        "example.org MX 0 .
             _submission._tcp.example.org SRV 0 1 {one} smtp.example.org
             smtp.example.org A 127.0.0.1",
    )
}

/// The same with a server that shows a self-signed certificate for another name.
fn bad() -> Case {
    Case::new().server("one", self_signed(&["localhost.localdomain"])).zone(
        "example.org MX 0 .
         _submission._tcp.example.org SRV 0 1 {one} smtp.example.org
         smtp.example.org A 127.0.0.1",
    )
}

#[test]
fn a_right_server_is_accepted_and_gmail_is_told_what_to_type() {
    good().run("verify example.org --dns {dns} --roots {dir}/ca.pem").is(expect![[""]]);
}

#[test]
fn a_wrong_certificate_is_refused_in_gmails_words() {
    bad().run("verify me@example.org --dns {dns}").is(expect![[""]]);
}

#[test]
fn the_json_says_everything_of_an_endpoint() {
    let ran = bad().run("verify example.org --dns {dns} --json");
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    let mut answer = ran.json();
    let endpoint = &mut answer["endpoints"][0];
    // Other in each run.
    for field in ["sha256", "spki_sha256"] {
        assert_eq!(endpoint["certificate"][field].as_str().unwrap().len(), 64);
        endpoint["certificate"][field] = "HEX".into();
    }
    assert!(endpoint["millis"].is_u64() && endpoint["certificate"]["serial"].is_string());
    endpoint["millis"] = 0.into();
    endpoint["certificate"]["serial"] = "HEX".into();
    expect![[""]].assert_eq(&format!("{answer:#}\n"));
}

#[test]
fn what_cannot_be_tested_is_unknown_and_not_refused() {
    let case = Case::new()
        .server("busy", greets("421 4.3.2 too many connections"))
        .server("mute", silent());
    let case = case.zone("mx.example.org A 127.0.0.1");
    case.run("verify mx.example.org:{busy} --dns {dns}").is(expect![[""]]);
    let ran = case.run("verify mx.example.org:{mute} --dns {dns} --timeout 1 --json");
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(ran.json()["endpoints"][0]["problems"][0]["code"], "timeout");
}

#[test]
fn a_refusal_outweighs_what_is_unknown() {
    let case = Case::new().server("busy", greets("421 too many")).server("none", Mail::nobody());
    let case = case.zone("mx.example.org A 127.0.0.1");
    let ran = case.run("verify mx.example.org:{busy} mx.example.org:{none} --dns {dns} --json");
    assert_eq!(ran.code, 1, "{ran:?}");
    let answer = ran.json();
    assert_eq!(answer["verdict"], "refused");
    let ports = [0, 1].map(|at| &answer["endpoints"][at]["problems"][0]["code"]);
    assert_eq!(ports, ["temporary-refusal", "connection-refused"], "the order of the targets");
}

#[test]
fn a_host_without_an_address_is_an_endpoint_without_one() {
    let case = Case::new().zone(
        "example.org MX 10 mx.example.org
         mx.example.org CAA 0 issue \"ca.example\"
         sick.example.org SERVFAIL",
    );
    case.run("verify example.org --dns {dns}").is(expect![[""]]);
    let ran = case.run(
        "verify example.org gone.example.org:587 sick.example.org:25 typo.example --dns {dns} --json",
    );
    assert_eq!(ran.code, 4, "{ran:?}");
    let answer = ran.json();
    let endpoints = answer["endpoints"].as_array().unwrap();
    let rows: Vec<String> = endpoints
        .iter()
        .map(|endpoint| {
            assert_eq!(endpoint["verdict"], "unknown");
            assert!(endpoint["address"].is_null());
            let problem = &endpoint["problems"][0];
            let found = problem["found"][0].as_str().unwrap();
            format!("{}:{} {} {found}", endpoint["host"], endpoint["port"], problem["code"])
        })
        .collect();
    expect![[""]].assert_eq(&(rows.join("\n") + "\n"));
}

#[test]
fn a_domain_that_does_not_exist_spoils_no_other_and_is_not_accepted_either() {
    let case = good();
    let ran = case.run("verify example.org typo.example --dns {dns} --roots {dir}/ca.pem");
    ran.is(expect![[""]]);
    case.run("verify typo.example --dns {dns}").is(expect![[""]]);
}

#[test]
fn a_domain_that_takes_no_mail_says_so() {
    let case = Case::new().zone("null.example MX 0 .\nnull.example A 192.0.2.1");
    case.run("verify null.example --dns {dns}").is(expect![[""]]);
}

#[test]
fn targets_come_from_a_file_or_from_stdin_with_their_addresses() {
    let ca = Ca::new();
    let names = ["smtp.example.org", "mx.example.org"];
    let case = Case::new().server("one", ca.server(&names)).file("ca.pem", &ca.pem());
    let lines = "# ours\nmx.example.org:{one} 127.0.0.1\n\nsmtp.example.org:{one} 127.0.0.1 ::1\n";
    let case = case.file("list", lines).input("mx.example.org:{one} 127.0.0.1\n");
    let roots = "--dns {dns} --roots {dir}/ca.pem --json";
    let from_file = case.run(&format!("verify --targets {{dir}}/list {roots}")).json();
    let rows: Vec<String> = from_file["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {} {}", row["host"], row["address"], row["verdict"]))
        .collect();
    expect![[""]].assert_eq(&(rows.join("\n") + "\n"));
    let from_stdin = case.run(&format!("verify --targets - {roots}"));
    assert_eq!(from_stdin.code, 0, "{from_stdin:?}");
    assert_eq!(case.asked(), [""; 0], "the addresses were given");
}

#[test]
fn connect_goes_elsewhere_with_the_name_that_was_asked_for() {
    let case = good().zone("smtp.example.org A 192.0.2.1");
    let ran = case.run(
        "verify submission://smtp.example.org:{one} --connect 127.0.0.1 --dns {dns} \
         --roots {dir}/ca.pem --json",
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let endpoint = &ran.json()["endpoints"][0];
    assert_eq!(
        (&endpoint["address"], &endpoint["sni"]),
        (&"127.0.0.1".into(), &"smtp.example.org".into())
    );
}

#[test]
fn strict_refuses_what_is_only_a_warning() {
    let ca = Ca::new();
    let case =
        Case::new().server("one", ca.expiring(&["mx.example.org"])).file("ca.pem", &ca.pem());
    let case = case.zone("mx.example.org A 127.0.0.1");
    let call = "verify mx.example.org:{one} --dns {dns} --roots {dir}/ca.pem";
    let ran = case.run(call);
    assert!(ran.code == 0 && ran.stdout.contains("warn expires-soon"), "{ran:?}");
    let ran = case.run(&format!("{call} --strict"));
    assert!(ran.code == 1 && ran.stdout.contains("FAIL expires-soon"), "{ran:?}");
}

#[test]
fn a_domain_is_asked_for_once_however_often_it_is_named() {
    let case = good();
    let call =
        "verify example.org me@example.org example.org --dns {dns} --roots {dir}/ca.pem --json";
    let answer = case.run(call).json();
    assert_eq!(answer["endpoints"].as_array().unwrap().len(), 1, "{answer}");
    let codes: Vec<_> = answer["findings"].as_array().unwrap().iter().map(|f| &f["code"]).collect();
    assert_eq!(codes, ["null-mx"]);
    let mx = case.asked().iter().filter(|line| line.ends_with("example.org MX")).count();
    assert_eq!(mx, 1);
}

#[test]
fn hosts_of_the_configuration_are_verified_where_they_answer() {
    let case = Case::new()
        .zone("example.org MX 0 .\nsmtp.example.org A 127.0.0.1\nmail.example.org A 127.0.0.1")
        .config(
            "[machine]\naddresses = [\"127.0.0.1\"]\n[[domain]]\nname = \"example.org\"\n\
             hosts = [\"smtp.example.org\"]\n",
        );
    // Whoever listens on 465 and 587 here, it is looked at; nobody there is no refusal.
    let answer = case.run("verify --json").json();
    for endpoint in answer["endpoints"].as_array().unwrap() {
        assert_ne!(endpoint["port"], 25, "{endpoint}");
    }
}

#[test]
fn quiet_is_one_line_and_verbose_shows_the_session() {
    let case = good();
    let call = "verify example.org --dns {dns} --roots {dir}/ca.pem";
    case.run(&format!("{call} -q")).is(expect![[""]]);
    let ran = case.run(&format!("-v {call}"));
    assert!(ran.stdout.contains("TLSv1.3") && ran.stdout.contains("issued by"), "{ran:?}");
}
