//! What the distribution's policies for OpenSSL and GnuTLS allow, and whether what a server shows
//! is within them. Pure.
//!
//! The ciphers of a policy are quoted and not judged: which one a server takes from another list
//! only it knows, and an installed `openssl` finds out.

use serde::Serialize;

use super::conf::{Conf, Said};
use super::stores::Link;
use crate::model::Tls;
use crate::verify::visible;

/// The policies of this machine, and whether they allow a server. Field names are the JSON
/// interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyRow {
    /// What OpenSSL's configuration says.
    #[serde(flatten)]
    pub policy: Policy,
    /// Whether both allow the server's version and keys; `None` where it showed nothing.
    pub allows: Option<bool>,
    /// What they forbid, each with the place where it stands.
    pub why: Vec<String>,
}

/// The policies as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// The files OpenSSL reads, in order.
    pub files: Vec<String>,
    /// What could not be followed in them.
    pub faults: Vec<String>,
    /// The oldest and the newest version OpenSSL's programs speak.
    pub min_protocol: Option<Said>,
    /// The newest.
    pub max_protocol: Option<Said>,
    /// The ciphers up to TLS 1.2, with `@SECLEVEL`.
    pub cipher_string: Option<Said>,
    /// The ciphers of TLS 1.3.
    pub ciphersuites: Option<Said>,
    /// The crypto policy of the system (RHEL, Fedora), such as `DEFAULT`.
    pub crypto_policy: Option<String>,
    /// What GnuTLS is forbidden, if its file is there.
    pub gnutls: Option<Gnutls>,
}

/// GnuTLS's priority file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gnutls {
    /// The file.
    pub file: String,
    /// Versions it may not speak, as `tls1.2`.
    pub disabled_versions: Vec<String>,
    /// The only versions it may speak, where the file lists those (`override-mode = allowlist`).
    pub enabled_versions: Option<Vec<String>>,
    /// The least that keys must be: `medium` is RSA-2048, `high` RSA-3072.
    pub min_profile: Option<String>,
}

impl Policy {
    /// What of a configuration of OpenSSL matters here.
    pub(super) fn of(conf: &Conf) -> Self {
        let said = |command| {
            let said = conf.for_everyone(command)?;
            Some(Said { value: visible(&said.value), at: visible(&said.at) })
        };
        Self {
            files: conf.files.iter().map(|file| visible(file)).collect(),
            faults: conf.faults.iter().map(|fault| visible(fault)).collect(),
            min_protocol: said("MinProtocol"),
            max_protocol: said("MaxProtocol"),
            // Whole: the level may stand at its end.
            cipher_string: conf.for_everyone("CipherString").cloned(),
            ciphersuites: said("Ciphersuites"),
            crypto_policy: None,
            gnutls: None,
        }
    }

    /// Whether it allows a session and the keys on the way up from the leaf. What was agreed on is
    /// the newest that the server speaks.
    pub(super) fn judge(&self, session: Option<&Tls>, links: &[Link]) -> PolicyRow {
        let mut why = Vec::new();
        if let Some(session) = session {
            why.extend(self.version(&session.version));
            let gnutls = self.gnutls.as_ref();
            why.extend(gnutls.and_then(|gnutls| gnutls.version(&session.version)));
        }
        why.extend(self.keys(links));
        why.extend(self.gnutls.as_ref().and_then(|gnutls| gnutls.keys(links)));
        let allows = session.map(|_| why.is_empty());
        PolicyRow { policy: self.clone(), allows, why }
    }

    fn version(&self, spoken: &str) -> Option<String> {
        let bound = |said: &Said| Some((rank(&said.value)?, said.clone()));
        let spoken_rank = rank(spoken)?;
        if let Some((least, said)) = self.min_protocol.as_ref().and_then(bound)
            && least > spoken_rank
        {
            return Some(format!(
                "MinProtocol = {} ({}), and the server speaks {spoken} at most",
                said.value, said.at
            ));
        }
        let (most, said) = self.max_protocol.as_ref().and_then(bound)?;
        // Servers that speak 1.2 or 1.3 mostly speak nothing older; both are mostly offered.
        (most < TLS12 && spoken_rank >= TLS12).then(|| {
            format!("MaxProtocol = {} ({}), and the server speaks {spoken}", said.value, said.at)
        })
    }

