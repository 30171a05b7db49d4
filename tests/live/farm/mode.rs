//! [`Mode`]: one way to be a mail server, and what `verify` has to say of it.

use mailcert::model::{Service, Verdict};

use super::mail::Mail;
use super::pki::{Pki, Shown};
use super::tls::Tls;

/// The domain of all hosts.
pub(crate) const DOMAIN: &str = "farm.test";

/// What is at an address.
#[derive(Clone)]
pub(crate) enum At {
    /// A mail server.
    Mail(Box<Mail>),
    /// Nobody: the port is closed.
    Nobody,
    /// No such machine: the address is this one, outside of the farm.
    Elsewhere(std::net::IpAddr),
}

/// Where a mode stands in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Nothing is wrong with it.
    Good,
    /// Something is wrong with its certificate.
    Certificate,
    /// It speaks what libraries of today do not.
    Old,
    /// It behaves otherwise than expected.
    Dialogue,
    /// It means harm.
    Hostile,
    /// Its domain says what TLS it has.
    Policy,
}

/// One way to be a mail server.
#[derive(Clone)]
pub(crate) struct Mode {
    /// The word for it.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) kind: Kind,
    /// What it does, in a few words.
    pub(crate) about: &'static str,
    /// The host that clients ask for.
    pub(crate) host: String,
    /// What it speaks.
    pub(crate) service: Service,
    /// Where.
    pub(crate) port: u16,
    /// What is at each of its addresses; none: the DNS has no address for it.
    pub(crate) at: Vec<At>,
    /// What `mailcert verify` has to be told besides.
    pub(crate) extra: Vec<String>,
    /// The worst verdict over its addresses, in the gmail profile.
    pub(crate) verdict: Verdict,
    /// Exactly the codes of level fail, unknown and warn, over all its addresses.
    pub(crate) codes: Vec<&'static str>,
    /// Codes that may come besides, since the contract does not decide.
    pub(crate) may: Vec<&'static str>,
    /// Lines of the zone besides its addresses.
    pub(crate) zone: Option<String>,
    /// Whether its mail domain is asked for, and not the server.
    pub(crate) by_domain: bool,
    /// Whether its domain has an MTA-STS record, and the policy behind it.
    pub(crate) mta_sts: Option<Option<String>>,
}

impl Mode {
    /// A mode that is accepted without a word, of a server for SMTP at port 25.
    pub(crate) fn new(kind: Kind, name: &str, about: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            about,
            host: format!("mx.{name}.{DOMAIN}"),
            service: Service::Smtp,
            port: Service::Smtp.port(),
            at: Vec::new(),
            extra: Vec::new(),
            verdict: Verdict::Accepted,
            codes: Vec::new(),
            may: Vec::new(),
            zone: None,
            by_domain: false,
            mta_sts: None,
        }
    }

    /// Another service, at its port. To be said before what is shown.
    pub(crate) fn over(mut self, service: Service) -> Self {
        (self.service, self.port) = (service, service.port());
        self
    }

    /// Another port.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Another host. To be said before what is shown.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    /// One more address, with a server that does TLS this way.
    pub(crate) fn tls(mut self, tls: Tls) -> Self {
        let mail = Mail::new(self.service, &self.host, tls);
        self.at.push(At::Mail(Box::new(mail)));
        self
    }

    /// One more address, with a server that shows this for the host.
    pub(crate) fn shows(self, shown: impl FnOnce(&str) -> Shown) -> Self {
        let shown = shown(&self.host);
        self.tls(Tls::showing(&shown))
    }

    /// One more address, with a server whose certificate is right.
    pub(crate) fn good(self, pki: &Pki) -> Self {
        self.shows(|host| pki.good(host))
    }

    /// The server named last behaves otherwise.
    pub(crate) fn but(mut self, change: impl FnOnce(Mail) -> Mail) -> Self {
        match self.at.pop() {
            Some(At::Mail(mail)) => self.at.push(At::Mail(Box::new(change(*mail)))),
            _ => panic!("{}: no server to change", self.name),
        }
        self
    }

    /// One more address without a mail server.
    pub(crate) fn without(mut self, at: At) -> Self {
        self.at.push(at);
        self
    }

    /// `verify` has to be told this, too.
    pub(crate) fn with(mut self, extra: &[&str]) -> Self {
        self.extra = extra.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The zone has this besides the addresses; `{host}` and `{domain}` are filled in.
    pub(crate) fn zone(mut self, lines: &str) -> Self {
        let lines = lines.replace("{host}", &self.host).replace("{domain}", &self.domain());
        self.zone = Some(lines);
        self
    }

    /// Its mail domain is asked for.
    pub(crate) fn by_domain(mut self) -> Self {
        self.by_domain = true;
        self
    }

    /// Its domain has an MTA-STS record; without a policy, the policy host says 404.
    pub(crate) fn mta_sts(mut self, policy: Option<&str>) -> Self {
        self.mta_sts = Some(policy.map(str::to_owned));
        self
    }

    /// The mail domain whose server it is.
    pub(crate) fn domain(&self) -> String {
        format!("{}.{DOMAIN}", self.name)
    }

    /// Where its domain's policy is.
    pub(crate) fn policy_host(&self) -> String {
        format!("mta-sts.{}", self.domain())
    }

    /// Codes that are neither wanted nor wrong.
    pub(crate) fn may(mut self, codes: &[&'static str]) -> Self {
        self.may = codes.to_vec();
        self
    }

    /// Accepted with these warnings.
    pub(crate) fn warns(self, codes: &[&'static str]) -> Self {
        self.is(Verdict::Accepted, codes)
    }

    /// Refused for these.
    pub(crate) fn refused(self, codes: &[&'static str]) -> Self {
        self.is(Verdict::Refused, codes)
    }

    /// Not testable for these.
    pub(crate) fn unknown(self, codes: &[&'static str]) -> Self {
        self.is(Verdict::Unknown, codes)
    }

    fn is(mut self, verdict: Verdict, codes: &[&'static str]) -> Self {
        (self.verdict, self.codes) = (verdict, codes.to_vec());
        self
    }

    /// What `mailcert verify` is to be asked for.
    pub(crate) fn target(&self) -> String {
        if self.by_domain {
            return self.domain();
        }
        format!("{}://{}:{}", self.service, self.host, self.port)
    }
}
