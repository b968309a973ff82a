//! Functions of texts. HANA counts UTF-16 units.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, Result};
use sha2::Digest as _;

use super::functions::{failure, strict, text};
use crate::error::{SqlError, code};

const PURE: FunctionFlags = FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC);

pub(super) fn register(sqlite: &Connection) -> Result<()> {
    sqlite.create_scalar_function("h_text", -1, PURE, |call| strict(call, function))?;
    sqlite.create_scalar_function("h_matches", 2, PURE, |call| {
        strict(call, |call| {
            let pattern = text(call, 1)?;
            // HANA takes Perl's expressions, without look-around the same ones.
            let regex = regex::Regex::new(pattern).map_err(|_| {
                SqlError::new(
                    code::GENERAL,
                    format!("invalid regular expression {pattern}"),
                )
            })?;
            Ok(Stored::Integer(i64::from(regex.is_match(text(call, 0)?))))
        })
    })?;
    sqlite.create_scalar_function("h_like", 3, PURE, |call| {
        let (Some(subject), Some(pattern)) = (
            call.get::<Option<String>>(0)?,
            call.get::<Option<String>>(1)?,
        ) else {
            return Ok(None);
        };
        let escape: Option<String> = call.get(2)?;
        like(&subject, &pattern, escape.as_deref())
            .map(Some)
            .map_err(|error| failure(&error))
    })
}

fn function(call: &Context<'_>) -> std::result::Result<Stored, SqlError> {
    let name = text(call, 0)?;
    if matches!(name, "HASH_SHA256" | "BINTOHEX") {
        return binary(call, name);
    }
    let subject = text(call, 1)?;
    let second = || text(call, 2);
    let number = |position: usize| call.get::<i64>(position).unwrap_or_default();
    let result = match name {
        "LENGTH" => return Ok(Stored::Integer(count(unit_count(subject)))),
        "LOCATE" => {
            let from = if call.len() > 3 { number(3) } else { 1 };
            return Ok(Stored::Integer(locate(subject, second()?, from)));
        }
        "UPPER" => subject.to_uppercase(),
        "LOWER" => subject.to_lowercase(),
        "TRIM" | "LTRIM" | "RTRIM" => {
            let set = if call.len() > 2 { second()? } else { " " };
            let inner = if name == "RTRIM" {
                subject
            } else {
                subject.trim_start_matches(|c| set.contains(c))
            };
            let inner = if name == "LTRIM" {
                inner
            } else {
                inner.trim_end_matches(|c| set.contains(c))
            };
            inner.to_owned()
        }
        "SUBSTRING" => {
            let length = if call.len() > 3 {
                usize::try_from(number(3)).ok().or(Some(0))
            } else {
                None
            };
            units(subject, usize::try_from(number(2) - 1).unwrap_or(0), length)
        }
        "LEFT" => units(subject, 0, Some(usize::try_from(number(2)).unwrap_or(0))),
        "RIGHT" => {
            let length = usize::try_from(number(2)).unwrap_or(0);
            units(subject, unit_count(subject).saturating_sub(length), None)
        }
        "REPLACE" if second()?.is_empty() => subject.to_owned(),
        "REPLACE" => subject.replace(second()?, text(call, 3)?),
        "SUBSTR_BEFORE" => subject
            .split_once(second()?)
            .map_or("", |(before, _)| before)
            .to_owned(),
        "SUBSTR_AFTER" => subject
            .split_once(second()?)
            .map_or("", |(_, after)| after)
            .to_owned(),
        "LPAD" | "RPAD" => pad(
            subject,
            usize::try_from(number(2)).unwrap_or(0),
            if call.len() > 3 { text(call, 3)? } else { " " },
            name == "LPAD",
        ),
        _ => return Err(SqlError::new(code::FUNCTION, name)),
    };
    Ok(Stored::Text(result))
}

fn binary(call: &Context<'_>, name: &str) -> std::result::Result<Stored, SqlError> {
    let mut bytes = Vec::new();
    for position in 1..call.len() {
        let part: Vec<u8> = call
            .get(position)
            .map_err(|_| SqlError::new(code::INCONSISTENT, name))?;
        bytes.extend(part);
    }
    Ok(match name {
        "HASH_SHA256" => Stored::Blob(sha2::Sha256::digest(&bytes).to_vec()),
        _ => Stored::Text(bytes.iter().map(|byte| format!("{byte:02X}")).collect()),
    })
}

