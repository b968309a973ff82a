//! Removes every trace of responses here, and says so without telling whose they were.
//!
//! What is removed: row, document, event, changes, and what the database file and its log still hold of them. A salted
//! hash stays, so that no callback, export or reconcile brings them back. Nothing is deleted at Qualtrics.

use std::collections::BTreeSet;
use std::time::Duration;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::row::{Cell, ColumnName, ColumnType, TableName};
use ingester_core::sql;
use ingester_core::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{JobError, Jobs};
use crate::lifecycle;
use crate::qualtrics::Priority;
use crate::store::{Erased, Remember};
use crate::surveys::CompiledSurvey;

/// Responses removed in one transaction.
const TOGETHER: usize = 200;
const PAGE: u32 = 500;
/// Responses that Qualtrics is asked for one by one.
const ASKED_MAX: usize = 50;
/// How long readers may keep the log from being cut.
const LOG_DEADLINE: Duration = Duration::from_secs(15);

/// Which responses are meant.
#[derive(Debug, Clone)]
pub enum Which {
    /// These.
    Ids(Vec<ResponseId>),
    /// Those with this value, or its pseudonym, in a field: an export tag, a property or a key.
    Where {
        /// The field.
        field: String,
        /// The value; white space around it and letter case don't count.
        value: String,
    },
}

/// Responses of one survey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The survey.
    pub survey: SurveyId,
    /// Its table, if it is configured.
    table: Option<TableName>,
    /// The responses.
    pub responses: Vec<ResponseId>,
    /// What is here of them.
    pub traces: Erased,
}

impl Selection {
    /// Whether nothing is here of the responses.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let traces = &self.traces;
        traces.rows + traces.documents + traces.events + traces.changes == 0
    }
}

/// What was removed of a survey. Holds no personal data: hashes are salted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The survey.
    pub survey: String,
    /// When.
    pub erased_at: Timestamp,
    /// False for `--dry-run`: then the counts say what would be removed.
    pub erased: bool,
    /// How many responses were meant.
    pub responses: u64,
    /// Rows.
    pub rows: u64,
    /// Kept documents.
    pub documents: u64,
    /// Events of the inbox, dead letters included.
    pub events: u64,
    /// Entries of the change log.
    pub changes: u64,
    /// How many of the responses are still at Qualtrics; nothing if it could not be asked.
    pub still_at_qualtrics: Option<u64>,
    /// Whether nothing of them is left in the database's log.
    pub log_cleared: bool,
    /// What keeps them from coming back.
    pub hashes: Vec<String>,
}

impl Jobs {
    /// Finds responses, in one survey or in all, with what is here of them. Ids that are nowhere here are taken to be of
    /// every survey: they may still come.
    ///
    /// # Errors
    /// If the database can't be read, or a survey's map can't be had.
    pub async fn select(
        &self,
        which: &Which,
        survey: Option<&SurveyId>,
    ) -> Result<Vec<Selection>, JobError> {
        let mut selections = Vec::new();
        for id in self.all_surveys().await? {
            if survey.is_some_and(|survey| *survey != id) {
                continue;
            }
            let responses = match which {
                Which::Ids(ids) => ids.clone(),
                Which::Where { field, value } => self.having(&id, field, value).await?,
            };
            let table = self.surveys.get(&id).map(|settings| settings.table.clone());
            let traces = self.traces(&id, table.as_ref(), &responses).await?;
            selections.push(Selection {
                survey: id,
                table,
                responses,
                traces,
            });
        }
        let has_traces = |selection: &Selection| !selection.is_nothing();
        if selections.iter().any(has_traces) {
            selections.retain(has_traces);
        }
        Ok(selections)
    }

    /// The configured surveys, and those that the database holds something of.
    async fn all_surveys(&self) -> Result<BTreeSet<SurveyId>, JobError> {
        let rows = self
            .store
            .rows(sql::surveys::list(), &[ColumnType::NVarchar(18)])
            .await?;
        let kept = rows.iter().filter_map(|row| match &**row {
            [Cell::Text(survey)] => survey.parse().ok(),
            _ => None,
        });
        Ok(kept.chain(self.surveys.ids().iter().cloned()).collect())
    }

    async fn traces(
        &self,
        survey: &SurveyId,
        table: Option<&TableName>,
        responses: &[ResponseId],
    ) -> Result<Erased, JobError> {
        const KINDS: [ColumnType; 2] = [ColumnType::NVarchar(9), ColumnType::BigInt];
        let mut traces = Erased::default();
        for response in responses {
            let one = std::slice::from_ref(response);
            // A survey's table may not be there yet.
            if let Some(table) = table
                && let Ok(rows) = self.store.ids_of(table, one).await
            {
                traces.rows += u64::try_from(rows.len()).unwrap_or(u64::MAX);
            }
            let rows = self
                .store
                .rows(sql::bulk::traces(survey, response), &KINDS)
                .await?;
            for row in rows {
                let [Cell::Text(kind), Cell::Integer(count)] = &*row else {
                    continue;
                };
                let count = u64::try_from(*count).unwrap_or_default();
                match kind.as_str() {
                    "documents" => traces.documents += count,
                    "events" => traces.events += count,
                    _ => traces.changes += count,
                }
            }
        }
        Ok(traces)
    }

