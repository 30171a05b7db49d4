//! stub
use super::{Detail, Verified};
pub(super) fn text(v: &Verified, _d: Detail) -> String {
    let mut t = format!("{}\n", v.verdict.as_str());
    for e in &v.endpoints { t += &format!("{} {} {:?} {} {:?}\n", e.host, e.port, e.address, e.verdict.as_str(), e.problems.iter().map(|p| p.code.as_str()).collect::<Vec<_>>()); }
    t
}
