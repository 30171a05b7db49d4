//! Exim's lines: the file of the SNI, found at each handshake.

use std::path::Path;

use super::{Setting, set};
use crate::config::EximLayout;
use crate::servers::ALT;

/// Whether an Exim option is re-expanded for the SNI and looks into our directory for files of
/// this stem. Exim itself decides by the same literal words, without expanding anything.
pub(super) fn asks_for_sni(option: &str, directory: &Path, stem: &str) -> bool {
    let inside = directory.to_str().is_some_and(|text| {
        option.match_indices(text).any(|(at, _)| {
            // `/etc/exim4/tls-old` is not inside `/etc/exim4/tls`.
            option[at + text.len()..].chars().next().is_none_or(|c| "/}, \t".contains(c))
        })
    });
    inside && option.contains(stem) && (option.contains("tls_in_sni") || option.contains("tls_sni"))
}

pub(super) fn lines(directory: &Path, layout: EximLayout) -> (Vec<Setting>, Vec<Setting>) {
    let options = match layout {
        EximLayout::Combined => vec![
            set("tls_advertise_hosts", "*".to_owned()),
            set(
                "tls_certificate",
                lookup(directory, "", ".pem", ("default.pem", "default.alt.pem")),
            ),
            // Empty: the key is in the same file.
            set("tls_privatekey", String::new()),
        ],
        EximLayout::Split => vec![
            set("tls_advertise_hosts", "*".to_owned()),
            set(
                "tls_certificate",
                lookup(directory, "exim.crt.", "", ("exim.crt", "exim.crt.alt")),
            ),
            set("tls_privatekey", lookup(directory, "exim.key.", "", ("exim.key", "exim.key.alt"))),
        ],
    };
    // MAIN_TLS_CERTKEY wins over the other two, all count only where MAIN_TLS_ENABLE is defined
    // (03_exim4-config_tlsoptions).
    let mut macros = vec![set("MAIN_TLS_ENABLE", "yes".to_owned())];
    let names: &[(&str, &str)] = match layout {
        EximLayout::Combined => &[("MAIN_TLS_CERTKEY", "tls_certificate")],
        EximLayout::Split => &[
            ("MAIN_TLS_CERTIFICATE", "tls_certificate"),
            ("MAIN_TLS_PRIVATEKEY", "tls_privatekey"),
        ],
    };
    for (name, option) in names {
        let value = options.iter().find(|set| set.name == *option).map(|set| set.value.clone());
        macros.extend(value.map(|value| set(name, value)));
    }
    (options, macros)
}

/// The file of the SNI, or the default one. Measured with 4.96 in a configuration of one's own
/// and through Debian's macros, split and unsplit.
///
/// The unexpanded text must hold the words `tls_in_sni`, otherwise Exim does not expand again for
/// the SNI. `dsearch` untaints what it finds and compares letter case, hence `lc`. The guard keeps
/// names with a slash away from it: those make the lookup fail and the handshake with it. Without
/// SNI the guard fails as well, so that the first expansion gives the default file.
///
/// Behind each stands the second file of the same name, where there is one: Exim takes a list of
/// files, and of the certificates in it the one whose algorithm the client knows.
fn lookup(directory: &Path, before: &str, after: &str, default: (&str, &str)) -> String {
    let at = |file: &str| directory.join(file).display().to_string();
    let (first, alt) = (at(default.0), at(default.1));
    let default = format!("{first}${{if exists{{{alt}}}{{:{alt}}}}}");
    let directory = directory.display();
    let guard = r"${if match{${lc:$tls_in_sni}}{\N^[a-z0-9][a-z0-9.-]*$\N}";
    let find = |alt: &str| {
        format!(
            "${{lookup{{{before}${{lc:$tls_in_sni}}{alt}{after}}}dsearch,ret=full,filter=file\
             {{{directory}}}"
        )
    };
    let second = format!("{}{{:$value}}{{}}}}", find(ALT));
    let found = format!("{}{{$value{second}}}{{{default}}}}}", find(""));
    format!("{guard}{{{found}}}{{{default}}}}}")
}

pub(super) fn stems(layout: EximLayout) -> (&'static str, &'static str) {
    match layout {
        EximLayout::Combined => (".pem", ".pem"),
        EximLayout::Split => ("exim.crt", "exim.key"),
    }
}
