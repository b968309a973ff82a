//! Functions of numbers.

use super::coerce::{Cast, coerce};
use super::functions::expect;
use super::{Compiler, Typed};
use crate::dialect::ast::Expr;
use crate::error::{SqlError, code};
use crate::types::{Family, SqlType};

impl Compiler<'_> {
    pub(super) fn numeric(&mut self, name: &str, args: &[Expr]) -> Result<Typed, SqlError> {
        let count = match name {
            "MOD" | "POWER" => 2..=2,
            "ROUND" => 1..=3,
            _ => 1..=1,
        };
        expect(name, count, args)?;
        let first = self.number(args, 0)?;
        let second = match args.get(1) {
            Some(_) => Some(self.number(args, 1)?),
            None => None,
        };
        let sql_type = first.type_or_text();
        let result = match (name, sql_type.family()) {
            ("SIGN", _) => SqlType::Integer,
            ("POWER" | "SQRT", _) => SqlType::Double,
            ("FLOOR" | "CEIL" | "CEILING" | "ROUND", Family::Decimal) => match sql_type {
                SqlType::Decimal { precision, scale } if name != "ROUND" => SqlType::Decimal {
                    precision: (precision - scale + 1).min(38),
                    scale: 0,
                },
                other => other,
            },
            _ => sql_type,
        };
        let function = match (name, args.get(2)) {
            ("CEILING", _) => "CEIL",
            (_, Some(mode)) => rounding(mode)?,
            (other, None) => other,
        };
        let second_sql = second.as_ref().map_or("0", |typed| typed.sql.as_str());
        let second_type = second
            .as_ref()
            .map_or(SqlType::Integer, Typed::type_or_text);
        let sql = format!(
            "h_number('{function}', {}, {}, {second_sql}, {}, {})",
            first.sql,
            sql_type.pack(),
            second_type.pack(),
            result.pack()
        );
        let whole = Typed::value(sql, result).of(&[&first]);
        Ok(match &second {
            Some(second) => whole.of(&[second]),
            None => whole,
        })
    }

    /// A numeric argument; a text becomes a DECIMAL.
    fn number(&mut self, args: &[Expr], position: usize) -> Result<Typed, SqlError> {
        let Some(arg) = args.get(position) else {
            return Ok(Typed::null());
        };
        let typed = self.value(arg, Some(SqlType::DecimalFloat))?;
        match typed.type_or_text().family() {
            Family::Integer | Family::Decimal | Family::Double => Ok(typed),
            _ => {
                let sql = coerce(&typed, SqlType::DecimalFloat, Cast::Implicit)?;
                Ok(Typed::value(sql, SqlType::DecimalFloat).of(&[&typed]))
            }
        }
    }
}

/// The rounding mode of `ROUND(x, n, mode)`, as the name of the function that does it.
fn rounding(mode: &Expr) -> Result<&'static str, SqlError> {
    match mode {
        Expr::Column { name, .. } if name == "ROUND_HALF_UP" => Ok("ROUND"),
        Expr::Column { name, .. } if name == "ROUND_DOWN" => Ok("ROUND_DOWN"),
        Expr::Column { name, .. } if name == "ROUND_UP" => Ok("ROUND_UP"),
        Expr::Column { name, .. } if name == "ROUND_HALF_EVEN" => Ok("ROUND_HALF_EVEN"),
        _ => Err(SqlError::new(code::SYNTAX, "unknown rounding mode")),
    }
}
