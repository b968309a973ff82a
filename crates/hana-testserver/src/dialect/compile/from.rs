//! FROM: tables, sub-queries and joins.

use super::Compiler;
use super::scope::{Source, SourceColumn};
use crate::dialect::ast::{Expr, Ident, JoinKind, ObjectName, TableRef};
use crate::dialect::plan::OutputColumn;
use crate::error::{SqlError, code};

impl Compiler<'_> {
    /// Compiles one source of FROM and makes its columns known.
    pub(super) fn table_ref(&mut self, table: &TableRef) -> Result<String, SqlError> {
        match table {
            TableRef::Table { name, alias } => self.named_source(name, alias.as_deref()),
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
            } => self.join(left, right, *kind, on.as_ref()),
        }
    }

    /// A table, a view, or a query that WITH named.
    fn named_source(&mut self, name: &ObjectName, alias: Option<&str>) -> Result<String, SqlError> {
        let sqlite_alias = self.next_alias('s');
        let common = self
            .common_tables
            .iter()
            .rev()
            .find(|common| name.schema.is_none() && common.name == name.name);
        if let Some(common) = common.cloned() {
            let sql = format!("{} AS {sqlite_alias}", common.alias);
            self.add_source(Source {
                name: Some(alias.unwrap_or(&name.name).to_owned()),
                alias: sqlite_alias,
                table: None,
                columns: common.columns,
            });
            return Ok(sql);
        }
        let table = self.table(name, &["SELECT"])?;
        let sql = format!("{} AS {sqlite_alias}", self.visible_rows(&table));
        self.add_source(Source::of_table(table, sqlite_alias, alias));
        Ok(sql)
    }

    fn join(
        &mut self,
        left: &TableRef,
        right: &TableRef,
        kind: JoinKind,
        on: Option<&Expr>,
    ) -> Result<String, SqlError> {
        let first = self.source_count();
        let left = self.table_ref(left)?;
        let middle = self.source_count();
        let right = self.table_ref(right)?;
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            self.make_nullable(first..middle);
        }
        if matches!(kind, JoinKind::Left | JoinKind::Full) {
            self.make_nullable(middle..self.source_count());
        }
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

    fn source_count(&self) -> usize {
        self.scopes.last().map_or(0, |scope| scope.sources.len())
    }

    /// Columns of the side that an outer join may fill with NULL.
    fn make_nullable(&mut self, sources: std::ops::Range<usize>) {
        let all = self
            .scopes
            .last_mut()
            .map(|scope| scope.sources.as_mut_slice());
        let side = all.and_then(|all| all.get_mut(sources)).unwrap_or_default();
        for column in side.iter_mut().flat_map(|source| &mut source.columns) {
            column.nullable = true;
        }
    }

    pub(super) fn add_source(&mut self, source: Source) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.sources.push(source);
        }
    }
}

/// The columns of a sub-query, renamed where names are listed.
pub(super) fn named_columns(
    columns: &[OutputColumn],
    names: &[Ident],
) -> Result<Vec<SourceColumn>, SqlError> {
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
