//! SELECT.

use std::sync::Arc;

use super::coerce::{Cast, coerce, common};
use super::from::named_columns;
use super::scope::{CommonTable, Scope};
use super::select::{order_clause, ordering, output_position, refuse_lobs};
use super::{Compiler, Typed};
use crate::dialect::ast::{Expr, LockClause, OrderItem, Query, SetExpr, SetOperator, TableRef};
use crate::dialect::plan::{Body, Count, OutputColumn, Parameter, RowLock};
use crate::engine::catalog::Table;
use crate::error::{SqlError, code};
use crate::types::SqlType;

/// A query in SQLite's words; its columns are `c0`, `c1`, ….
pub(super) struct CompiledQuery {
    pub(super) sql: String,
    pub(super) columns: Vec<OutputColumn>,
}

impl Compiler<'_> {
    pub(super) fn query_statement(
        &mut self,
        query: &Query,
        lock: Option<LockClause>,
    ) -> Result<Body, SqlError> {
        let Some(clause) = lock else {
            let compiled = self.query(query, &[])?;
            return Ok(Body::Query {
                sql: compiled.sql,
                columns: compiled.columns,
                lock: None,
            });
        };
        let table = self.lockable(query)?;
        let unlimited = Query {
            limit: None,
            offset: None,
            ..query.clone()
        };
        let limit = query
            .limit
            .as_ref()
            .map(|count| self.count(count))
            .transpose()?;
        let offset = query
            .offset
            .as_ref()
            .map(|count| self.count(count))
            .transpose()?;
        let compiled = self.query_with_row_id(&unlimited)?;
        Ok(Body::Query {
            sql: compiled.sql,
            columns: compiled.columns,
            lock: Some(RowLock {
                table,
                clause,
                limit,
                offset,
            }),
        })
    }

    /// FOR UPDATE wants a simple SELECT on one table. Source: CAP sends no other; the dossier, 3.3.
    fn lockable(&self, query: &Query) -> Result<Arc<Table>, SqlError> {
        if let SetExpr::Select(select) = &query.body
            && query.with.is_empty()
            && let [TableRef::Table { name, .. }] = select.from.as_slice()
            && select.group_by.is_empty()
            && !select.distinct
            && select.top.is_none()
        {
            let table = self.table(name, &["SELECT", "UPDATE"])?;
            if !table.is_system {
                return Ok(table);
            }
        }
        Err(SqlError::new(
            code::NOT_SUPPORTED,
            "FOR UPDATE of anything but a simple SELECT from one table",
        ))
    }

    fn query_with_row_id(&mut self, query: &Query) -> Result<CompiledQuery, SqlError> {
        let SetExpr::Select(select) = &query.body else {
            return Err(SqlError::new(code::NOT_SUPPORTED, "FOR UPDATE"));
        };
        self.scopes.push(Scope::default());
        let compiled = self.select(select, &query.order_by, &[], true);
        self.scopes.pop();
        compiled.map(|compiled| CompiledQuery {
            sql: compiled.sql,
            columns: compiled.columns,
        })
    }

    /// Compiles a query; bare parameters of its SELECT list take the wanted types.
    pub(super) fn query(
        &mut self,
        query: &Query,
        wanted: &[SqlType],
    ) -> Result<CompiledQuery, SqlError> {
        let outer_tables = self.common_tables.len();
        let compiled = self.query_in_scope(query, wanted);
        self.common_tables.truncate(outer_tables);
        compiled
    }

    fn query_in_scope(
        &mut self,
        query: &Query,
        wanted: &[SqlType],
    ) -> Result<CompiledQuery, SqlError> {
        let mut definitions = Vec::new();
        for table in &query.with {
            let compiled = self.query(&table.query, &[])?;
            let alias = self.next_alias('q');
            let columns = named_columns(&compiled.columns, &table.columns)?;
            let names: Vec<String> = (0..columns.len())
                .map(|position| format!("c{position}"))
                .collect();
            definitions.push(format!(
                "{alias}({}) AS ({})",
                names.join(","),
                compiled.sql
            ));
            self.common_tables.push(CommonTable {
                name: table.name.name.clone(),
                alias,
                columns,
            });
        }
        let compiled = match &query.body {
            SetExpr::Select(select) => {
                self.scopes.push(Scope::default());
                let compiled = self.select(select, &query.order_by, wanted, false);
                self.scopes.pop();
                compiled?
            }
            body => {
                let mut compiled = self.set_expr(body, wanted)?;
                compiled
                    .sql
                    .push_str(&order_by_output(&query.order_by, &compiled.columns)?);
                compiled
            }
        };
        let mut sql = compiled.sql;
        if !definitions.is_empty() {
            sql = format!("WITH {} {sql}", definitions.join(", "));
        }
        if let Some(limit) = &query.limit {
            sql = format!("{sql} LIMIT {}", self.count_sql(limit)?);
        }
        if let Some(offset) = &query.offset {
            sql = format!("{sql} OFFSET {}", self.count_sql(offset)?);
        }
        Ok(CompiledQuery {
            sql,
            columns: compiled.columns,
        })
    }

    fn count(&mut self, expr: &Expr) -> Result<Count, SqlError> {
        match expr {
            Expr::Integer(digits) => digits
                .parse()
                .map(Count::Number)
                .map_err(|_| SqlError::new(code::OVERFLOW, digits)),
            Expr::Parameter(index) => {
                self.parameter(
                    *index,
                    Parameter {
                        sql_type: SqlType::Integer,
                        nullable: true,
                        has_default: false,
                    },
                );
                Ok(Count::Parameter(*index))
            }
            _ => Err(SqlError::new(code::SYNTAX, "LIMIT takes a number")),
        }
    }

    pub(super) fn count_sql(&mut self, expr: &Expr) -> Result<String, SqlError> {
        Ok(match self.count(expr)? {
            Count::Number(number) => number.to_string(),
            Count::Parameter(index) => format!("h_count(?{})", index + 1),
        })
    }

    fn set_expr(&mut self, body: &SetExpr, wanted: &[SqlType]) -> Result<CompiledQuery, SqlError> {
        match body {
            SetExpr::Select(select) => {
                self.scopes.push(Scope::default());
                let compiled = self.select(select, &[], wanted, false);
                self.scopes.pop();
                compiled
            }
            SetExpr::Nested(query) => {
                let compiled = self.query(query, wanted)?;
                Ok(CompiledQuery {
                    sql: format!("SELECT * FROM ({})", compiled.sql),
                    columns: compiled.columns,
                })
            }
            SetExpr::Operation {
                operator,
                left,
                right,
            } => {
                let left = self.set_expr(left, wanted)?;
                let types: Vec<SqlType> =
                    left.columns.iter().map(|column| column.sql_type).collect();
                let right =
                    self.set_expr(right, if wanted.is_empty() { &types } else { wanted })?;
                combine(*operator, &left, &right)
            }
        }
    }
}