    /// The security level of OpenSSL, where the policy names one.
    #[must_use]
    pub fn security_level(&self) -> Option<u8> {
        let (_, level) = self.cipher_string.as_ref()?.value.rsplit_once("@SECLEVEL=")?;
        let digits: String = level.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    }

    fn keys(&self, links: &[Link]) -> Option<String> {
        let level = self.security_level()?;
        let at = &self.cipher_string.as_ref()?.at;
        let least = STRENGTHS[usize::from(level).min(STRENGTHS.len() - 1)];
        let weak = links.iter().find(|link| link.strength < least)?;
        Some(format!(
            "@SECLEVEL={level} ({at}) wants {}, and the key of {} is {}",
            words(least),
            weak.subject,
            weak.key
        ))
    }
}

impl Gnutls {
    /// Reads the file: `[overrides]` with one setting a line, `#` begins a comment.
    pub(super) fn read(file: &str, text: &str) -> Self {
        let mut gnutls = Self { file: file.to_owned(), ..Self::default() };
        let (mut enabled, mut only) = (Vec::new(), false);
        for line in text.lines() {
            let line = line.split_once('#').map_or(line, |(before, _)| before);
            let Some((key, value)) = line.split_once('=') else { continue };
            let value = value.trim().to_ascii_lowercase();
            match key.trim().to_ascii_lowercase().as_str() {
                "disabled-version" => gnutls.disabled_versions.push(value),
                "enabled-version" => enabled.push(value),
                "override-mode" => only = value == "allowlist",
                "min-verification-profile" => gnutls.min_profile = Some(value),
                _ => {}
            }
        }
        gnutls.enabled_versions = only.then_some(enabled);
        gnutls
    }

    fn version(&self, spoken: &str) -> Option<String> {
        // `TLSv1.2` is `tls1.2` there.
        let ours = spoken.to_ascii_lowercase().replacen('v', "", 1);
        let forbidden = self.disabled_versions.contains(&ours)
            || self.enabled_versions.as_ref().is_some_and(|enabled| !enabled.contains(&ours));
        forbidden.then(|| format!("{} forbids GnuTLS {spoken}, which the server speaks", self.file))
    }

    fn keys(&self, links: &[Link]) -> Option<String> {
        let profile = self.min_profile.as_deref()?;
        let least = match profile {
            "medium" => 112,
            "high" => 128,
            "ultra" => 192,
            "future" => 256,
            _ => return None,
        };
        let weak = links.iter().find(|link| link.strength < least)?;
        Some(format!(
            "min-verification-profile = {profile} ({}) wants {}, and the key of {} is {}",
            self.file,
            words(least),
            weak.subject,
            weak.key
        ))
    }
}

/// The policy's name in /etc/crypto-policies/config or state/current: the first line that is no
/// comment.
pub(super) fn crypto_policy(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    let name = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
    Some(visible(name))
}

/// The strength in bits that a security level insists on (SSL_CTX_set_security_level(3)).
const STRENGTHS: [u16; 6] = [0, 80, 112, 128, 192, 256];

/// The keys that are strong enough, in words.
fn words(strength: u16) -> &'static str {
    match strength {
        0..=80 => "RSA-1024 or EC-160",
        81..=112 => "RSA-2048 or EC-224",
        113..=128 => "RSA-3072 or EC-256",
        129..=192 => "RSA-7680 or EC-384",
        _ => "RSA-15360 or EC-512",
    }
}

const TLS12: u8 = 4;

