//! PEM blocks as bindings bring them: with line breaks, with `\n` written out, or all on one line.

/// The text with every block on lines of its own, 64 characters each. Text that holds no block comes back as it is.
/// Source: RFC 7468, section 2, wants the boundaries on lines of their own.
pub(super) fn unfold(text: &str) -> String {
    let text = text.replace("\\r", "").replace("\\n", "\n");
    let mut unfolded = String::with_capacity(text.len() + text.len() / 32);
    let mut rest = text.as_str();
    while let Some((label, body, after)) = next_block(rest) {
        unfolded.push_str("-----BEGIN ");
        unfolded.push_str(label);
        unfolded.push_str("-----\n");
        for (index, character) in body.chars().filter(|c| !c.is_whitespace()).enumerate() {
            if index > 0 && index % 64 == 0 {
                unfolded.push('\n');
            }
            unfolded.push(character);
        }
        unfolded.push_str("\n-----END ");
        unfolded.push_str(label);
        unfolded.push_str("-----\n");
        rest = after;
    }
    if unfolded.is_empty() { text } else { unfolded }
}

/// Label and body of the first block, and what follows it.
fn next_block(text: &str) -> Option<(&str, &str, &str)> {
    let (_, text) = text.split_once("-----BEGIN ")?;
    let (label, text) = text.split_once("-----")?;
    let (body, after) = text.split_once("-----END ")?;
    let (_, after) = after.split_once("-----")?;
    Some((label, body, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_block_become_one() {
        let wanted = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        for text in [
            wanted,
            "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----MIIB-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\r\nMI\r\nIB\r\n-----END CERTIFICATE-----\r\n",
        ] {
            assert_eq!(unfold(text), wanted, "{text:?}");
        }
        assert_eq!(
            unfold(&format!("{wanted}{wanted}")),
            format!("{wanted}{wanted}")
        );
        assert_eq!(unfold("no block"), "no block");
        let long = unfold(&format!(
            "-----BEGIN X-----{}-----END X-----",
            "A".repeat(65)
        ));
        assert_eq!(
            long.lines().map(str::len).collect::<Vec<_>>(),
            [17, 64, 1, 15]
        );
    }
}
