//! What is stored: tables, their columns, and rows of cells that both databases can hold.

use std::fmt;
use std::str::FromStr;

use bigdecimal::{BigDecimal, ToPrimitive as _};
use jiff::civil;

use crate::time::Timestamp;

/// One value of a row: exactly what both databases can hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// True or false; 0 or 1 on SQLite.
    Boolean(bool),
    /// A whole number of INTEGER and BIGINT columns.
    Integer(i64),
    /// An exact decimal.
    Decimal(BigDecimal),
    /// A binary floating-point number; only for existing DOUBLE columns.
    Double(f64),
    /// A day.
    Date(civil::Date),
    /// An instant in UTC.
    Timestamp(Timestamp),
    /// A text of NVARCHAR and NCLOB columns.
    Text(String),
}

impl Cell {
    /// Whether SQLite gives the value back as it was written. It keeps a DECIMAL column's values as 64-bit whole numbers
    /// or as doubles, and a double holds 15 significant digits for certain; so what has more, and is no whole number of 64
    /// bits, is refused (`decimal-precision`) rather than altered.
    /// Source: SQLite documentation, "Datatypes In SQLite", 3.1 (column affinity NUMERIC).
    #[must_use]
    pub fn is_exact_in_sqlite(&self) -> bool {
        match self {
            Self::Decimal(value) => {
                let value = value.normalized();
                value.digits() <= 15 || (value.is_integer() && value.to_i64().is_some())
            }
            Self::Null
            | Self::Boolean(_)
            | Self::Integer(_)
            | Self::Double(_)
            | Self::Date(_)
            | Self::Timestamp(_)
            | Self::Text(_) => true,
        }
    }
}

/// A column's type, as declared in either database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// 32-bit whole number.
    Integer,
    /// 64-bit whole number.
    BigInt,
    /// 64-bit floating point.
    Double,
    /// Exact decimal with `precision` digits, `scale` of them after the point.
    Decimal {
        /// All digits, 1 to 38.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// An instant in UTC.
    Timestamp,
    /// A text of at most so many UTF-16 units (that is how HANA counts).
    NVarchar(u32),
    /// A text of any length, which HANA can't compare, sort or group.
    NClob,
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer => f.write_str("INTEGER"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::Date => f.write_str("DATE"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::NVarchar(length) => write!(f, "NVARCHAR({length})"),
            Self::NClob => f.write_str("NCLOB"),
        }
    }
}

/// Why a text is not a database identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or longer than HANA takes.
    #[error("an identifier has 1 to 127 characters")]
    Length,
    /// NUL and control characters have no place in an identifier.
    #[error("an identifier has no control characters")]
    Control,
    /// Not `NAME`, `"NAME"`, `SCHEMA.NAME` or `"SCHEMA"."NAME"`.
    #[error("expected NAME, \"NAME\" or \"SCHEMA\".\"NAME\"")]
    Form,
}

/// A column's name. It comes out quoted, `"` doubled; case is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnName(Box<str>);

/// HANA's limit for identifiers, in characters.
const IDENTIFIER_CHARS_MAX: usize = 127;

fn checked(text: &str) -> Result<Box<str>, NameError> {
    if !(1..=IDENTIFIER_CHARS_MAX).contains(&text.chars().count()) {
        return Err(NameError::Length);
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    Ok(text.into())
}

/// Writes an identifier in double quotes, as both databases want it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

impl ColumnName {
    /// The key of every survey's table.
    pub const RESPONSE_ID: &'static str = "RESPONSEID";
    /// The column that `RecordedDay`, `RecordedWeek` and `RecordedMonth` are computed from.
    pub const RECORDED_DATE: &'static str = "RECORDEDDATE";

    /// The name as it stands in SQL: in double quotes.
    #[must_use]
    pub fn quoted(&self) -> String {
        quoted(&self.0)
    }
}

impl FromStr for ColumnName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        checked(text).map(Self)
    }
}

impl AsRef<str> for ColumnName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ColumnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table's name, with its schema where one was given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    schema: Option<Box<str>>,
    name: Box<str>,
}

impl TableName {
    /// The schema, unquoted.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The name without the schema, unquoted.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As it stands in HANA's SQL: `"SCHEMA"."NAME"` or `"NAME"`.
    #[must_use]
    pub fn qualified(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(&self.name)),
            None => quoted(&self.name),
        }
    }

    /// As it stands in SQLite's SQL: the schema is ignored.
    #[must_use]
    pub fn unqualified(&self) -> String {
        quoted(&self.name)
    }
}

impl FromStr for TableName {
    type Err = NameError;

    /// Unquoted parts are folded to upper case, as HANA does; quoted ones are kept.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (first, rest) = identifier_part(text.trim())?;
        match rest.strip_prefix('.') {
            None if rest.is_empty() => Ok(Self {
                schema: None,
                name: checked(&first)?,
            }),
            None => Err(NameError::Form),
            Some(rest) => match identifier_part(rest)? {
                (name, "") => Ok(Self {
                    schema: Some(checked(&first)?),
                    name: checked(&name)?,
                }),
                _ => Err(NameError::Form),
            },
        }
    }
}

