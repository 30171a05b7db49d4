//! Whose files these are: told by how a directory looks, never by where it is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::model::Owner;
use crate::source::{Lineage, SourceError};

/// Directories below a place: Caddy keeps `certificates/CA/NAME/`.
const DEEPEST: usize = 5;
/// Most directories that are entered, whatever the place: a mistyped one may hold everything.
const MOST: usize = 100_000;

/// What lies at the places that were searched.
#[derive(Debug, Default)]
pub struct Lineages {
    /// The certificates, sorted by path, of each place in the order of the places.
    pub found: Vec<Lineage>,
    /// The places that cannot be searched, and why.
    pub faults: Vec<SourceError>,
}

/// The certificates at these places, each a directory or a file. Links below a place to other
/// directories are not followed.
#[must_use]
pub fn lineages(places: &[PathBuf]) -> Lineages {
    let mut all = Lineages::default();
    for place in places {
        match fs::metadata(place) {
            Ok(found) if found.is_dir() => search(place, &mut all),
            Ok(_) => all.found.push(alone(place)),
            Err(error) => {
                let why = error.to_string();
                let why = why.split(" (os").next().unwrap_or_default();
                all.faults.push(SourceError::new(place, why));
            }
        }
    }
    all
}

/// A file that was named by itself: Traefik's, or a PEM with key and chain.
fn alone(place: &Path) -> Lineage {
    let owner = match place.extension() {
        Some(extension) if extension == "json" => Owner::Traefik,
        _ => Owner::Files,
    };
    let name = place.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Lineage { owner, name, chain: place.to_owned(), key: None }
}

fn search(place: &Path, all: &mut Lineages) {
    let mut directories = vec![(place.to_owned(), 0)];
    let mut entered = 0;
    while let Some((directory, depth)) = directories.pop() {
        entered += 1;
        if entered > MOST {
            let why =
                format!("more than {MOST} directories below it; name those with certificates");
            all.faults.push(SourceError::new(place, why));
            return;
        }
        let mut below = Vec::new();
        match entries(&directory, &mut below) {
            Ok(names) => all.found.extend(of_directory(&directory, &names)),
            Err(error) => all.faults.push(error),
        }
        if depth < DEEPEST {
            below.sort_unstable_by(|a, b| b.cmp(a));
            directories.extend(below.into_iter().map(|name| (directory.join(name), depth + 1)));
        }
    }
}

/// The names of the files in a directory; those of directories go to `below`.
fn entries(directory: &Path, below: &mut Vec<String>) -> Result<BTreeSet<String>, SourceError> {
    let listed = fs::read_dir(directory).map_err(|error| SourceError::new(directory, error))?;
    let mut names = BTreeSet::new();
    for entry in listed.flatten() {
        let Some(name) = entry.file_name().into_string().ok().filter(|name| is_plain(name)) else {
            continue;
        };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => below.push(name),
            Ok(_) => drop(names.insert(name)),
            Err(_) => {}
        }
    }
    Ok(names)
}

/// Whether a name is one that these programs give: it stands in messages and in commands to paste,
/// and others than root may have made it.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-*@+".contains(&b))
}

/// The certificates whose files lie in this directory.
fn of_directory(directory: &Path, names: &BTreeSet<String>) -> Vec<Lineage> {
    let has = |name: &str| names.contains(name);
    let own = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let pair = |owner, name: &str, chain: &str, key: &str| Lineage {
        owner,
        name: name.to_owned(),
        chain: directory.join(chain),
        key: Some(directory.join(key)),
    };
    if has("fullchain.pem") {
        let owner = by_link(&directory.join("fullchain.pem"));
        // Somebody's copy for a program that needs no key is no certificate of theirs.
        if owner == Owner::Files && !has("privkey.pem") {
            return Vec::new();
        }
        return vec![pair(owner, &own, "fullchain.pem", "privkey.pem")];
    }
    let name = own.strip_suffix("_ecc").unwrap_or(&own);
    let key = format!("{name}.key");
    if has("fullchain.cer") {
        return vec![pair(Owner::AcmeSh, name, "fullchain.cer", &key)];
    }
    let mut found = Vec::new();
    for stem in names.iter().filter_map(|name| name.strip_suffix(".crt")) {
        let key = format!("{stem}.key");
        if has(&key) {
            let owner = match has(&format!("{stem}.json")) {
                true if stem == own => Owner::Caddy,
                true => Owner::Lego,
                false => Owner::Files,
            };
            found.push(pair(owner, stem, &format!("{stem}.crt"), &key));
        }
    }
    if has("acme.json") {
        found.push(alone(&directory.join("acme.json")));
    }
    found
}

/// certbot's files are links to another directory, dehydrated's to others in their own.
fn by_link(chain: &Path) -> Owner {
    match fs::read_link(chain) {
        Ok(target) if target.components().any(|part| part.as_os_str() == "archive") => {
            Owner::Certbot
        }
        Ok(target) if target.to_string_lossy().starts_with("fullchain-") => Owner::Dehydrated,
        _ => Owner::Files,
    }
}
