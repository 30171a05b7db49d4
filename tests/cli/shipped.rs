//! What packages ship below /usr/share is what the program writes: `templates/share`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::case::Case;

/// What cures a difference.
const REFRESH: &str = "UPDATE_EXPECT=1 cargo test --test cli shipped";

#[test]
fn the_shipped_pages_and_completions_are_those_of_the_program() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/share");
    let written = written();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let _ = fs::remove_dir_all(&shipped);
        for (name, text) in &written {
            let path = shipped.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let mut there = BTreeMap::new();
    collect(&shipped, &shipped, &mut there);
    let names = |files: &BTreeMap<PathBuf, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&there), names(&written), "`{REFRESH}` writes them anew");
    for (name, text) in &written {
        let same = &there[name] == text;
        assert!(same, "templates/share/{} differs: `{REFRESH}` writes it anew", name.display());
    }
}

/// The RPM's list and Debian's name the same files, all of which are there; and every page and
/// completion is in them.
#[test]
fn both_packages_ship_the_same_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let metadata = &manifest["package"]["metadata"];
    let assets = |of: &str| metadata[of]["assets"].as_array().unwrap().clone();
    let deb: Vec<String> = assets("deb").iter().map(|one| text(&one[0])).collect();
    let rpm = assets("generate-rpm");
    let mut rpm: Vec<String> = rpm.iter().map(|one| text(&one["source"])).collect();
    rpm.retain(|source| source != "LICENSE-*"); // Debian's `copyright` has them
    assert_eq!(deb, rpm);
    for source in deb.iter().filter(|source| !source.starts_with("target/")) {
        let (place, name) = source.rsplit_once('/').unwrap_or((".", source));
        let (before, after) = name.split_once('*').unwrap_or((name, ""));
        let files = root.join(place).read_dir().unwrap().map(|one| one.unwrap().file_name());
        let mut names = files.map(|name| name.into_string().unwrap());
        assert!(names.any(|name| name.starts_with(before) && name.ends_with(after)), "{source}");
    }
    for name in written().keys() {
        let place = format!("templates/share/{}/", name.parent().unwrap().display());
        assert!(deb.iter().any(|source| source.starts_with(&place)), "{place} is in no package");
    }
}

fn text(value: &toml::Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Each file at its place below /usr/share.
fn written() -> BTreeMap<PathBuf, String> {
    let case = Case::new();
    fs::create_dir(case.path("man")).unwrap();
    assert_eq!(case.run("man {dir}/man").code, 0);
    let mut files = BTreeMap::new();
    for entry in case.path("man").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let section = path.extension().unwrap().to_str().unwrap().to_owned();
        let name = Path::new("man").join(format!("man{section}")).join(path.file_name().unwrap());
        files.insert(name, fs::read_to_string(&path).unwrap());
    }
    for (shell, place) in [
        ("bash", "bash-completion/completions/mailcert"),
        ("zsh", "zsh/vendor-completions/_mailcert"),
        ("fish", "fish/vendor_completions.d/mailcert.fish"),
    ] {
        files.insert(place.into(), case.run(&format!("completions {shell}")).stdout);
    }
    files
}

fn collect(root: &Path, at: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in at.read_dir().unwrap_or_else(|error| panic!("{}: {error}", at.display())) {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(root, &path, files),
            false => {
                let name = path.strip_prefix(root).unwrap().to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
}
