//! TLS-RPT (RFC 8460) as far as it is text: where a domain wants reports about TLS. Pure;
//! `policy` asks for the record.

use http::Uri;

use crate::verify::sts::{BadRecord, fields, the_one};
use crate::verify::visible;

/// The version of the record.
const VERSION: &str = "TLSRPTv1";

/// The record at `_smtp._tls.DOMAIN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where the reports go: `mailto:` and `https:` addresses, at least one.
    pub rua: Vec<String>,
}

impl Record {
    /// Reads one record (RFC 8460 section 3). Unknown fields are passed over, and of a field that
    /// stands twice the first counts.
    ///
    /// # Errors
    /// [`BadRecord`] names the first fault.
    pub fn parse(text: &str) -> Result<Self, BadRecord> {
        let fields = fields(text, VERSION)?;
        let rua = fields.iter().find(|(name, _)| *name == "rua");
        let rua = rua.ok_or(BadRecord::Missing("rua"))?.1;
        let address = |text: &str| {
            let text = text.trim_matches([' ', '\t']);
            if is_address(text) {
                Ok(text.to_owned())
            } else {
                Err(BadRecord::Address(visible(text)))
            }
        };
        rua.split(',').map(address).collect::<Result<_, _>>().map(|rua| Self { rua })
    }

    /// The record among all TXT records at the name; `None` if none of them is meant to be one.
    ///
    /// # Errors
    /// [`BadRecord`] when it cannot be read, or there are several.
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Option<Self>, BadRecord> {
        the_one(texts, VERSION)?.map(Self::parse).transpose()
    }
}

/// `mailto:USER@DOMAIN` or `https://HOST...`; commas, semicolons and exclamation marks in them
/// are written as %2C, %3B and %21.
fn is_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    if !rest.bytes().all(|b| b.is_ascii_graphic() && b != b'!') {
        return false;
    }
    match scheme.to_ascii_lowercase().as_str() {
        "mailto" => {
            let address = rest.split('?').next().unwrap_or_default();
            address.split_once('@').is_some_and(|(user, at)| !user.is_empty() && !at.is_empty())
        }
        "https" if rest.starts_with("//") => text.parse::<Uri>().is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn a_record_names_its_addresses_or_its_fault() {
        let address = |text: &str| {
            Err(format!(
                "\"{text}\" is no address for reports; expected mailto:USER@DOMAIN or \
                 https://HOST/PATH"
            ))
        };
        for (text, expected) in [
            ("v=TLSRPTv1; rua=mailto:tls@example.org", Ok("mailto:tls@example.org")),
            ("v=TLSRPTv1;rua=mailto:a@b;", Ok("mailto:a@b")),
            (
                "v=TLSRPTv1; x=1; rua=mailto:a@b.example , https://r.example/v1?k=1; rua=no",
                Ok("mailto:a@b.example https://r.example/v1?k=1"),
            ),
            ("v=TLSRPTv1; rua=MAILTO:a@b", Ok("MAILTO:a@b")),
            ("v=TLSRPTv1; ruf=mailto:a@b", Err("it has no rua=".to_owned())),
            ("v=TLSRPTv1; rua=", Err("\"rua=\" is no NAME=VALUE".to_owned())),
            ("v=TLSRPTv1; rua=tls@example.org", address("tls@example.org")),
            ("v=TLSRPTv1; rua=mailto:@example.org", address("mailto:@example.org")),
            ("v=TLSRPTv1; rua=mailto:a@b,", address("")),
            ("v=TLSRPTv1; rua=mailto:a@b mailto:c@d", address("mailto:a@b mailto:c@d")),
            ("v=TLSRPTv1; rua=http://r.example/", address("http://r.example/")),
            ("v=TLSRPTv1; rua=https:r.example", address("https:r.example")),
            (
                "v=TLSRPTv2; rua=mailto:a@b",
                Err("it does not begin with \"v=TLSRPTv1;\", found \"v=TLSRPTv2; rua=mailto:a@b\""
                    .to_owned()),
            ),
        ] {
            let found = Record::parse(text);
            let found = found.map(|record| record.rua.join(" ")).map_err(|bad| bad.to_string());
            assert_eq!(found, expected.map(str::to_owned), "{text:?}");
        }
    }
}
