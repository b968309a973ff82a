//! Tables: our own and those of surveys, for both dialects.

use super::{Dialect, Statement};
use crate::row::{Cell, Column, ColumnName, ColumnType, Table, TableName};

/// The format of our own tables. Raised by a migration; kept in `QUALTRICS_RUNS` under the job `format`.
pub const FORMAT_VERSION: u32 = 1;

/// One of our own tables.
#[derive(Debug, Clone, Copy)]
pub struct OwnTable {
    /// Its name, without a schema: own tables live in the connection's schema.
    pub name: &'static str,
    columns: &'static str,
    key: &'static str,
    /// How SQLite orders it.
    sqlite_order: Order,
    /// Partial and expression indexes are SQLite's; HANA's column store needs none for these look-ups.
    sqlite_indexes: &'static [&'static str],
}

/// In which order SQLite keeps a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// By the key, which is then no index of its own.
    Key,
    /// As they came, under row ids: what is worked on together lies together, and large documents are better off so.
    /// Source: SQLite, "Clustered indexes and the WITHOUT ROWID optimization", 4.
    Arrival,
    /// As they came; the key is the row id itself, and never given twice.
    Position,
}

/// Every own table, in the order of creation.
pub const OWN_TABLES: [OwnTable; 7] = [
    OwnTable {
        name: "QUALTRICS_INBOX",
        columns: "\"SURVEY_ID\" NVARCHAR(18) NOT NULL, \"RESPONSE_ID\" NVARCHAR(69) NOT NULL, \"TOPIC\" NVARCHAR(40) NOT NULL, \
                  \"COMPLETED_AT\" TIMESTAMP NOT NULL, \"RECEIVED_AT\" TIMESTAMP NOT NULL, \"STATE\" NVARCHAR(8) NOT NULL, \
                  \"ATTEMPTS\" INTEGER NOT NULL, \"NEXT_ATTEMPT_AT\" TIMESTAMP, \"LEASE_OWNER\" NVARCHAR(36), \
                  \"LEASE_UNTIL\" TIMESTAMP, \"LAST_ERROR\" NVARCHAR(1000), \"DONE_AT\" TIMESTAMP",
        key: "\"SURVEY_ID\", \"RESPONSE_ID\"",
        sqlite_order: Order::Arrival,
        // What is done is most of the table and asked for by nobody on the hot way.
        sqlite_indexes: &[
            "CREATE INDEX IF NOT EXISTS \"QUALTRICS_INBOX_OPEN\" ON \"QUALTRICS_INBOX\" \
             (\"STATE\", \"RECEIVED_AT\", \"NEXT_ATTEMPT_AT\", \"SURVEY_ID\") WHERE \"STATE\" <> 'done'",
            "CREATE INDEX IF NOT EXISTS \"QUALTRICS_INBOX_DONE\" ON \"QUALTRICS_INBOX\" (\"DONE_AT\") WHERE \"STATE\" = 'done'",
        ],
    },
    OwnTable {
        name: "QUALTRICS_RAW",
        columns: "\"SURVEY_ID\" NVARCHAR(18) NOT NULL, \"RESPONSE_ID\" NVARCHAR(69) NOT NULL, \"RECORDED_AT\" TIMESTAMP, \
                  \"ASKED_AT\" TIMESTAMP NOT NULL, \"DIGEST\" NVARCHAR(64) NOT NULL, \"DOCUMENT\" NCLOB",
        key: "\"SURVEY_ID\", \"RESPONSE_ID\"",
        sqlite_order: Order::Arrival,
        sqlite_indexes: &[],
    },
    OwnTable {
        name: "QUALTRICS_SURVEYS",
        columns: "\"SURVEY_ID\" NVARCHAR(18) NOT NULL, \"BRAND_ID\" NVARCHAR(100), \"DEFINITION\" NCLOB, \
                  \"DEFINITION_VERSION\" NVARCHAR(64), \"WATERMARK\" TIMESTAMP, \"DELETIONS_CHECKED_AT\" TIMESTAMP, \
                  \"CHANGE_NUMBER\" BIGINT NOT NULL, \"SUBSCRIPTION_ID\" NVARCHAR(64), \"KEY_FINGERPRINT\" NVARCHAR(32)",
        key: "\"SURVEY_ID\"",
        sqlite_order: Order::Arrival,
        sqlite_indexes: &[],
    },
    OwnTable {
        name: "QUALTRICS_QUESTIONS",
        columns: "\"SURVEY_ID\" NVARCHAR(18) NOT NULL, \"COLUMN_NAME\" NVARCHAR(127) NOT NULL, \"PROPERTY\" NVARCHAR(127) NOT NULL, \
                  \"TAG\" NVARCHAR(500) NOT NULL, \"QUESTION_KEY\" NVARCHAR(500) NOT NULL, \"TEXT\" NVARCHAR(5000), \
                  \"TYPE\" NVARCHAR(100) NOT NULL, \"CHOICES\" NCLOB",
        key: "\"SURVEY_ID\", \"COLUMN_NAME\"",
        sqlite_order: Order::Arrival,
        sqlite_indexes: &[],
    },
    OwnTable {
        name: "QUALTRICS_CHANGES",
        columns: "\"POSITION\" BIGINT NOT NULL, \"SURVEY_ID\" NVARCHAR(18) NOT NULL, \"RESPONSE_ID\" NVARCHAR(69) NOT NULL, \
                  \"COMPLETED_AT\" TIMESTAMP, \"RECEIVED_AT\" TIMESTAMP, \"COMMITTED_AT\" TIMESTAMP NOT NULL",
        key: "\"POSITION\"",
        sqlite_order: Order::Position,
        sqlite_indexes: &[
            "CREATE INDEX IF NOT EXISTS \"QUALTRICS_CHANGES_SURVEY\" ON \"QUALTRICS_CHANGES\" (\"SURVEY_ID\", \"POSITION\")",
        ],
    },
    OwnTable {
        name: "QUALTRICS_RUNS",
        columns: "\"JOB\" NVARCHAR(60) NOT NULL, \"SURVEY_ID\" NVARCHAR(60) NOT NULL, \"OWNER\" NVARCHAR(36), \
                  \"UNTIL\" TIMESTAMP, \"STATE\" NCLOB",
        key: "\"JOB\", \"SURVEY_ID\"",
        sqlite_order: Order::Arrival,
        sqlite_indexes: &[],
    },
    OwnTable {
        name: "QUALTRICS_ERASED",
        columns: "\"HASH\" NVARCHAR(64) NOT NULL, \"ERASED_AT\" TIMESTAMP NOT NULL",
        key: "\"HASH\"",
        sqlite_order: Order::Key,
        sqlite_indexes: &[],
    },
];

