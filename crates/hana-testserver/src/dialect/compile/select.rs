//! One SELECT: its list, grouping and order.

use super::comparison::collation;
use super::query::CompiledQuery;
use super::{Compiler, Typed};
use crate::dialect::ast::{Expr, Ident, OrderItem, Select, SelectItem};
use crate::dialect::plan::OutputColumn;
use crate::error::{SqlError, code};
use crate::types::SqlType;

impl Compiler<'_> {
    pub(super) fn select(
        &mut self,
        select: &Select,
        order_by: &[OrderItem],
        wanted: &[SqlType],
        with_row_id: bool,
    ) -> Result<CompiledQuery, SqlError> {
        let mut from = Vec::new();
        for table in &select.from {
            from.push(self.table_ref(table)?);
        }
        let mut clauses = format!(" FROM {}", from.join(", "));
        if let Some(filter) = &select.filter {
            let filter = self.condition(filter)?;
            clauses.push_str(&format!(" WHERE {}", filter.sql));
        }
        self.check_privilege_view(&clauses)?;
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
        if is_grouped && with_row_id {
            return Err(SqlError::new(code::NOT_SUPPORTED, "FOR UPDATE of groups").at(select.at));
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
        Ok(CompiledQuery {
            sql: format!("SELECT {distinct}{}{clauses}", list.join(", ")),
            columns: items.drain(..).map(|(_, column)| column).collect(),
        })
    }

    /// The view of effective privileges wants to be asked about a user. Source: SAP HANA SQL and System Views Reference.
    fn check_privilege_view(&self, clauses: &str) -> Result<(), SqlError> {
        let sources = self.scopes.last().map_or(&[][..], |scope| &scope.sources);
        for source in sources {
            let is_view = source
                .table
                .as_ref()
                .is_some_and(|table| table.is_system && table.name == "EFFECTIVE_PRIVILEGES");
            let column = source
                .columns
                .iter()
                .position(|column| column.name == "USER_NAME");
            if let (true, Some(column)) = (is_view, column)
                && !clauses.contains(&source.sql(column))
            {
                return Err(SqlError::new(
                    code::NOT_SUPPORTED,
                    "EFFECTIVE_PRIVILEGES without a condition on USER_NAME",
                ));
            }
        }
        Ok(())
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
}

/// The column that an ORDER BY item names by number or by alias.
pub(super) fn output_position<'a>(
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

pub(super) fn order_clause(parts: &[String]) -> String {
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ORDER BY {}", parts.join(", "))
    }
}

/// LOBs can't be sorted, grouped or made distinct. Assumed: with the code of an invalid type.
pub(super) fn refuse_lobs(
    types: impl IntoIterator<Item = SqlType>,
    place: &str,
) -> Result<(), SqlError> {
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
