//! Expressions and conditions.

use super::arithmetic::literal;
use super::coerce::{Cast, coerce, common};
use super::{Compiler, Typed};
use crate::dialect::ast::{Expr, OrderItem, Query};
use crate::dialect::plan::Parameter;
use crate::error::{SqlError, code};
use crate::types::{Family, NVARCHAR_UNITS_MAX, SqlType};

impl Compiler<'_> {
    /// A condition, as WHERE, HAVING, ON and WHEN take. A BOOLEAN column alone is none.
    pub(super) fn condition(&mut self, expr: &Expr) -> Result<Typed, SqlError> {
        let typed = self.any(expr, None)?;
        if typed.is_condition {
            Ok(typed)
        } else {
            Err(
                SqlError::new(code::SYNTAX, "a condition is expected, not a value")
                    .at(position(expr)),
            )
        }
    }

    /// A value; a bare parameter gets the wanted type.
    pub(super) fn value(
        &mut self,
        expr: &Expr,
        wanted: Option<SqlType>,
    ) -> Result<Typed, SqlError> {
        let typed = self.any(expr, wanted)?;
        if typed.is_condition {
            return Err(
                SqlError::new(code::SYNTAX, "a value is expected, not a condition")
                    .at(position(expr)),
            );
        }
        Ok(typed)
    }

    /// A value of exactly this type.
    pub(super) fn value_as(&mut self, expr: &Expr, wanted: SqlType) -> Result<Typed, SqlError> {
        let typed = self.value(expr, Some(wanted))?;
        let sql =
            coerce(&typed, wanted, Cast::Implicit).map_err(|error| error.at(position(expr)))?;
        Ok(Typed::value(sql, wanted).of(&[&typed]))
    }

    fn any(&mut self, expr: &Expr, wanted: Option<SqlType>) -> Result<Typed, SqlError> {
        let mut typed = self.raw(expr, wanted)?;
        let grouped = self.scopes.last().and_then(|scope| scope.grouped.as_ref());
        if grouped.is_some_and(|grouped| grouped.contains(&typed.sql)) {
            typed.is_loose = false;
        }
        Ok(typed)
    }

    fn raw(&mut self, expr: &Expr, wanted: Option<SqlType>) -> Result<Typed, SqlError> {
        match expr {
            Expr::Column {
                qualifier,
                name,
                at,
            } => self.column(qualifier.as_deref(), name, *at),
            Expr::Parameter(index) => Ok(self.parameter(
                *index,
                Parameter {
                    sql_type: wanted.unwrap_or(SqlType::TEXT),
                    nullable: true,
                    has_default: false,
                },
            )),
            Expr::Negative(inner) => self.negative(inner, wanted),
            Expr::Arithmetic {
                operator,
                left,
                right,
                at,
            } => self
                .arithmetic(*operator, left, right)
                .map_err(|error| error.at(*at)),
            Expr::Concat(left, right) => self.concat(&[left, right]),
            Expr::And(left, right) => self.both("AND", left, right),
            Expr::Or(left, right) => self.both("OR", left, right),
            Expr::Not(inner) => {
                let inner = self.condition(inner)?;
                Ok(Typed::condition(format!("(NOT {})", inner.sql)).of(&[&inner]))
            }
            Expr::Subquery(query) => self.scalar(query),
            Expr::Exists(query) => {
                let compiled = self.query(query, &[])?;
                Ok(Typed::condition(format!("EXISTS ({})", compiled.sql)))
            }
            _ => match literal(expr) {
                Some(literal) => literal,
                None => self.function_like(expr, wanted),
            },
        }
    }

    /// What looks like a function: CAST, CASE, calls, aggregates, windows, sequences.
    fn function_like(&mut self, expr: &Expr, wanted: Option<SqlType>) -> Result<Typed, SqlError> {
        match expr {
            Expr::Cast { expr, to, at } => {
                let inner = self.value(expr, Some(*to))?;
                let sql = coerce(&inner, *to, Cast::Explicit).map_err(|error| error.at(*at))?;
                Ok(Typed::value(sql, *to).of(&[&inner]))
            }
            Expr::Case {
                operand,
                branches,
                otherwise,
                at,
            } => self
                .case(operand.as_deref(), branches, otherwise.as_deref(), wanted)
                .map_err(|error| error.at(*at)),
            Expr::Call {
                name,
                args,
                distinct,
                at,
            } => self
                .call(name, args, *distinct, wanted)
                .map_err(|error| error.at(*at)),
            Expr::CountAll => self.count_all(),
            Expr::Window {
                function,
                partition_by,
                order_by,
                at,
            } => self
                .window(function, partition_by, order_by)
                .map_err(|error| error.at(*at)),
            Expr::NextValue(name) => {
                let sequence = self.catalog.sequence(name, &self.viewpoint.schema)?;
                Ok(Typed::value(
                    format!("h_next({})", sequence.id),
                    SqlType::BigInt,
                ))
            }
            _ => self.comparison(expr),
        }
    }

    fn column(
        &mut self,
        qualifier: Option<&str>,
        name: &str,
        at: usize,
    ) -> Result<Typed, SqlError> {
        let found = self.resolve(qualifier, name, at)?;
        let in_aggregate = self.scopes.last().is_some_and(|scope| scope.in_aggregate);
        Ok(Typed {
            nullable: found.column.nullable,
            is_loose: found.is_local && !in_aggregate,
            ..Typed::value(found.sql, found.column.sql_type)
        })
    }

    /// Compiles two operands; a bare parameter takes the other's type.
    pub(super) fn pair(
        &mut self,
        left: &Expr,
        right: &Expr,
        wanted: Option<SqlType>,
    ) -> Result<(Typed, Typed), SqlError> {
        if matches!(left, Expr::Parameter(_)) {
            let right = self.value(right, wanted)?;
            let left = self.value(left, right.sql_type.or(wanted))?;
            return Ok((left, right));
        }
        let left = self.value(left, wanted)?;
        let right = self.value(right, left.sql_type.or(wanted))?;
        Ok((left, right))
    }

    pub(super) fn concat(&mut self, parts: &[&Expr]) -> Result<Typed, SqlError> {
        let mut sql = Vec::new();
        let mut sql_type = SqlType::NVarchar(1);
        let mut whole = Typed::value("", sql_type);
        for part in parts {
            let typed = self.value(part, Some(SqlType::TEXT))?;
            let text = if typed.type_or_text().family() == Family::Text {
                typed.type_or_text()
            } else {
                SqlType::TEXT
            };
            sql.push(coerce(&typed, text, Cast::Implicit)?);
            sql_type = match (sql_type, text) {
                (SqlType::NVarchar(a), SqlType::NVarchar(b)) => {
                    SqlType::NVarchar((a + b).min(NVARCHAR_UNITS_MAX))
                }
                _ => SqlType::NClob,
            };
            whole = whole.of(&[&typed]);
        }
        whole.sql = format!("({})", sql.join(" || "));
        whole.sql_type = Some(sql_type);
        Ok(whole)
    }

    fn both(&mut self, word: &str, left: &Expr, right: &Expr) -> Result<Typed, SqlError> {
        let left = self.condition(left)?;
        let right = self.condition(right)?;
        Ok(Typed::condition(format!("({} {word} {})", left.sql, right.sql)).of(&[&left, &right]))
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
        wanted: Option<SqlType>,
    ) -> Result<Typed, SqlError> {
        let mut whens = Vec::new();
        for (when, _) in branches {
            whens.push(match operand {
                Some(operand) => self.compare("=", operand, when)?,
                None => self.condition(when)?,
            });
        }
        let results: Vec<&Expr> = branches
            .iter()
            .map(|(_, then)| then)
            .chain(otherwise)
            .collect();
        let (values, sql_type) = self.unify(&results, wanted)?;
        let mut sql = String::from("(CASE");
        for (when, then) in whens.iter().zip(&values) {
            sql.push_str(&format!(" WHEN {} THEN {}", when.sql, then.sql));
        }
        if otherwise.is_some()
            && let Some(last) = values.last()
        {
            sql.push_str(&format!(" ELSE {}", last.sql));
        }
        sql.push_str(" END)");
        let operands: Vec<&Typed> = whens.iter().chain(&values).collect();
        Ok(Typed::value(sql, sql_type).of(&operands))
    }

    /// Compiles alternatives into one type.
    pub(super) fn unify(
        &mut self,
        exprs: &[&Expr],
        wanted: Option<SqlType>,
    ) -> Result<(Vec<Typed>, SqlType), SqlError> {
        let mut sql_type: Option<SqlType> = None;
        for expr in exprs
            .iter()
            .filter(|expr| !matches!(expr, Expr::Parameter(_)))
        {
            let typed = self.value(expr, wanted)?;
            sql_type = match (sql_type, typed.sql_type) {
                (Some(left), Some(right)) => Some(common(left, right)?),
                (known, found) => known.or(found),
            };
        }
        let sql_type = sql_type.or(wanted).unwrap_or(SqlType::TEXT);
        let values = exprs
            .iter()
            .map(|expr| self.value_as(expr, sql_type))
            .collect::<Result<_, _>>()?;
        Ok((values, sql_type))
    }

    fn scalar(&mut self, query: &Query) -> Result<Typed, SqlError> {
        let compiled = self.query(query, &[])?;
        match compiled.columns.as_slice() {
            [column] => Ok(Typed::value(format!("({})", compiled.sql), column.sql_type)),
            _ => Err(SqlError::new(
                code::TOO_MANY_VALUES,
                "a sub-query in an expression has one column",
            )),
        }
    }

    fn window(
        &mut self,
        function: &str,
        partition_by: &[Expr],
        order_by: &[OrderItem],
    ) -> Result<Typed, SqlError> {
        let mut clauses = Vec::new();
        let mut whole = Typed::value("", SqlType::BigInt);
        if !partition_by.is_empty() {
            let mut parts = Vec::new();
            for expr in partition_by {
                let typed = self.value(expr, None)?;
                parts.push(typed.sql.clone());
                whole = whole.of(&[&typed]);
            }
            clauses.push(format!("PARTITION BY {}", parts.join(", ")));
        }
        if !order_by.is_empty() {
            let mut parts = Vec::new();
            for item in order_by {
                let typed = self.value(&item.expr, None)?;
                parts.push(super::select::ordering(
                    &typed.sql,
                    typed.type_or_text(),
                    item,
                ));
                whole = whole.of(&[&typed]);
            }
            clauses.push(format!("ORDER BY {}", parts.join(", ")));
        }
        whole.sql = format!("{function}() OVER ({})", clauses.join(" "));
        Ok(whole)
    }
}

/// Where an expression stands, as far as it knows.
pub(super) fn position(expr: &Expr) -> usize {
    match expr {
        Expr::Column { at, .. }
        | Expr::Arithmetic { at, .. }
        | Expr::Compare { at, .. }
        | Expr::Between { at, .. }
        | Expr::InList { at, .. }
        | Expr::InQuery { at, .. }
        | Expr::Like { at, .. }
        | Expr::Matches { at, .. }
        | Expr::Case { at, .. }
        | Expr::Call { at, .. }
        | Expr::Window { at, .. }
        | Expr::Cast { at, .. } => *at,
        Expr::Negative(inner) | Expr::Not(inner) => position(inner),
        Expr::And(left, _) | Expr::Or(left, _) | Expr::Concat(left, _) => position(left),
        _ => 0,
    }
}
