//! Which distribution this is, and the commands by which its trust stores are refreshed. Pure.

use super::Advice;

/// The distributions whose ways are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Debian, Ubuntu and what comes of them.
    Debian,
    /// RHEL, Fedora and what comes of them.
    RedHat,
    /// Alpine.
    Alpine,
}

/// A distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Os {
    /// Whose ways it has.
    pub family: Option<Family>,
    /// Its name for people.
    pub name: Option<String>,
}

impl Os {
    /// Reads os-release(5).
    #[must_use]
    pub fn read(text: &str) -> Self {
        let value = |key: &str| {
            let line =
                text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
            line.map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
        };
        let ids =
            format!("{} {}", value("ID").unwrap_or_default(), value("ID_LIKE").unwrap_or_default());
        let family = ids.split_ascii_whitespace().find_map(|id| match id {
            "debian" | "ubuntu" => Some(Family::Debian),
            "rhel" | "fedora" | "centos" => Some(Family::RedHat),
            "alpine" => Some(Family::Alpine),
            _ => None,
        });
        Self { family, name: value("PRETTY_NAME").map(|name| crate::verify::visible(&name)) }
    }

    /// How the system's trust store gets a root, a `public` one by an update; all ways where this
    /// is none of the known.
    pub(super) fn refresh(&self, public: bool) -> Vec<Advice> {
        let ways = if public { UPDATES } else { ADDITIONS };
        let ours = ways.iter().filter(|(family, ..)| self.family.is_none_or(|own| own == *family));
        ours.map(|(_, name, commands)| {
            let name = self.name.as_deref().filter(|_| self.family.is_some()).unwrap_or(name);
            let what = match public {
                true => format!("refresh this system's trust store ({name})"),
                false => format!("add the root to this system's trust store ({name})"),
            };
            Advice::new(what, commands)
        })
        .collect()
    }

    /// How a JVM's trust store gets a root: one that belongs to the system by the system's means,
    /// else by a newer JDK, or by adding the one root.
    pub(super) fn refresh_java(&self, name: &str, cacerts: &str, public: bool) -> Advice {
        let what = format!("refresh the trust store of {name}");
        if cacerts.starts_with("/etc/ssl/certs/java/") && public {
            return Advice::new(what, JAVA_DEBIAN);
        }
        if cacerts.starts_with("/etc/pki/") && public {
            return Advice::new(what, RED_HAT);
        }
        let import = format!(
            "keytool -importcert -noprompt -storepass changeit -alias ROOT \\\n  \
             -keystore {cacerts} -file ROOT.pem"
        );
        let what = match public {
            true => format!("install a newer JDK, or add the root to the trust store of {name}"),
            false => format!("add the root to the trust store of {name}"),
        };
        Advice::new(what, &[&import])
    }
}

/// The version of a package in dpkg's /var/lib/dpkg/status or apk's /lib/apk/db/installed.
pub(super) fn package_version(database: &str, package: &str) -> Option<String> {
    let (dpkg, apk) = (format!("Package: {package}"), format!("P:{package}"));
    let mut lines = database.lines().skip_while(|line| *line != dpkg && *line != apk).skip(1);
    let mut entry = lines.by_ref().take_while(|line| !line.is_empty());
    let version =
        entry.find_map(|line| line.strip_prefix("Version: ").or_else(|| line.strip_prefix("V:")));
    version.map(crate::verify::visible)
}

/// Whether Debian's /etc/ca-certificates.conf leaves out a root: a line that begins with `!`.
pub(super) fn is_deselected(conf: &str, root: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let mut left_out = conf.lines().filter_map(|line| line.trim().strip_prefix('!'));
    left_out.any(|path| {
        let file = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".crt");
        letters(file) == letters(root)
    })
}

type Ways = &'static [(Family, &'static str, &'static [&'static str])];

/// How a trust store is brought up to date.
const UPDATES: Ways = &[
    (
        Family::Debian,
        "Debian, Ubuntu",
        &["apt-get update && apt-get install ca-certificates", "update-ca-certificates --fresh"],
    ),
    (Family::RedHat, "RHEL, Fedora", RED_HAT),
    (
        Family::Alpine,
        "Alpine",
        &["apk add --update-cache --upgrade ca-certificates", "update-ca-certificates"],
    ),
];

