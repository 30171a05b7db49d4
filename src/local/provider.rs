//! The large providers whose servers are known to be right: where they cannot be reached or
//! verified, it is this machine or what lies between. Pure.

use crate::model::Hostname;

/// Hosts, and all below them, with the ports on which their provider serves them: as their help
/// pages say.
const KNOWN: &[(&str, &[u16])] = &[
    ("smtp.gmail.com", &[25, 465, 587]),
    ("smtp-relay.gmail.com", &[25, 465, 587]),
    ("gmail-smtp-in.l.google.com", &[25]),
    ("aspmx.l.google.com", &[25]),
    ("smtp.google.com", &[25]),
    ("smtp.office365.com", &[25, 587]),
    ("outlook.office365.com", &[25, 587]),
    ("smtp-mail.outlook.com", &[25, 587]),
    ("mail.protection.outlook.com", &[25]),
    ("smtp.mail.yahoo.com", &[465, 587]),
    ("smtp.aol.com", &[465, 587]),
    ("smtp.mail.me.com", &[587]),
    ("smtp.zoho.com", &[465, 587]),
    ("smtp.fastmail.com", &[465, 587]),
    ("mail.gmx.net", &[465, 587]),
    ("smtp.sendgrid.net", &[25, 465, 587]),
    ("smtp.mailgun.org", &[25, 465, 587]),
];

/// The ports for mail that other hosts may listen on.
const USUAL: &[u16] = &[25, 465, 587];

/// Whether the host is one of a large provider.
#[must_use]
pub fn is_well_known(host: &Hostname) -> bool {
    ports_of(host).is_some()
}

/// The ports to try when `port` of the host does not answer.
pub(super) fn other_ports(host: &Hostname, port: u16) -> Vec<u16> {
    let ports = ports_of(host).unwrap_or(USUAL);
    ports.iter().copied().filter(|other| *other != port).collect()
}

fn ports_of(host: &Hostname) -> Option<&'static [u16]> {
    let below = |name: &str| {
        let rest = host.as_str().strip_suffix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    KNOWN.iter().find(|(name, _)| below(name)).map(|(_, ports)| *ports)
}

#[cfg(test)]
mod tests {
    use super::{is_well_known, other_ports};
    use crate::model::Hostname;

    #[test]
    fn a_provider_is_known_by_its_host_and_those_below_it() {
        for (host, known, others) in [
            ("smtp.gmail.com", true, vec![25, 465]),
            ("alt1.gmail-smtp-in.l.google.com", true, vec![25]),
            ("example-org.mail.protection.outlook.com", true, vec![25]),
            ("notsmtp.gmail.com", false, vec![25, 465]),
            ("xsmtp.gmail.com", false, vec![25, 465]),
            ("smtp.gmail.com.example.org", false, vec![25, 465]),
        ] {
            let host = Hostname::parse(host).unwrap();
            assert_eq!(is_well_known(&host), known, "{host}");
            assert_eq!(other_ports(&host, 587), others, "{host}");
        }
    }
}
