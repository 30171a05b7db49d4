//! Values of the configuration that can also be typed, for a machine without one.

use super::fault::Trouble;
use super::value;

/// The URL of an ACME directory, or the short name of one.
///
/// # Errors
/// What is wrong with it and what is expected, in one line.
pub fn acme_directory(text: &str) -> Result<String, String> {
    value::acme_directory(text).map_err(sentence)
}

/// A mail address, with `mailto:` in front or without, as the CA wants it (RFC 8555 section 7.3).
///
/// # Errors
/// What is wrong with it and what is expected, in one line.
pub fn contact(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    value::contact(&format!("mailto:{address}")).map_err(sentence)
}

fn sentence(trouble: Trouble) -> String {
    format!("{}; {}", trouble.message, trouble.label)
}

#[cfg(test)]
mod tests {
    use super::{acme_directory, contact};

    #[test]
    fn what_is_typed_is_held_to_what_the_file_is_held_to() {
        let staging = "https://acme-staging-v02.api.letsencrypt.org/directory".to_owned();
        assert_eq!(acme_directory("letsencrypt-staging"), Ok(staging));
        assert_eq!(
            acme_directory("http://ca.test"),
            Err("the CA's URL is not encrypted; expected letsencrypt, letsencrypt-staging or an \
                 https URL"
                .to_owned())
        );
        for text in ["a@b.test", "mailto:a@b.test"] {
            assert_eq!(contact(text), Ok("mailto:a@b.test".to_owned()));
        }
        assert!(contact("nobody").is_err());
    }
}
