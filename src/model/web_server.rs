//! [`WebServer`]: the web servers that are known by name.

use std::fmt;

/// A web server that can pass the CA's question on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebServer {
    /// nginx, and what is made of it.
    Nginx,
    /// Apache's httpd.
    Apache,
    /// Caddy.
    Caddy,
}

impl WebServer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Apache, Self::Caddy];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::Caddy => "caddy",
        }
    }

    /// The one that such a `Server` header belongs to.
    #[must_use]
    pub fn of(header: &str) -> Option<Self> {
        let header = header.to_ascii_lowercase();
        match header.as_str() {
            // OpenResty, Tengine and Angie read nginx's configuration.
            own if ["nginx", "openresty", "tengine", "angie"]
                .iter()
                .any(|it| own.starts_with(it)) =>
            {
                Some(Self::Nginx)
            }
            own if own.starts_with("apache") => Some(Self::Apache),
            own if own.starts_with("caddy") => Some(Self::Caddy),
            _ => None,
        }
    }
}

impl fmt::Display for WebServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
