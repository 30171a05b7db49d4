//! `status`: every certificate held, from store and diary.

use serde::Serialize;

use crate::model::{CertName, DnsId, KeyType, OnHold, Timestamp, Verdict, Version};

/// One certificate; field names are the JSON interface.
#[derive(Debug, Serialize)]
pub struct CertificateRow {
    /// Its name in the store.
    pub name: CertName,
    /// The names on it.
    pub names: Vec<DnsId>,
    /// The kind of its key.
    pub key_type: KeyType,
    /// When it ends.
    pub not_after: Timestamp,
    /// When it is renewed.
    pub renew_at: Timestamp,
    /// Why then.
    pub renew_because: RenewBecause,
    /// Where the CA says why it wants it renewed then, if it does.
    pub explanation: Option<String>,
    /// The version that is shown.
    pub version: Version,
    /// The directory of the CA that issued it, where mailcert ordered it there and the configuration
    /// names it.
    pub ca: Option<String>,
    /// Whether a person wants it left as it is.
    pub on_hold: Option<OnHold>,
    /// The servers that were seen showing it.
    pub shown_by: Vec<String>,
    /// What the last look at all of them said; null where nobody looked yet.
    pub verdict: Option<Verdict>,
}

/// What the moment of a renewal follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RenewBecause {
    /// The CA suggests it (ARI, RFC 9773).
    Suggested,
    /// A third of its life is left then, half of a short one.
    Lifetime,
}

/// The rows for a terminal.
pub(super) fn text(rows: &[CertificateRow]) -> String {
    if rows.is_empty() {
        return "no certificate is held yet: `mailcert plan` shows what would be done\n".to_owned();
    }
    let mut text = String::new();
    for row in rows {
        let names: Vec<String> = row.names.iter().map(ToString::to_string).collect();
        let shown = match (row.shown_by.is_empty(), row.verdict) {
            (true, _) => "not seen on any server yet".to_owned(),
            (false, verdict) => {
                let verdict = verdict.map_or("not looked at", Verdict::as_str);
                format!("{verdict} on {}", row.shown_by.join(", "))
            }
        };
        text.push_str(&format!("{}  version {}, {}\n", row.name, row.version, row.key_type));
        text.push_str(&super::wrapped(&format!("names    {}", names.join(", ")), "  "));
        let because = match (row.renew_because, &row.explanation) {
            (RenewBecause::Lifetime, _) => String::new(),
            (RenewBecause::Suggested, None) => ", as its CA suggests".to_owned(),
            (RenewBecause::Suggested, Some(url)) => format!(", as its CA suggests (see {url})"),
        };
        let ends = match &row.on_hold {
            None => format!("{}, renewed from {}{because}", row.not_after, row.renew_at),
            Some(hold) => {
                format!("{}, {}: `mailcert release {}`", row.not_after, hold.text(), row.name)
            }
        };
        let ends = format!("ends     {ends}");
        text.push_str(&super::wrapped(&ends, "  "));
        if let Some(ca) = &row.ca {
            text.push_str(&super::wrapped(&format!("issued   by {ca}"), "  "));
        }
        text.push_str(&super::wrapped(&format!("shown    {shown}"), "  "));
    }
    text
}
