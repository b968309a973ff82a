//! What Qualtrics says beside a status, made fit for one line of a log.

use std::fmt;

/// What Qualtrics said beside the status: its code and message, shortened and escaped, and the request's id, by which
/// Qualtrics' support finds it. Never branched on. Source: no trace of a public list of codes was found.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Said(Option<Box<Words>>);

#[derive(Clone, PartialEq, Eq)]
struct Words {
    message: Box<str>,
    request_id: Box<str>,
}

impl Said {
    /// Keeps what there is.
    #[must_use]
    pub fn new(code: Option<&str>, message: Option<&str>, request_id: Option<&str>) -> Self {
        let words: Vec<&str> = [code, message].into_iter().flatten().collect();
        if words.is_empty() && request_id.is_none_or(str::is_empty) {
            return Self::default();
        }
        Self(Some(Box::new(Words {
            message: excerpt(&words.join(" ")),
            request_id: excerpt(request_id.unwrap_or_default()),
        })))
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(words) = &self.0 else { return Ok(()) };
        if !words.message.is_empty() {
            write!(f, " {}", words.message)?;
        }
        if !words.request_id.is_empty() {
            write!(f, ", request {}", words.request_id)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Said({self})")
    }
}

/// What a peer sent, made fit for one line of a log: 200 characters at most, no control characters.
pub(super) fn excerpt(text: &str) -> Box<str> {
    const CHARACTERS_MAX: usize = 200;
    let mut short: String = text
        .chars()
        .take(CHARACTERS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        short.push('…');
    }
    short.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_sends_is_one_short_line() {
        let said = Said::new(None, Some(&"a\nb\u{1b}[31m".repeat(100)), Some("id\r\n"));

        let text = said.to_string();

        assert!(text.chars().count() < 230, "{text}");
        assert!(!text.chars().any(char::is_control), "{text}");
    }
}
