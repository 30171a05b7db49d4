//! The architecture as far as a machine can see it: who imports whom, which rooms are pure, how
//! long a file is. The tables are those of ARCHITECTURE.md; an exception stands here with its
//! reason or nowhere.

#![expect(clippy::unwrap_used, reason = "a source that cannot be read fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which room may import which others. `*` is every room.
const IMPORTS: &[(&str, &str)] = &[
    ("main", "app"),
    ("lib", "app"),
    ("cli", "model"),
    ("app", "*"),
    ("flow", "* but app cli"),
    ("model", ""),
    ("config", "model"),
    ("dns", "model"),
    ("disk", "model"),
    ("command", "model"),
    ("http", "model trust"),
    ("trust", "model"),
    ("store", "model disk"),
    ("source", "model config"),
    ("discover", "model config dns"),
    ("servers", "model config"),
    ("survey", "model config dns store source servers command verify"),
    ("plan", "model config servers"),
    ("issue", "model config dns http disk store command"),
    ("deploy", "model servers store disk command"),
    ("hook", "model servers disk command store"),
    ("verify", "model dns http trust"),
    ("local", "model command trust verify"),
    ("notify", "model config command http report"),
    ("report", "model plan servers local"),
    ("watch", "model store survey"),
];

/// What a room may import beyond the table: room, path, reason.
const BESIDES: &[(&str, &str, &str)] = &[
    ("survey", "plan", "the planner's input types are what a survey makes"),
    ("deploy", "verify::judge", "a pair is judged before it is installed"),
    ("verify", "config::Profile", "the profile is a word of the configuration"),
    ("verify", "config::RootChoice", "the roots are named in the configuration"),
    ("trust", "config::RootChoice", "the roots are named in the configuration"),
    ("report", "verify::profiles", "explain prints the table by which codes are weighed"),
];

/// Rooms, or files of rooms, that decide and never touch the world.
const PURE: &[&str] = &[
    "model",
    "config",
    "plan",
    "servers",
    "report",
    "verify/starttls",
    "verify/hello",
    "verify/judge",
    "verify/profiles",
    "verify/sts",
    "verify/dane",
    "verify/tlsrpt",
    "local/advice",
    "local/cause",
    "local/conf",
    "local/openssl",
    "local/policy",
    "local/provider",
    "local/stores",
    "local/system",
    "watch/schedule",
];

/// What is not found in a pure room, and what it would be.
const IMPURE: &[(&str, &str)] = &[
    ("std::fs", "files"),
    ("File::open", "files"),
    ("rustix::", "files"),
    ("nix::", "the system"),
    ("tempfile", "files"),
    ("TcpStream", "sockets"),
    ("TcpListener", "sockets"),
    ("UdpSocket", "sockets"),
    ("UnixStream", "sockets"),
    ("ToSocketAddrs", "sockets"),
    ("std::process", "processes"),
    ("std::env", "the environment"),
    ("SystemTime", "the clock"),
    ("Instant::", "the clock"),
    ("now_utc", "the clock"),
    ("tokio", "the runtime"),
    ("println!", "printing"),
    ("print!", "printing"),
    ("async fn", "async"),
    ("async move", "async"),
    (".await", "async"),
    ("tracing::", "logging"),
];

/// Longest file, in lines.
const LINES: usize = 400;
/// Files that may be longer: tables of data.
const TABLES: &[(&str, &str)] = &[];
/// A function this long is named in the test's output.
const LONG_FUNCTION: usize = 70;

/// A source file with what stands before its tests, comments and the contents of strings blanked.
struct Source {
    path: PathBuf,
    room: String,
    text: String,
    code: Vec<String>,
}

impl Source {
    fn at(&self, line: usize) -> String {
        format!("{}:{}", self.path.display(), line + 1)
    }

    /// The path below `src/`, without `.rs`.
    fn place(&self) -> String {
        let text = self.path.display().to_string();
        text.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod").to_owned()
    }
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    assert!(files.len() > 20, "the sources were not found");
    files.into_iter().map(read).collect()
}

