//! mailcert.toml(5): `examples/full.toml` read as a manual. Each table is a section; each key
//! stands with the comment above it, so the page and the example cannot differ.

/// The page (roff).
pub(super) fn page() -> String {
    let title = format!(
        ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH mailcert.toml 5  \"mailcert {}\" \"mailcert\"\n",
        env!("CARGO_PKG_VERSION")
    );
    format!("{title}{HEAD}{}{FOOT}", tables(EXAMPLE))
}

/// What a line of the example is.
enum Line<'a> {
    /// `[table]`, commented out or not.
    Table(&'a str),
    /// `key = value`, and what stands behind it as a comment.
    Key(&'a str, &'a str),
    /// A sentence, or a part of one.
    Prose(&'a str),
    Blank,
}

fn read(line: &str) -> Line<'_> {
    let bare = line.trim_start_matches('#').trim_start_matches(':').trim_start();
    if bare.is_empty() {
        return Line::Blank;
    }
    if bare.starts_with('[') && bare.ends_with(']') {
        return Line::Table(bare);
    }
    let (key, comment) = bare.split_once("  #").unwrap_or((bare, ""));
    let name = key.split_once(" = ").map_or("", |(name, _)| name);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.\"".contains(c);
    match !name.is_empty() && name.chars().all(plain) {
        true => Line::Key(key.trim_end(), comment.trim()),
        false => Line::Prose(bare),
    }
}

/// The sections: a comment belongs to the table or key below it.
fn tables(example: &str) -> String {
    let (mut page, mut above) = (String::new(), Vec::new());
    // What stands above the first table is about the file, and the page's head says it.
    let first = example.lines().position(|line| line.starts_with('[')).unwrap_or_default();
    for line in example.lines().skip(first) {
        match read(line) {
            Line::Table(name) => {
                page += &format!(".SS \"{}\"\n{}", escaped(name), filled(&above));
                above.clear();
            }
            Line::Key(key, comment) => {
                above.extend((!comment.is_empty()).then_some(comment));
                page += &format!(".TP\n\\fB{}\\fR\n{}", escaped(key), filled(&above));
                above.clear();
            }
            Line::Prose(text) => above.push(text),
            Line::Blank => {}
        }
    }
    page
}

fn filled(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("\\&{}\n", escaped(line))).collect()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq").replace('`', "\\(aq")
}

/// Every key, with its comment.
const EXAMPLE: &str = include_str!("../../../examples/full.toml");
/// What stands before the tables.
const HEAD: &str = include_str!("../../../templates/man/toml-head.roff");
/// What stands behind them.
const FOOT: &str = include_str!("../../../templates/man/toml-foot.roff");

#[cfg(test)]
mod tests {
    use super::tables;

    #[test]
    fn a_comment_belongs_to_what_stands_below_it() {
        let example = "# The file.\n\n[a]\n# One,\n# `or` two.\nkey = \"x-y\"\n# Below.\n\
                       # [a.b]\n# other = 1   # as above\nsmall = 2\n";
        let expected = ".SS \"[a]\"\n.TP\n\\fBkey = \\(dqx\\-y\\(dq\\fR\n\\&One,\n\
                        \\&\\(aqor\\(aq two.\n.SS \"[a.b]\"\n\\&Below.\n.TP\n\\fBother = 1\\fR\n\
                        \\&as above\n.TP\n\\fBsmall = 2\\fR\n";
        assert_eq!(tables(example), expected);
    }
}
