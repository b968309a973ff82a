//! Expressions as SQL values.
//!
//! On SQLite an instant is text, `…25.942Z` or `…25.9421234Z`; the `Z` sorts behind digits, so that the two forms would
//! compare wrong. Without it they compare right: a text sorts before every longer one that it begins. So an instant's
//! value is its text without the `Z`, in conditions, orders and the index alike.

use super::relation::Relation;
use super::text::{Builder, bind, sql};
use crate::odata::{Arithmetic, Expr, Function, Literal, Type};
use crate::row::{Cell, ColumnType};
use crate::sql::{Dialect, Statement};
use crate::time::{self, Timestamp};

/// What `trim` removes: white space that questionnaires can hold. Source: OData V4.01 Part 2, 5.1.1.5.10.
const WHITE_SPACE: &str = " \t\n\r\u{b}\u{c}\u{a0}";

impl Builder<'_> {
    /// The value of an expression over the relation's columns.
    pub(super) fn value(&self, expr: &Expr, over: &Relation) -> Statement {
        if !self.spend() {
            return sql!["NULL"];
        }
        match expr {
            Expr::Literal(literal) => self.literal(literal),
            Expr::Property { name, .. } => match over.column(name) {
                Some(column) => self.comparable(column.sql.clone(), column.kind),
                None => sql!["NULL"],
            },
            Expr::And(_) | Expr::Or(_) | Expr::Not(_) | Expr::Compare(..) | Expr::In(..) => {
                self.truth(expr, over)
            }
            Expr::Negate(operand) => sql!["(- ", self.value(operand, over), ")"],
            Expr::Compute(operator, left, right) => self.arithmetic(*operator, left, right, over),
            Expr::Call(..) if expr.kind() == Type::Boolean => self.truth(expr, over),
            Expr::Call(function, arguments) => self.call(*function, arguments, over),
        }
    }

    /// A condition as a value: databases have no other way than to ask for both outcomes.
    fn truth(&self, expr: &Expr, over: &Relation) -> Statement {
        let (holds, fails) = (self.holds(expr, true, over), self.holds(expr, false, over));
        sql![
            "CASE WHEN ",
            holds,
            " THEN TRUE WHEN ",
            fails,
            " THEN FALSE END"
        ]
    }

    /// A stored value in the form in which it is compared, sorted and passed to functions.
    pub(super) fn comparable(&self, stored: Statement, kind: ColumnType) -> Statement {
        match (kind, self.dialect()) {
            (ColumnType::Timestamp, Dialect::Sqlite) => sql!["rtrim(", stored, ", 'Z')"],
            // HANA compares no NCLOB: its first 5,000 characters stand for it, on both stores.
            (ColumnType::NClob, Dialect::Sqlite) => sql!["substr(", stored, ", 1, 5000)"],
            (ColumnType::NClob, Dialect::Hana) => {
                sql!["TO_NVARCHAR(SUBSTRING(", stored, ", 1, 5000))"]
            }
            _ => stored,
        }
    }

    /// The way back: a value in the form in which columns store it.
    pub(super) fn stored(&self, value: Statement, kind: ColumnType) -> Statement {
        match (kind, self.dialect()) {
            (ColumnType::Timestamp, Dialect::Sqlite) => sql!["(", value, " || 'Z')"],
            _ => value,
        }
    }

    /// A constant as a bind. HANA types a bare parameter by what it is compared with and refuses what does not fit
    /// there, so each is cast to its own type.
    pub(super) fn literal(&self, literal: &Literal) -> Statement {
        let hana = |value: Cell, kind: ColumnType| super::base::cast(bind(value), kind);
        match (literal, self.dialect()) {
            (Literal::Null, _) => sql!["NULL"],
            (Literal::Boolean(true), _) => sql!["TRUE"],
            (Literal::Boolean(false), _) => sql!["FALSE"],
            (Literal::Integer(value), Dialect::Sqlite) => bind(Cell::Integer(*value)),
            (Literal::Integer(value), Dialect::Hana) => {
                hana(Cell::Integer(*value), ColumnType::BigInt)
            }
            // However the store binds a decimal, it is compared as a number.
            (Literal::Decimal(value), Dialect::Sqlite) => {
                sql!["CAST(", bind(Cell::Decimal(value.clone())), " AS NUMERIC)"]
            }
            (Literal::Decimal(value), Dialect::Hana) => {
                let scale = u8::try_from(value.fractional_digit_count().clamp(0, 37)).unwrap_or(37);
                hana(
                    Cell::Decimal(value.clone()),
                    ColumnType::Decimal {
                        precision: 38,
                        scale,
                    },
                )
            }
            (Literal::Double(value), Dialect::Sqlite) => bind(Cell::Double(*value)),
            (Literal::Double(value), Dialect::Hana) => {
                hana(Cell::Double(*value), ColumnType::Double)
            }
            (Literal::Text(value), Dialect::Sqlite) => bind(Cell::Text(value.clone())),
            (Literal::Text(value), Dialect::Hana) => {
                hana(Cell::Text(value.clone()), ColumnType::NVarchar(5000))
            }
            (Literal::Date(value), Dialect::Sqlite) => bind(Cell::Date(*value)),
            (Literal::Date(value), Dialect::Hana) => hana(Cell::Date(*value), ColumnType::Date),
            (Literal::Timestamp(value), Dialect::Sqlite) => bind(Cell::Text(instant_text(*value))),
            (Literal::Timestamp(value), Dialect::Hana) => {
                hana(Cell::Timestamp(*value), ColumnType::Timestamp)
            }
            (Literal::Duration(_), _) => sql!["NULL"],
        }
    }

    /// Sums and products are computed in doubles and rounded to nine digits on both databases: HANA's own arithmetic
    /// fails on overflow, and a failure would tell of rows that the viewer doesn't see. Division by zero is null, for
    /// the same reason.
    fn arithmetic(
        &self,
        operator: Arithmetic,
        left: &Expr,
        right: &Expr,
        over: &Relation,
    ) -> Statement {
        let whole = left.kind() == Type::Integer && right.kind() == Type::Integer;
        let exact = Expr::Compute(operator, Box::new(left.clone()), Box::new(right.clone())).kind()
            == Type::Double;
        if let Some(instant) = self.constant(operator, left, right) {
            return self.literal(&instant);
        }
        let double = |value: Statement| match self.dialect() {
            Dialect::Sqlite if whole && operator != Arithmetic::DivideBy => value,
            Dialect::Sqlite => sql!["CAST(", value, " AS REAL)"],
            Dialect::Hana => sql!["CAST(", value, " AS DOUBLE)"],
        };
        let (left, right) = (
            double(self.value(left, over)),
            double(self.value(right, over)),
        );
        let result = match operator {
            Arithmetic::Add => sql!["(", left, " + ", right, ")"],
            Arithmetic::Subtract => sql!["(", left, " - ", right, ")"],
            Arithmetic::Multiply => sql!["(", left, " * ", right, ")"],
            Arithmetic::Divide | Arithmetic::DivideBy => {
                sql!["(", left, " / NULLIF(", right, ", 0))"]
            }
            Arithmetic::Modulo if self.dialect() == Dialect::Hana => {
                sql!["MOD(", left, ", NULLIF(", right, ", 0))"]
            }
            Arithmetic::Modulo if whole => sql!["(", left, " % NULLIF(", right, ", 0))"],
            Arithmetic::Modulo => sql!["odata_mod(", left, ", ", right, ")"],
        };
        let truncated = whole && operator == Arithmetic::Divide;
        match self.dialect() {
            Dialect::Hana if truncated => sql!["ROUND(", result, ", 0, ROUND_DOWN)"],
            Dialect::Sqlite if whole && operator != Arithmetic::DivideBy => result,
            _ if exact => result,
            _ => sql!["ROUND(", result, ", 9)"],
        }
    }

    /// An instant moved by a duration: both are constants, the parser sees to that.
    fn constant(&self, operator: Arithmetic, left: &Expr, right: &Expr) -> Option<Literal> {
        let Expr::Literal(Literal::Duration(duration)) = right else {
            return None;
        };
        let instant = self.constant_instant(left)?;
        let moved = match operator {
            Arithmetic::Subtract => instant.checked_sub(*duration),
            _ => instant.checked_add(*duration),
        };
        // Beyond the calendar's ends lies null.
        Some(moved.map_or(Literal::Null, Literal::Timestamp))
    }

    fn constant_instant(&self, expr: &Expr) -> Option<Timestamp> {
        match expr {
            Expr::Literal(Literal::Timestamp(instant)) => Some(*instant),
            Expr::Call(Function::Now, _) => Some(self.context.now),
            Expr::Call(Function::MinDateTime, _) => "0001-01-01T00:00:00Z".parse().ok(),
            Expr::Call(Function::MaxDateTime, _) => Some(Timestamp::MAX),
            Expr::Compute(operator, left, right) => match self.constant(*operator, left, right)? {
                Literal::Timestamp(instant) => Some(instant),
                _ => None,
            },
            _ => None,
        }
    }

    fn call(&self, function: Function, arguments: &[Expr], over: &Relation) -> Statement {
        if let Some(text) = constant_text(function, arguments) {
            return self.literal(&Literal::Text(text));
        }
        let argument = |index: usize| match arguments.get(index) {
            Some(argument) => self.value(argument, over),
            None => sql!["NULL"],
        };
        let sqlite = self.dialect() == Dialect::Sqlite;
        match function {
            Function::Length if sqlite => sql!["length(", argument(0), ")"],
            Function::Length => sql!["LENGTH(", argument(0), ")"],
            Function::IndexOf if sqlite => {
                sql!["(instr(", argument(0), ", ", argument(1), ") - 1)"]
            }
            Function::IndexOf => sql!["(LOCATE(", argument(0), ", ", argument(1), ") - 1)"],
            Function::Substring => self.substring(arguments, over),
            Function::ToLower if sqlite => sql!["odata_lower(", argument(0), ")"],
            Function::ToLower => sql!["LOWER(", argument(0), ")"],
            Function::ToUpper if sqlite => sql!["odata_upper(", argument(0), ")"],
            Function::ToUpper => sql!["UPPER(", argument(0), ")"],
            Function::Trim if sqlite => sql!["trim(", argument(0), ", ", self.white_space(), ")"],
            Function::Trim => sql![
                "LTRIM(RTRIM(",
                argument(0),
                ", ",
                self.white_space(),
                "), ",
                self.white_space(),
                ")"
            ],
            Function::Concat => sql!["(", argument(0), " || ", argument(1), ")"],
            Function::Round => self.rounded(arguments, over, "round(", "ROUND("),
            Function::Floor => self.rounded(arguments, over, "odata_floor(", "FLOOR("),
            Function::Ceiling => self.rounded(arguments, over, "odata_ceiling(", "CEIL("),
            Function::TotalOffsetMinutes => {
                sql!["CASE WHEN ", argument(0), " IS NOT NULL THEN 0 END"]
            }
            Function::Now | Function::MinDateTime | Function::MaxDateTime => {
                let instant = self.constant_instant(&Expr::Call(function, Vec::new()));
                self.literal(&instant.map_or(Literal::Null, Literal::Timestamp))
            }
            Function::Year
            | Function::Month
            | Function::Day
            | Function::Hour
            | Function::Minute
            | Function::Second
            | Function::FractionalSeconds
            | Function::Date => self.date_part(function, argument(0)),
            Function::Contains
            | Function::StartsWith
            | Function::EndsWith
            | Function::MatchesPattern => sql!["NULL"],
        }
    }

    /// A part of an instant or a day. On SQLite both are text that begins with the day.
    fn date_part(&self, function: Function, value: Statement) -> Statement {
        let (from, length, hana) = match function {
            Function::Year => (", 1", ", 4)", "YEAR("),
            Function::Month => (", 6", ", 2)", "MONTH("),
            Function::Day => (", 9", ", 2)", "DAYOFMONTH("),
            Function::Hour => (", 12", ", 2)", "HOUR("),
            Function::Minute => (", 15", ", 2)", "MINUTE("),
            Function::Second => (", 18", ", 2)", "SECOND("),
            Function::FractionalSeconds => (", 20", ")", ""),
            _ => (", 1", ", 10)", "TO_DATE("),
        };
        match (self.dialect(), function) {
            (Dialect::Sqlite, Function::Date) => sql!["substr(", value, from, length],
            (Dialect::Sqlite, Function::FractionalSeconds) => {
                sql!["CAST('0' || substr(", value, from, length, " AS NUMERIC)"]
            }
            (Dialect::Sqlite, _) => sql!["CAST(substr(", value, from, length, " AS INTEGER)"],
            (Dialect::Hana, Function::FractionalSeconds) => {
                sql![
                    "(TO_DECIMAL(TO_NVARCHAR(",
                    value,
                    ", 'FF7'), 38, 7) / 10000000)"
                ]
            }
            (Dialect::Hana, _) => sql![hana, value, ")"],
        }
    }

    /// Characters from a zero-based position. Negative numbers count as zero: databases would count from the end.
    fn substring(&self, arguments: &[Expr], over: &Relation) -> Statement {
        let not_negative = |expr: &Expr| match expr {
            Expr::Literal(Literal::Integer(number)) => {
                self.literal(&Literal::Integer((*number).max(0)))
            }
            expr => sql![
                self.by_dialect("max(", "GREATEST("),
                self.value(expr, over),
                ", 0)"
            ],
        };
        let mut result = sql![self.by_dialect("substr(", "SUBSTRING(")];
        if let Some(text) = arguments.first() {
            result.append(self.value(text, over));
        }
        if let Some(start) = arguments.get(1) {
            result.append(sql![", ", not_negative(start), " + 1"]);
        }
        if let Some(length) = arguments.get(2) {
            result.append(sql![", ", not_negative(length)]);
        }
        sql![result, ")"]
    }

    /// A rounding function. Source: OData V4.01 Part 2, 5.1.1.9.1: halves are rounded away from zero.
    fn rounded(
        &self,
        arguments: &[Expr],
        over: &Relation,
        sqlite: &'static str,
        hana: &'static str,
    ) -> Statement {
        match arguments.first() {
            Some(number) if number.kind() == Type::Integer => self.value(number, over),
            Some(number) => sql![self.by_dialect(sqlite, hana), self.value(number, over), ")"],
            None => sql!["NULL"],
        }
    }

    fn white_space(&self) -> Statement {
        self.literal(&Literal::Text(WHITE_SPACE.to_owned()))
    }
}

/// An instant without its `Z`, with as many digits as the stored form has; nanoseconds are kept, to be smaller or
/// greater than what is stored.
fn instant_text(instant: Timestamp) -> String {
    let mut text = if instant.subsec_nanosecond() % 100 == 0 {
        time::to_text(instant)
    } else {
        instant.to_string()
    };
    text.truncate(text.trim_end_matches('Z').len());
    text
}

/// Text functions of constants, as UI5 sends them: `contains(tolower(Q18),tolower('x'))`.
pub(super) fn constant_text(function: Function, arguments: &[Expr]) -> Option<String> {
    let text = |index: usize| match arguments.get(index)? {
        Expr::Literal(Literal::Text(text)) => Some(text.clone()),
        Expr::Call(function, arguments) => constant_text(*function, arguments),
        _ => None,
    };
    match function {
        Function::ToLower => Some(text(0)?.to_lowercase()),
        Function::ToUpper => Some(text(0)?.to_uppercase()),
        Function::Trim => Some(
            text(0)?
                .trim_matches(|char| WHITE_SPACE.contains(char))
                .to_owned(),
        ),
        Function::Concat => Some(text(0)? + &text(1)?),
        _ => None,
    }
}
