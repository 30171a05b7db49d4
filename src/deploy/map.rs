//! Postfix's SNI map: built aside, read back whole, renamed over the old one.
//!
//! In place it lies: on a full disk `hash` loses names that were there and `lmdb` returns 0 with
//! names missing, a killed `postmap` leaves half a map, and names with a missing file or named
//! twice are a warning with exit status 0 (measured with 3.7.11). The built map holds the keys
//! and takes its mode from its source, so both are 0600 from their first byte.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::command;
use crate::deploy::DeployError;
use crate::disk::{self, Access, Aside};
use crate::model::{CertName, Sha256};
use crate::servers::{self, Content, Kind, Server, Want};

/// 10,000 names take `postmap` 0.2 s; a slow disk may need far longer.
const DEADLINE: Duration = Duration::from_secs(120);
/// Larger than the PEM file of any certificate.
const PEM_LIMIT: u64 = 1 << 20;
/// Most bytes of PEM asked back at once, well under `command::LIMIT`.
const BATCH: usize = 16 << 20;

/// Builds the map that `want` describes and puts source and map in place.
pub(in crate::deploy) async fn build(
    server: &Server,
    want: &Want,
    access: Access,
) -> Result<(), DeployError> {
    let gate = |why: String| DeployError::gate(&want.path, why);
    let (Kind::Postfix(postfix), Content::SniMap { map_type, source, text }) =
        (&server.kind, &want.content)
    else {
        return Err(gate("only Postfix has a map".to_owned()));
    };
    if server.files_only {
        let run = format!("postmap -F {map_type}:{}", source.display());
        return Err(gate(format!("built where the server runs (files-only): {run}")));
    }
    let (Some(source_name), Some(built_name)) = (source.file_name(), want.path.file_name()) else {
        return Err(gate("the path names no file".to_owned()));
    };
    if source.parent() != want.path.parent() {
        return Err(gate(format!("its source {} lies elsewhere", source.display())));
    }
    let expected = expected(map_type, text, &want.identity).map_err(gate)?;
    let aside = Aside::beside(source)?;
    aside.put(source_name, text.as_bytes())?;
    let table = format!("{map_type}:{}", aside.at(source_name).display());
    let postmap = Postmap { directory: &postfix.config_directory, table: &table };
    postmap.build(&want.path).await?;
    if source_name != built_name && disk::look(&aside.at(built_name))?.is_none() {
        return Err(gate(format!("postmap built no {}", aside.at(built_name).display())));
    }
    postmap.read_back(&want.path, &expected).await?;
    // Source first: Postfix warns at every open of a map that is older than its source.
    aside.publish(source_name, access)?;
    if source_name != built_name {
        aside.publish(built_name, access)?;
    }
    Ok(())
}

/// The PEM files of a name, one behind the other, as they are on disk.
#[derive(Clone, Copy)]
struct Pem {
    /// Of their lines, however they are joined.
    lines: Sha256,
    size: usize,
}

/// What the map must answer for each name, once it is certain that the files it is made of are
/// those that were planned: Postfix aborts the handshakes of a name whose file is broken, and
/// `postmap` takes anything, an empty file too.
fn expected<'a>(
    map_type: &str,
    text: &'a str,
    identity: &Sha256,
) -> Result<BTreeMap<&'a str, Pem>, String> {
    let mut lists: BTreeMap<&str, Pem> = BTreeMap::new();
    let (mut expected, mut bundles) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (name, paths) =
            line.split_once(' ').ok_or_else(|| format!("{line:?} is no line of a map"))?;
        let found = match lists.get(paths) {
            Some(found) => *found,
            None => *lists.entry(paths).or_insert(pem(paths, &mut bundles)?),
        };
        if expected.insert(name, found).is_some() {
            return Err(format!("{name} is named twice"));
        }
    }
    match servers::map_identity(map_type, text, &bundles) == *identity {
        true => Ok(expected),
        false => Err("the files it is to be made of are not those that were planned".to_owned()),
    }
}

/// Reads the files of a name, and notes what each of them is.
fn pem(paths: &str, bundles: &mut BTreeMap<CertName, Sha256>) -> Result<Pem, String> {
    let mut all = Zeroizing::new(String::new());
    for path in paths.split_whitespace() {
        let bytes = disk::read(Path::new(path), PEM_LIMIT).map(Zeroizing::new);
        let bytes = bytes.map_err(|error| error.to_string())?;
        let text = std::str::from_utf8(&bytes).map_err(|_| format!("{path} is no PEM"))?;
        let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let name = CertName::parse(stem).map_err(|error| error.to_string())?;
        bundles.insert(name, Sha256::of(&bytes));
        all.push_str(text);
        all.push('\n');
    }
    Ok(Pem { lines: digest(all.lines()), size: all.len() })
}

/// `postmap` on one table.
struct Postmap<'a> {
    directory: &'a Path,
    table: &'a str,
}

