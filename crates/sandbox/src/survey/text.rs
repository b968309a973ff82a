//! Question and choice texts without their HTML, as export files and labels show them.

/// Tags removed, the common entities decoded, line breaks and blanks kept.
///
/// Source: recorded CSV headers and labels (`<strong>Extremely</strong> satisfied` is shown as `Extremely satisfied`;
/// "Strongly agree\n5" keeps its line break).
pub(crate) fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let opens_tag = after.starts_with(|letter: char| {
            letter.is_ascii_alphabetic() || matches!(letter, '/' | '!')
        });
        match after.split_once('>') {
            Some((_, behind)) if opens_tag => rest = behind,
            _ => {
                text.push('<');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    if text.contains('&') {
        decode(&text)
    } else {
        text
    }
}

fn decode(text: &str) -> String {
    [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (entity, character)| {
        text.replace(entity, character)
    })
}

/// Text that can stand anywhere in an HTML page.
pub(crate) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_and_text_stays() {
        assert_eq!(
            plain("<strong>Extremely</strong> satisfied"),
            "Extremely satisfied"
        );
        assert_eq!(plain("1 < 2 and 3 > 2"), "1 < 2 and 3 > 2");
        assert_eq!(plain("a &amp;lt; b&nbsp;c"), "a &lt; b c");
        assert_eq!(plain("open <b"), "open <b");
    }

    #[test]
    fn nothing_escapes_from_a_page() {
        assert_eq!(escape("<script>'\"&"), "&lt;script&gt;&#39;&quot;&amp;");
    }
}