fn combine(
    operator: SetOperator,
    left: &CompiledQuery,
    right: &CompiledQuery,
) -> Result<CompiledQuery, SqlError> {
    if left.columns.len() != right.columns.len() {
        let code = if left.columns.len() < right.columns.len() {
            code::TOO_MANY_VALUES
        } else {
            code::NOT_ENOUGH_VALUES
        };
        return Err(SqlError::new(code, "operands of a set operation"));
    }
    let mut columns = left.columns.clone();
    for (column, other) in columns.iter_mut().zip(&right.columns) {
        column.sql_type = common(column.sql_type, other.sql_type)?;
        column.nullable |= other.nullable;
    }
    if operator != SetOperator::UnionAll {
        refuse_lobs(
            columns.iter().map(|column| column.sql_type),
            "a set operation",
        )?;
    }
    let word = match operator {
        SetOperator::UnionAll => "UNION ALL",
        SetOperator::Union => "UNION",
        SetOperator::Intersect => "INTERSECT",
        SetOperator::Except => "EXCEPT",
    };
    let sql = format!(
        "{} {word} {}",
        retyped(left, &columns)?,
        retyped(right, &columns)?
    );
    Ok(CompiledQuery { sql, columns })
}

/// An operand whose columns have the operation's types.
fn retyped(operand: &CompiledQuery, columns: &[OutputColumn]) -> Result<String, SqlError> {
    let mut list = Vec::new();
    for (position, (from, to)) in operand.columns.iter().zip(columns).enumerate() {
        let typed = Typed::value(format!("c{position}"), from.sql_type);
        list.push(format!(
            "{} AS c{position}",
            coerce(&typed, to.sql_type, Cast::Implicit)?
        ));
    }
    Ok(format!("SELECT {} FROM ({})", list.join(", "), operand.sql))
}

/// ORDER BY of a set operation: only its columns can be named.
fn order_by_output(order_by: &[OrderItem], columns: &[OutputColumn]) -> Result<String, SqlError> {
    let mut parts = Vec::new();
    for item in order_by {
        let position = output_position(&item.expr, columns.iter())?.ok_or_else(|| {
            SqlError::new(code::ORDER_ITEM, "").at(super::expression::position(&item.expr))
        })?;
        let sql_type = columns
            .get(position)
            .map_or(SqlType::TEXT, |column| column.sql_type);
        refuse_lobs([sql_type], "ORDER BY")?;
        parts.push(ordering(&(position + 1).to_string(), sql_type, item));
    }
    Ok(order_clause(&parts))
}
