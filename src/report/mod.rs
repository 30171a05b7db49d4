//! One serializable value; each renderer is `fn(&Report) -> String`.
