//! The configuration as admins meet it: every file of `tests/bad-configs` with its entire message,
//! and the examples, which must be right.

use std::path::{Path, PathBuf};

use mailcert::config::{self, Config, Note};

/// The files that a configuration of the tests may name.
fn file(path: &Path) -> Result<String, String> {
    match path.to_str() {
        Some("/etc/mailcert/empty.pem") => Ok(" \n".to_owned()),
        Some("/etc/mailcert/words.pem") => Ok("no certificate at all\n".to_owned()),
        Some("/etc/mailcert/damaged.pem") => {
            Ok("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned())
        }
        Some("/etc/mailcert/tsig.key") => {
            Ok("key \"mailcert\" {\n\talgorithm hmac-sha256;\n\tsecret \"c2VjcmV0\";\n};\n"
                .to_owned())
        }
        Some("/etc/mailcert/tsig-secret.key") => Ok("c2VjcmV0\n".to_owned()),
        Some("/etc/mailcert/tsig-damaged.key") => Ok("key mailcert { c2VjcmV0 };\n".to_owned()),
        Some("/etc/mailcert/tsig-words.key") => Ok("not in base64\n".to_owned()),
        Some("/etc/mailcert/eab.key") => Ok("c2VjcmV0\n".to_owned()),
        _ => Err("No such file or directory".to_owned()),
    }
}

/// What an admin sees: the notes as well as the faults.
fn message(bytes: &[u8]) -> String {
    let path = Path::new("/etc/mailcert/mailcert.toml");
    let read = config::decode(path, bytes).and_then(|text| config::read(path, text, &file));
    match read {
        Err(faults) => format!("{faults}\n"),
        Ok((_, notes)) => {
            let notes: Vec<_> = notes.iter().map(|note| format!("{note}\n")).collect();
            notes.join("\n")
        }
    }
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad-configs");
    let mut cases: Vec<_> = root
        .read_dir()
        .expect("the cases are there")
        .map(|case| case.expect("a directory can be listed").path())
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_bad_configuration_gets_its_whole_message() {
    let cases = cases();
    assert!(cases.len() >= 28, "{} cases are left", cases.len());
    for case in cases {
        let bytes = std::fs::read(case.join("mailcert.toml")).unwrap();
        expect_test::expect_file![case.join("expected")].assert_eq(&message(&bytes));
    }
}

#[test]
fn no_message_is_wider_than_a_terminal_or_holds_control_characters() {
    for case in cases() {
        let message = message(&std::fs::read(case.join("mailcert.toml")).unwrap());
        for line in message.lines() {
            let head = line.starts_with("error: ") || line.starts_with("warning: ");
            let command = line.contains('`');
            assert!(head || command || line.chars().count() <= 80, "{}: {line}", case.display());
            assert!(!line.chars().any(char::is_control), "{}: {line:?}", case.display());
        }
    }
}

fn example(name: &str) -> (Config, Vec<Note>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let text = std::fs::read_to_string(&path).expect("the example is there");
    config::read(&path, &text, &file).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn every_example_is_right() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names: Vec<_> = ["", "files/", "docker/"]
        .into_iter()
        .flat_map(|folder| {
            let entries = examples.join(folder).read_dir().unwrap();
            entries.map(move |entry| {
                format!("{folder}{}", entry.unwrap().file_name().into_string().unwrap())
            })
        })
        .filter(|name| name.ends_with(".toml"))
        .collect();
    let expected =
        ["minimal.toml", "hoster.toml", "docker-sidecar.toml", "docker/mailcert.toml", "full.toml"];
    let files = ["nginx", "haproxy", "opensmtpd", "courier", "cyrus"];
    let files = files.map(|name| format!("files/{name}.toml"));
    for expected in expected.map(str::to_owned).into_iter().chain(files) {
        assert!(names.contains(&expected), "{expected} is gone");
    }
    for name in names {
        let (config, notes) = example(&name);
        let notes: String = notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes, "", "{name}");
        assert!(config.acme.agree_to_terms && !config.domains.is_empty(), "{name}");
    }
}

#[test]
fn the_full_example_states_the_defaults() {
    let (full, _) = example("full.toml");
    let default = config::builtin();
    assert_eq!(full.http01, default.http01);
    assert_eq!(full.discover, default.discover);
    assert_eq!(full.verify, default.verify);
    assert_eq!(full.state, default.state);
    assert_eq!(full.acme.directory, default.acme.directory);
    assert_eq!(full.acme.keys, default.acme.keys);
    assert_eq!(full.acme.names_per_certificate, default.acme.names_per_certificate);
}

#[test]
fn the_fallback_of_the_full_example_is_taken() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/full.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let at = text.find("# [[acme.fallback]]").expect("it is there");
    let end = at + text[at..].find("\n\n").unwrap();
    // The files it names would have to be there.
    let lines = text[at..end].lines().filter(|line| !line.contains("/etc/mailcert/"));
    let table: String = lines.map(|line| format!("{}\n", &line[2..])).collect();
    let text = format!("{}{}{}", &text[..at], table, &text[end..]);
    let (config, notes) =
        config::read(&path, &text, &file).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    assert_eq!((config.fallbacks.len(), notes.len()), (1, 0));
    assert_eq!(config.fallbacks[0].contact, config.acme.contact);
}

