//! `history`: what was done, when and why.

use crate::model::Deed;

/// The deeds for a terminal, oldest first; `left_out` earlier ones were not asked for.
pub(super) fn text(deeds: &[Deed], left_out: usize) -> String {
    if deeds.is_empty() {
        return "nothing was done yet\n".to_owned();
    }
    let mut text = match left_out {
        0 => String::new(),
        1 => "1 earlier one is not shown: `-n` says how many are\n".to_owned(),
        many => format!("{many} earlier ones are not shown: `-n` says how many are\n"),
    };
    for deed in deeds {
        let fate = if deed.error.is_some() { "FAILED: " } else { "" };
        let what = super::wrapped(&format!("{fate}{}", deed.what), INDENT);
        text += &format!("{}  {}", deed.at, what.trim_start());
        let said = [("because", &deed.because), ("error:", &deed.error)];
        for (word, said) in said.into_iter().filter_map(|(word, said)| Some((word, said.as_ref()?)))
        {
            text += &super::wrapped(&format!("{word} {said}"), INDENT);
        }
    }
    text
}

/// As wide as a moment and what follows it.
const INDENT: &str = "                      ";

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::text;
    use crate::model::{Deed, Timestamp};

    #[test]
    fn what_was_done_comes_with_its_reason_and_fits_a_terminal() {
        let deed = |what: &str, because: Option<&str>, error: Option<&str>| Deed {
            at: Timestamp::from_unix(1_800_000_000),
            about: Vec::new(),
            what: what.to_owned(),
            because: because.map(str::to_owned),
            error: error.map(str::to_owned),
        };
        let why = "no certificate covers mx1.example.org, mx2.example.org and 3 more";
        let told = text(
            &[
                deed("reload postfix", None, None),
                deed("issue example.org for mx1.example.org", Some(why), Some("it is down")),
            ],
            7,
        );
        expect![[r#"
            7 earlier ones are not shown: `-n` says how many are
            2027-01-15T08:00:00Z  reload postfix
            2027-01-15T08:00:00Z  FAILED: issue example.org for mx1.example.org
                                  because no certificate covers mx1.example.org,
                                  mx2.example.org and 3 more
                                  error: it is down
        "#]]
        .assert_eq(&told);
        assert_eq!(text(&[], 0), "nothing was done yet\n");
    }
}