    /// Erases what was selected, and keeps the hashes.
    ///
    /// # Errors
    /// If the database refuses; what was erased by then stays so, and the same can be asked for again.
    pub async fn erase(&self, selection: &Selection) -> Result<Receipt, JobError> {
        let Selection {
            survey,
            table,
            responses,
            ..
        } = selection;
        let mut removed = Erased::default();
        for responses in responses.chunks(TOGETHER) {
            let erase = |table| {
                let responses = responses.to_vec();
                self.store.erase(survey, table, responses, Remember::Hash)
            };
            let erased = match erase(table.clone()).await {
                // Where no table is there is no row; everything else of them goes all the same.
                Err(error) if error.is_missing_table() => erase(None).await?,
                erased => erased?,
            };
            removed.rows += erased.rows;
            removed.documents += erased.documents;
            removed.events += erased.events;
            removed.changes += erased.changes;
            removed.log_cleared = erased.log_cleared;
        }
        let begun = Instant::now();
        while !removed.log_cleared && begun.elapsed() < LOG_DEADLINE {
            sleep(Duration::from_millis(500)).await;
            let nothing = self.store.erase(survey, None, Vec::new(), Remember::Hash);
            removed.log_cleared = nothing.await?.log_cleared;
        }
        let mut receipt = self.receipt(selection, removed).await?;
        receipt.erased = true;
        receipt.still_at_qualtrics = self.still_there(survey, responses).await;
        Ok(receipt)
    }

    /// What an erasure would remove.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn rehearse_erasure(&self, selection: &Selection) -> Result<Receipt, JobError> {
        let mut receipt = self.receipt(selection, selection.traces).await?;
        receipt.still_at_qualtrics = self
            .still_there(&selection.survey, &selection.responses)
            .await;
        Ok(receipt)
    }

    /// Lifts erasures: the responses may come again.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn forget_erasure(&self, selection: &Selection) -> Result<u64, JobError> {
        let hashes = self
            .store
            .hashes(&selection.survey, &selection.responses)
            .await?;
        let forget = hashes.iter().map(|hash| sql::erased::forget(hash));
        Ok(self.store.run(forget.collect()).await?.iter().sum())
    }

    async fn receipt(&self, selection: &Selection, removed: Erased) -> Result<Receipt, JobError> {
        let Selection {
            survey, responses, ..
        } = selection;
        Ok(Receipt {
            survey: survey.to_string(),
            erased_at: lifecycle::now(),
            erased: false,
            responses: u64::try_from(responses.len()).unwrap_or(u64::MAX),
            rows: removed.rows,
            documents: removed.documents,
            events: removed.events,
            changes: removed.changes,
            still_at_qualtrics: None,
            log_cleared: removed.log_cleared,
            hashes: self.store.hashes(survey, responses).await?,
        })
    }

    async fn still_there(&self, survey: &SurveyId, responses: &[ResponseId]) -> Option<u64> {
        if responses.len() > ASKED_MAX {
            return None;
        }
        let mut there = 0;
        for response in responses {
            let read = self
                .qualtrics
                .response(survey, response, Priority::Reconcile);
            match read.await {
                Ok(_) => there += 1,
                Err(error) if error.is_not_found() => {}
                Err(error) if error.is_not_yet() => there += 1,
                Err(_) => return None,
            }
        }
        Some(there)
    }

    /// The responses of a survey that have a value in a field: by their rows, and by their documents, which hold more.
    async fn having(
        &self,
        survey: &SurveyId,
        field: &str,
        value: &str,
    ) -> Result<Vec<ResponseId>, JobError> {
        let mut keys = BTreeSet::from([field.to_owned()]);
        // SQLite knows the letter case of ASCII only.
        let mut wanted = vec![normal(value), value.trim().to_ascii_lowercase()];
        let mut found = BTreeSet::new();
        if self.surveys.get(survey).is_some() {
            let compiled = self.surveys.compiled(survey).await?;
            wanted.extend(compiled.pseudonym(value));
            for (column, key) in columns(&compiled, field) {
                keys.insert(key);
                let statement =
                    sql::bulk::having(self.store.dialect(), &compiled.table.name, &column, &wanted);
                let rows = self.store.rows(statement, &[ColumnType::NVarchar(69)]);
                found.extend(rows.await?.iter().filter_map(|row| match &**row {
                    [Cell::Text(id)] => id.parse::<ResponseId>().ok(),
                    _ => None,
                }));
            }
        }
        let mut after = String::new();
        loop {
            let kept = self.store.documents_after(survey, &after, PAGE).await?;
            let Some(last) = kept.last() else {
                return Ok(found.into_iter().collect());
            };
            after = last.response_id.to_string();
            found.extend(
                kept.into_iter()
                    .filter(|kept| {
                        let document = kept.document.as_deref().unwrap_or_default();
                        has_value(document, &keys, &wanted)
                    })
                    .map(|kept| kept.response_id),
            );
        }
    }
}

/// The columns that a field means, with the keys of their answers.
fn columns(survey: &CompiledSurvey, field: &str) -> Vec<(ColumnName, String)> {
    let is_meant = |name: &str| name.eq_ignore_ascii_case(field);
    survey
        .map
        .codebook()
        .iter()
        .filter(|entry| {
            is_meant(&entry.tag) || is_meant(&entry.property) || is_meant(entry.column.as_ref())
        })
        .map(|entry| (entry.column.clone(), entry.key.clone()))
        .collect()
}

/// As values are compared.
fn normal(value: &str) -> String {
    value.trim().to_lowercase()
}

fn has_value(document: &str, keys: &BTreeSet<String>, wanted: &[String]) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(document) else {
        return false;
    };
    let is_wanted = |value: &Value| match value {
        Value::String(text) => wanted.contains(&normal(text)),
        Value::Number(number) => wanted.contains(&number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    };
    let values = document.get("values").and_then(Value::as_object);
    values.is_some_and(|values| {
        values.iter().any(|(key, value)| {
            keys.iter().any(|wanted| wanted.eq_ignore_ascii_case(key)) && is_wanted(value)
        })
    })
}
