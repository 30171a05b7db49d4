//! [`Owner`]: who made a certificate that mailcert did not order.

use std::fmt;

/// The programs whose certificates are recognised. Each renews its own; mailcert only reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// certbot: `live/NAME/{fullchain,privkey}.pem`, links into `archive`.
    Certbot,
    /// lego: `certificates/NAME.{crt,key,json}`.
    Lego,
    /// acme.sh: `NAME[_ecc]/{fullchain.cer,NAME.key}`.
    AcmeSh,
    /// dehydrated: `certs/NAME/{fullchain,privkey}.pem`, links beside their targets.
    Dehydrated,
    /// Caddy's storage: `certificates/CA/NAME/NAME.{crt,key,json}`.
    Caddy,
    /// Traefik: `acme.json`.
    Traefik,
    /// Nobody known: files that hold a pair.
    Files,
}

impl Owner {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Certbot,
        Self::Lego,
        Self::AcmeSh,
        Self::Dehydrated,
        Self::Caddy,
        Self::Traefik,
        Self::Files,
    ];

    /// The label behind the name of a certificate in the store (`mail.example.org.certbot`).
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Certbot => "certbot",
            Self::Lego => "lego",
            Self::AcmeSh => "acme-sh",
            Self::Dehydrated => "dehydrated",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Files => "files",
        }
    }

    /// What the admin does to have the certificate called `name` by its owner renewed.
    #[must_use]
    pub fn renewal(self, name: &str) -> String {
        match self {
            Self::Certbot => format!("`certbot renew --cert-name {name}` renews it"),
            Self::Lego => format!("`lego --domains {name} renew`, as it was first run, renews it"),
            Self::AcmeSh => format!("`acme.sh --renew -d {name}` renews it"),
            Self::Dehydrated => format!("`dehydrated --cron --domain {name}` renews it"),
            Self::Caddy => "Caddy renews it by itself: `journalctl -u caddy` says more".to_owned(),
            Self::Traefik => "Traefik renews it by itself: its log says more".to_owned(),
            Self::Files => "whoever put it there renews it".to_owned(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certbot => "certbot",
            Self::Lego => "lego",
            Self::AcmeSh => "acme.sh",
            Self::Dehydrated => "dehydrated",
            Self::Caddy => "Caddy",
            Self::Traefik => "Traefik",
            Self::Files => "somebody else",
        })
    }
}
