//! Domains of e-mail addresses, compared so that look-alikes and tricks with suffixes don't match.

/// A rule's domain: exactly this one, or any below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DomainPattern {
    /// As A-labels in lower case.
    domain: String,
    below: bool,
}

/// Why a text is not a domain that a rule can name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a domain like sap.com, or *.sap.com for all below it")]
pub struct DomainError;

impl DomainPattern {
    pub(super) fn new(text: &str) -> Result<Self, DomainError> {
        let (below, domain) = match text.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, text),
        };
        let domain = a_labels(domain).ok_or(DomainError)?;
        Ok(Self { domain, below })
    }

    /// Whether the address belongs to the domain. Whatever is not plainly an address belongs to none.
    pub(super) fn matches(&self, email: &str) -> bool {
        let Some(domain) = domain_of(email) else {
            return false;
        };
        if !self.below {
            return domain == self.domain;
        }
        // Whole labels: `evilsap.com` is not below `sap.com`.
        domain
            .strip_suffix(&self.domain)
            .and_then(|labels| labels.strip_suffix('.'))
            .is_some_and(|labels| !labels.is_empty())
    }
}

/// The address's domain as A-labels. Strict: nothing is trimmed, quoted local parts and address literals are refused.
fn domain_of(email: &str) -> Option<String> {
    if email
        .chars()
        .any(|char| char.is_whitespace() || char.is_control())
    {
        return None;
    }
    let (local, domain) = email.split_once('@')?;
    if local.is_empty() || domain.contains('@') {
        return None;
    }
    a_labels(domain)
}

/// A domain as A-labels in lower case (UTS 46). A domain that the mapping changes in more than the case of its letters
/// (full-width letters, soft hyphens, ideographic full stops) is refused: nobody's address is written so, except to
/// pass for another.
fn a_labels(domain: &str) -> Option<String> {
    if !domain.split('.').all(|label| !label.is_empty()) || !domain.contains('.') {
        return None;
    }
    let lower = domain.to_lowercase();
    let ascii = idna::domain_to_ascii_strict(&lower).ok()?;
    let (unicode, result) = idna::domain_to_unicode(&ascii);
    result.ok()?;
    // The last label of a domain is no number; what ends in one is an IPv4 address. Source: WHATWG URL, 3.5.
    let numeric = ascii
        .rsplit('.')
        .next()?
        .bytes()
        .all(|byte| byte.is_ascii_digit());
    (!numeric && (lower == ascii || lower == unicode)).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(domain: &str, email: &str, expected: bool) {
        assert_eq!(
            DomainPattern::new(domain).unwrap().matches(email),
            expected,
            "{email}"
        );
    }

    #[test]
    fn a_domain_matches_itself_in_any_case() {
        check("example.com", "ann@example.com", true);
        check("EXAMPLE.com", "Ann.B+c@Example.COM", true);
        check("example.com", "ann@example.org", false);
    }

    #[test]
    fn suffixes_do_not_match() {
        check("example.com", "ann@evilexample.com", false);
        check("example.com", "ann@example.com.evil.test", false);
        check("example.com", "ann@mail.example.com", false);
    }

    #[test]
    fn a_star_is_one_label_or_more() {
        check("*.example.com", "ann@mail.example.com", true);
        check("*.example.com", "ann@a.b.example.com", true);
        check("*.example.com", "ann@example.com", false);
        check("*.example.com", "ann@evilexample.com", false);
        check("*.example.com", "ann@.example.com", false);
    }

    #[test]
    fn both_spellings_of_an_international_domain_are_one() {
        check("größe.example", "ann@xn--gre-6ka8i.example", true);
        check("xn--gre-6ka8i.example", "ann@GRÖßE.example", true);
        check("apple.example", "ann@аpple.example", false); // a Cyrillic letter
    }

    #[test]
    fn what_is_not_plainly_an_address_matches_nothing() {
        for email in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@example.com.",
            "ann@example.com@evil.test",
            "\"ann@example.com\"@evil.test",
            "ann@evil.test\0@example.com",
            " ann@example.com",
            "ann@example.com\n",
            "ann@ example.com",
            "ann@ｅxample.com",
            "ann@example。com",
            "ann@exam\u{ad}ple.com",
            "ann@[10.0.0.1]",
        ] {
            check("example.com", email, false);
        }
    }

    #[test]
    fn rules_name_domains() {
        for text in [
            "",
            "com",
            "*",
            "*.",
            "*.com",
            "10.0.0.1",
            "a b.com",
            "ann@example.com",
            "*.*.com",
            "a..b",
        ] {
            assert!(DomainPattern::new(text).is_err(), "{text}");
        }
    }
}