/// Versions in order; `None` where there is no bound.
fn rank(version: &str) -> Option<u8> {
    Some(match version {
        "SSLv3" => 1,
        "TLSv1" | "TLSv1.0" => 2,
        "TLSv1.1" => 3,
        "TLSv1.2" => TLS12,
        "TLSv1.3" => 5,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Gnutls, Link, Policy, crypto_policy};
    use crate::local::conf::Said;
    use crate::local::tests::link;
    use crate::model::Tls;

    fn said(value: &str) -> Option<Said> {
        Some(Said { value: value.to_owned(), at: "openssl.cnf:7".to_owned() })
    }

    fn session(version: &str) -> Tls {
        Tls { version: version.to_owned(), cipher: "ANY".to_owned() }
    }

    #[test]
    fn a_bound_on_versions_forbids_what_lies_outside() {
        for (min, max, spoken, forbidden) in [
            ("TLSv1.3", "None", "TLSv1.2", true),
            ("TLSv1.2", "None", "TLSv1.2", false),
            ("TLSv1.2", "TLSv1.2", "TLSv1.3", false),
            ("TLSv1.2", "TLSv1.3", "TLSv1.1", true),
            ("None", "TLSv1.1", "TLSv1.3", true),
            ("None", "None", "TLSv1.0", false),
            ("nonsense", "nonsense", "TLSv1.2", false),
        ] {
            let policy =
                Policy { min_protocol: said(min), max_protocol: said(max), ..Policy::default() };
            let row = policy.judge(Some(&session(spoken)), &[]);
            assert_eq!(row.allows, Some(!forbidden), "{min} {max} {spoken}: {:?}", row.why);
        }
        assert_eq!(Policy::default().judge(None, &[]).allows, None);
    }

    #[test]
    fn a_security_level_forbids_keys_that_are_weaker() {
        let chain: [Link; 2] = [link("mx.test", "RSA-4096", 128), link("R10", "RSA-2048", 112)];
        for (string, level, forbidden) in [
            ("DEFAULT@SECLEVEL=2", Some(2), false),
            ("DEFAULT:@SECLEVEL=3", Some(3), true),
            ("@SECLEVEL=3:kEECDH", Some(3), true),
            ("DEFAULT", None, false),
            ("DEFAULT@SECLEVEL=99", Some(99), true),
            ("DEFAULT@SECLEVEL=x", None, false),
        ] {
            let policy = Policy { cipher_string: said(string), ..Policy::default() };
            assert_eq!(policy.security_level(), level, "{string}");
            let row = policy.judge(Some(&session("TLSv1.3")), &chain);
            assert_eq!(row.allows, Some(!forbidden), "{string}");
        }
        let policy = Policy { cipher_string: said("DEFAULT@SECLEVEL=3"), ..Policy::default() };
        assert_eq!(
            policy.judge(Some(&session("TLSv1.3")), &chain).why,
            [
                "@SECLEVEL=3 (openssl.cnf:7) wants RSA-3072 or EC-256, and the key of R10 is RSA-2048"
            ]
        );
    }

    #[test]
    fn gnutls_has_a_file_of_its_own() {
        let chain = [link("R10", "RSA-2048", 112)];
        for (text, spoken, forbidden) in [
            ("[overrides]\ndisabled-version = tls1.2\n", "TLSv1.2", true),
            ("[overrides]\n# disabled-version = tls1.2\n", "TLSv1.2", false),
            (
                "[global]\noverride-mode = allowlist\n[overrides]\nenabled-version = TLS1.3\n",
                "TLSv1.2",
                true,
            ),
            ("[overrides]\nenabled-version = TLS1.3\n", "TLSv1.2", false),
            ("[overrides]\nmin-verification-profile = high\n", "TLSv1.3", true),
            ("[overrides]\nmin-verification-profile = medium\n", "TLSv1.3", false),
        ] {
            let gnutls = Some(Gnutls::read("/etc/gnutls/config", text));
            let row = Policy { gnutls, ..Policy::default() }.judge(Some(&session(spoken)), &chain);
            assert_eq!(row.allows, Some(!forbidden), "{text}: {:?}", row.why);
        }
    }

    #[test]
    fn the_crypto_policy_is_the_first_line_that_says_something() {
        for (text, name) in [
            ("# comment\n\nDEFAULT:SHA1\n", Some("DEFAULT:SHA1")),
            ("FUTURE", Some("FUTURE")),
            ("# nothing\n", None),
        ] {
            assert_eq!(crypto_policy(text).as_deref(), name);
        }
    }
}