impl OwnTable {
    /// The statements that create it, and on SQLite its indexes.
    #[must_use]
    pub fn create(&self, dialect: Dialect) -> Vec<String> {
        let Self {
            name, columns, key, ..
        } = self;
        match dialect {
            Dialect::Sqlite => {
                let table = match self.sqlite_order {
                    Order::Key => format!("({columns}, PRIMARY KEY ({key})) WITHOUT ROWID"),
                    Order::Arrival => format!("({columns}, PRIMARY KEY ({key}))"),
                    Order::Position => {
                        let id = "INTEGER PRIMARY KEY AUTOINCREMENT";
                        format!("({})", columns.replacen("BIGINT NOT NULL", id, 1))
                    }
                };
                let table = format!("CREATE TABLE IF NOT EXISTS \"{name}\" {table}");
                let mut statements = vec![table];
                statements.extend(self.sqlite_indexes.iter().map(|&index| index.to_owned()));
                statements
            }
            Dialect::Hana => hana_objects()
                .into_iter()
                .filter(|(object, _)| object == name)
                .map(|(_, statement)| statement.text().to_owned())
                .collect(),
        }
    }
}

/// `CREATE TABLE` for a survey.
#[must_use]
pub fn create_table(dialect: Dialect, table: &Table) -> Statement {
    create(
        match dialect {
            Dialect::Sqlite => "CREATE TABLE IF NOT EXISTS ",
            Dialect::Hana => "CREATE COLUMN TABLE ",
        },
        dialect,
        table,
    )
}

/// A table to try things with. HANA commits every definition, so there it is one that ends with its connection, and its
/// name begins with `#`; SQLite takes it back with the transaction.
#[must_use]
pub fn create_trial_table(dialect: Dialect, table: &Table) -> Statement {
    match dialect {
        Dialect::Sqlite => create_table(dialect, table),
        Dialect::Hana => create("CREATE LOCAL TEMPORARY COLUMN TABLE ", dialect, table),
    }
}

fn create(head: &'static str, dialect: Dialect, table: &Table) -> Statement {
    let mut statement = Statement::new(head);
    statement.table(dialect, &table.name).push(" (");
    for column in &table.columns {
        column_definition(&mut statement, column);
        statement.push(", ");
    }
    statement.push("PRIMARY KEY (\"RESPONSEID\"))");
    statement
}