/// Each character of the example replaced or removed by each of a few that mean something to
/// TOML: what an editor's slip leaves behind.
#[test]
fn no_slip_of_the_finger_is_too_much() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hoster.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut faulty = 0;
    for (at, c) in text.char_indices() {
        let (front, back) = (&text[..at], &text[at + c.len_utf8()..]);
        for slip in ["", "\"", "[", "]", "\n", "=", "ü", "\u{1b}", "'''", ","] {
            let slipped = format!("{front}{slip}{back}");
            let Err(faults) = config::read(&path, &slipped, &file) else { continue };
            faulty += 1;
            let message = faults.to_string();
            assert!(message.starts_with("error: "), "{slipped}");
            for line in message.lines().filter(|line| !line.contains('`')) {
                let head = line.starts_with("error: ");
                assert!(head || line.chars().count() <= 80, "{line}");
            }
        }
    }
    assert!(faulty > 4000, "{faulty}");
}

#[test]
fn a_broken_line_hides_no_fault_before_it_and_invents_none() {
    for (text, places) in [
        (
            "[acme]\nagree-to-terms = 1\n[[domain]\nname = \"example.org\"\nnmae = 1\n",
            &["2:18", "3:10"][..],
        ),
        ("[acme]\ncontact = []\nagree-to-terms true\n[[domain]]\nnmae = 1\n", &["3:16"]),
        ("[acme]\nkey-types = [\"rsa-2048\",\n[[domain]]\n", &["3:3"]),
    ] {
        let faults = config::read(Path::new("x.toml"), text, &file).unwrap_err();
        let found: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), places.len(), "{faults}");
        for (fault, place) in found.iter().zip(places) {
            assert!(fault.starts_with(&format!("error: x.toml:{place}: ")), "{place}: {fault}");
        }
    }
}

#[test]
fn ten_thousand_broken_domains_are_all_named() {
    let mut text = "[acme]\nagree-to-terms = true\n".to_owned();
    for number in 0..10_000 {
        text += &format!("[[domain]]\nname = \"d{number}.example.org\"\nhosts = [\"a b\"]\n");
    }
    let faults = config::read(Path::new("x.toml"), &text, &file).unwrap_err();
    assert_eq!(faults.iter().count(), 10_000);
}

/// ECDSA is the first whichever is named first; RSA alone is the first itself.
#[test]
fn two_kinds_of_key_may_stand_in_any_order() {
    use mailcert::model::{KeyType, Keys};
    let read = |types: &str| {
        let text = format!(
            "[acme]\nagree-to-terms = true\nkey-types = [{types}]\n[[domain]]\nname = \"a.test\"\n"
        );
        let path = Path::new("/etc/mailcert/mailcert.toml");
        let (config, notes) = config::read(path, &text, &file).expect("it is right");
        assert!(notes.is_empty(), "{types}");
        config.acme.keys
    };
    let both = Keys { first: KeyType::EcdsaP384, beside: Some(KeyType::Rsa3072) };
    assert_eq!(read(r#""ecdsa-p384", "rsa-3072""#), both);
    assert_eq!(read(r#""rsa-3072", "ecdsa-p384""#), both);
    assert_eq!(read(r#""rsa-3072""#), Keys::one(KeyType::Rsa3072));
}
