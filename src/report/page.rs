//! `status --format html`: one page that needs nothing else, for one server or for very many
//! domains. It is written as it is walked, worst first; a browser reads all of it without its script,
//! which only searches. What servers and CAs said stands in it as text ([`markup::Text`]), and its
//! policy (CSP) runs no other script and no other style than its own.

mod markup;
mod needs;
mod tables;
#[cfg(test)]
mod tests;
mod timeline;

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::CertificateRow;
use crate::model::{Finding, Inspection, Sha256, Timestamp, Verdict};
use markup::{Minute, Text, count};
use needs::Needs;

/// What the page shows.
#[derive(Debug)]
pub struct Page<'a> {
    /// What the machine calls itself.
    pub machine: &'a str,
    /// When it is made.
    pub at: Timestamp,
    /// Every certificate held.
    pub certificates: &'a [CertificateRow],
    /// Every endpoint that was looked at, each once.
    pub endpoints: &'a [Arc<Inspection>],
    /// The servers that a reload is owed to.
    pub owed: Vec<&'a str>,
    /// What was found.
    pub findings: &'a [Finding],
}

impl Page<'_> {
    /// All of it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let needs = Needs::of(self);
        self.head(&needs, out)?;
        out.write_all(b"<body>\n<header>\n")?;
        writeln!(out, "<h1>mailcert on {}</h1>", Text(self.machine))?;
        let (class, sum) = needs.sum();
        writeln!(out, "<p class=\"sum {class}\">{sum}</p>")?;
        self.counts(out)?;
        out.write_all(PARTS.as_bytes())?;
        out.write_all(b"</header>\n<main>\n")?;
        needs.write(out)?;
        timeline::write(self, out)?;
        tables::certificates(self, out)?;
        tables::endpoints(self, out)?;
        writeln!(
            out,
            "</main>\n<footer>\n<p>From what mailcert {VERSION} remembers: nobody was asked. \
             <code>mailcert run</code> looks and does what is due, <code>mailcert verify</code> asks \
             every server now. No key and no password is on this page.</p>\n</footer>\n\
             <script>{SCRIPT}</script>\n</body>\n</html>"
        )
    }

    fn head(&self, needs: &Needs<'_>, out: &mut dyn io::Write) -> io::Result<()> {
        let (_, sum) = needs.sum();
        write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta name=\"robots\" content=\"noindex\">\n\
             <title>{sum}: mailcert on {}</title>\n<style>{STYLE}</style>\n</head>\n",
            allowed(STYLE),
            allowed(SCRIPT),
            Text(self.machine),
        )
    }

    fn counts(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let of = |verdict| self.endpoints.iter().filter(|look| look.verdict == verdict).count();
        writeln!(
            out,
            "<p>At {} UTC: {}, {} ({} accepted, {} refused, {} unknown).</p>",
            Minute(self.at),
            count(self.certificates.len(), "certificate"),
            count(self.endpoints.len(), "endpoint"),
            of(Verdict::Accepted),
            of(Verdict::Refused),
            of(Verdict::Unknown),
        )
    }
}

/// How a policy names what it allows.
fn allowed(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::of(text.as_bytes()).0))
}

const STYLE: &str = include_str!("../../templates/page.css");
const SCRIPT: &str = include_str!("../../templates/page.js");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The way about the page. The search is there where its script runs.
const PARTS: &str = "<nav aria-label=\"Parts of this page\"><ul>\
<li><a href=\"#needs\">Needs a person</a></li>\
<li><a href=\"#timeline\">Timeline</a></li>\
<li><a href=\"#certificates\">Certificates</a></li>\
<li><a href=\"#endpoints\">Endpoints</a></li>\
</ul></nav>
<form class=\"search\" role=\"search\" hidden>
<label for=\"filter\">Show only what has</label>
<input id=\"filter\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\">
<output id=\"count\" for=\"filter\" aria-live=\"polite\"></output>
</form>
";
