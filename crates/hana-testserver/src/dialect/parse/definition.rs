//! CREATE, ALTER, DROP, TRUNCATE, GRANT, REVOKE.

use super::Parser;
use crate::dialect::ast::{ColumnDefinition, Definition, Grant, GrantObject, Ident, TableKind};
use crate::dialect::token::TokenKind;
use crate::error::SqlError;

/// Columns and table constraints between a table's parentheses.
#[derive(Default)]
struct Elements {
    columns: Vec<ColumnDefinition>,
    primary_key: Vec<Ident>,
    unique: Vec<Vec<Ident>>,
}

impl Parser {
    pub(super) fn definition(&mut self) -> Result<Definition, SqlError> {
        if self.word("CREATE") {
            return self.create();
        }
        if self.words(&["ALTER", "TABLE"]) {
            return self.alter_table();
        }
        if self.words(&["TRUNCATE", "TABLE"]) {
            return self.object_name().map(Definition::Truncate);
        }
        if self.word("GRANT") {
            return self.grant("TO").map(Definition::Grant);
        }
        if self.word("REVOKE") {
            return self.grant("FROM").map(Definition::Revoke);
        }
        if self.word("DROP") {
            return self.drop();
        }
        Err(self.unexpected())
    }

    fn create(&mut self) -> Result<Definition, SqlError> {
        if self.words(&["COLUMN", "TABLE"]) || self.word("TABLE") {
            return self.create_table(TableKind::Column);
        }
        if self.words(&["ROW", "TABLE"]) {
            return self.create_table(TableKind::Row);
        }
        if self.words(&["LOCAL", "TEMPORARY", "COLUMN", "TABLE"])
            || self.words(&["LOCAL", "TEMPORARY", "TABLE"])
        {
            return self.create_table(TableKind::LocalTemporary);
        }
        let unique = self.word("UNIQUE");
        if self.word("INDEX") {
            return self.create_index(unique);
        }
        if unique {
            return Err(self.unexpected());
        }
        if self.word("SEQUENCE") {
            return self.create_sequence();
        }
        if self.word("SCHEMA") {
            return self.ident().map(Definition::CreateSchema);
        }
        Err(self.unexpected())
    }

    fn create_table(&mut self, kind: TableKind) -> Result<Definition, SqlError> {
        let table = self.object_name()?;
        if (kind == TableKind::LocalTemporary) != table.name.starts_with('#') {
            return Err(SqlError::syntax(
                "the name of a local temporary table, and only such a name, begins with #",
                table.at,
            ));
        }
        self.expect_symbol("(")?;
        let mut elements = Elements::default();
        loop {
            self.table_element(&mut elements)?;
            if !self.symbol(",") {
                break;
            }
        }
        self.expect_symbol(")")?;
        Ok(Definition::CreateTable {
            table,
            kind,
            columns: elements.columns,
            primary_key: elements.primary_key,
            unique: elements.unique,
        })
    }

    fn table_element(&mut self, elements: &mut Elements) -> Result<(), SqlError> {
        if self.word("CONSTRAINT") {
            self.ident()?;
        }
        if self.words(&["PRIMARY", "KEY"]) {
            elements.primary_key.extend(self.ident_list()?);
        } else if self.peek_word("UNIQUE") && matches!(self.ahead(1), TokenKind::Symbol("(")) {
            self.next += 1;
            elements.unique.push(self.ident_list()?);
        } else {
            elements.columns.push(self.column_definition()?);
        }
        Ok(())
    }

    fn column_definition(&mut self) -> Result<ColumnDefinition, SqlError> {
        let name = self.ident()?;
        let sql_type = self.sql_type()?;
        let mut column = ColumnDefinition {
            name,
            sql_type,
            nullable: true,
            default: None,
            identity: false,
            primary_key: false,
            unique: false,
        };
        loop {
            if self.word("DEFAULT") {
                column.default = Some(self.nested(Self::sum)?);
            } else if self.words(&["NOT", "NULL"]) {
                column.nullable = false;
            } else if self.word("NULL") {
                column.nullable = true;
            } else if self.words(&["PRIMARY", "KEY"]) {
                column.primary_key = true;
                column.nullable = false;
            } else if self.word("UNIQUE") {
                column.unique = true;
            } else if self.words(&["GENERATED", "BY", "DEFAULT", "AS", "IDENTITY"])
                || self.words(&["GENERATED", "ALWAYS", "AS", "IDENTITY"])
            {
                self.identity_options()?;
                column.identity = true;
                column.nullable = false;
            } else if self.word("COMMENT") {
                self.expr()?;
            } else {
                return Ok(column);
            }
        }
    }

