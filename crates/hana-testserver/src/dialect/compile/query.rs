//! SELECT.

use std::sync::Arc;

use super::coerce::{Cast, coerce, common};
use super::comparison::collation;
use super::scope::{CommonTable, Scope, Source, SourceColumn};
use super::{Compiler, Typed};
use crate::dialect::ast::{
    Expr, Ident, JoinKind, LockClause, OrderItem, Query, Select, SelectItem, SetExpr, SetOperator,
    TableRef,
};
use crate::dialect::plan::{Body, Count, OutputColumn, Parameter, RowLock};
use crate::engine::catalog::Table;
use crate::error::{SqlError, code};
use crate::types::SqlType;

/// A query in SQLite's words; its columns are `c0`, `c1`, ….
pub(super) struct CompiledQuery {
    pub(super) sql: String,
    pub(super) columns: Vec<OutputColumn>,
}

/// What a SELECT gives before ORDER BY.
struct Compiled {
    sql: String,
    columns: Vec<OutputColumn>,
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

    fn count_sql(&mut self, expr: &Expr) -> Result<String, SqlError> {
        Ok(match self.count(expr)? {
            Count::Number(number) => number.to_string(),
            Count::Parameter(index) => format!("h_count(?{})", index + 1),
        })
    }

    fn set_expr(&mut self, body: &SetExpr, wanted: &[SqlType]) -> Result<Compiled, SqlError> {
        match body {
            SetExpr::Select(select) => {
                self.scopes.push(Scope::default());
                let compiled = self.select(select, &[], wanted, false);
                self.scopes.pop();
                compiled
            }
            SetExpr::Nested(query) => {
                let compiled = self.query(query, wanted)?;
                Ok(Compiled {
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

    fn select(
        &mut self,
        select: &Select,
        order_by: &[OrderItem],
        wanted: &[SqlType],
        with_row_id: bool,
    ) -> Result<Compiled, SqlError> {
        let mut from = Vec::new();
        for table in &select.from {
            from.push(self.table_ref(table)?);
        }
        let mut clauses = format!(" FROM {}", from.join(", "));
        if let Some(filter) = &select.filter {
            let filter = self.condition(filter)?;
            clauses.push_str(&format!(" WHERE {}", filter.sql));
        }
        let grouped = self.group_by(&select.group_by, &mut clauses)?;
        if let Some(scope) = self.scopes.last_mut() {
            scope.aggregates_allowed = true;
        }
        let mut items = self.items(&select.items, wanted)?;
        if let Some(having) = &select.having {
            let having = self.condition(having)?;
            if having.is_loose {
                return Err(SqlError::new(code::NOT_GROUPED, "HAVING").at(select.at));
            }
            clauses.push_str(&format!(" HAVING {}", having.sql));
        }
        let is_grouped = grouped
            || select.having.is_some()
            || items.iter().any(|(typed, _)| typed.has_aggregate);
        if is_grouped && let Some((_, column)) = items.iter().find(|(typed, _)| typed.is_loose) {
            return Err(SqlError::new(code::NOT_GROUPED, &column.name).at(select.at));
        }
        if select.distinct {
            refuse_lobs(
                items.iter().map(|(typed, _)| typed.type_or_text()),
                "DISTINCT",
            )?;
        }
        clauses.push_str(&self.order_by(order_by, &items, select, is_grouped)?);
        if let Some(top) = &select.top {
            clauses.push_str(&format!(" LIMIT {}", self.count_sql(top)?));
        }
        let mut list: Vec<String> = items
            .iter()
            .enumerate()
            .map(|(position, (typed, _))| format!("{} AS c{position}", typed.sql))
            .collect();
        if with_row_id {
            let source = self.scopes.last().and_then(|scope| scope.sources.first());
            list.push(format!("{}.rid", source.map_or("", |source| &source.alias)));
        }
        let distinct = if select.distinct { "DISTINCT " } else { "" };
        Ok(Compiled {
            sql: format!("SELECT {distinct}{}{clauses}", list.join(", ")),
            columns: items.drain(..).map(|(_, column)| column).collect(),
        })
    }

    fn group_by(&mut self, exprs: &[Expr], clauses: &mut String) -> Result<bool, SqlError> {
        if exprs.is_empty() {
            return Ok(false);
        }
        let mut grouped = Vec::new();
        for expr in exprs {
            let typed = self.value(expr, None)?;
            refuse_lobs([typed.type_or_text()], "GROUP BY")?;
            grouped.push(typed.sql);
        }
        // A number would mean the position of a column to SQLite; HANA groups by the constant.
        let list: Vec<String> = grouped.iter().map(|sql| format!("+({sql})")).collect();
        clauses.push_str(&format!(" GROUP BY {}", list.join(", ")));
        if let Some(scope) = self.scopes.last_mut() {
            scope.grouped = Some(grouped);
        }
        Ok(true)
    }

    fn items(
        &mut self,
        items: &[SelectItem],
        wanted: &[SqlType],
    ) -> Result<Vec<(Typed, OutputColumn)>, SqlError> {
        let mut out = Vec::new();
        for item in items {
            match item {
                SelectItem::All(qualifier) => self.all_columns(qualifier.as_ref(), &mut out)?,
                SelectItem::Expr { expr, alias } => {
                    let typed = self.value(expr, wanted.get(out.len()).copied())?;
                    let column = self.output_column(expr, alias.as_deref(), &typed);
                    out.push((typed, column));
                }
            }
        }
        Ok(out)
    }

    fn all_columns(
        &mut self,
        qualifier: Option<&Ident>,
        out: &mut Vec<(Typed, OutputColumn)>,
    ) -> Result<(), SqlError> {
        let sources = self
            .scopes
            .last()
            .map(|scope| scope.sources.clone())
            .unwrap_or_default();
        let before = out.len();
        for source in &sources {
            if qualifier.is_some_and(|qualifier| source.name.as_deref() != Some(&qualifier.name)) {
                continue;
            }
            for column in &source.columns {
                let expr = Expr::Column {
                    qualifier: source.name.clone(),
                    name: column.name.clone(),
                    at: 0,
                };
                let typed = self.value(&expr, None)?;
                let output = self.output_column(&expr, None, &typed);
                out.push((typed, output));
            }
        }
        match qualifier {
            Some(qualifier) if out.len() == before => {
                Err(SqlError::new(code::TABLE, &qualifier.name).at(qualifier.at))
            }
            _ => Ok(()),
        }
    }

    fn output_column(&self, expr: &Expr, alias: Option<&str>, typed: &Typed) -> OutputColumn {
        let found = match expr {
            Expr::Column {
                qualifier,
                name,
                at,
            } => self.resolve(qualifier.as_deref(), name, *at).ok(),
            _ => None,
        };
        let table = found.as_ref().and_then(|found| found.table.as_ref());
        let source_name = found.as_ref().map(|found| found.column.name.clone());
        OutputColumn {
            name: alias
                .map(str::to_owned)
                .or_else(|| source_name.clone())
                .unwrap_or_else(|| shown(expr)),
            sql_type: typed.type_or_text(),
            nullable: typed.nullable,
            table: table.map(|table| table.name.clone()),
            schema: table.map(|table| table.schema.clone()),
            column: source_name,
        }
    }

    fn order_by(
        &mut self,
        order_by: &[OrderItem],
        items: &[(Typed, OutputColumn)],
        select: &Select,
        is_grouped: bool,
    ) -> Result<String, SqlError> {
        let mut parts = Vec::new();
        for item in order_by {
            let output = output_position(&item.expr, items.iter().map(|(_, column)| column))?;
            let (sql, sql_type) = match output {
                Some(position) => {
                    let sql_type = items
                        .get(position)
                        .map_or(SqlType::TEXT, |(typed, _)| typed.type_or_text());
                    ((position + 1).to_string(), sql_type)
                }
                None => {
                    let typed = self.value(&item.expr, None)?;
                    if (is_grouped && typed.is_loose) || select.distinct {
                        return Err(SqlError::new(code::NOT_GROUPED, "ORDER BY").at(select.at));
                    }
                    (format!("+({})", typed.sql), typed.type_or_text())
                }
            };
            refuse_lobs([sql_type], "ORDER BY")?;
            parts.push(ordering(&sql, sql_type, item));
        }
        Ok(order_clause(&parts))
    }

    /// Compiles one source of FROM and makes its columns known.
    pub(super) fn table_ref(&mut self, table: &TableRef) -> Result<String, SqlError> {
        match table {
            TableRef::Table { name, alias } => {
                let alias_name = alias.as_deref();
                if name.schema.is_none()
                    && let Some(common) = self
                        .common_tables
                        .iter()
                        .rev()
                        .find(|common| common.name == name.name)
                {
                    let common = common.clone();
                    let alias = self.next_alias('s');
                    let sql = format!("{} AS {alias}", common.alias);
                    self.add_source(Source {
                        name: Some(alias_name.unwrap_or(&name.name).to_owned()),
                        alias,
                        table: None,
                        columns: common.columns,
                    });
                    return Ok(sql);
                }
                let table = self.table(name, &["SELECT"])?;
                let alias = self.next_alias('s');
                let sql = format!("{} AS {alias}", self.visible_rows(&table));
                self.add_source(Source::of_table(table, alias, alias_name));
                Ok(sql)
            }
            TableRef::Query {
                query,
                alias,
                columns,
            } => {
                // A derived table sees neither its neighbours nor the outer query.
                let outer = std::mem::take(&mut self.scopes);
                let compiled = self.query(query, &[]);
                self.scopes = outer;
                let compiled = compiled?;
                let sqlite_alias = self.next_alias('s');
                let sql = format!("({}) AS {sqlite_alias}", compiled.sql);
                self.add_source(Source {
                    name: alias.clone(),
                    alias: sqlite_alias,
                    table: None,
                    columns: named_columns(&compiled.columns, columns)?,
                });
                Ok(sql)
            }
            TableRef::Join {
                left,
                right,
                kind,
                on,
            } => {
                let left = self.table_ref(left)?;
                let right = self.table_ref(right)?;
                let word = match kind {
                    JoinKind::Inner => "INNER JOIN",
                    JoinKind::Left => "LEFT JOIN",
                    JoinKind::Right => "RIGHT JOIN",
                    JoinKind::Full => "FULL JOIN",
                    JoinKind::Cross => "CROSS JOIN",
                };
                let on = match on {
                    Some(on) => format!(" ON {}", self.condition(on)?.sql),
                    None => String::new(),
                };
                Ok(format!("{left} {word} {right}{on}"))
            }
        }
    }

    pub(super) fn add_source(&mut self, source: Source) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.sources.push(source);
        }
    }
}

/// The columns of a sub-query, renamed where names are listed.
fn named_columns(columns: &[OutputColumn], names: &[Ident]) -> Result<Vec<SourceColumn>, SqlError> {
    if !names.is_empty() && names.len() != columns.len() {
        return Err(SqlError::new(
            code::NOT_ENOUGH_VALUES,
            "column list of a sub-query",
        ));
    }
    let mut named: Vec<SourceColumn> = Vec::new();
    for (position, column) in columns.iter().enumerate() {
        let name = names
            .get(position)
            .map_or(&column.name, |ident| &ident.name);
        if named.iter().any(|known| known.name == *name) {
            return Err(SqlError::new(code::DUPLICATE_COLUMN, name));
        }
        named.push(SourceColumn {
            name: name.clone(),
            sql_type: column.sql_type,
            nullable: column.nullable,
        });
    }
    Ok(named)
}

fn combine(operator: SetOperator, left: &Compiled, right: &Compiled) -> Result<Compiled, SqlError> {
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
    Ok(Compiled { sql, columns })
}

/// An operand whose columns have the operation's types.
fn retyped(operand: &Compiled, columns: &[OutputColumn]) -> Result<String, SqlError> {
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

/// The column that an ORDER BY item names by number or by alias.
fn output_position<'a>(
    expr: &Expr,
    mut columns: impl ExactSizeIterator<Item = &'a OutputColumn>,
) -> Result<Option<usize>, SqlError> {
    match expr {
        Expr::Integer(digits) => {
            let number: usize = digits.parse().unwrap_or(usize::MAX);
            if (1..=columns.len()).contains(&number) {
                Ok(Some(number - 1))
            } else {
                Err(SqlError::new(code::ORDER_ITEM, digits))
            }
        }
        Expr::Column {
            qualifier: None,
            name,
            ..
        } => Ok(columns.position(|column| column.name == *name)),
        _ => Ok(None),
    }
}

/// One item of ORDER BY. NULL is lowest in both databases.
pub(super) fn ordering(sql: &str, sql_type: SqlType, item: &OrderItem) -> String {
    let direction = if item.descending { " DESC" } else { "" };
    let nulls = match item.nulls_first {
        Some(true) => " NULLS FIRST",
        Some(false) => " NULLS LAST",
        None => "",
    };
    format!("{sql}{}{direction}{nulls}", collation(sql_type))
}

fn order_clause(parts: &[String]) -> String {
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ORDER BY {}", parts.join(", "))
    }
}

/// LOBs can't be sorted, grouped or made distinct. Assumed: with the code of an invalid type.
fn refuse_lobs(types: impl IntoIterator<Item = SqlType>, place: &str) -> Result<(), SqlError> {
    match types.into_iter().find(|sql_type| sql_type.is_lob()) {
        Some(sql_type) => Err(SqlError::new(
            code::DATATYPE,
            format!("LOB type {} in {place}", sql_type.name()),
        )),
        None => Ok(()),
    }
}

/// A name for a column that has none.
fn shown(expr: &Expr) -> String {
    match expr {
        Expr::Integer(text) | Expr::Decimal(text) | Expr::Double(text) => text.clone(),
        Expr::Text(text) => format!("'{}'", text.chars().take(100).collect::<String>()),
        Expr::CountAll => "COUNT(*)".to_owned(),
        Expr::Call { name, args, .. } => match args.as_slice() {
            [] => name.clone(),
            [Expr::Column { name: column, .. }] => format!("{name}({column})"),
            _ => name.clone(),
        },
        Expr::Parameter(index) => format!("?{}", index + 1),
        _ => "EXPRESSION".to_owned(),
    }
}
