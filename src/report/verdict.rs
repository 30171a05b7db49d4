//! x
use super::{Detail, Verified};
pub(super) fn text(v: &Verified, d: Detail) -> String {
    let _ = (v, d);
    todo!()
}
