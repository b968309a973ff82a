//! INSERT, UPSERT, UPDATE, DELETE, MERGE.

use super::Parser;
use crate::dialect::ast::{
    Expr, Ident, Insert, InsertMode, InsertSource, Merge, MergeAction, MergeClause, Statement,
};
use crate::error::SqlError;

impl Parser {
    pub(super) fn insert(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("INSERT")?;
        // INSERT needs INTO. Source: SAP HANA SQL Reference, "INSERT".
        self.expect_word("INTO")?;
        self.insert_rest(InsertMode::Insert)
    }

    /// `UPSERT|REPLACE table [(columns)] VALUES (…) [WHERE …|WITH PRIMARY KEY]`, or a sub-query.
    pub(super) fn upsert(&mut self) -> Result<Statement, SqlError> {
        self.next += 1;
        let Statement::Insert(mut insert) = self.insert_rest(InsertMode::Insert)? else {
            return Err(self.unexpected());
        };
        match insert.source {
            // The sub-query form always works by key, and WITH PRIMARY KEY can't follow it.
            InsertSource::Query(_) => insert.mode = InsertMode::Upsert,
            InsertSource::Values(_) => {
                if self.words(&["WITH", "PRIMARY", "KEY"]) {
                    insert.mode = InsertMode::Upsert;
                } else if self.word("WHERE") {
                    insert.mode = InsertMode::UpsertWhere(self.expr()?);
                }
            }
        }
        Ok(Statement::Insert(insert))
    }

    fn insert_rest(&mut self, mode: InsertMode) -> Result<Statement, SqlError> {
        let table = self.object_name()?;
        let columns = if self.peek_symbol("(")
            && !self.ahead_word(1, "SELECT")
            && !self.ahead_word(1, "WITH")
        {
            self.ident_list()?
        } else {
            Vec::new()
        };
        let source = if self.word("VALUES") {
            self.expect_symbol("(")?;
            let values = self.list(Self::expr)?;
            self.expect_symbol(")")?;
            InsertSource::Values(values)
        } else {
            InsertSource::Query(Box::new(self.query()?))
        };
        Ok(Statement::Insert(Insert {
            table,
            columns,
            source,
            mode,
        }))
    }

    pub(super) fn update(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("UPDATE")?;
        let table = self.object_name()?;
        let alias = self.alias()?;
        self.expect_word("SET")?;
        let set = self.assignments()?;
        let filter = if self.word("WHERE") {
            Some(self.expr()?)
        } else {
            None
        };
        Ok(Statement::Update {
            table,
            alias,
            set,
            filter,
        })
    }

    fn assignments(&mut self) -> Result<Vec<(Ident, Expr)>, SqlError> {
        self.list(|parser| {
            let mut column = parser.ident()?;
            if parser.symbol(".") {
                column = parser.ident()?;
            }
            parser.expect_symbol("=")?;
            Ok((column, parser.expr()?))
        })
    }

    pub(super) fn delete(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("DELETE")?;
        self.expect_word("FROM")?;
        let table = self.object_name()?;
        let alias = self.alias()?;
        let filter = if self.word("WHERE") {
            Some(self.expr()?)
        } else {
            None
        };
        Ok(Statement::Delete {
            table,
            alias,
            filter,
        })
    }

    pub(super) fn merge(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("MERGE")?;
        self.expect_word("INTO")?;
        let table = self.object_name()?;
        let alias = self.alias()?;
        self.expect_word("USING")?;
        let source = self.table_primary()?;
        self.expect_word("ON")?;
        let on = self.expr()?;
        let mut clauses = Vec::new();
        while self.word("WHEN") {
            clauses.push(self.merge_clause()?);
        }
        if clauses.is_empty() {
            return Err(self.unexpected());
        }
        Ok(Statement::Merge(Merge {
            table,
            alias,
            source,
            on,
            clauses,
        }))
    }

    fn merge_clause(&mut self) -> Result<MergeClause, SqlError> {
        let negated = self.word("NOT");
        self.expect_word("MATCHED")?;
        let condition = if self.word("AND") {
            Some(self.expr()?)
        } else {
            None
        };
        self.expect_word("THEN")?;
        let action = if negated {
            self.expect_word("INSERT")?;
            let columns = if self.peek_symbol("(") {
                self.ident_list()?
            } else {
                Vec::new()
            };
            self.expect_word("VALUES")?;
            self.expect_symbol("(")?;
            let values = self.list(Self::expr)?;
            self.expect_symbol(")")?;
            MergeAction::Insert(columns, values)
        } else if self.word("DELETE") {
            MergeAction::Delete
        } else {
            self.expect_word("UPDATE")?;
            self.expect_word("SET")?;
            MergeAction::Update(self.assignments()?)
        };
        Ok(MergeClause { condition, action })
    }
}