fn rust_files(directory: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        // What a build of tests/fuzz leaves there is not ours.
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn read(path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).unwrap();
    let place = path.strip_prefix("src").unwrap();
    let room = place.components().next().unwrap().as_os_str().to_str().unwrap();
    let room = room.trim_end_matches(".rs").to_owned();
    // A file of tests beside its room has no code of its own.
    let is_tests =
        place.to_string_lossy().ends_with("tests.rs") || place.iter().any(|part| part == "tests");
    let code = if is_tests { Vec::new() } else { code_of(&text) };
    Source { path, room, text, code }
}

/// The lines before the tests, without comments and without what stands in strings.
fn code_of(text: &str) -> Vec<String> {
    let blank = blanked(text);
    let lines: Vec<&str> = blank.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].trim_start().starts_with("mod ")
    });
    lines[..tests.unwrap_or(lines.len())].iter().map(|line| (*line).to_owned()).collect()
}

/// Comments and strings as blanks; every line stays where it is.
fn blanked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match (chars[at], chars.get(at + 1)) {
            ('/', Some('/')) => end_of_line(&chars, at),
            ('/', Some('*')) => find(&chars, at + 2, &['*', '/']),
            ('"', _) => end_of_string(&chars, at + 1),
            ('r', Some('"' | '#')) if at == 0 || !chars[at - 1].is_alphanumeric() => {
                end_of_raw(&chars, at).unwrap_or(at)
            }
            ('\'', Some('\\')) => find(&chars, at + 3, &['\'']),
            ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => at + 3,
            _ => at,
        };
        if end > at {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

fn end_of_line(chars: &[char], from: usize) -> usize {
    chars[from..].iter().position(|c| *c == '\n').map_or(chars.len(), |length| from + length)
}

fn find(chars: &[char], from: usize, what: &[char]) -> usize {
    let rest = chars.get(from..).unwrap_or_default();
    let found = rest.windows(what.len()).position(|window| window == what);
    found.map_or(chars.len(), |length| from + length + what.len())
}

fn end_of_string(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn end_of_raw(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(from + 1 + hashes) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.extend(std::iter::repeat_n('#', hashes));
    Some(find(chars, from + 2 + hashes, &end))
}

/// Every path that begins with `crate::`, or is used from there, with its line.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in source.code.iter().enumerate() {
        for (start, _) in line.match_indices("crate::") {
            let rest = &line[start + "crate::".len()..];
            if rest.starts_with('{') {
                // `use crate::{a, b::C};`
                let all = source.code[at..].join(" ");
                let inside = all.split("crate::{").nth(1).unwrap_or_default();
                found.extend(top_level(inside).into_iter().map(|path| (at, path)));
            } else {
                found
                    .extend(paths(rest, &source.code[at + 1..]).into_iter().map(|path| (at, path)));
            }
        }
    }
    found
}

/// `a::b::C`, or, for `a::{C, D}`, both `a::C` and `a::D`.
fn paths(rest: &str, below: &[String]) -> Vec<String> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let path: String = rest.chars().take_while(|c| is_path(*c)).collect();
    if !rest[path.len()..].starts_with('{') {
        return vec![path];
    }
    let all = format!("{} {}", &rest[path.len() + 1..], below.join(" "));
    top_level(&all).into_iter().map(|name| format!("{path}{name}")).collect()
}

/// The entries of a use list up to its closing brace.
fn top_level(text: &str) -> Vec<String> {
    let (mut depth, mut entries, mut entry) = (0, Vec::new(), String::new());
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => entries.push(std::mem::take(&mut entry)),
            _ if depth == 0 && !c.is_whitespace() => entry.push(c),
            _ => {}
        }
    }
    entries.push(entry);
    entries.into_iter().filter(|entry| !entry.is_empty()).collect()
}

