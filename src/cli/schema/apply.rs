//! `schema apply`: the table as the survey wants it, by adding only; and its rows filled from the kept documents.

use std::fmt;

use ingester_core::id::ResponseId;
use ingester_core::mapping::ResponseDocument;
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql;
use ingester_core::time::Timestamp;
use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::output;
use crate::config;
use crate::store::{Loaded, Store};
use crate::surveys::{CompiledSurvey, Surveys};

/// Documents read and written together.
const CHUNK: u32 = 200;

/// What applying a survey's schema came to.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Applied {
    pub(super) survey: String,
    pub(super) table: String,
    pub(super) created: bool,
    pub(super) added: Vec<String>,
    /// Rows that got something from their document.
    pub(super) filled: u64,
    /// Rows that had it all.
    pub(super) unchanged: u64,
    /// Responses whose document is not kept.
    pub(super) without_document: u64,
    /// Responses whose document is not what was kept, or gives no row now.
    pub(super) refused: Vec<Refused>,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { survey, table, .. } = self;
        write!(f, "{table} of {survey}: ")?;
        match (self.created, &self.added[..]) {
            (true, _) => f.write_str("created")?,
            (false, added) => write!(f, "{} columns added", added.len())?,
        }
        write!(f, ", {} rows filled", self.filled)
    }
}

/// A response that was left as it is.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    pub(super) response: String,
    pub(super) reason: String,
}

/// A document as `QUALTRICS_RAW` keeps it.
struct Kept {
    response: ResponseId,
    asked_at: Timestamp,
    digest: String,
    document: Option<String>,
}

/// Makes the table or its new columns, then fills them. `surveys` may evolve the table.
pub(super) async fn apply(
    settings: &config::Survey,
    surveys: &Surveys,
    store: &Store,
) -> Result<Applied, CliError> {
    let names = |columns: Option<Vec<crate::store::ExistingColumn>>| -> Option<Vec<String>> {
        let columns = columns?.into_iter();
        Some(
            columns
                .map(|existing| existing.column.name.to_string())
                .collect(),
        )
    };
    let before = names(store.table_columns(&settings.table).await?);
    surveys.compiled(&settings.id).await?;
    // The definition that the database keeps may be older than the survey.
    surveys.refresh(&settings.id).await;
    let compiled = surveys.compiled(&settings.id).await?;
    let mut applied = Applied {
        survey: settings.id.to_string(),
        table: settings.table.to_string(),
        created: before.is_none(),
        ..Applied::default()
    };
    if let (Some(before), Some(after)) =
        (before, names(store.table_columns(&settings.table).await?))
    {
        applied.added = after
            .into_iter()
            .filter(|column| !before.contains(column))
            .collect();
    }
    fill(&compiled, store, &mut applied).await?;
    Ok(applied)
}

/// Maps every kept document again. A row is written only where a cell differs, and only if no newer document came
/// meanwhile, so this may run beside a service, and twice.
async fn fill(
    compiled: &CompiledSurvey,
    store: &Store,
    applied: &mut Applied,
) -> Result<(), CliError> {
    let survey = &compiled.settings.id;
    let bar = output::progress(count(compiled, store).await?);
    bar.set_message(format!(
        "{}: rows from kept documents",
        compiled.settings.name
    ));
    let mut after = String::new();
    loop {
        let chunk = documents(compiled, store, &after).await?;
        let Some(last) = chunk.last() else { break };
        last.response.as_ref().clone_into(&mut after);
        let documents = u64::try_from(chunk.len()).unwrap_or(0);
        let rows = chunk
            .into_iter()
            .filter_map(|kept| row(compiled, kept, applied))
            .collect();
        let report = store.load(survey, rows).await?;
        applied.filled += report.written;
        applied.unchanged += report.unchanged + report.superseded + report.erased;
        let refused = report.refused.into_iter();
        applied
            .refused
            .extend(refused.map(|(response, reason)| Refused {
                response: response.to_string(),
                reason,
            }));
        bar.inc(documents);
    }
    bar.finish_and_clear();
    Ok(())
}

fn row(compiled: &CompiledSurvey, kept: Kept, applied: &mut Applied) -> Option<Loaded> {
    let Some(text) = kept.document else {
        applied.without_document += 1;
        return None;
    };
    let mut refuse = |reason: &str| {
        applied.refused.push(Refused {
            response: kept.response.to_string(),
            reason: reason.to_owned(),
        });
        None
    };
    let document = match ResponseDocument::parse(text.as_bytes(), Some(&kept.response)) {
        Ok(document) if document.digest() == kept.digest => document,
        _ => {
            return refuse(
                "document-altered: the kept document is not what it was: run `reconcile`",
            );
        }
    };
    Some(Loaded {
        response_id: kept.response,
        outcome: compiled.digest(&document, kept.asked_at).outcome,
        settles: None,
    })
}

async fn count(compiled: &CompiledSurvey, store: &Store) -> Result<u64, CliError> {
    let statement = sql::rows::count_documents(&compiled.settings.id);
    let rows = store.rows(statement, &[ColumnType::BigInt]).await?;
    Ok(match rows.first().map(|row| &**row) {
        Some([Cell::Integer(count)]) => u64::try_from(*count).unwrap_or(0),
        _ => 0,
    })
}

async fn documents(
    compiled: &CompiledSurvey,
    store: &Store,
    after: &str,
) -> Result<Vec<Kept>, CliError> {
    const KINDS: [ColumnType; 5] = [
        ColumnType::NVarchar(69),
        ColumnType::Timestamp,
        ColumnType::Timestamp,
        ColumnType::NVarchar(64),
        ColumnType::NClob,
    ];
    let statement = sql::rows::documents_after(&compiled.settings.id, after, CHUNK);
    let rows = store.rows(statement, &KINDS).await?;
    Ok(rows.iter().filter_map(|row| kept(row)).collect())
}

fn kept(row: &[Cell]) -> Option<Kept> {
    let [
        Cell::Text(response),
        _,
        Cell::Timestamp(asked_at),
        Cell::Text(digest),
        document,
    ] = row
    else {
        return None;
    };
    Some(Kept {
        response: response.parse().ok()?,
        asked_at: *asked_at,
        digest: digest.clone(),
        document: match document {
            Cell::Text(text) => Some(text.clone()),
            _ => None,
        },
    })
}
