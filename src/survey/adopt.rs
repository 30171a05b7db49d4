//! x
use crate::plan::Adoptable;
use crate::survey::Asked;
/// x
pub fn adoptable(asked: &[Asked]) -> Vec<Adoptable> {
    let _ = asked;
    todo!()
}
