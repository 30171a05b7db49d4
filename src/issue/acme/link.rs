//! Other chains for a certificate: where the CA has them, and how one is fetched (RFC 8555 section
//! 7.4.2).

use http::HeaderMap;
use http::header::LINK;

use super::Acme;
use super::jws::{Unanswered, Who};

impl Acme {
    /// The chain (PEM) at a URL that the CA named. A POST-as-GET like any other.
    pub(super) async fn other_chain(&self, url: &str) -> Result<String, Unanswered> {
        let kept = self.kept_account().await.map_err(Unanswered::Refused)?;
        let signer = kept.signer().map_err(Unanswered::Ours)?;
        let directory = self.directory().await.map_err(Unanswered::Refused)?;
        let answer = self.post(directory, url, (&signer, Who::Account(&kept.id)), "").await?;
        let text = String::from_utf8(answer.into_body().to_vec());
        text.map_err(|_| Unanswered::Ours(format!("what is at {url:?} is no PEM")))
    }
}

/// The URLs of the alternates that an answer from `base` names, each once.
pub(super) fn alternates(headers: &HeaderMap, base: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for value in headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()) {
        for (target, rel) in links(value) {
            let is_one = rel.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(REL));
            let Some(url) = absolute(target, base).filter(|_| is_one) else { continue };
            if found.len() < MOST && !found.contains(&url) {
                found.push(url);
            }
        }
    }
    found
}

/// The links of one header with their relation types (RFC 8288 section 3); what follows something
/// that is none is not read.
fn links(mut text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    while let Some((target, rest)) =
        text.trim_start_matches([' ', '\t', ',']).strip_prefix('<').and_then(|t| t.split_once('>'))
    {
        let (parameters, rest) = rest.split_at(end_of_link(rest));
        found.push((target, relation(parameters)));
        text = rest;
    }
    found
}

/// Where the parameters of a link end: at a comma that stands in no quotes.
fn end_of_link(text: &str) -> usize {
    let mut quoted = false;
    let end = text.find(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    end.unwrap_or(text.len())
}

/// The value of `rel`, the first one where it stands several times; empty where it is missing.
fn relation(parameters: &str) -> &str {
    let pairs = parameters.split(';').filter_map(|one| one.split_once('='));
    let mut rels = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("rel"));
    rels.next().map_or("", |(_, value)| value.trim().trim_matches('"'))
}

/// A target as a URL of the same scheme as `base`.
fn absolute(target: &str, base: &str) -> Option<String> {
    let (scheme, rest) = base.split_once("://")?;
    let host = rest.split('/').next()?;
    if target.starts_with('/') && !target.starts_with("//") {
        return Some(format!("{scheme}://{host}{target}"));
    }
    target.strip_prefix(scheme)?.starts_with("://").then(|| target.to_owned())
}

const REL: &str = "alternate";
/// More chains than any CA has.
const MOST: usize = 8;

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::LINK;

    use super::{MOST, alternates};

    fn found(lines: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(LINK, line.parse().unwrap());
        }
        alternates(&headers, "https://ca.test/cert/1")
    }

    #[test]
    fn alternates_are_found_in_every_way_to_write_them() {
        for (lines, expected) in [
            (
                &["<https://ca.test/cert/1/1>;rel=\"alternate\""][..],
                &["https://ca.test/cert/1/1"][..],
            ),
            (&["<https://ca.test/dir>;rel=\"index\""], &[]),
            (&["<https://ca.test/a>; REL=Alternate ; type=x"], &["https://ca.test/a"]),
            (
                &["</a>;rel=\"up alternate\", </b>;title=\"x, <y>\";rel=alternate"],
                &["https://ca.test/a", "https://ca.test/b"],
            ),
            (
                &[
                    "<https://ca.test/dir>;rel=\"index\"",
                    "</a>;rel=\"alternate\"",
                    "</a>;rel=\"alternate\"",
                ],
                &["https://ca.test/a"],
            ),
            // Not over a connection that anybody reads, and nothing that is no URL.
            (&["<http://ca.test/a>;rel=\"alternate\"", "<//b/a>;rel=\"alternate\""], &[]),
            (&["<a>;rel=\"alternate\"", "garbage", "<", "<https://ca.test/a>", ""], &[]),
            (&["<httpsx://a>;rel=\"alternate\""], &[]),
        ] {
            assert_eq!(found(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn there_is_an_end_to_them() {
        let many: Vec<String> = (0..100).map(|n| format!("</{n}>;rel=\"alternate\"")).collect();
        assert_eq!(found(&[&many.join(", ")]).len(), MOST);
    }
}
