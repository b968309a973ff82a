//! The SQL types, their codes on the wire and their names in the catalog.

use crate::error::{SqlError, code};

/// A type of a column, an expression or a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SqlType {
    TinyInt,
    SmallInt,
    Integer,
    BigInt,
    /// Exact, with a fixed number of digits after the point.
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// `DECIMAL` without digits: 34 significant ones, floating.
    DecimalFloat,
    Real,
    Double,
    Boolean,
    /// So many UTF-16 units.
    NVarchar(u32),
    NClob,
    VarBinary(u32),
    Blob,
    Date,
    Time,
    SecondDate,
    Timestamp,
}

/// What values of a type can be mixed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Integer,
    Decimal,
    Double,
    Boolean,
    Text,
    Binary,
    /// DATE, SECONDDATE, TIMESTAMP.
    Instant,
    Time,
}

/// The longest NVARCHAR. Source: SAP HANA SQL Reference, "Data Types".
pub(crate) const NVARCHAR_UNITS_MAX: u32 = 5000;

/// Fraction that says "floating" in metadata.
const FLOATING_FRACTION: i16 = 32767;

impl SqlType {
    /// A text of any length up to the longest.
    pub(crate) const TEXT: Self = Self::NVarchar(NVARCHAR_UNITS_MAX);

    pub(crate) fn family(self) -> Family {
        match self {
            Self::TinyInt | Self::SmallInt | Self::Integer | Self::BigInt => Family::Integer,
            Self::Decimal { .. } | Self::DecimalFloat => Family::Decimal,
            Self::Real | Self::Double => Family::Double,
            Self::Boolean => Family::Boolean,
            Self::NVarchar(_) | Self::NClob => Family::Text,
            Self::VarBinary(_) | Self::Blob => Family::Binary,
            Self::Date | Self::SecondDate | Self::Timestamp => Family::Instant,
            Self::Time => Family::Time,
        }
    }

    pub(crate) fn is_lob(self) -> bool {
        matches!(self, Self::NClob | Self::Blob)
    }

    /// The type code sent for this type under a data format version. Source: the dossier's captures of both clients;
    /// version 4 brings the long dates, 7 BOOLEAN, 8 the fixed decimals.
    pub(crate) fn wire_code(self, format: i32) -> u8 {
        match self {
            Self::TinyInt => 1,
            Self::SmallInt => 2,
            Self::Integer => 3,
            Self::BigInt => 4,
            Self::Decimal { precision, .. } if format >= 8 => match precision {
                0..=18 => 81,
                19..=28 => 82,
                _ => 76,
            },
            Self::Decimal { .. } | Self::DecimalFloat => 5,
            Self::Real => 6,
            Self::Double => 7,
            Self::Boolean if format >= 7 => 28,
            Self::Boolean => 1,
            Self::NVarchar(_) => 11,
            Self::NClob => 26,
            Self::VarBinary(_) => 13,
            Self::Blob => 27,
            Self::Date if format >= 4 => 63,
            Self::Date => 14,
            Self::Time if format >= 4 => 64,
            Self::Time => 15,
            Self::SecondDate if format >= 4 => 62,
            Self::Timestamp if format >= 4 => 61,
            Self::SecondDate | Self::Timestamp => 16,
        }
    }

    /// Length (or precision) and fraction (or scale) in metadata.
    pub(crate) fn length_and_fraction(self) -> (i16, i16) {
        match self {
            Self::TinyInt => (3, 0),
            Self::SmallInt => (5, 0),
            Self::Integer => (10, 0),
            Self::BigInt => (19, 0),
            Self::Decimal { precision, scale } => (i16::from(precision), i16::from(scale)),
            Self::DecimalFloat => (34, FLOATING_FRACTION),
            Self::Real => (7, 0),
            Self::Double => (15, 0),
            Self::Boolean => (1, 0),
            Self::NVarchar(length) | Self::VarBinary(length) => {
                (i16::try_from(length).unwrap_or(i16::MAX), 0)
            }
            Self::NClob | Self::Blob => (-1, 0),
            Self::Date => (10, 0),
            Self::Time => (8, 0),
            Self::SecondDate => (19, 0),
            Self::Timestamp => (27, 7),
        }
    }

