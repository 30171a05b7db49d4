//! Wildcards in `hosts` of a domain: what is one, and that dns-01 is there for it.

use super::fault::{Trouble, shown};
use super::raw::Value;
use super::value;
use crate::model::DnsId;

/// A host name, or `*.` before a domain in which anybody may register nothing (RFC 9525 section
/// 6.3; no CA issues for a public suffix).
pub(super) fn host_or_wildcard(text: &str) -> Result<DnsId, Trouble> {
    let Some(domain) = text.strip_prefix("*.") else { return value::host(text).map(DnsId::Host) };
    if domain.starts_with("*.") {
        let expected = "expected one `*.`, and one label is all that it stands for";
        return Err(Trouble::new(format!("{} is no wildcard", shown(text)), expected));
    }
    let domain = value::host(domain)?;
    if psl::domain_str(domain.as_str()).is_none() && psl::suffix_str(domain.as_str()).is_some() {
        let message = format!("below {domain} everybody may register names");
        return Err(Trouble::new(message, "expected a domain of your own behind `*.`"));
    }
    Ok(DnsId::Wildcard(domain))
}

/// Says that nothing answers for wildcards.
pub(super) fn unanswered(wildcards: &[Value<'_>]) {
    for value in wildcards {
        let message = "a wildcard takes dns-01 alone, and no `[challenge.dns-01]` is configured";
        value.wrong(Trouble::new(message, "expected one host name, or dns-01 for it").help(
            "add `[challenge.dns-01.rfc2136]`, `.exec` or `.serve`; the other names go on as they do",
        ));
    }
}
