//! SELECT.

use super::Parser;
use crate::dialect::ast::{
    CommonTable, Expr, JoinKind, LockClause, OrderItem, Query, Select, SelectItem, SetExpr,
    SetOperator, Statement, TableRef,
};
use crate::dialect::token::TokenKind;
use crate::error::SqlError;

impl Parser {
    /// A query with its optional locking clause.
    pub(super) fn select_statement(&mut self) -> Result<Statement, SqlError> {
        let query = self.query()?;
        let lock = if self.words(&["FOR", "UPDATE"]) {
            if self.word("OF") {
                self.ident_list()?;
            }
            Some(self.lock_clause()?)
        } else {
            None
        };
        Ok(Statement::Query { query, lock })
    }

    /// Source: the dossier, 3.3; the words are IGNORE LOCKED, not SKIP LOCKED.
    fn lock_clause(&mut self) -> Result<LockClause, SqlError> {
        Ok(if self.word("NOWAIT") {
            LockClause::NoWait
        } else if self.words(&["IGNORE", "LOCKED"]) {
            LockClause::IgnoreLocked
        } else if self.word("WAIT") {
            LockClause::WaitSeconds(self.unsigned()?)
        } else {
            LockClause::Wait
        })
    }

    pub(super) fn query(&mut self) -> Result<Query, SqlError> {
        self.nested(Self::query_rule)
    }

    fn query_rule(&mut self) -> Result<Query, SqlError> {
        let with = if self.word("WITH") {
            self.list(Self::common_table)?
        } else {
            Vec::new()
        };
        let body = self.set_expr()?;
        let order_by = self.order_by()?;
        let (mut limit, mut offset) = (None, None);
        if self.word("LIMIT") {
            limit = Some(self.count()?);
            if self.word("OFFSET") {
                offset = Some(self.count()?);
            }
        }
        Ok(Query {
            with,
            body,
            order_by,
            limit,
            offset,
        })
    }

    /// A number or a parameter, as LIMIT, OFFSET and TOP take.
    fn count(&mut self) -> Result<Expr, SqlError> {
        if self.kind() == &TokenKind::Parameter {
            self.next += 1;
            self.parameters += 1;
            return Ok(Expr::Parameter(self.parameters - 1));
        }
        self.unsigned()
            .map(|number| Expr::Integer(number.to_string()))
    }

    fn common_table(&mut self) -> Result<CommonTable, SqlError> {
        let name = self.ident()?;
        let columns = if self.peek_symbol("(") {
            self.ident_list()?
        } else {
            Vec::new()
        };
        self.expect_word("AS")?;
        self.expect_symbol("(")?;
        let query = self.query()?;
        self.expect_symbol(")")?;
        Ok(CommonTable {
            name,
            columns,
            query,
        })
    }

    fn set_expr(&mut self) -> Result<SetExpr, SqlError> {
        let mut left = self.set_operand()?;
        loop {
            let operator = if self.words(&["UNION", "ALL"]) {
                SetOperator::UnionAll
            } else if self.word("UNION") {
                self.word("DISTINCT");
                SetOperator::Union
            } else if self.word("INTERSECT") {
                SetOperator::Intersect
            } else if self.word("EXCEPT") || self.word("MINUS") {
                SetOperator::Except
            } else {
                return Ok(left);
            };
            left = SetExpr::Operation {
                operator,
                left: Box::new(left),
                right: Box::new(self.set_operand()?),
            };
        }
    }

    fn set_operand(&mut self) -> Result<SetExpr, SqlError> {
        if self.symbol("(") {
            let query = self.query()?;
            self.expect_symbol(")")?;
            return Ok(SetExpr::Nested(Box::new(query)));
        }
        self.select()
            .map(|select| SetExpr::Select(Box::new(select)))
    }