impl Postmap<'_> {
    fn argv(&self, arguments: &[&str]) -> Vec<String> {
        let directory = self.directory.display().to_string();
        let all = ["postmap", "-c", &directory].into_iter().chain(arguments.iter().copied());
        all.chain([self.table]).map(str::to_owned).collect()
    }

    async fn build(&self, path: &Path) -> Result<(), DeployError> {
        let ran = command::run_ok(&self.argv(&["-F"]), b"", DEADLINE).await?;
        // It skips and drops names with exit status 0, but not without a word.
        match ran.stderr.lines().find(|line| !line.trim().is_empty() && !is_chatter(line)) {
            Some(line) => Err(DeployError::gate(path, format!("postmap says: {}", line.trim()))),
            None => Ok(()),
        }
    }

    /// Every name must come back with the PEM its file holds.
    async fn read_back(
        &self,
        path: &Path,
        expected: &BTreeMap<&str, Pem>,
    ) -> Result<(), DeployError> {
        let mut names = expected.iter().peekable();
        while names.peek().is_some() {
            let mut batch: BTreeMap<&str, Sha256> = BTreeMap::new();
            let mut size = 0;
            while size < BATCH
                && let Some((name, pem)) = names.next()
            {
                batch.insert(name, pem.lines);
                size += pem.size + name.len();
            }
            self.read_back_some(path, &batch).await?;
        }
        Ok(())
    }

    async fn read_back_some(
        &self,
        path: &Path,
        expected: &BTreeMap<&str, Sha256>,
    ) -> Result<(), DeployError> {
        let keys: String = expected.keys().flat_map(|name| [name, "\n"]).collect();
        let ran = command::run(&self.argv(&["-Fq", "-"]), keys.as_bytes(), DEADLINE).await?;
        let stdout = Zeroizing::new(ran.stdout);
        let found = answers(&stdout, expected);
        let wrong: Vec<&str> = expected
            .iter()
            .filter(|(name, digest)| found.get(*name) != Some(*digest))
            .map(|(name, _)| *name)
            .collect();
        let Some(first) = wrong.first() else { return Ok(()) };
        let what = if found.contains_key(first) { "comes back changed" } else { "is missing" };
        // On a full disk it built the map with entries missing and returned 0 (measured, lmdb).
        let silent = "postmap said nothing, as where no space is left on the device";
        let said = ran.stderr.lines().next().unwrap_or(silent);
        let why = format!(
            "of {} names {} do not read back from the built map; {first} {what} ({said})",
            expected.len(),
            wrong.len()
        );
        Err(DeployError::gate(path, why))
    }
}

/// The digest of every answer of `postmap -Fq -`: a line `NAME TAB PEM` and the PEM's other lines.
fn answers<'a>(output: &'a str, expected: &BTreeMap<&str, Sha256>) -> BTreeMap<&'a str, Sha256> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut current: Option<&str> = None;
    for line in output.lines() {
        match line.split_once('\t').filter(|(name, _)| expected.contains_key(name)) {
            Some((name, first)) => {
                current = Some(name);
                found.entry(name).or_default().push(first);
            }
            None => current
                .and_then(|name| found.get_mut(name))
                .into_iter()
                .for_each(|lines| lines.push(line)),
        }
    }
    found.into_iter().map(|(name, lines)| (name, digest(lines.into_iter()))).collect()
}

/// The digest of the lines that are not blank: how files are joined does not matter.
fn digest<'a>(lines: impl Iterator<Item = &'a str>) -> Sha256 {
    let mut text = Zeroizing::new(String::new());
    for line in lines.map(str::trim_end).filter(|line| !line.is_empty()) {
        text.push_str(line);
        text.push('\n');
    }
    Sha256::of(text.as_bytes())
}

/// What every Postfix program says about an untidy main.cf; it is not about the map.
fn is_chatter(line: &str) -> bool {
    ["overriding earlier entry", "unused parameter", "undefined parameter", "no matching entry"]
        .iter()
        .any(|chatter| line.contains(chatter))
        || line.contains("backwards-compatible default setting")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As on a full disk, where `lmdb` returns 0 with names missing.
    #[tokio::test]
    async fn a_map_that_lost_or_changed_a_name_does_not_read_back() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = root.path().join(name);
            disk::replace(&path, text.as_bytes(), Access::PRIVATE).unwrap();
            path.display().to_string()
        };
        put("main.cf", "compatibility_level = 3.6\n");
        let file = put("a.test.pem", "-----BEGIN X-----\nAA==\n-----END X-----\n");
        let source = put("sni", &format!("a.test {file}\nb.test {file}\n"));
        let table = format!("lmdb:{source}");
        let postmap = Postmap { directory: root.path(), table: &table };
        let path = Path::new("/sni.lmdb");
        postmap.build(path).await.unwrap();

        let good = pem(&file, &mut BTreeMap::new()).unwrap();
        let other = Pem { lines: Sha256::of(b"other"), ..good };
        for (names, said) in [
            (vec![("a.test", good), ("b.test", good)], None),
            (vec![("a.test", good), ("c.test", good)], Some("of 2 names 1 do not read back")),
            (vec![("c.test", good)], Some("c.test is missing")),
            (vec![("b.test", other)], Some("b.test comes back changed")),
        ] {
            let answer = postmap.read_back(path, &names.into_iter().collect()).await;
            match said {
                None => answer.unwrap(),
                Some(said) => {
                    let error = answer.unwrap_err().to_string();
                    assert!(error.contains(said), "{error}");
                }
            }
        }
    }
}
