//! Numbers as they are written, without a detour through `f64`.

use std::borrow::Cow;

/// A decimal number, exactly: sign, significant digits without zeros at either end, and a power of ten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exact<'a> {
    negative: bool,
    digits: Cow<'a, str>,
    exponent: i64,
}

/// Far outside of what any column holds, and small enough to add lengths to.
const EXPONENT_MAX: i64 = 1 << 40;

impl<'a> Exact<'a> {
    /// `-12`, `007`, `.5`, `1.50`, `1e3`; not `+1`, `1,5`, `NaN`, `0x1`.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, power(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction)
        {
            return None;
        }
        let mut digits = if fraction.is_empty() {
            Cow::Borrowed(whole)
        } else {
            Cow::Owned(format!("{whole}{fraction}"))
        };
        let mut exponent = exponent - length(fraction);
        let untrailed = digits.trim_end_matches('0').len();
        exponent += length(&digits) - i64::try_from(untrailed).unwrap_or(i64::MAX);
        digits = match digits {
            Cow::Borrowed(digits) => {
                Cow::Borrowed(digits.trim_end_matches('0').trim_start_matches('0'))
            }
            Cow::Owned(digits) => Cow::Owned(
                digits
                    .trim_end_matches('0')
                    .trim_start_matches('0')
                    .to_owned(),
            ),
        };
        let is_zero = digits.is_empty();
        Some(Self {
            negative: negative && !is_zero,
            digits,
            exponent: if is_zero { 0 } else { exponent },
        })
    }

    /// Digits after the point.
    pub(super) fn fraction_digits(&self) -> i64 {
        (-self.exponent).max(0)
    }

    /// Digits before the point.
    pub(super) fn whole_digits(&self) -> i64 {
        if self.digits.is_empty() {
            0
        } else {
            (length(&self.digits) + self.exponent).max(0)
        }
    }

    /// As a whole number, if it is one and fits. Ask [`Self::fraction_digits`] first to tell the two apart.
    pub(super) fn to_i64(&self) -> Option<i64> {
        if self.exponent < 0 || self.whole_digits() > 19 {
            return None;
        }
        self.plain().parse().ok()
    }

    /// Written out. Only for numbers of a sensible length: see [`Self::whole_digits`].
    pub(super) fn plain(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let digits = if self.digits.is_empty() {
            "0"
        } else {
            &*self.digits
        };
        let zeros = |count: i64| "0".repeat(usize::try_from(count.min(400)).unwrap_or(0));
        if self.exponent >= 0 {
            return format!("{sign}{digits}{}", zeros(self.exponent));
        }
        let digits = format!(
            "{}{digits}",
            zeros(self.fraction_digits() + 1 - length(digits))
        );
        let point = digits.len()
            - usize::try_from(self.fraction_digits())
                .unwrap_or(0)
                .min(digits.len());
        let (whole, fraction) = digits.split_at_checked(point).unwrap_or((&digits, "0"));
        format!("{sign}{whole}.{fraction}")
    }
}

/// Whether two texts are the same number, or else the same text: `10` and `10.0` are.
pub(super) fn same(a: &str, b: &str) -> bool {
    a == b
        || match (Exact::parse(a), Exact::parse(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        }
}

fn power(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (if text.starts_with('-') { -1 } else { 1 }, digits),
        None => (1, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let power: i64 = digits.parse().unwrap_or(EXPONENT_MAX);
    Some(sign * power.min(EXPONENT_MAX))
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        Exact::parse(text).unwrap().plain()
    }

    #[test]
    fn numbers_are_read_exactly() {
        for (text, expected) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("007", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            ("10.0", "10"),
            ("133.1", "133.1"),
            ("-1.50e1", "-15"),
            ("12e-4", "0.0012"),
            ("9007199254740993", "9007199254740993"),
            (
                "123456789012345678901234567890.5",
                "123456789012345678901234567890.5",
            ),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "", "-", ".", "+1", "1,5", "NaN", "Infinity", "0x1", "1e", "1e+", "1 2", "1.2.3", "e5",
            "١",
        ] {
            assert_eq!(Exact::parse(text), None, "{text}");
        }
    }

    #[test]
    fn absurd_exponents_are_neither_slow_nor_large() {
        for text in [
            "1e999999999999999999999",
            "1e-999999999999999999999",
            "0e999999999",
        ] {
            let number = Exact::parse(text).unwrap();
            assert!(number.plain().len() < 1000);
        }
        assert_eq!(Exact::parse("1e999999999").unwrap().to_i64(), None);
        assert_eq!(Exact::parse("0e999999999").unwrap().to_i64(), Some(0));
    }

    #[test]
    fn equal_numbers_are_the_same_however_written() {
        assert!(same("10", "10.0"));
        assert!(same("a", "a"));
        assert!(!same("1", "-1"));
        assert!(!same("a", "1"));
    }
}
