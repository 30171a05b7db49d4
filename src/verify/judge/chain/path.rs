//! The way from a certificate upwards, from issuer to issuer.

use rustls_pki_types::TrustAnchor;

use crate::trust::Roots;
use crate::verify::judge::cert::Cert;
use crate::verify::judge::der;

/// The way from the leaf upwards.
pub(super) struct Path<'a> {
    /// The leaf and its issuers, in order.
    pub(super) certificates: Vec<&'a Cert>,
    /// How it ends.
    pub(super) end: End<'a>,
}

/// How a path ends.
pub(super) enum End<'a> {
    /// At a root that is trusted.
    Trusted(&'a TrustAnchor<'static>),
    /// At a certificate that signed itself.
    Itself,
    /// At a certificate whose issuer is not there.
    Open,
}

impl<'a> Path<'a> {
    /// Goes up among `sent` (the leaf first) and, where that ends, `more`; each signature is
    /// checked. Of several issuers that fit, one that is signed by another and valid at the moment
    /// is taken before one that signed itself or is out of date.
    pub(super) fn find(
        sent: &'a [Cert],
        more: &'a [Cert],
        roots: &'a Roots,
        now: crate::model::Timestamp,
    ) -> Self {
        let mut way = vec![&sent[0]];
        loop {
            let top = way[way.len() - 1];
            let signed = |spki: &[u8]| top.is_signed_with(spki) != Some(false);
            let anchors = roots.anchors.roots.iter();
            let mut named = anchors.filter(|anchor| anchor.subject.as_ref() == top.issuer_raw);
            if let Some(root) = named.find(|anchor| signed(anchor.subject_public_key_info.as_ref()))
            {
                return Self { certificates: way, end: End::Trusted(root) };
            }
            if top.names_itself() && signed(&top.spki_raw) {
                return Self { certificates: way, end: End::Itself };
            }
            let unused = |other: &&Cert| !way.iter().any(|used| used.der == other.der);
            let all = sent.iter().chain(more).filter(unused);
            let fitting = all.filter(|other| top.fits_under(other) && signed(&other.spki_raw));
            let rank = |other: &&Cert| {
                (other.names_itself(), now > other.not_after || now < other.not_before)
            };
            match fitting.min_by_key(rank) {
                Some(issuer) => way.push(issuer),
                None => return Self { certificates: way, end: End::Open },
            }
        }
    }

    /// The last certificate of it.
    pub(super) fn top(&self) -> &'a Cert {
        self.certificates[self.certificates.len() - 1]
    }

    /// Whether it reaches a root.
    pub(super) fn is_trusted(&self) -> bool {
        matches!(self.end, End::Trusted(_))
    }

    /// The root it reaches, in words.
    pub(super) fn root(&self) -> Option<String> {
        match self.end {
            End::Trusted(anchor) => Some(der::name(&anchor.subject)),
            End::Itself => Some(self.top().subject.clone()),
            End::Open => None,
        }
    }
}
