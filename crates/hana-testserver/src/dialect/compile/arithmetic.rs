//! Sums, products, and the literals that numbers are written as.

use super::coerce::{Cast, coerce, common, digits, fixed, inconsistent};
use super::{Compiler, Typed, quoted_text};
use crate::dialect::ast::{ArithmeticOperator, Expr};
use crate::error::SqlError;
use crate::types::{Family, NVARCHAR_UNITS_MAX, SqlType};
use crate::value::{canonical, parse_decimal};

impl Compiler<'_> {
    pub(super) fn negative(
        &mut self,
        inner: &Expr,
        wanted: Option<SqlType>,
    ) -> Result<Typed, SqlError> {
        let inner = self.value(inner, wanted)?;
        let sql = match inner.type_or_text().family() {
            Family::Integer | Family::Double => format!("(-{})", inner.sql),
            Family::Decimal => format!("h_dec('-', '0', {})", inner.sql),
            _ => {
                return Err(inconsistent(inner.type_or_text(), SqlType::DecimalFloat));
            }
        };
        Ok(Typed::value(sql, inner.type_or_text()).of(&[&inner]))
    }

    pub(super) fn arithmetic(
        &mut self,
        operator: ArithmeticOperator,
        left: &Expr,
        right: &Expr,
    ) -> Result<Typed, SqlError> {
        let (left, right) = self.pair(left, right, None)?;
        let number = |typed: &Typed| match typed.type_or_text() {
            SqlType::NVarchar(_) => SqlType::DecimalFloat,
            other => other,
        };
        let (left_type, right_type) = (number(&left), number(&right));
        for sql_type in [left_type, right_type] {
            if !matches!(
                sql_type.family(),
                Family::Integer | Family::Decimal | Family::Double
            ) {
                return Err(inconsistent(sql_type, SqlType::DecimalFloat));
            }
        }
        let mut result = common(left_type, right_type)?;
        let symbol = match operator {
            ArithmeticOperator::Add => '+',
            ArithmeticOperator::Subtract => '-',
            ArithmeticOperator::Multiply => '*',
            ArithmeticOperator::Divide => '/',
        };
        if result.family() != Family::Double {
            result = arithmetic_type(operator, left_type, right_type);
        }
        let operand_type = if result.family() == Family::Decimal {
            SqlType::DecimalFloat
        } else {
            result
        };
        let a = coerce(&left, operand_type, Cast::Implicit)?;
        let b = coerce(&right, operand_type, Cast::Implicit)?;
        let sql = match result.family() {
            Family::Decimal => format!("h_dec('{symbol}', {a}, {b})"),
            Family::Double if symbol == '/' => format!("({a} / h_divisor({b}))"),
            _ => format!("({a} {symbol} {b})"),
        };
        Ok(Typed::value(sql, result).of(&[&left, &right]))
    }
}

/// A literal, if the expression is one.
pub(super) fn literal(expr: &Expr) -> Option<Result<Typed, SqlError>> {
    Some(Ok(match expr {
        Expr::Integer(digits) => integer_literal(digits),
        Expr::Decimal(digits) => return Some(decimal_literal(digits)),
        Expr::Double(digits) => Typed::value(format!("({digits})"), SqlType::Double),
        Expr::Text(text) => {
            let units = u32::try_from(text.encode_utf16().count()).unwrap_or(u32::MAX);
            let sql_type = if units > NVARCHAR_UNITS_MAX {
                SqlType::NClob
            } else {
                SqlType::NVarchar(units.max(1))
            };
            Typed::value(quoted_text(text), sql_type)
        }
        Expr::Bytes(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            Typed::value(format!("X'{hex}'"), SqlType::VarBinary(length.max(1)))
        }
        Expr::Boolean(value) => Typed::value(if *value { "1" } else { "0" }, SqlType::Boolean),
        Expr::Null => Typed::null(),
        _ => return None,
    }))
}

fn integer_literal(digits: &str) -> Typed {
    match digits.parse::<i64>() {
        Ok(number) if i32::try_from(number).is_ok() => Typed::value(digits, SqlType::Integer),
        Ok(_) => Typed::value(digits, SqlType::BigInt),
        Err(_) => Typed::value(
            quoted_text(digits.trim_start_matches('0')),
            SqlType::DecimalFloat,
        ),
    }
}

fn decimal_literal(text: &str) -> Result<Typed, SqlError> {
    let number = parse_decimal(text)?;
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let scale = u8::try_from(fraction.len()).unwrap_or(u8::MAX);
    let precision = u8::try_from(text.len().saturating_sub(1)).unwrap_or(u8::MAX);
    Ok(Typed::value(
        quoted_text(&canonical(&number)),
        fixed(precision.max(scale).max(1), scale),
    ))
}

/// Source: SAP HANA SQL Reference, "Arithmetic operators"; whole numbers stay whole except in a division.
fn arithmetic_type(operator: ArithmeticOperator, left: SqlType, right: SqlType) -> SqlType {
    let (Some((p1, s1)), Some((p2, s2))) = (digits(left), digits(right)) else {
        return SqlType::DecimalFloat;
    };
    let whole = left.family() == Family::Integer && right.family() == Family::Integer;
    match operator {
        ArithmeticOperator::Divide => SqlType::DecimalFloat,
        _ if whole => common(left, right).unwrap_or(SqlType::BigInt),
        ArithmeticOperator::Multiply => fixed(p1 + p2, s1 + s2),
        ArithmeticOperator::Add | ArithmeticOperator::Subtract => {
            let scale = s1.max(s2);
            fixed((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
    }
}