/// `ALTER TABLE … ADD` for one more column.
#[must_use]
pub fn add_column(dialect: Dialect, table: &TableName, column: &Column) -> Statement {
    let mut statement = Statement::new("ALTER TABLE ");
    statement.table(dialect, table).push(match dialect {
        Dialect::Sqlite => " ADD COLUMN ",
        Dialect::Hana => " ADD (",
    });
    column_definition(&mut statement, column);
    if dialect == Dialect::Hana {
        statement.push(")");
    }
    statement
}

/// `CREATE TABLE` for people: one column a line, each with a remark behind it.
#[must_use]
pub fn create_table_with_remarks(dialect: Dialect, table: &Table, remarks: &[String]) -> String {
    let mut text = match dialect {
        Dialect::Sqlite => format!("CREATE TABLE {} (\n", table.name.unqualified()),
        Dialect::Hana => format!("CREATE COLUMN TABLE {} (\n", table.name.qualified()),
    };
    for (index, column) in table.columns.iter().enumerate() {
        let mut line = Statement::new("");
        column_definition(&mut line, column);
        let definition = format!("{},", line.text());
        let remark = remarks.get(index).map_or("", String::as_str);
        let line = format!("  {definition:<40} -- {}", one_line(remark));
        text.push_str(line.trim_end_matches([' ', '-']));
        text.push('\n');
    }
    text.push_str("  PRIMARY KEY (\"RESPONSEID\")\n);");
    text
}

/// A remark ends with its line, so what stands in it must not.
fn one_line(text: &str) -> String {
    text.split(char::is_whitespace)
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .replace(char::is_control, " ")
}

/// Looks through the whole file for damage: `ok`, or a line per fault. Only SQLite has it; HANA checks its pages itself.
#[must_use]
pub fn quick_check() -> Statement {
    Statement::new("/* schema.quick_check */ SELECT quick_check FROM pragma_quick_check")
}

fn column_definition(statement: &mut Statement, column: &Column) {
    statement.column(&column.name);
    match column.kind {
        ColumnType::Integer => statement.push(" INTEGER"),
        ColumnType::BigInt => statement.push(" BIGINT"),
        ColumnType::Double => statement.push(" DOUBLE"),
        ColumnType::Decimal { precision, scale } => statement
            .push(" DECIMAL(")
            .number(precision.into())
            .push(",")
            .number(scale.into())
            .push(")"),
        ColumnType::Boolean => statement.push(" BOOLEAN"),
        ColumnType::Date => statement.push(" DATE"),
        ColumnType::Timestamp => statement.push(" TIMESTAMP"),
        ColumnType::NVarchar(length) => {
            statement.push(" NVARCHAR(").number(length.into()).push(")")
        }
        ColumnType::NClob => statement.push(" NCLOB"),
    };
    if !column.nullable || column.name.as_ref() == ColumnName::RESPONSE_ID {
        statement.push(" NOT NULL");
    }
}

/// The columns of a table as the database has them: name, declared type, 1 where NOT NULL, 1 where part of the key;
/// no rows if there is no such table.
///
/// On HANA a synonym is followed: consumers of a container see its tables only so.
/// Source: SAP HANA SQL and System Views Reference: the views `TABLE_COLUMNS`, `CONSTRAINTS`, `SYNONYMS`.
#[must_use]
pub fn table_columns(table: &TableName) -> Statement {
    let sqlite = Statement::new(
        "/* schema.columns */ SELECT name, type, \"notnull\", pk > 0 FROM pragma_table_info(?) ORDER BY cid",
    )
    .with([super::text(table.name())]);
    let schema = || table.schema().map_or(Cell::Null, super::text);
    let hana = Statement::new(
        r#"/* schema.columns */
SELECT C."COLUMN_NAME", C."DATA_TYPE_NAME" || '(' || TO_NVARCHAR(C."LENGTH") || ',' || TO_NVARCHAR(COALESCE(C."SCALE", 10)) || ')',
  CASE WHEN C."IS_NULLABLE" = 'FALSE' THEN 1 ELSE 0 END, CASE WHEN K."COLUMN_NAME" IS NULL THEN 0 ELSE 1 END
FROM "SYS"."TABLE_COLUMNS" C LEFT OUTER JOIN "SYS"."CONSTRAINTS" K ON K."SCHEMA_NAME" = C."SCHEMA_NAME"
  AND K."TABLE_NAME" = C."TABLE_NAME" AND K."COLUMN_NAME" = C."COLUMN_NAME" AND K."IS_PRIMARY_KEY" = 'TRUE'
WHERE (C."SCHEMA_NAME" = COALESCE(CAST(? AS NVARCHAR(256)), CURRENT_SCHEMA) AND C."TABLE_NAME" = ?)
  OR EXISTS (SELECT 1 FROM "SYS"."SYNONYMS" S WHERE S."SCHEMA_NAME" = COALESCE(CAST(? AS NVARCHAR(256)), CURRENT_SCHEMA)
    AND S."SYNONYM_NAME" = ? AND S."OBJECT_SCHEMA" = C."SCHEMA_NAME" AND S."OBJECT_NAME" = C."TABLE_NAME")
ORDER BY C."POSITION""#,
    )
    .with([schema(), super::text(table.name()), schema(), super::text(table.name())]);
    Statement::either(sqlite, hana)
}