    fn identity_options(&mut self) -> Result<(), SqlError> {
        if self.symbol("(") {
            self.sequence_options()?;
            self.expect_symbol(")")?;
        }
        Ok(())
    }

    fn alter_table(&mut self) -> Result<Definition, SqlError> {
        let table = self.object_name()?;
        if self.word("ADD") {
            let columns = self.in_parentheses(Self::column_definition)?;
            return Ok(Definition::AddColumns(table, columns));
        }
        if self.word("ALTER") {
            let columns = self.in_parentheses(Self::column_definition)?;
            return Ok(Definition::AlterColumns(table, columns));
        }
        if self.word("DROP") {
            return self
                .ident_list()
                .map(|columns| Definition::DropColumns(table, columns));
        }
        Err(self.unexpected())
    }

    /// ALTER TABLE wants parentheses around what it adds.
    fn in_parentheses<T>(
        &mut self,
        item: impl Fn(&mut Self) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        self.expect_symbol("(")?;
        let items = self.list(item)?;
        self.expect_symbol(")")?;
        Ok(items)
    }

    fn create_index(&mut self, unique: bool) -> Result<Definition, SqlError> {
        let index = self.object_name()?;
        self.expect_word("ON")?;
        let table = self.object_name()?;
        let columns = self.in_parentheses(|parser| {
            let column = parser.ident()?;
            if !parser.word("DESC") {
                parser.word("ASC");
            }
            Ok(column)
        })?;
        Ok(Definition::CreateIndex {
            index,
            table,
            columns,
            unique,
        })
    }

    fn create_sequence(&mut self) -> Result<Definition, SqlError> {
        let sequence = self.object_name()?;
        let (start, increment) = self.sequence_options()?;
        Ok(Definition::CreateSequence {
            sequence,
            start,
            increment,
        })
    }

    fn sequence_options(&mut self) -> Result<(i64, i64), SqlError> {
        let (mut start, mut increment) = (1, 1);
        loop {
            if self.words(&["START", "WITH"]) {
                start = self.signed()?;
            } else if self.words(&["INCREMENT", "BY"]) {
                increment = self.signed()?;
            } else if self.word("MAXVALUE") || self.word("MINVALUE") || self.word("CACHE") {
                self.signed()?;
            } else if self.words(&["NO", "MAXVALUE"])
                || self.words(&["NO", "MINVALUE"])
                || self.words(&["NO", "CYCLE"])
                || self.words(&["NO", "CACHE"])
            {
                // The defaults.
            } else {
                return Ok((start, increment));
            }
        }
    }

    fn signed(&mut self) -> Result<i64, SqlError> {
        let negative = self.symbol("-");
        let TokenKind::Integer(digits) = self.kind() else {
            return Err(self.unexpected());
        };
        let number: i64 = digits.parse().map_err(|_| self.unexpected())?;
        self.next += 1;
        Ok(if negative { -number } else { number })
    }

    fn drop(&mut self) -> Result<Definition, SqlError> {
        if self.word("TABLE") {
            let table = self.object_name()?;
            if !self.word("CASCADE") {
                self.word("RESTRICT");
            }
            return Ok(Definition::DropTable(table));
        }
        if self.word("INDEX") {
            return self.object_name().map(Definition::DropIndex);
        }
        if self.word("SEQUENCE") {
            return self.object_name().map(Definition::DropSequence);
        }
        Err(self.unexpected())
    }

    /// `privileges ON SCHEMA name|ON [TABLE] name TO|FROM user`.
    fn grant(&mut self, direction: &str) -> Result<Grant, SqlError> {
        let privileges = self.list(Self::privilege)?;
        self.expect_word("ON")?;
        let on = if self.word("SCHEMA") {
            GrantObject::Schema(self.ident()?)
        } else {
            self.word("TABLE");
            GrantObject::Table(self.object_name()?)
        };
        self.expect_word(direction)?;
        let user = self.ident()?;
        self.words(&["WITH", "GRANT", "OPTION"]);
        Ok(Grant {
            privileges,
            on,
            user,
        })
    }

    fn privilege(&mut self) -> Result<String, SqlError> {
        for known in [
            "SELECT", "INSERT", "UPDATE", "DELETE", "ALTER", "DROP", "INDEX",
        ] {
            if self.word(known) {
                return Ok(known.to_owned());
            }
        }
        if self.words(&["CREATE", "ANY"]) {
            return Ok("CREATE ANY".to_owned());
        }
        Err(self.unexpected())
    }
}
