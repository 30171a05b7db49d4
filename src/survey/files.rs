//! x
use crate::plan::FileSeen;
use crate::store::Installed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
/// x
pub fn files(dir: &Path, installed: &BTreeMap<PathBuf, Installed>) -> BTreeMap<PathBuf, FileSeen> {
    let _ = (dir, installed);
    todo!()
}