/// Every own object on HANA, by name, and the statement that creates it.
#[must_use]
pub fn hana_objects() -> Vec<(&'static str, Statement)> {
    let mut objects: Vec<(&'static str, Statement)> = OWN_TABLES
        .iter()
        .map(|table| {
            let mut statement = Statement::new("CREATE COLUMN TABLE ");
            statement
                .identifier(table.name)
                .push(" (")
                .push(table.columns);
            statement.push(", PRIMARY KEY (").push(table.key).push("))");
            (table.name, statement)
        })
        .collect();
    // Its values stand for 1000 positions each: see `changes::POSITIONS_AT_ONCE`.
    objects.push((
        "QUALTRICS_POSITIONS",
        Statement::new(
            "CREATE SEQUENCE \"QUALTRICS_POSITIONS\" START WITH 1 INCREMENT BY 1000 NO CACHE",
        ),
    ));
    objects
}

/// Reads a type as either database declares it. Nothing for types that no cell can hold.
#[must_use]
pub fn column_type(declared: &str) -> Option<ColumnType> {
    let declared = declared.trim().to_ascii_uppercase();
    let (name, arguments) = match declared.split_once('(') {
        Some((name, rest)) => (
            name.trim_end().to_owned(),
            rest.trim_end().trim_end_matches(')').to_owned(),
        ),
        None => (declared, String::new()),
    };
    let mut arguments = arguments.split(',').map(str::trim);
    Some(match name.as_str() {
        "TINYINT" | "SMALLINT" | "INTEGER" | "INT" => ColumnType::Integer,
        "BIGINT" => ColumnType::BigInt,
        "DOUBLE" | "REAL" | "FLOAT" | "DOUBLE PRECISION" => ColumnType::Double,
        "DECIMAL" | "NUMERIC" | "DEC" => ColumnType::Decimal {
            precision: arguments
                .next()
                .and_then(|text| text.parse().ok())
                .unwrap_or(34),
            scale: arguments
                .next()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
        },
        "BOOLEAN" | "BOOL" => ColumnType::Boolean,
        "DATE" => ColumnType::Date,
        "TIMESTAMP" | "SECONDDATE" | "DATETIME" => ColumnType::Timestamp,
        "NVARCHAR" | "VARCHAR" | "NCHAR" | "CHAR" | "SHORTTEXT" | "ALPHANUM" => {
            ColumnType::NVarchar(
                arguments
                    .next()
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(1),
            )
        }
        "NCLOB" | "CLOB" | "TEXT" => ColumnType::NClob,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_are_read_back() {
        for kind in [
            ColumnType::Integer,
            ColumnType::BigInt,
            ColumnType::Double,
            ColumnType::Decimal {
                precision: 20,
                scale: 6,
            },
            ColumnType::Boolean,
            ColumnType::Date,
            ColumnType::Timestamp,
            ColumnType::NVarchar(5000),
            ColumnType::NClob,
        ] {
            assert_eq!(column_type(&kind.to_string()), Some(kind));
        }
        assert_eq!(column_type("ST_POINT"), None);
        assert_eq!(
            column_type("nvarchar (200)"),
            Some(ColumnType::NVarchar(200))
        );
    }

    #[test]
    fn a_remark_never_ends_early() {
        let table = Table {
            name: "T".parse().unwrap(),
            columns: vec![Column {
                name: "RESPONSEID".parse().unwrap(),
                property: "ResponseId".to_owned(),
                kind: ColumnType::NVarchar(50),
                nullable: false,
            }],
        };
        let remark = "first line\n; DROP TABLE T\u{85}x\u{2028}y";

        let text = create_table_with_remarks(Dialect::Sqlite, &table, &[remark.to_owned()]);

        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(&text).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("-- first line ; DROP TABLE T x y"), "{text}");
    }

    #[test]
    fn every_own_table_is_created_on_sqlite() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        for statement in OWN_TABLES
            .iter()
            .flat_map(|table| table.create(Dialect::Sqlite))
        {
            connection
                .execute_batch(&statement)
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }
}