fn may_import(room: &str, path: &str) -> bool {
    let other = path.split("::").next().unwrap_or_default();
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == room) else { return false };
    let by_table = match allowed.split_once(" but ") {
        Some((_, denied)) => !denied.split(' ').any(|name| name == other),
        None => allowed.split(' ').any(|name| name == "*" || name == other),
    };
    let besides = BESIDES.iter().any(|(name, begin, _)| {
        *name == room
            && path
                .strip_prefix(begin)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    });
    room == other || by_table || besides
}

/// Fails with every broken rule at once.
fn none_broken(broken: Vec<String>) {
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn a_room_imports_what_the_table_allows() {
    let mut broken = Vec::new();
    for source in sources() {
        if !IMPORTS.iter().any(|(room, _)| *room == source.room) {
            broken.push(format!("{}: room `{}` is not in the table", source.at(0), source.room));
            continue;
        }
        for (line, path) in imports(&source) {
            if !may_import(&source.room, &path) {
                let (at, room) = (source.at(line), &source.room);
                broken.push(format!("{at}: `{room}` may not import `crate::{path}`"));
            }
        }
    }
    none_broken(broken);
}

#[test]
fn the_tables_are_up_to_date() {
    let rooms: BTreeSet<&str> = IMPORTS.iter().map(|(room, _)| *room).collect();
    for (_, allowed) in IMPORTS {
        for room in allowed.split(' ').filter(|word| !["", "*", "but"].contains(word)) {
            assert!(rooms.contains(room), "`{room}` is allowed somewhere and is no room");
        }
    }
    assert!(BESIDES.iter().all(|(_, _, reason)| !reason.is_empty()));
    for (table, _) in TABLES {
        assert!(Path::new(table).exists(), "{table} may be long and does not exist");
    }
}

/// Every room with what it may import, as a row of ARCHITECTURE.md's table.
#[test]
fn the_tables_are_those_of_architecture_md() {
    let text = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let rows = text.lines().skip_while(|line| !line.contains("may import")).skip(2);
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let allowed = format!(" {} ", cells.last().unwrap().replace(',', "").trim());
        let allowed = allowed.replace(" all ", " * ").replace(" - ", "");
        let allowed: BTreeSet<String> = allowed.split_whitespace().map(str::to_owned).collect();
        for name in cells[0].split('`').skip(1).step_by(2) {
            let room = name.trim_end_matches('/').trim_end_matches(".rs");
            told.insert(room.to_owned(), allowed.clone());
        }
    }
    let rooms: BTreeSet<String> = sources().into_iter().map(|source| source.room).collect();
    let mut enforced: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (room, allowed) in IMPORTS {
        assert!(rooms.contains(*room), "no room is called {room}");
        let besides = BESIDES.iter().filter(|(name, ..)| name == room);
        let besides = besides.map(|(_, path, _)| path.split("::").next().unwrap());
        let all = allowed.split_whitespace().chain(besides).map(str::to_owned);
        enforced.insert((*room).to_owned(), all.collect());
    }
    let rooms = told.keys().chain(enforced.keys()).collect::<BTreeSet<_>>().into_iter();
    let differing = rooms.filter(|room| told.get(*room) != enforced.get(*room));
    let say = |room: &String| {
        format!("{room}: told {:?}, enforced {:?}", told.get(room), enforced.get(room))
    };
    none_broken(differing.map(say).collect());
    let pure = PURE.join(" ").replace('/', "::");
    let said = text.split("pure rooms (`").nth(1).unwrap().split('`').next().unwrap();
    let said = said.split_whitespace().flat_map(spelled_out).collect::<Vec<_>>().join(" ");
    assert_eq!(said, pure, "the pure rooms that are told and those that are enforced");
}

/// `a::{b,c}` as `a::b` and `a::c`.
fn spelled_out(path: &str) -> Vec<String> {
    match path.split_once("::{") {
        Some((room, files)) => {
            let files = files.trim_end_matches('}').split(',');
            files.map(|file| format!("{room}::{file}")).collect()
        }
        None => vec![path.to_owned()],
    }
}

