//! Question texts and labels without their markup, as a card or a column comment shows them.

/// `text` without tags, with the entities that Qualtrics' editor writes resolved, white space folded to one blank.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        plain.push_str(before);
        // A `<` that opens no tag is a character like any other ("< 5 years").
        let opens = tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        match tag.split_once('>') {
            Some((_, after)) if opens => {
                plain.push(' ');
                rest = after;
            }
            _ => {
                plain.push('<');
                rest = tag;
            }
        }
    }
    plain.push_str(rest);
    for (entity, character) in [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ] {
        if plain.contains(entity) {
            plain = plain.replace(entity, character);
        }
    }
    let mut folded = String::with_capacity(plain.len());
    for word in plain.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_goes_and_text_stays() {
        let check = |text: &str, expected: &str| assert_eq!(plain(text), expected);
        check(
            "<strong>Extremely</strong> satisfied",
            "Extremely satisfied",
        );
        check("a<div><br></div>b", "a b");
        check("< 5 &amp; > 3", "< 5 & > 3");
        check("R&amp;D&nbsp; ", "R&D");
        check("Yes \n<video src=\"x\">", "Yes");
        check("a <b", "a <b");
    }
}
