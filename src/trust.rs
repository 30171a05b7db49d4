//! Root sets: Mozilla's, the system's, a file's.

/// The roots that decide, and the name to call them by.
#[derive(Debug)]
pub struct Roots {
    /// How reports name them: `Mozilla's roots`, `the system's roots`, a path.
    pub name: String,
    /// The anchors.
    pub anchors: rustls::RootCertStore,
}
