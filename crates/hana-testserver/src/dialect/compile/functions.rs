//! Functions: their arguments' types, their result's type, and their name inside SQLite.

use super::coerce::{Cast, coerce, inconsistent};
use super::{Compiler, Typed};
use crate::dialect::ast::Expr;
use crate::dialect::plan::SystemValue;
use crate::error::{SqlError, code};
use crate::types::{Family, SqlType};

const ANY_LENGTH: std::ops::RangeInclusive<usize> = 1..=usize::MAX;

impl Compiler<'_> {
    pub(super) fn call(
        &mut self,
        name: &str,
        args: &[Expr],
        distinct: bool,
        wanted: Option<SqlType>,
    ) -> Result<Typed, SqlError> {
        if matches!(name, "COUNT" | "SUM" | "AVG" | "MIN" | "MAX") {
            return self.aggregate(name, args, distinct);
        }
        if distinct {
            return Err(SqlError::new(
                code::SYNTAX,
                "DISTINCT belongs into an aggregate",
            ));
        }
        match name {
            "CURRENT_UTCTIMESTAMP"
            | "CURRENT_TIMESTAMP"
            | "NOW"
            | "CURRENT_UTCDATE"
            | "CURRENT_DATE"
            | "CURRENT_UTCTIME"
            | "CURRENT_TIME"
            | "CURRENT_USER"
            | "SESSION_USER"
            | "CURRENT_SCHEMA"
            | "CURRENT_CONNECTION"
            | "SESSION_CONTEXT"
            | "SYSUUID" => self.session_function(name, args),
            "COALESCE" | "IFNULL" | "NULLIF" | "GREATEST" | "LEAST" => {
                self.choice(name, args, wanted)
            }
            "ABS" | "ROUND" | "FLOOR" | "CEIL" | "CEILING" | "MOD" | "SIGN" | "POWER" | "SQRT" => {
                self.numeric(name, args)
            }
            "ADD_SECONDS" | "ADD_DAYS" | "ADD_MONTHS" | "ADD_YEARS" | "ADD_NANO100"
            | "SECONDS_BETWEEN" | "NANO100_BETWEEN" | "DAYS_BETWEEN" | "YEAR" | "MONTH"
            | "DAYOFMONTH" | "DAYOFYEAR" | "HOUR" | "MINUTE" | "SECOND" | "WEEKDAY" | "WEEK"
            | "ISOWEEK" | "LAST_DAY" => self.instant(name, args),
            _ if name.starts_with("TO_") => self.conversion(name, args),
            _ => self.text_function(name, args),
        }
    }

    fn session_function(&mut self, name: &str, args: &[Expr]) -> Result<Typed, SqlError> {
        if name == "SESSION_CONTEXT" {
            let [Expr::Text(key)] = args else {
                return Err(arguments(name, 1..=1, args));
            };
            let sql = self.system_value(SystemValue::Variable(key.clone()));
            return Ok(Typed::value(sql, SqlType::NVarchar(512)));
        }
        expect(name, 0..=0, args)?;
        let (value, sql_type) = match name {
            "CURRENT_USER" | "SESSION_USER" => (SystemValue::User, SqlType::NVarchar(256)),
            "CURRENT_SCHEMA" => (SystemValue::Schema, SqlType::NVarchar(256)),
            "CURRENT_CONNECTION" => (SystemValue::Connection, SqlType::Integer),
            "SYSUUID" => return Ok(Typed::value("h_uuid()", SqlType::VarBinary(16))),
            "CURRENT_UTCDATE" | "CURRENT_DATE" => (SystemValue::Instant, SqlType::Date),
            "CURRENT_UTCTIME" | "CURRENT_TIME" => (SystemValue::Instant, SqlType::Time),
            _ => (SystemValue::Instant, SqlType::Timestamp),
        };
        let is_instant = value == SystemValue::Instant;
        let sql = self.system_value(value);
        let mut typed = Typed::value(sql, sql_type);
        if is_instant && sql_type != SqlType::Timestamp {
            typed.sql = format!(
                "h_cast({}, {}, {})",
                typed.sql,
                SqlType::Timestamp.pack(),
                sql_type.pack()
            );
        }
        Ok(typed)
    }

    fn choice(
        &mut self,
        name: &str,
        args: &[Expr],
        wanted: Option<SqlType>,
    ) -> Result<Typed, SqlError> {
        match name {
            "IFNULL" | "NULLIF" => expect(name, 2..=2, args)?,
            _ => expect(name, 2..=usize::MAX, args)?,
        }
        let exprs: Vec<&Expr> = args.iter().collect();
        let (values, sql_type) = self.unify(&exprs, wanted)?;
        if name != "COALESCE" && name != "IFNULL" && sql_type.is_lob() {
            return Err(SqlError::new(
                code::INCONSISTENT,
                format!("{name} of a LOB"),
            ));
        }
        let collation = super::comparison::collation(sql_type);
        let list: Vec<String> = values
            .iter()
            .map(|value| format!("{}{collation}", value.sql))
            .collect();
        let list = list.join(", ");
        let sql = match name {
            "COALESCE" | "IFNULL" => format!("coalesce({list})"),
            "NULLIF" => format!("nullif({list})"),
            "GREATEST" => format!("max({list})"),
            _ => format!("min({list})"),
        };
        let operands: Vec<&Typed> = values.iter().collect();
        Ok(Typed::value(sql, sql_type).of(&operands))
    }

    fn instant(&mut self, name: &str, args: &[Expr]) -> Result<Typed, SqlError> {
        let two = name.starts_with("ADD_") || name.ends_with("_BETWEEN");
        expect(name, if two { 2..=2 } else { 1..=1 }, args)?;
        let Some(subject) = args.first() else {
            return Ok(Typed::null());
        };
        let first = self.value(subject, Some(SqlType::Timestamp))?;
        let is_date = first.sql_type == Some(SqlType::Date);
        let moment = coerce(&first, SqlType::Timestamp, Cast::Implicit)?;
        let (second, second_sql) = match args.get(1) {
            None => (Typed::null(), "0".to_owned()),
            Some(arg) if name.starts_with("ADD_") => {
                let wanted = if name == "ADD_SECONDS" {
                    SqlType::DecimalFloat
                } else {
                    SqlType::Integer
                };
                let amount = self.value(
                    arg,
                    Some(if name == "ADD_SECONDS" {
                        SqlType::Integer
                    } else {
                        wanted
                    }),
                )?;
                let sql = coerce(&amount, wanted, Cast::Implicit)?;
                (amount, sql)
            }
            Some(arg) => {
                let other = self.value_as(arg, SqlType::Timestamp)?;
                let sql = other.sql.clone();
                (other, sql)
            }
        };
        let result = match name {
            "ADD_DAYS" | "ADD_MONTHS" | "ADD_YEARS" if is_date => SqlType::Date,
            "LAST_DAY" => SqlType::Date,
            _ if name.starts_with("ADD_") => SqlType::Timestamp,
            "SECONDS_BETWEEN" | "NANO100_BETWEEN" => SqlType::BigInt,
            "ISOWEEK" => SqlType::NVarchar(8),
            _ => SqlType::Integer,
        };
        let mut sql = match name {
            "NANO100_BETWEEN" => format!("({second_sql} - {moment})"),
            _ => format!("h_instant('{name}', {moment}, {second_sql})"),
        };
        if result == SqlType::Date {
            sql = format!(
                "h_cast({sql}, {}, {})",
                SqlType::Timestamp.pack(),
                SqlType::Date.pack()
            );
        }
        Ok(Typed::value(sql, result).of(&[&first, &second]))
    }

    /// `TO_…`: a cast with an optional format or precision.
    fn conversion(&mut self, name: &str, args: &[Expr]) -> Result<Typed, SqlError> {
        let sql_type = match name {
            "TO_TIMESTAMP" => SqlType::Timestamp,
            "TO_SECONDDATE" => SqlType::SecondDate,
            "TO_DATE" | "TO_DATS" => SqlType::Date,
            "TO_TIME" => SqlType::Time,
            "TO_NVARCHAR" | "TO_VARCHAR" => SqlType::TEXT,
            "TO_NCLOB" | "TO_CLOB" => SqlType::NClob,
            "TO_DECIMAL" => decimal_of(args)?,
            "TO_DOUBLE" => SqlType::Double,
            "TO_REAL" => SqlType::Real,
            "TO_INTEGER" | "TO_INT" => SqlType::Integer,
            "TO_BIGINT" => SqlType::BigInt,
            "TO_SMALLINT" => SqlType::SmallInt,
            "TO_TINYINT" => SqlType::TinyInt,
            "TO_BOOLEAN" => SqlType::Boolean,
            "TO_BINARY" => SqlType::VarBinary(crate::types::NVARCHAR_UNITS_MAX),
            _ => return Err(SqlError::new(code::FUNCTION, name)),
        };
        let most = match name {
            "TO_DECIMAL" => 3,
            "TO_TIMESTAMP" | "TO_DATE" | "TO_NVARCHAR" | "TO_VARCHAR" => 2,
            _ => 1,
        };
        expect(name, 1..=most, args)?;
        let Some(subject) = args.first() else {
            return Ok(Typed::null());
        };
        let wanted = if matches!(sql_type.family(), Family::Instant) {
            SqlType::TEXT
        } else {
            sql_type
        };
        let typed = self.value(subject, Some(wanted))?;
        let picture = match args.get(1) {
            Some(Expr::Text(picture)) if most == 2 => picture,
            Some(_) if most == 2 => {
                return Err(SqlError::new(
                    code::SYNTAX,
                    format!("{name} takes a literal format"),
                ));
            }
            _ => {
                let sql = coerce(&typed, sql_type, Cast::Explicit)?;
                return Ok(Typed::value(sql, sql_type).of(&[&typed]));
            }
        };
        let picture = super::quoted_text(picture);
        let sql = if matches!(name, "TO_NVARCHAR" | "TO_VARCHAR") {
            let moment = coerce(&typed, SqlType::Timestamp, Cast::Implicit)?;
            format!("h_format({moment}, {picture})")
        } else {
            let text = coerce(&typed, SqlType::TEXT, Cast::Implicit)?;
            let parsed = format!("h_parse({text}, {picture})");
            match sql_type {
                SqlType::Date => format!(
                    "h_cast({parsed}, {}, {})",
                    SqlType::Timestamp.pack(),
                    sql_type.pack()
                ),
                _ => parsed,
            }
        };
        Ok(Typed::value(sql, sql_type).of(&[&typed]))
    }

    fn text_function(&mut self, name: &str, args: &[Expr]) -> Result<Typed, SqlError> {
        use Argument::{Binary, Number, Text};
        let (signature, count, result): (&[Argument], _, _) = match name {
            "LENGTH" => (&[Text], 1..=1, SqlType::Integer),
            "UPPER" | "LOWER" | "UCASE" | "LCASE" => (&[Text], 1..=1, SqlType::TEXT),
            "TRIM" | "LTRIM" | "RTRIM" => (&[Text, Text], 1..=2, SqlType::TEXT),
            "SUBSTRING" | "SUBSTR" => (&[Text, Number, Number], 2..=3, SqlType::TEXT),
            "LEFT" | "RIGHT" => (&[Text, Number], 2..=2, SqlType::TEXT),
            "LOCATE" => (&[Text, Text, Number], 2..=3, SqlType::Integer),
            "REPLACE" => (&[Text, Text, Text], 3..=3, SqlType::TEXT),
            "SUBSTR_BEFORE" | "SUBSTR_AFTER" => (&[Text, Text], 2..=2, SqlType::TEXT),
            "LPAD" | "RPAD" => (&[Text, Number, Text], 2..=3, SqlType::TEXT),
            "CONCAT" => {
                expect(name, 2..=2, args)?;
                let parts: Vec<&Expr> = args.iter().collect();
                return self.concat(&parts);
            }
            "HASH_SHA256" => (
                &[Binary, Binary, Binary, Binary],
                ANY_LENGTH,
                SqlType::VarBinary(32),
            ),
            "BINTOHEX" => (&[Binary], 1..=1, SqlType::TEXT),
            _ => return Err(SqlError::new(code::FUNCTION, name)),
        };
        expect(name, count, args)?;
        let mut sql = Vec::new();
        let mut whole = Typed::value("", result);
        for (arg, kind) in args.iter().zip(signature) {
            let wanted = match kind {
                Text => SqlType::TEXT,
                Number => SqlType::Integer,
                Binary => SqlType::VarBinary(crate::types::NVARCHAR_UNITS_MAX),
            };
            let typed = self.value(arg, Some(wanted))?;
            sql.push(coerce(&typed, wanted, Cast::Implicit)?);
            if result == SqlType::TEXT
                && let (Some(SqlType::NVarchar(length)), true) = (
                    typed.sql_type,
                    matches!(name, "UPPER" | "LOWER" | "TRIM" | "LTRIM" | "RTRIM"),
                )
                && whole.sql_type == Some(SqlType::TEXT)
            {
                whole.sql_type = Some(SqlType::NVarchar(length));
            }
            whole = whole.of(&[&typed]);
        }
        let function = match name {
            "UCASE" => "UPPER",
            "LCASE" => "LOWER",
            "SUBSTR" => "SUBSTRING",
            other => other,
        };
        whole.sql = format!("h_text('{function}', {})", sql.join(", "));
        Ok(whole)
    }
}

enum Argument {
    Text,
    Number,
    Binary,
}

/// The type of `TO_DECIMAL(x[, precision[, scale]])`.
fn decimal_of(args: &[Expr]) -> Result<SqlType, SqlError> {
    let mut digits = Vec::new();
    for arg in args.iter().skip(1) {
        match arg {
            Expr::Integer(number) => digits.push(number.parse().unwrap_or(u32::MAX)),
            _ => return Err(inconsistent(SqlType::DecimalFloat, SqlType::Integer)),
        }
    }
    SqlType::from_name("DECIMAL", &digits)
}

/// Checks the number of arguments.
pub(super) fn expect(
    name: &str,
    count: std::ops::RangeInclusive<usize>,
    args: &[Expr],
) -> Result<(), SqlError> {
    if count.contains(&args.len()) {
        Ok(())
    } else {
        Err(arguments(name, count, args))
    }
}

fn arguments(name: &str, count: std::ops::RangeInclusive<usize>, args: &[Expr]) -> SqlError {
    SqlError::new(
        code::ARGUMENTS,
        format!(
            "{name} takes {} arguments, not {}",
            count.start(),
            args.len()
        ),
    )
}
