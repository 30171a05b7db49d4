//! As much of DER as is needed to take a certificate apart without copying it.

use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::verify::text::visible;

/// The first two elements of a SEQUENCE's content, each with its header.
pub(super) fn halves(der: &[u8]) -> Option<[&[u8]; 2]> {
    let (first, rest) = der.split_at_checked(length(der)?)?;
    let (second, _) = rest.split_at_checked(length(rest)?)?;
    Some([first, second])
}

/// How long the DER element at the beginning is, with its header.
fn length(der: &[u8]) -> Option<usize> {
    let short = usize::from(*der.get(1)?);
    if short < 0x80 {
        return Some(2 + short);
    }
    let digits = der.get(2..2 + (short & 0x7f))?;
    if digits.len() > 4 {
        return None;
    }
    let value = digits.iter().fold(0_usize, |all, digit| (all << 8) | usize::from(*digit));
    value.checked_add(2 + digits.len())
}

/// The content of a DER SEQUENCE: what stands behind its tag and length. Anything else comes back
/// as it is.
pub(super) fn content(der: &[u8]) -> &[u8] {
    let skip = match der.get(1) {
        Some(length) if length & 0x80 == 0 => 2,
        Some(length) => 2 + usize::from(length & 0x7f),
        None => 0,
    };
    der.get(skip..).unwrap_or(der)
}

/// A distinguished name as text, from the content of its SEQUENCE: that is how roots keep theirs.
pub(super) fn name(content: &[u8]) -> String {
    let mut der = vec![0x30];
    match u8::try_from(content.len()) {
        Ok(short @ 0..0x80) => der.push(short),
        _ => {
            let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
            let digits = length.iter().skip_while(|digit| **digit == 0).copied();
            let digits: Vec<u8> = digits.collect();
            der.push(0x80 | u8::try_from(digits.len()).unwrap_or(4));
            der.extend(digits);
        }
    }
    der.extend_from_slice(content);
    let parsed = X509Name::from_der(&der);
    parsed.map_or_else(|_| "a root".to_owned(), |(_, name)| visible(&name.to_string()))
}
