//! What is known of CAs' profiles before they are asked: how many names a certificate may have.

use super::Acme;
use super::fault::Trouble;
use super::raw::Table;

/// Let's Encrypt's: <https://letsencrypt.org/docs/profiles/>.
const NAMES: &[(&str, usize)] = &[("classic", 100), ("tlsserver", 25), ("shortlived", 25)];
const LETS_ENCRYPT: [&str; 2] =
    ["https://acme-v02.api.letsencrypt.org/", "https://acme-staging-v02.api.letsencrypt.org/"];

/// Says so where the profile allows fewer names than are configured.
pub(super) fn allows_names(table: &Table<'_>, acme: &Acme) {
    let is_known = LETS_ENCRYPT.iter().any(|place| acme.directory.starts_with(place));
    let limit = NAMES.iter().find(|(name, _)| is_known && acme.profile.as_deref() == Some(name));
    let Some((profile, most)) = limit else { return };
    let keys = (table.value("profile"), table.value("names-per-certificate"));
    let (Some(word), Some(number)) = keys else { return };
    if acme.names_per_certificate > *most {
        let later = if word.span.start > number.span.start { word } else { number };
        let message = format!("`names-per-certificate` is {}", acme.names_per_certificate);
        let expected = format!("expected at most {most}: Let's Encrypt's profile {profile}");
        later.wrong(Trouble::new(message, expected));
    }
}
