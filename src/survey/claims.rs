//! Asks a server which mail domains it takes for its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::model::Hostname;
use crate::servers::claims::{
    Claim, OF_DOVECOT, OF_EXIM, OF_POSTFIX, names_of_file, of_exim, of_postfix,
};
use crate::servers::postfix_settings::values as values_of;
use crate::servers::{Kind, Server};
use crate::survey::question;

/// What a server's settings say of its domains.
#[derive(Debug, Default)]
pub struct Claims {
    /// Each name, with the setting it stands in.
    pub names: Vec<(Hostname, String)>,
    /// What could not be read, with the setting it stands in.
    pub unread: Vec<(String, String)>,
}

/// The mail domains and host names that `server` names. What it does not answer is left out.
pub async fn claims(server: &Server) -> Claims {
    let mut claims = Claims::default();
    for (setting, value) in settings(server).await {
        let found = match &server.kind {
            Kind::Postfix(_) => of_postfix(&value),
            Kind::Exim(_) => of_exim(&value),
            Kind::Dovecot(_) => of_postfix(&value),
            // A program that reads files has no settings to be asked for.
            Kind::Files(_) => Vec::new(),
        };
        let setting = format!("{} {setting}", server.id);
        found.into_iter().for_each(|claim| claims.take(&setting, claim));
    }
    claims
}

/// The values in the order of the questions.
async fn settings(server: &Server) -> Vec<(&'static str, String)> {
    let mut values = Vec::new();
    match &server.kind {
        Kind::Files(_) => {}
        Kind::Postfix(postfix) => {
            let at = postfix.config_directory.to_string_lossy();
            let words = [&["postconf", "-c", &at, "-x"], &OF_POSTFIX[..]].concat();
            values.extend(of_lines(answer(server, &words).await, &OF_POSTFIX));
        }
        Kind::Exim(exim) => {
            let (binary, config) = (exim.binary.to_string_lossy(), exim.config_file.as_ref());
            let config = config.map(|config| config.to_string_lossy());
            for setting in OF_EXIM {
                let mut words = vec![&*binary];
                words.extend(config.iter().flat_map(|config| ["-C", config]));
                words.extend(["-bP", setting]);
                let said = answer(server, &words).await;
                let value = |text: String| Some(text.split_once(" = ")?.1.to_owned());
                let name = setting.trim_start_matches('+');
                values.extend(said.and_then(value).map(|text| (name, text)));
            }
        }
        Kind::Dovecot(dovecot) => {
            let at = dovecot.config_file.to_string_lossy();
            let words = [&["doveconf", "-c", &at], &OF_DOVECOT[..]].concat();
            values.extend(of_lines(answer(server, &words).await, &OF_DOVECOT));
        }
    }
    values
}

/// The values of these settings, of lines `name = value`.
fn of_lines(said: Option<String>, names: &[&'static str]) -> Vec<(&'static str, String)> {
    let mut values = values_of(&said.unwrap_or_default());
    names.iter().filter_map(|name| Some((*name, values.remove(*name)?))).collect()
}

async fn answer(server: &Server, words: &[&str]) -> Option<String> {
    question(&server.id, words).await.ok().map(|ran| ran.stdout.trim().to_owned())
}

impl Claims {
    fn take(&mut self, setting: &str, claim: Claim) {
        let shown = match &claim {
            Claim::Name(name) => return self.name(setting, name),
            Claim::File(path) | Claim::Directory(path) => path.display().to_string(),
            Claim::Unreadable(what) => what.clone(),
        };
        let names = match &claim {
            Claim::File(path) => file(path),
            Claim::Directory(path) => directory(path),
            _ => None,
        };
        match names {
            Some(names) => {
                let from = format!("{setting} {shown}");
                names.iter().for_each(|name| self.name(&from, name));
            }
            None => self.unread.push((shown, setting.to_owned())),
        }
    }

    /// `localhost` and other words are nobody's mail domain.
    fn name(&mut self, setting: &str, name: &str) {
        let parsed = Hostname::parse(name).ok();
        let public = parsed.filter(|name| !LOCAL.iter().any(|end| name.as_str().ends_with(end)));
        self.names.extend(public.map(|name| (name, setting.to_owned())));
    }
}

/// Ends of names that no CA certifies, and that installers write.
const LOCAL: [&str; 6] = [".localdomain", ".local", ".lan", ".internal", ".invalid", ".home.arpa"];

fn file(path: &Path) -> Option<Vec<String>> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(LARGEST).read_to_end(&mut text).ok()?;
    Some(names_of_file(&String::from_utf8_lossy(&text)).map(str::to_owned).collect())
}

fn directory(path: &Path) -> Option<Vec<String>> {
    let entries = std::fs::read_dir(path).ok()?.flatten();
    Some(entries.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// The most that is read of a table; 10,000 domains are a fraction of it.
const LARGEST: u64 = 4 << 20;

/// The claims of several servers: each name with everything that names it.
#[must_use]
pub fn by_name(all: Vec<Claims>) -> BTreeMap<Hostname, Vec<String>> {
    let mut names: BTreeMap<Hostname, Vec<String>> = BTreeMap::new();
    for (name, setting) in all.into_iter().flat_map(|claims| claims.names) {
        let settings = names.entry(name).or_default();
        if !settings.contains(&setting) {
            settings.push(setting);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;

    use super::{Claims, by_name};
    use crate::servers::claims::Claim;

    #[test]
    fn names_are_read_from_files_and_what_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("domains");
        let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.write_all(b"b.test OK\nlocalhost OK\n").unwrap();
        let mut claims = Claims::default();
        for claim in [
            Claim::Name("A.test".to_owned()),
            Claim::Name("localhost".to_owned()),
            Claim::Name("mail.localdomain".to_owned()),
            Claim::File(path),
            Claim::File("/nonexistent".into()),
            Claim::Unreadable("mysql:/x".to_owned()),
        ] {
            claims.take("postfix x", claim);
        }
        claims.take("postfix y", Claim::Name("a.test".to_owned()));
        let unread: Vec<&str> = claims.unread.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(unread, ["/nonexistent", "mysql:/x"]);
        let names = by_name(vec![claims]);
        let lines: Vec<String> =
            names.iter().map(|(name, settings)| format!("{name}: {}", settings.len())).collect();
        assert_eq!(lines, ["a.test: 2", "b.test: 1"]);
    }
}