/// How a root of one's own is added to it.
const ADDITIONS: Ways = &[
    (
        Family::Debian,
        "Debian, Ubuntu",
        &["cp ROOT.pem /usr/local/share/ca-certificates/ROOT.crt", "update-ca-certificates"],
    ),
    (
        Family::RedHat,
        "RHEL, Fedora",
        &["cp ROOT.pem /etc/pki/ca-trust/source/anchors/", "update-ca-trust extract"],
    ),
    (
        Family::Alpine,
        "Alpine",
        &["cp ROOT.pem /usr/local/share/ca-certificates/ROOT.crt", "update-ca-certificates"],
    ),
];

const RED_HAT: &[&str] = &["dnf upgrade --refresh ca-certificates", "update-ca-trust extract"];
const JAVA_DEBIAN: &[&str] =
    &["apt-get update && apt-get install ca-certificates-java", "update-ca-certificates --fresh"];

#[cfg(test)]
mod tests {
    use super::{Family, Os, is_deselected, package_version};

    #[test]
    fn a_distribution_is_told_by_its_own_name_or_by_what_it_is_like() {
        for (text, family, name) in [
            (
                "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n",
                Some(Family::Debian),
                "Debian GNU/Linux 12 (bookworm)",
            ),
            (
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nPRETTY_NAME='Mint'\n",
                Some(Family::Debian),
                "Mint",
            ),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nPRETTY_NAME=\"Rocky 9\"\n",
                Some(Family::RedHat),
                "Rocky 9",
            ),
            (
                "ID=alpine\nPRETTY_NAME=\"Alpine Linux v3.20\"\n",
                Some(Family::Alpine),
                "Alpine Linux v3.20",
            ),
            ("ID=arch\nPRETTY_NAME=\"Arch Linux\"\n", None, "Arch Linux"),
        ] {
            let os = Os::read(text);
            assert_eq!((os.family, os.name.as_deref()), (family, Some(name)), "{text}");
            assert_eq!(os.refresh(true).len(), if family.is_some() { 1 } else { 3 });
        }
        assert_eq!(Os::read(""), Os::default());
    }

    #[test]
    fn commands_can_be_pasted_and_fit_a_terminal() {
        let debian = Os::read("ID=debian\nPRETTY_NAME=\"Debian 12\"");
        let advice = debian.refresh(true).remove(0);
        assert_eq!(advice.what, "refresh this system's trust store (Debian 12)");
        let java = |path| debian.refresh_java("Java 17", path, true).commands.join("\n");
        assert!(java("/etc/ssl/certs/java/cacerts").contains("ca-certificates-java"));
        assert!(java("/etc/pki/java/cacerts").contains("update-ca-trust"));
        assert!(java("/opt/jdk/lib/security/cacerts").contains("keytool -importcert"));
        let private = debian.refresh_java("Java 17", "/etc/ssl/certs/java/cacerts", false);
        assert!(private.commands[0].contains("keytool -importcert"));
        for advice in [Os::default().refresh(true), Os::default().refresh(false)].concat() {
            let fits = |line: &str| line.len() <= 76;
            assert!(advice.commands.iter().all(|command| command.lines().all(fits)), "{advice:?}");
        }
    }

    #[test]
    fn the_package_is_looked_up_in_either_database() {
        let dpkg = "Package: base\nVersion: 1\n\nPackage: ca-certificates\nStatus: install ok\n\
                    Version: 20230311\n\nPackage: zlib\nVersion: 9\n";
        let apk = "P:busybox\nV:1\n\nC:x\nP:ca-certificates\nV:20240705-r0\n\nP:zlib\nV:3\n";
        for (database, package, expected) in [
            (dpkg, "ca-certificates", Some("20230311")),
            (apk, "ca-certificates", Some("20240705-r0")),
            (dpkg, "openssl", None),
            ("Package: ca-certificates\n\nVersion: 9\n", "ca-certificates", None),
        ] {
            assert_eq!(package_version(database, package).as_deref(), expected);
        }
    }

    #[test]
    fn a_root_that_debian_was_told_to_leave_out_is_named() {
        let conf = "# comment\nmozilla/ISRG_Root_X2.crt\n!mozilla/ISRG_Root_X1.crt\n";
        for (root, expected) in [("ISRG Root X1", true), ("ISRG Root X2", false), ("X1", false)] {
            assert_eq!(is_deselected(conf, root), expected, "{root}");
        }
    }
}
