//! What a survey's table is, against what the survey wants it to be.

use ingester_core::mapping::MapNote;
use ingester_core::row::{Column, ColumnName};
use ingester_core::sql::{self, Dialect};
use serde::Serialize;

use crate::cli::parts::Inspected;

/// What kind of difference; a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum Kind {
    TableMissing,
    KeyMissing,
    ColumnMissing,
    ColumnNotFilled,
    TypeDiffers,
    TagRenamed,
    Recoded,
    QuestionGone,
    NameTaken,
}

impl Kind {
    /// Stable, as `--output json` has it.
    pub(in crate::cli) fn code(self) -> &'static str {
        match self {
            Self::TableMissing => "table-missing",
            Self::KeyMissing => "key-missing",
            Self::ColumnMissing => "column-missing",
            Self::ColumnNotFilled => "column-not-filled",
            Self::TypeDiffers => "type-differs",
            Self::TagRenamed => "tag-renamed",
            Self::Recoded => "recoded",
            Self::QuestionGone => "question-gone",
            Self::NameTaken => "name-taken",
        }
    }

    /// Whether rows can't be written, or not whole.
    pub(in crate::cli) fn is_problem(self) -> bool {
        match self {
            Self::TableMissing | Self::KeyMissing | Self::ColumnMissing | Self::ColumnNotFilled => {
                true
            }
            Self::TypeDiffers
            | Self::TagRenamed
            | Self::Recoded
            | Self::QuestionGone
            | Self::NameTaken => false,
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Difference {
    pub(in crate::cli) survey: String,
    pub(in crate::cli) table: String,
    pub(in crate::cli) kind: Kind,
    pub(in crate::cli) column: Option<String>,
    pub(in crate::cli) message: String,
    /// What mends it, where a statement does.
    pub(in crate::cli) statement: Option<String>,
}

/// All differences: what keeps rows from being written first, what is only to be known last.
pub(in crate::cli) fn differences(inspected: &Inspected, dialect: Dialect) -> Vec<Difference> {
    let mut found = Vec::from_iter(of_the_table(inspected, dialect));
    if inspected.existing.is_some() {
        found.extend(of_the_columns(inspected, dialect));
    }
    found.extend(of_the_survey(inspected));
    found
}

fn difference(
    inspected: &Inspected,
    kind: Kind,
    column: Option<&ColumnName>,
    message: impl Into<String>,
) -> Difference {
    Difference {
        survey: inspected.settings.id.to_string(),
        table: inspected.settings.table.to_string(),
        kind,
        column: column.map(ToString::to_string),
        message: message.into(),
        statement: None,
    }
}

fn of_the_table(inspected: &Inspected, dialect: Dialect) -> Option<Difference> {
    let Some(existing) = &inspected.existing else {
        let statement = sql::ddl::create_table(dialect, inspected.map.table());
        let message = "there is no such table: `schema apply` creates it";
        return Some(Difference {
            statement: Some(statement.text().to_owned()),
            ..difference(inspected, Kind::TableMissing, None, message)
        });
    };
    let keys: Vec<_> = existing.iter().filter(|column| column.key).collect();
    match &keys[..] {
        [key] if key.column.name.as_ref() == ColumnName::RESPONSE_ID => None,
        _ => {
            let message = "the primary key is not RESPONSEID alone, so no row can be written: give the table that key";
            Some(difference(inspected, Kind::KeyMissing, None, message))
        }
    }
}

fn of_the_columns(inspected: &Inspected, dialect: Dialect) -> Vec<Difference> {
    let wanted = &inspected.map.table().columns;
    let columns = inspected.columns();
    let (fitted, missing) = inspected.map.conform(&columns);
    let mut found = Vec::new();
    for column in wanted
        .iter()
        .filter(|column| missing.contains(&column.name))
    {
        let statement = sql::ddl::add_column(dialect, &inspected.settings.table, column);
        let kind = column.kind;
        let message = format!("the table lacks the column ({kind}): `schema apply` adds it");
        found.push(Difference {
            statement: Some(statement.text().to_owned()),
            ..difference(inspected, Kind::ColumnMissing, Some(&column.name), message)
        });
    }
    for column in inspected.map.unfilled(&columns) {
        let message = "the column is NOT NULL and nothing of the survey fills it, so no row can be written: make it \
                       nullable, give it a default, or drop it";
        found.push(difference(
            inspected,
            Kind::ColumnNotFilled,
            Some(&column),
            message,
        ));
    }
    for there in &fitted.table().columns {
        if let Some(message) = type_difference(there, wanted) {
            found.push(difference(
                inspected,
                Kind::TypeDiffers,
                Some(&there.name),
                message,
            ));
        }
    }
    found
}

/// What changed at Qualtrics. Renames that were noticed earlier are told again: who looks for a column by its tag has to
/// know.
fn of_the_survey(inspected: &Inspected) -> Vec<Difference> {
    let mut found = Vec::new();
    for note in &inspected.notes {
        let (kind, column) = match note {
            MapNote::Renamed { column, .. } => (Kind::TagRenamed, column),
            MapNote::Recoded { column, .. } => (Kind::Recoded, column),
            MapNote::Gone { column, .. } => (Kind::QuestionGone, column),
            MapNote::Suffixed { column, .. } => (Kind::NameTaken, column),
            _ => continue,
        };
        let text = note.to_string();
        let message = text
            .split_once(": ")
            .map_or(text.as_str(), |(_, message)| message);
        found.push(difference(inspected, kind, Some(column), message));
    }
    for entry in inspected.map.codebook() {
        let is_told = found.iter().any(|one| {
            one.kind == Kind::TagRenamed && one.column.as_deref() == Some(entry.column.as_ref())
        });
        if !entry.former_tags.is_empty() && !is_told {
            let former = entry.former_tags.join(", ");
            let message = format!("export tag {former} is now {}", entry.tag);
            found.push(difference(
                inspected,
                Kind::TagRenamed,
                Some(&entry.column),
                message,
            ));
        }
    }
    found
}

/// `R_` and 15 characters: what response ids look like, although longer ones are taken.
const RESPONSE_ID_CHARS: u32 = 17;

fn type_difference(there: &Column, wanted: &[Column]) -> Option<String> {
    use ingester_core::row::ColumnType::NVarchar;

    let wanted = wanted.iter().find(|column| {
        column
            .name
            .as_ref()
            .eq_ignore_ascii_case(there.name.as_ref())
    })?;
    if wanted.kind == there.kind {
        return None;
    }
    let is_key = there.name.as_ref() == ColumnName::RESPONSE_ID;
    let then = match (wanted.kind, there.kind) {
        (NVarchar(_), NVarchar(there)) if is_key && there >= RESPONSE_ID_CHARS => return None,
        (NVarchar(wanted), NVarchar(there)) if there < wanted => ": longer texts are shortened",
        (NVarchar(_), NVarchar(_)) => return None,
        _ => ": what does not fit is a dead letter",
    };
    Some(format!(
        "the column is {}, the survey gives {}{then}",
        there.kind, wanted.kind
    ))
}
