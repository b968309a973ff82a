//! Comparisons: what can be compared, and how SQLite is told to do it.

use super::coerce::{Cast, coerce, common};
use super::expression::position;
use super::{Compiler, Typed};
use crate::dialect::ast::{Expr, Query};
use crate::error::{SqlError, code};
use crate::types::{Family, SqlType};

impl Compiler<'_> {
    /// The conditions that [`Compiler::condition`] leaves to this file.
    pub(super) fn comparison(&mut self, expr: &Expr) -> Result<Typed, SqlError> {
        match expr {
            Expr::Compare {
                operator,
                left,
                right,
                at,
            } => self
                .compare(operator, left, right)
                .map_err(|error| error.at(*at)),
            Expr::IsNull { expr, negated } => {
                let inner = self.value(expr, None)?;
                let word = if *negated { "IS NOT NULL" } else { "IS NULL" };
                Ok(Typed::condition(format!("({} {word})", inner.sql)).of(&[&inner]))
            }
            Expr::Between {
                expr,
                low,
                high,
                negated,
                at,
            } => {
                let from = self
                    .compare(">=", expr, low)
                    .map_err(|error| error.at(*at))?;
                let to = self
                    .compare("<=", expr, high)
                    .map_err(|error| error.at(*at))?;
                let not = if *negated { "NOT " } else { "" };
                Ok(
                    Typed::condition(format!("({not}({} AND {}))", from.sql, to.sql))
                        .of(&[&from, &to]),
                )
            }
            Expr::InList {
                expr,
                list,
                negated,
                at,
            } => self
                .in_list(expr, list, *negated)
                .map_err(|error| error.at(*at)),
            Expr::InQuery {
                exprs,
                query,
                negated,
                at,
            } => self
                .in_query(exprs, query, *negated)
                .map_err(|error| error.at(*at)),
            Expr::Like {
                expr,
                pattern,
                escape,
                negated,
                at,
            } => self
                .like(expr, pattern, escape.as_deref(), *negated)
                .map_err(|error| error.at(*at)),
            Expr::Matches {
                expr,
                pattern,
                negated,
                at,
            } => self
                .matches(expr, pattern, *negated)
                .map_err(|error| error.at(*at)),
            other => Err(SqlError::new(code::SYNTAX, "not a condition").at(position(other))),
        }
    }

    pub(super) fn compare(
        &mut self,
        operator: &str,
        left: &Expr,
        right: &Expr,
    ) -> Result<Typed, SqlError> {
        let (left, right) = self.pair(left, right, None)?;
        let sql_type = comparable(&left, &right)?;
        let a = coerce(&left, sql_type, Cast::Implicit)?;
        let b = coerce(&right, sql_type, Cast::Implicit)?;
        let collation = collation(sql_type);
        Ok(Typed::condition(format!("({a}{collation} {operator} {b})")).of(&[&left, &right]))
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<Typed, SqlError> {
        let first = list.first().unwrap_or(&Expr::Null);
        let (subject, first) = self.pair(expr, first, None)?;
        let mut sql_type = comparable(&subject, &first)?;
        let mut items = vec![first];
        for item in list.iter().skip(1) {
            let item = self.value(item, Some(sql_type))?;
            sql_type = comparable(&Typed::value("", sql_type), &item)?;
            items.push(item);
        }
        let mut list = Vec::new();
        for item in &items {
            list.push(coerce(item, sql_type, Cast::Implicit)?);
        }
        let not = if negated { "NOT " } else { "" };
        let subject_sql = coerce(&subject, sql_type, Cast::Implicit)?;
        let operands: Vec<&Typed> = std::iter::once(&subject).chain(&items).collect();
        Ok(
            Typed::condition(format!("({subject_sql} {not}IN ({}))", list.join(", ")))
                .of(&operands),
        )
    }

    fn in_query(
        &mut self,
        exprs: &[Expr],
        query: &Query,
        negated: bool,
    ) -> Result<Typed, SqlError> {
        let compiled = self.query(query, &[])?;
        if compiled.columns.len() != exprs.len() {
            let code = if compiled.columns.len() > exprs.len() {
                code::TOO_MANY_VALUES
            } else {
                code::NOT_ENOUGH_VALUES
            };
            return Err(SqlError::new(code, "the sub-query of IN"));
        }
        let mut left = Vec::new();
        let mut right = Vec::new();
        let mut whole = Typed::condition("");
        let alias = self.next_alias('s');
        for (position, (expr, column)) in exprs.iter().zip(&compiled.columns).enumerate() {
            let typed = self.value(expr, Some(column.sql_type))?;
            let inner = Typed::value(format!("{alias}.c{position}"), column.sql_type);
            let sql_type = comparable(&typed, &inner)?;
            left.push(coerce(&typed, sql_type, Cast::Implicit)?);
            right.push(coerce(&inner, sql_type, Cast::Implicit)?);
            whole = whole.of(&[&typed]);
        }
        let not = if negated { "NOT " } else { "" };
        whole.sql = format!(
            "(({}) {not}IN (SELECT {} FROM ({}) AS {alias}))",
            left.join(", "),
            right.join(", "),
            compiled.sql
        );
        Ok(whole)
    }

    /// LIKE works on NCLOB too.
    fn like(
        &mut self,
        expr: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        negated: bool,
    ) -> Result<Typed, SqlError> {
        let text = self.value(expr, Some(SqlType::TEXT))?;
        let wanted = if text.type_or_text().is_lob() {
            SqlType::NClob
        } else {
            SqlType::TEXT
        };
        let subject = coerce(&text, wanted, Cast::Implicit)?;
        let pattern = self.value_as(pattern, SqlType::TEXT)?;
        let escape = match escape {
            Some(escape) => self.value_as(escape, SqlType::NVarchar(1))?,
            None => Typed::null(),
        };
        let not = if negated { "NOT " } else { "" };
        Ok(Typed::condition(format!(
            "({not}h_like({subject}, {}, {}))",
            pattern.sql, escape.sql
        ))
        .of(&[&text, &pattern, &escape]))
    }

    fn matches(&mut self, expr: &Expr, pattern: &Expr, negated: bool) -> Result<Typed, SqlError> {
        let subject = self.value_as(expr, SqlType::TEXT)?;
        let pattern = self.value_as(pattern, SqlType::TEXT)?;
        let not = if negated { "NOT " } else { "" };
        let sql = format!("({not}h_matches({}, {}))", subject.sql, pattern.sql);
        Ok(Typed::condition(sql).of(&[&subject, &pattern]))
    }
}

/// The type in which two operands are compared. LOBs can't be. Assumed: with the code of an inconsistent type.
fn comparable(left: &Typed, right: &Typed) -> Result<SqlType, SqlError> {
    for side in [left, right] {
        if side.sql_type.is_some_and(SqlType::is_lob) {
            return Err(SqlError::new(
                code::INCONSISTENT,
                format!("{} type is not comparable", side.type_or_text().name()),
            ));
        }
    }
    match (left.sql_type, right.sql_type) {
        (Some(left), Some(right)) => common(left, right),
        (known, other) => Ok(known.or(other).unwrap_or(SqlType::TEXT)),
    }
}

/// Decimals are texts inside SQLite, which this collation compares as numbers.
pub(super) fn collation(sql_type: SqlType) -> &'static str {
    if sql_type.family() == Family::Decimal {
        " COLLATE dec"
    } else {
        ""
    }
}