#[test]
fn pure_rooms_do_not_touch_the_world() {
    let mut broken = Vec::new();
    for source in sources() {
        let place = source.place();
        let is_pure = |pure: &&str| {
            place.strip_prefix(*pure).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !PURE.iter().any(is_pure) {
            continue;
        }
        for (at, line) in source.code.iter().enumerate() {
            if let Some((word, what)) = IMPURE.iter().find(|(word, _)| line.contains(word)) {
                broken.push(format!("{}: a pure room has no {what} (`{word}`)", source.at(at)));
            }
        }
    }
    none_broken(broken);
}

#[test]
fn no_glob_imports_and_no_way_up_twice() {
    let mut broken = Vec::new();
    for source in sources() {
        for (at, line) in source.code.iter().enumerate() {
            let line = line.trim();
            if (line.starts_with("use ") || line.starts_with("pub use ")) && line.contains("::*") {
                broken.push(format!("{}: no glob imports", source.at(at)));
            }
            if line.contains("super::super") {
                broken.push(format!("{}: no `super::super`; say `crate::`", source.at(at)));
            }
        }
    }
    none_broken(broken);
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut broken = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        let path = source.path.display().to_string();
        if lines > LINES && !TABLES.iter().any(|(table, _)| *table == path) {
            broken.push(format!("{path}:{LINES}: a file has at most {LINES} lines, this {lines}"));
        }
        let opens = source.text.starts_with("//!") || source.text.starts_with("#![doc = ");
        if !opens {
            broken.push(format!("{}: a file opens with `//!` and what it is for", source.at(0)));
        }
    }
    none_broken(broken);
}

#[test]
fn rooms_form_no_cycle() {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources().iter().filter(|source| !["main", "lib"].contains(&&*source.room)) {
        for (_, path) in imports(source) {
            let other = path.split("::").next().unwrap_or_default().to_owned();
            if other != source.room {
                edges.entry(source.room.clone()).or_default().insert(other);
            }
        }
    }
    // A room that imports nothing that is left cannot be on a cycle: take those away.
    let mut rooms: BTreeSet<String> = edges.keys().cloned().collect();
    loop {
        let free: Vec<String> = rooms
            .iter()
            .filter(|room| edges[*room].intersection(&rooms).next().is_none())
            .cloned()
            .collect();
        if free.is_empty() {
            break;
        }
        rooms.retain(|room| !free.contains(room));
    }
    let ways = rooms.iter().map(|room| {
        let others: Vec<&str> = edges[room].intersection(&rooms).map(String::as_str).collect();
        format!("src/{room}: on or before a cycle, by its imports of {}", others.join(", "))
    });
    none_broken(ways.collect());
}

#[test]
fn no_test_is_ignored_but_the_live_ones() {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    rust_files(Path::new("tests"), &mut files);
    let mut broken = Vec::new();
    let live = |path: &&PathBuf| path.to_string_lossy().starts_with("tests/live");
    for path in files.iter().filter(|path| !live(path)) {
        let text = blanked(&fs::read_to_string(path).unwrap());
        for (at, line) in text.lines().enumerate().filter(|(_, line)| line.contains("#[ignore")) {
            let line = line.trim();
            broken.push(format!("{}:{}: {line}: only live tests", path.display(), at + 1));
        }
    }
    none_broken(broken);
}

/// Not a law: a list to read now and then (`cargo test --test architecture -- --nocapture`).
#[test]
fn long_functions_are_named() {
    for source in sources() {
        let mut open: Option<(usize, usize)> = None;
        for (at, line) in source.code.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let begins = line.contains("fn ") && line.trim_end().ends_with('{');
            match open {
                None if begins => open = Some((at, indent)),
                Some((start, depth)) if indent == depth && line.trim() == "}" => {
                    if at - start > LONG_FUNCTION {
                        println!("{}: a function of {} lines", source.at(start), at - start);
                    }
                    open = None;
                }
                _ => {}
            }
        }
        let code = source.code.join("\n");
        let (opened, closed) = (code.matches('{').count(), code.matches('}').count());
        assert_eq!(opened, closed, "{}: the braces do not match", source.path.display());
    }
}