/// One identifier at the beginning of `text`, unquoted, and what follows it.
fn identifier_part(text: &str) -> Result<(String, &str), NameError> {
    if let Some(mut rest) = text.strip_prefix('"') {
        let mut name = String::new();
        loop {
            let (before, after) = rest.split_once('"').ok_or(NameError::Form)?;
            name.push_str(before);
            match after.strip_prefix('"') {
                Some(more) => {
                    name.push('"');
                    rest = more;
                }
                None => return Ok((name, after)),
            }
        }
    }
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$' || c == '#'))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    Ok((name.to_ascii_uppercase(), rest))
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.qualified())
    }
}

/// One column of a survey's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name in the database, upper case unless the table existed before.
    pub name: ColumnName,
    /// Name in OData: the export tag's own spelling, made an identifier.
    pub property: String,
    /// Declared type.
    pub kind: ColumnType,
    /// False for NOT NULL columns of tables that existed before, and for the key.
    pub nullable: bool,
}

/// A survey's table: the columns that rows are written to, in the rows' order. One of them is `RESPONSEID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Where it is.
    pub name: TableName,
    /// In the order of every [`Row`].
    pub columns: Vec<Column>,
}

impl Table {
    /// Where the key stands in a row. A table that existed before may spell it in other letter case.
    #[must_use]
    pub fn key_index(&self) -> Option<usize> {
        let is_key = |column: &Column| column.name.as_ref() == ColumnName::RESPONSE_ID;
        let is_spelled = |column: &Column| {
            column
                .name
                .as_ref()
                .eq_ignore_ascii_case(ColumnName::RESPONSE_ID)
        };
        let columns = || self.columns.iter();
        columns()
            .position(is_key)
            .or_else(|| columns().position(is_spelled))
    }
}

/// The cells of one response, in the order of its [`Table`]'s columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Row(pub Box<[Cell]>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_are_read_as_hana_reads_them() {
        let check = |text: &str, schema: Option<&str>, name: &str| {
            let table: TableName = text.parse().unwrap();
            assert_eq!((table.schema(), table.name()), (schema, name), "{text}");
        };
        check("TEST_QUALTRICS", None, "TEST_QUALTRICS");
        check("test_qualtrics", None, "TEST_QUALTRICS");
        check(
            "\"DBADMIN\".\"TEST_QUALTRICS\"",
            Some("DBADMIN"),
            "TEST_QUALTRICS",
        );
        check("dbadmin.\"Mixed\"", Some("DBADMIN"), "Mixed");
        check("\"a\"\"b\"", None, "a\"b");
        for text in [
            "",
            "a b",
            "a.b.c",
            "\"a",
            "a;drop table x",
            "a.",
            ".a",
            "\"\"",
            "\"a\0\"",
        ] {
            assert!(text.parse::<TableName>().is_err(), "{text}");
        }
    }

    #[test]
    fn sqlite_holds_fifteen_digits_and_whole_numbers_of_64_bits() {
        let check = |text: &str, exact: bool| {
            let cell = Cell::Decimal(text.parse().unwrap());
            assert_eq!(cell.is_exact_in_sqlite(), exact, "{text}");
        };
        check("133.1", true);
        check("-0.000001", true);
        check("123456789.123456", true);
        check("1234567890.123456", false);
        check("9007199254740993", true);
        check("9223372036854775807", true);
        check("9223372036854775808", false);
        check("100000000000000000000", true);
        check("1.000000000000000000", true);
    }

    #[test]
    fn what_is_exact_in_sqlite_comes_back() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database
            .execute_batch("CREATE TABLE T (D DECIMAL(20,6))")
            .unwrap();
        for text in ["133.1", "-0.000001", "123456789.123456", "9007199254740993"] {
            let value: BigDecimal = text.parse().unwrap();

            database.execute("DELETE FROM T", ()).unwrap();
            database
                .execute("INSERT INTO T VALUES (?)", [value.to_plain_string()])
                .unwrap();

            let read: String = database
                .query_row("SELECT CAST(D AS TEXT) FROM T", (), |row| row.get(0))
                .unwrap();
            assert_eq!(read.parse::<BigDecimal>().unwrap(), value, "{text}");
        }
    }

    #[test]
    fn the_key_is_found_however_it_is_spelled() {
        let table = |names: &[&str]| Table {
            name: "T".parse().unwrap(),
            columns: names
                .iter()
                .map(|name| Column {
                    name: name.parse().unwrap(),
                    property: (*name).to_owned(),
                    kind: ColumnType::NVarchar(100),
                    nullable: false,
                })
                .collect(),
        };
        assert_eq!(table(&["ResponseId", "RESPONSEID"]).key_index(), Some(1));
        assert_eq!(table(&["Q1", "ResponseId"]).key_index(), Some(1));
        assert_eq!(table(&["Q1"]).key_index(), None);
    }

    #[test]
    fn names_come_out_quoted() {
        let table: TableName = "\"a\"\"b\".c".parse().unwrap();
        assert_eq!(table.qualified(), "\"a\"\"b\".\"C\"");
        assert_eq!(
            "Q40\"; drop".parse::<ColumnName>().unwrap().quoted(),
            "\"Q40\"\"; drop\""
        );
    }
}
