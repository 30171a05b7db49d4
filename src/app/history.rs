//! `history`: what was done, from memory.

use crate::app::session::Session;
use crate::app::{Failure, Output};
use crate::cli::History;
use crate::model::Hostname;
use crate::report::{Body, Report};
use crate::store::Store as _;

/// `history [NAME]`.
pub(super) fn history(session: &Session, typed: &History, output: &Output) -> Result<u8, Failure> {
    let mut deeds = session.store.history().map_err(Failure::store)?;
    if let Some(name) = &typed.name {
        let names = meant(session, name)?;
        deeds.retain(|deed| deed.about.iter().any(|about| names.contains(about)));
        if deeds.is_empty() && names.len() == 1 {
            return Err(Failure::work_helped(
                format_args!(
                    "nothing is known of {name}; expected a host name, a certificate, a server or \
                     `account`"
                ),
                "`mailcert status` lists the certificates, `mailcert history` what was done",
            ));
        }
    }
    let left_out = deeds.len().saturating_sub(typed.lines);
    let deeds = deeds.split_off(left_out);
    output.answer(&Report::new("history", Body::History { deeds, left_out }, Vec::new()))?;
    Ok(0)
}

/// What somebody means who types this: itself, and where it is a host, the certificates for it.
fn meant(session: &Session, name: &str) -> Result<Vec<String>, Failure> {
    let Ok(host) = Hostname::parse(name) else { return Ok(vec![name.to_owned()]) };
    let kept = session.store.certificates().map_err(Failure::store)?;
    let covers = kept.iter().filter(|kept| {
        kept.versions.iter().any(|(_, facts)| facts.covers(&host)) && kept.name.as_str() != name
    });
    let mut names = vec![host.to_string()];
    names.extend(covers.map(|kept| kept.name.to_string()));
    Ok(names)
}