fn unit_count(text: &str) -> usize {
    text.encode_utf16().count()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// So many units from a 0-based one on. Half a surrogate pair becomes the replacement character.
pub(super) fn units(text: &str, from: usize, length: Option<usize>) -> String {
    let units: Vec<u16> = text
        .encode_utf16()
        .skip(from)
        .take(length.unwrap_or(usize::MAX))
        .collect();
    String::from_utf16_lossy(&units)
}

/// 1-based position in units, 0 where there is none.
fn locate(haystack: &str, needle: &str, from: i64) -> i64 {
    let haystack: Vec<u16> = haystack.encode_utf16().collect();
    let needle: Vec<u16> = needle.encode_utf16().collect();
    let start = usize::try_from(from - 1).unwrap_or(0);
    if needle.is_empty() {
        return 1;
    }
    haystack
        .windows(needle.len())
        .skip(start)
        .position(|window| window == needle)
        .map_or(0, |position| count(position + start + 1))
}

fn pad(text: &str, length: usize, filler: &str, left: bool) -> String {
    let present = unit_count(text);
    if present >= length || filler.is_empty() {
        return units(text, 0, Some(length));
    }
    let padding = units(&filler.repeat(length), 0, Some(length - present));
    if left {
        padding + text
    } else {
        text.to_owned() + &padding
    }
}

/// One piece of a pattern.
enum Piece {
    Any,
    One,
    Char(char),
}

/// `%` is any text, `_` one character; case counts. Behind the escape character only a wildcard or itself may stand.
fn like(text: &str, pattern: &str, escape: Option<&str>) -> std::result::Result<bool, SqlError> {
    let escape = match escape.map(|escape| escape.chars().collect::<Vec<_>>()) {
        None => None,
        Some(chars) => match chars.as_slice() {
            [c] => Some(*c),
            _ => return Err(SqlError::new(code::ESCAPE, "one character is expected")),
        },
    };
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            c if Some(c) == escape => match chars.next() {
                Some(next) if next == '%' || next == '_' || Some(next) == escape => {
                    Piece::Char(next)
                }
                _ => return Err(SqlError::new(code::ESCAPE, pattern)),
            },
            '%' => Piece::Any,
            '_' => Piece::One,
            c => Piece::Char(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    Ok(matches(&text, &pieces))
}

/// Matches with one point of return, the last `%`: linear in practice, never exponential.
fn matches(text: &[char], pieces: &[Piece]) -> bool {
    let (mut at, mut piece) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        match (pieces.get(piece), text.get(at)) {
            (Some(Piece::Any), _) => {
                back = Some((at, piece));
                piece += 1;
                continue;
            }
            (Some(Piece::One), Some(_)) => {
                at += 1;
                piece += 1;
                continue;
            }
            (Some(Piece::Char(wanted)), Some(found)) if wanted == found => {
                at += 1;
                piece += 1;
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        match &mut back {
            Some((from, any)) if *from < text.len() => {
                *from += 1;
                at = *from;
                piece = *any + 1;
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_wildcards_case_and_escape() {
        for (text, pattern, escape, expected) in [
            ("abc", "a%", None, true),
            ("abc", "A%", None, false),
            ("abc", "a_c", None, true),
            ("a%c", "a\\%c", Some("\\"), true),
            ("abc", "a\\%c", Some("\\"), false),
            ("", "%", None, true),
            ("aXbXc", "%X%c", None, true),
            ("aab", "%ab", None, true),
        ] {
            assert_eq!(
                like(text, pattern, escape).unwrap(),
                expected,
                "{text} LIKE {pattern}"
            );
        }
        assert_eq!(like("a", "a!b", Some("!")).unwrap_err().code, code::ESCAPE);
    }

    #[test]
    fn texts_are_counted_in_utf16_units() {
        assert_eq!(unit_count("a😀"), 3);
        assert_eq!(units("a😀b", 1, Some(2)), "😀");
        assert_eq!(locate("a😀b", "b", 1), 4);
        assert_eq!(pad("x", 3, "ab", true), "abx");
    }
}
