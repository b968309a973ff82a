//! From tree to plan: names are resolved, types inferred, rights checked, and each expression is written in SQLite's
//! words. Inside SQLite a DECIMAL is its canonical text under the collation `dec`, an instant is its ticks, a day its
//! number, a BOOLEAN 0 or 1.

mod aggregate;
mod arithmetic;
mod coerce;
mod comparison;
mod expression;
mod from;
mod functions;
mod modification;
mod numeric;
mod query;
mod scope;
mod select;

use crate::dialect::ast::Statement;
use crate::dialect::parse::Parsed;
use crate::dialect::plan::{Body, Parameter, Plan, SystemValue};
use crate::engine::catalog::{Catalog, insufficient_privilege};
use crate::error::SqlError;
use crate::types::SqlType;

use scope::{CommonTable, Scope};

/// Who compiles.
#[derive(Debug, Clone)]
pub(crate) struct Viewpoint {
    pub(crate) user: String,
    pub(crate) schema: String,
    pub(crate) session: i64,
}

/// Compiles a parsed statement.
pub(crate) fn compile(
    parsed: &Parsed,
    catalog: &Catalog,
    viewpoint: &Viewpoint,
) -> Result<Plan, SqlError> {
    let mut compiler = Compiler {
        catalog,
        viewpoint,
        parameters: vec![None; parsed.parameters],
        system: Vec::new(),
        scopes: Vec::new(),
        common_tables: Vec::new(),
        last_alias: 0,
    };
    let body = match &parsed.statement {
        Statement::Query { query, lock } => compiler.query_statement(query, *lock)?,
        Statement::Insert(insert) => compiler.insert(insert)?,
        Statement::Update {
            table,
            alias,
            set,
            filter,
        } => compiler.update(table, alias.as_deref(), set, filter.as_ref())?,
        Statement::Delete {
            table,
            alias,
            filter,
        } => compiler.delete(table, alias.as_deref(), filter.as_ref())?,
        Statement::Merge(merge) => compiler.merge(merge)?,
        Statement::Define(definition) => Body::Definition(definition.clone()),
        Statement::Session(statement) => Body::Session(statement.clone()),
    };
    let untyped = Parameter {
        sql_type: SqlType::TEXT,
        nullable: true,
        has_default: false,
    };
    Ok(Plan {
        body,
        parameters: compiler
            .parameters
            .iter()
            .map(|known| known.unwrap_or(untyped))
            .collect(),
        system: compiler.system,
        catalog_version: catalog.version,
    })
}

/// The state of one compilation.
pub(super) struct Compiler<'a> {
    catalog: &'a Catalog,
    viewpoint: &'a Viewpoint,
    parameters: Vec<Option<Parameter>>,
    system: Vec<SystemValue>,
    /// The innermost query's sources are last.
    scopes: Vec<Scope>,
    common_tables: Vec<CommonTable>,
    last_alias: usize,
}

/// An expression in SQLite's words.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    sql: String,
    /// `None`: the literal NULL.
    sql_type: Option<SqlType>,
    nullable: bool,
    /// A condition and not a value: HANA keeps them apart.
    is_condition: bool,
    /// Has a column that is neither grouped nor inside an aggregate.
    is_loose: bool,
    has_aggregate: bool,
}

impl Typed {
    fn value(sql: impl Into<String>, sql_type: SqlType) -> Self {
        Self {
            sql: sql.into(),
            sql_type: Some(sql_type),
            nullable: true,
            is_condition: false,
            is_loose: false,
            has_aggregate: false,
        }
    }

    fn condition(sql: impl Into<String>) -> Self {
        Self {
            is_condition: true,
            ..Self::value(sql, SqlType::Boolean)
        }
    }

    fn null() -> Self {
        Self {
            sql_type: None,
            ..Self::value("NULL", SqlType::TEXT)
        }
    }

    /// Takes over what the operands say about grouping.
    fn of(mut self, operands: &[&Self]) -> Self {
        self.is_loose |= operands.iter().any(|operand| operand.is_loose);
        self.has_aggregate |= operands.iter().any(|operand| operand.has_aggregate);
        self
    }

    /// The type, with NULL as a text.
    fn type_or_text(&self) -> SqlType {
        self.sql_type.unwrap_or(SqlType::NVarchar(1))
    }
}

impl Compiler<'_> {
    fn next_alias(&mut self, prefix: char) -> String {
        self.last_alias += 1;
        format!("{prefix}{}", self.last_alias)
    }

    /// The placeholder of a value that the session gives.
    fn system_value(&mut self, value: SystemValue) -> String {
        let index = self
            .system
            .iter()
            .position(|known| *known == value)
            .unwrap_or_else(|| {
                self.system.push(value);
                self.system.len() - 1
            });
        format!("?{}", self.parameters.len() + index + 1)
    }

    /// The placeholder of a parameter, whose type becomes what its place wants.
    fn parameter(&mut self, index: usize, wanted: Parameter) -> Typed {
        if let Some(slot) = self.parameters.get_mut(index) {
            *slot = Some(wanted);
        }
        Typed::value(format!("?{}", index + 1), wanted.sql_type)
    }

    fn require(&self, privilege: &str, schema: &str, table: &str) -> Result<(), SqlError> {
        if self
            .catalog
            .allows(&self.viewpoint.user, privilege, schema, Some(table))
        {
            Ok(())
        } else {
            Err(insufficient_privilege())
        }
    }
}

/// A text literal in SQLite's words.
fn quoted_text(text: &str) -> String {
    // A NUL would end SQLite's statement.
    if text.contains('\0') {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        return format!("CAST(X'{hex}' AS TEXT)");
    }
    format!("'{}'", text.replace('\'', "''"))
}
