//! Puts a copy of what a server shows today where the hook-in lines will look for it, so that
//! hooked in before any certificate was issued it shows what it showed.
//!
//! The copy is not noted as installed: to the planner it is a file that differs, which the first
//! certificate replaces.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::deploy::adopt::{pair, text};
use crate::deploy::{DeployError, adopt, install, one_file, ready_directory};
use crate::disk::{self, Access};
use crate::model::{Bundle, Deed, Timestamp};
use crate::servers::hook_in::{default_files, groundwork};
use crate::servers::{Kind, Server};
use crate::store::Store;

/// Brings the files that must lie ready before `server` is hooked in: its default file as a copy
/// of the pair in `chain` (and `key`, where it has a file of its own), and for Postfix an empty
/// map. What is there stays as it is; the default file must be a pair.
///
/// # Errors
/// [`DeployError`] when the pair cannot be read, is none, or cannot be written.
pub async fn seed(
    server: &Server,
    chain: &[PathBuf],
    key: Option<&Path>,
    store: &dyn Store,
    now: Timestamp,
) -> Result<(), DeployError> {
    let files = default_files(server);
    let Some((first, second)) = files.first().map(|first| (first, files.get(1))) else {
        return Ok(());
    };
    let is_whole = files.iter().all(|path| matches!(disk::look(path), Ok(Some(_))));
    ready_directory(server, &server.directory)?;
    let copy = match is_whole {
        true => adopt(first, second.map(PathBuf::as_path)).map(|_| None),
        false => shown(server, chain, key).map(Some),
    };
    let copy = copy.map_err(|error| {
        let why = format!(
            "this file must be a pair before the server is hooked in ({error}); run `mailcert \
             fix --yes`, which brings certificates first"
        );
        DeployError::gate(first, why)
    })?;
    let mut ground = groundwork(server);
    ground.retain(|want| matches!(disk::look(&want.path), Ok(None)));
    install(server, &ground, false, store, now).await?;
    let Some(bundle) = copy else { return Ok(()) };
    let mode = if matches!(server.kind, Kind::Exim(_)) { 0o640 } else { 0o600 };
    let access = Access { mode, uid: Some(server.uid), gid: Some(server.gid) };
    match second {
        // The key first, as everywhere: what refers to it comes after it.
        Some(second) => {
            disk::replace(second, &one_file(bundle.key.expose_pem()), access)?;
            disk::replace(first, &one_file(&bundle.chain), access)?;
        }
        None => {
            disk::replace(first, &bundle.combined(), access)?;
        }
    }
    let said = format!("{}: {} is a copy of what it shows today", server.id, first.display());
    Ok(store.tell(&[Deed::asked_for(now, &[&server.id], said)])?)
}

/// The pair in files of the admin's, which may be links.
fn shown(server: &Server, chain: &[PathBuf], key: Option<&Path>) -> Result<Bundle, DeployError> {
    let Some(first) = chain.first() else {
        let why = "the server shows no certificate of a file that could be copied";
        return Err(DeployError::gate(&server.directory, why));
    };
    let mut certificates = Zeroizing::new(String::new());
    for path in chain {
        certificates.push_str(&read(path)?);
        certificates.push('\n');
    }
    let keys = key.map(read).transpose()?;
    pair(&certificates, keys.as_ref().unwrap_or(&certificates), (first, key))
}

fn read(path: &Path) -> Result<Zeroizing<String>, DeployError> {
    let real = std::fs::canonicalize(path)
        .map_err(|error| DeployError::gate(path, format!("it cannot be read: {error}")))?;
    text(&real)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::seed;
    use crate::config::EximLayout;
    use crate::deploy::adopt;
    use crate::deploy::tests::{exim, now, pair, postfix};
    use crate::disk::{self, Access};
    use crate::servers::Kind;
    use crate::store::{Memory, Store};

    #[tokio::test]
    async fn what_is_shown_today_is_copied_and_a_default_that_is_there_stays() {
        let root = tempfile::tempdir().unwrap();
        let store = Memory::new();
        let bundle = pair("today.test");
        let at = |name: &str| root.path().join(name);
        disk::replace(&at("live.pem"), bundle.chain.as_bytes(), Access::PRIVATE).unwrap();
        symlink(at("live.pem"), at("cert.pem")).unwrap();
        let key = bundle.key.expose_pem().as_bytes();
        disk::replace(&at("key.pem"), key, Access::PRIVATE).unwrap();
        let chain = [at("cert.pem")];

        let server = postfix(root.path(), "hash");
        seed(&server, &chain, Some(&at("key.pem")), &store, now()).await.unwrap();
        let default = server.directory.join("default.pem");
        assert_eq!(fs::read(&default).unwrap(), *bundle.combined());
        for file in ["default.pem", "sni", "sni.db"] {
            let found = fs::metadata(server.directory.join(file)).unwrap();
            assert_eq!(found.mode() & 0o7777, 0o600, "{file}");
        }
        let noted = &store.diary().unwrap().installed;
        assert!(!noted.contains_key(&default), "the planner replaces it: {noted:?}");

        // Another time, with another pair: what is there stays.
        let other = pair("other.test");
        disk::replace(&at("live.pem"), &other.combined(), Access::PRIVATE).unwrap();
        seed(&server, &chain, None, &store, now()).await.unwrap();
        assert_eq!(fs::read(&default).unwrap(), *bundle.combined());

        let mut server = exim(&at("exim"));
        let Kind::Exim(kind) = &mut server.kind else { panic!("no Exim") };
        kind.layout = EximLayout::Split;
        seed(&server, &chain, None, &store, now()).await.unwrap();
        let (crt, key) = (at("exim/exim.crt"), at("exim/exim.key"));
        assert_eq!(adopt(&crt, Some(&key)).unwrap().chain, other.chain);
        let found = fs::metadata(&key).unwrap();
        assert_eq!((found.mode() & 0o7777, found.gid()), (0o640, 12));
    }

    #[tokio::test]
    async fn what_is_no_pair_is_copied_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let store = Memory::new();
        let (one, two) = (pair("one.test"), pair("two.test"));
        let at = |name: &str| root.path().join(name);
        disk::replace(&at("one.pem"), one.chain.as_bytes(), Access::PRIVATE).unwrap();
        disk::replace(&at("two.key"), two.key.expose_pem().as_bytes(), Access::PRIVATE).unwrap();
        let server = postfix(root.path(), "hash");
        for (chain, key, said) in [
            (vec![at("one.pem")], Some(at("two.key")), "one.pem"),
            (vec![at("one.pem")], None, "no private key"),
            (vec![at("none.pem")], None, "cannot be read"),
            (vec![], None, "shows no certificate"),
        ] {
            let seeded = seed(&server, &chain, key.as_deref(), &store, now()).await;
            let error = seeded.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(error.contains("run `mailcert fix --yes`"), "{error}");
            assert!(!server.directory.join("default.pem").exists());
        }
        // A default that is there and broken is not hooked in either.
        disk::replace(&server.directory.join("default.pem"), b"x", Access::PRIVATE).unwrap();
        let error = seed(&server, &[], None, &store, now()).await.unwrap_err().to_string();
        assert!(error.contains("no private key"), "{error}");
    }
}
