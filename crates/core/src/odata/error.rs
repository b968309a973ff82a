//! Why a request is refused, in words that its author can act on.

/// What kind of refusal it is; decides the HTTP status and the stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The URL, a header or a body is not what OData allows, or names what does not exist.
    Malformed,
    /// There is nothing at this path.
    NotFound,
    /// Only reading is served.
    ReadOnly,
    /// None of the formats asked for is served here.
    NotAcceptable,
    /// A body of another content type than the route takes.
    UnsupportedMediaType,
    /// OData allows it, this service doesn't do it.
    NotImplemented,
}

/// A refused request: status, message, and where in the URL the reason stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    problem: Problem,
    message: String,
    position: Option<usize>,
    target: Option<String>,
}

impl QueryError {
    /// A refusal without a place in the URL.
    pub fn new(problem: Problem, message: impl Into<String>) -> Self {
        Self {
            problem,
            message: message.into(),
            position: None,
            target: None,
        }
    }

    /// A 400 at a character of the URL.
    pub(crate) fn at(position: usize, message: impl Into<String>) -> Self {
        let message = format!("{} (character {position} of the URL)", message.into());
        Self {
            position: Some(position),
            ..Self::new(Problem::Malformed, message)
        }
    }

    /// A 501 at a character of the URL.
    pub(crate) fn unsupported(position: usize, message: impl Into<String>) -> Self {
        Self {
            problem: Problem::NotImplemented,
            ..Self::at(position, message)
        }
    }

    /// Names the option or property that the refusal is about, unless something more exact did already.
    #[must_use]
    pub(crate) fn about(mut self, target: &str) -> Self {
        self.target.get_or_insert_with(|| target.to_owned());
        self
    }

    /// What kind of refusal it is.
    #[must_use]
    pub fn problem(&self) -> Problem {
        self.problem
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.problem {
            Problem::Malformed => 400,
            Problem::NotFound => 404,
            Problem::ReadOnly => 405,
            Problem::NotAcceptable => 406,
            Problem::UnsupportedMediaType => 415,
            Problem::NotImplemented => 501,
        }
    }

    /// The stable code that answers and logs share.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.problem {
            Problem::Malformed => "bad-query",
            Problem::NotFound => "not-found",
            Problem::ReadOnly => "read-only",
            Problem::NotAcceptable => "not-acceptable",
            Problem::UnsupportedMediaType => "unsupported-media-type",
            Problem::NotImplemented => "not-implemented",
        }
    }

    /// The offset of the offending character in the URL as it was sent, path included.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.position
    }

    /// The system query option or property that the refusal is about.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }
}

/// What a client sent, short and without control characters, for messages.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let mut shown: String = text
        .chars()
        .take(CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