    fn select(&mut self) -> Result<Select, SqlError> {
        let at = self.at();
        self.expect_word("SELECT")?;
        let top = if self.word("TOP") {
            Some(self.count()?)
        } else {
            None
        };
        let distinct = self.word("DISTINCT");
        if !distinct {
            self.word("ALL");
        }
        let items = self.list(Self::select_item)?;
        // HANA has no SELECT without FROM; constants come from DUMMY.
        self.expect_word("FROM")?;
        let from = self.list(Self::table_ref)?;
        let filter = if self.word("WHERE") {
            Some(self.expr()?)
        } else {
            None
        };
        let group_by = if self.words(&["GROUP", "BY"]) {
            self.list(Self::expr)?
        } else {
            Vec::new()
        };
        let having = if self.word("HAVING") {
            Some(self.expr()?)
        } else {
            None
        };
        Ok(Select {
            distinct,
            top,
            items,
            from,
            filter,
            group_by,
            having,
            at,
        })
    }

    fn select_item(&mut self) -> Result<SelectItem, SqlError> {
        if self.symbol("*") {
            return Ok(SelectItem::All(None));
        }
        let qualified_star = matches!(self.ahead(1), TokenKind::Symbol("."))
            && matches!(self.ahead(2), TokenKind::Symbol("*"));
        if qualified_star {
            let alias = self.ident()?;
            self.next += 2;
            return Ok(SelectItem::All(Some(alias)));
        }
        let expr = self.expr()?;
        let alias = self.alias()?;
        Ok(SelectItem::Expr { expr, alias })
    }

    fn table_ref(&mut self) -> Result<TableRef, SqlError> {
        let mut left = self.table_primary()?;
        loop {
            let kind = if self.words(&["CROSS", "JOIN"]) {
                JoinKind::Cross
            } else if self.words(&["INNER", "JOIN"]) || self.word("JOIN") {
                JoinKind::Inner
            } else if self.words(&["LEFT", "OUTER", "JOIN"]) || self.words(&["LEFT", "JOIN"]) {
                JoinKind::Left
            } else if self.words(&["RIGHT", "OUTER", "JOIN"]) || self.words(&["RIGHT", "JOIN"]) {
                JoinKind::Right
            } else if self.words(&["FULL", "OUTER", "JOIN"]) || self.words(&["FULL", "JOIN"]) {
                JoinKind::Full
            } else {
                return Ok(left);
            };
            let right = self.table_primary()?;
            let on = if kind == JoinKind::Cross {
                None
            } else {
                self.expect_word("ON")?;
                Some(self.expr()?)
            };
            left = TableRef::Join {
                left: Box::new(left),
                right: Box::new(right),
                kind,
                on,
            };
        }
    }

    pub(super) fn table_primary(&mut self) -> Result<TableRef, SqlError> {
        if !self.symbol("(") {
            let name = self.object_name()?;
            let alias = self.alias()?;
            return Ok(TableRef::Table { name, alias });
        }
        if !self.peek_word("SELECT") && !self.peek_word("WITH") && !self.peek_symbol("(") {
            let inner = self.nested(Self::table_ref)?;
            self.expect_symbol(")")?;
            return Ok(inner);
        }
        let query = Box::new(self.query()?);
        self.expect_symbol(")")?;
        let alias = self.alias()?;
        let columns = if alias.is_some() && self.peek_symbol("(") {
            self.ident_list()?
        } else {
            Vec::new()
        };
        Ok(TableRef::Query {
            query,
            alias,
            columns,
        })
    }

    pub(super) fn order_by(&mut self) -> Result<Vec<OrderItem>, SqlError> {
        if self.words(&["ORDER", "BY"]) {
            self.list(Self::order_item)
        } else {
            Ok(Vec::new())
        }
    }

    fn order_item(&mut self) -> Result<OrderItem, SqlError> {
        let expr = self.expr()?;
        let descending = self.word("DESC");
        if !descending {
            self.word("ASC");
        }
        let nulls_first = if self.words(&["NULLS", "FIRST"]) {
            Some(true)
        } else if self.words(&["NULLS", "LAST"]) {
            Some(false)
        } else {
            None
        };
        Ok(OrderItem {
            expr,
            descending,
            nulls_first,
        })
    }
}