    /// `DATA_TYPE_NAME` of the catalog.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TinyInt => "TINYINT",
            Self::SmallInt => "SMALLINT",
            Self::Integer => "INTEGER",
            Self::BigInt => "BIGINT",
            Self::Decimal { .. } | Self::DecimalFloat => "DECIMAL",
            Self::Real => "REAL",
            Self::Double => "DOUBLE",
            Self::Boolean => "BOOLEAN",
            Self::NVarchar(_) => "NVARCHAR",
            Self::NClob => "NCLOB",
            Self::VarBinary(_) => "VARBINARY",
            Self::Blob => "BLOB",
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::SecondDate => "SECONDDATE",
            Self::Timestamp => "TIMESTAMP",
        }
    }

    /// `LENGTH` and `SCALE` of the catalog.
    pub(crate) fn catalog_length_and_scale(self) -> (i64, Option<i64>) {
        match self {
            Self::Decimal { precision, scale } => (i64::from(precision), Some(i64::from(scale))),
            Self::NVarchar(length) | Self::VarBinary(length) => (i64::from(length), None),
            Self::NClob | Self::Blob => (i64::from(i32::MAX), None),
            Self::TinyInt | Self::SmallInt | Self::Integer | Self::BigInt => {
                (i64::from(self.length_and_fraction().0), Some(0))
            }
            _ => (i64::from(self.length_and_fraction().0), None),
        }
    }

    /// Finds a type by its name and the numbers in its parentheses.
    pub(crate) fn from_name(name: &str, numbers: &[u32]) -> Result<Self, SqlError> {
        let plain = |found| match numbers {
            [] => Ok(found),
            _ => Err(SqlError::new(
                code::SYNTAX,
                format!("{name} takes no length"),
            )),
        };
        match name {
            "TINYINT" => plain(Self::TinyInt),
            "SMALLINT" => plain(Self::SmallInt),
            "INTEGER" | "INT" => plain(Self::Integer),
            "BIGINT" => plain(Self::BigInt),
            "REAL" => plain(Self::Real),
            "DOUBLE" => plain(Self::Double),
            "BOOLEAN" => plain(Self::Boolean),
            "NCLOB" | "CLOB" => plain(Self::NClob),
            "BLOB" => plain(Self::Blob),
            "DATE" => plain(Self::Date),
            "TIME" => plain(Self::Time),
            "SECONDDATE" => plain(Self::SecondDate),
            "TIMESTAMP" => plain(Self::Timestamp),
            "NVARCHAR" | "VARCHAR" => length(name, numbers).map(Self::NVarchar),
            "VARBINARY" => length(name, numbers).map(Self::VarBinary),
            "DECIMAL" | "DEC" => decimal(numbers),
            _ => Err(SqlError::new(
                code::SYNTAX,
                format!("incorrect syntax near \"{name}\""),
            )),
        }
    }

    /// Packs the type into one number, for the casts inside SQLite.
    pub(crate) fn pack(self) -> i64 {
        let (kind, a, b) = match self {
            Self::TinyInt => (0, 0, 0),
            Self::SmallInt => (1, 0, 0),
            Self::Integer => (2, 0, 0),
            Self::BigInt => (3, 0, 0),
            Self::Decimal { precision, scale } => (4, u32::from(precision), u32::from(scale)),
            Self::DecimalFloat => (5, 0, 0),
            Self::Real => (6, 0, 0),
            Self::Double => (7, 0, 0),
            Self::Boolean => (8, 0, 0),
            Self::NVarchar(length) => (9, length, 0),
            Self::NClob => (10, 0, 0),
            Self::VarBinary(length) => (11, length, 0),
            Self::Blob => (12, 0, 0),
            Self::Date => (13, 0, 0),
            Self::Time => (14, 0, 0),
            Self::SecondDate => (15, 0, 0),
            Self::Timestamp => (16, 0, 0),
        };
        kind | i64::from(a) << 8 | i64::from(b) << 40
    }

    /// The inverse of [`SqlType::pack`].
    pub(crate) fn unpack(packed: i64) -> Option<Self> {
        let a = u32::try_from(packed >> 8 & 0xffff_ffff).ok()?;
        let b = u8::try_from(packed >> 40 & 0xff).ok()?;
        Some(match packed & 0xff {
            0 => Self::TinyInt,
            1 => Self::SmallInt,
            2 => Self::Integer,
            3 => Self::BigInt,
            4 => Self::Decimal {
                precision: u8::try_from(a).ok()?,
                scale: b,
            },
            5 => Self::DecimalFloat,
            6 => Self::Real,
            7 => Self::Double,
            8 => Self::Boolean,
            9 => Self::NVarchar(a),
            10 => Self::NClob,
            11 => Self::VarBinary(a),
            12 => Self::Blob,
            13 => Self::Date,
            14 => Self::Time,
            15 => Self::SecondDate,
            16 => Self::Timestamp,
            _ => return None,
        })
    }
}

fn length(name: &str, numbers: &[u32]) -> Result<u32, SqlError> {
    match numbers {
        [] => Ok(1),
        [length @ 1..=NVARCHAR_UNITS_MAX] => Ok(*length),
        [0] => Err(SqlError::new(code::SYNTAX, format!("{name} of length 0"))),
        [length] => Err(SqlError::new(
            code::LENGTH,
            format!("{name}({length}), maximum {NVARCHAR_UNITS_MAX}"),
        )),
        _ => Err(SqlError::new(
            code::SYNTAX,
            format!("{name} takes one length"),
        )),
    }
}

fn decimal(numbers: &[u32]) -> Result<SqlType, SqlError> {
    let (precision, scale) = match numbers {
        [] => return Ok(SqlType::DecimalFloat),
        [precision] => (*precision, 0),
        [precision, scale] => (*precision, *scale),
        _ => {
            return Err(SqlError::new(
                code::SYNTAX,
                "DECIMAL takes precision and scale",
            ));
        }
    };
    if !(1..=38).contains(&precision) {
        return Err(SqlError::new(code::PRECISION, precision.to_string()));
    }
    if scale > precision {
        return Err(SqlError::new(code::SCALE, scale.to_string()));
    }
    Ok(SqlType::Decimal {
        precision: u8::try_from(precision).unwrap_or(38),
        scale: u8::try_from(scale).unwrap_or(0),
    })
}
