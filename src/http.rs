//! The one HTTP client: timeouts, nodelay, roots, proxy, limits.

/// The client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Http {}
