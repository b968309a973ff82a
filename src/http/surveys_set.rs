//! The rows of `Surveys`: how fresh and how complete each survey is. Counts and dates of rows are those of the viewer's
//! rows; the rest is operations, for viewers whom some rule gives rows of the survey.

use std::time::Duration;

use ingester_core::access::RowFilter;
use ingester_core::id::SurveyId;
use ingester_core::odata::{self, EntitySet, Incoming, Key, Query, Source, Target};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql;
use ingester_core::time::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::ApiError;
use super::odata::{Reading, number};
use crate::jobs::status::Balance;
use crate::store::{Cells, StoreError};
use crate::surveys::CompiledSurvey;

/// Event-to-row times are those of this long.
const RECENT: Duration = Duration::from_secs(60 * 60);
/// And of this many rows at most.
const RECENT_ROWS_MAX: u32 = 1000;
/// Changes among which the newest that the viewer sees is looked for.
const NEWEST_LOOKED_AT: usize = 20;

/// The values of a set that the service computes; none for others.
pub(super) async fn values(reading: &Reading, set: &EntitySet) -> Result<Vec<Vec<Cell>>, ApiError> {
    if set.source != Source::Values {
        return Ok(Vec::new());
    }
    let operations = Operations::read(reading).await?;
    let mut values = Vec::new();
    for survey in reading.served.surveys() {
        if let Some(set) = visible_set(reading, survey) {
            values.push(row(reading, survey, set, &operations).await?);
        }
    }
    Ok(values)
}

/// The survey's set, if some rule gives the viewer rows of it.
fn visible_set<'a>(
    reading: &'a Reading,
    survey: &CompiledSurvey,
) -> Option<&'a std::sync::Arc<EntitySet>> {
    let model = &reading.served.model;
    let set = model.survey(&survey.settings.id)?;
    let filter = reading.app.access.filter(&reading.viewer, model, set);
    (filter != RowFilter::Nothing).then_some(set)
}

/// In the order of the set's properties.
async fn row(
    reading: &Reading,
    survey: &CompiledSurvey,
    set: &std::sync::Arc<EntitySet>,
    operations: &Operations,
) -> Result<Vec<Cell>, ApiError> {
    let id = &survey.settings.id;
    let (rows, last_response_at) = rows_and_newest(reading, set).await?;
    let changes = changes(reading, id).await?;
    let last_row_at = last_row_at(reading, set, &changes).await?;
    let times = event_to_row_ms(reading.now, &changes);
    let backlog = operations.backlog(id);
    let status = reading.app.jobs.status.of(id);
    let counted = |figure: fn(&Balance) -> u64| {
        status
            .balance
            .as_ref()
            .map_or(Cell::Null, |balance| whole(figure(balance)))
    };
    Ok(vec![
        Cell::Text(id.to_string()),
        Cell::Text(survey.definition.name().to_owned()),
        Cell::Text(survey.settings.name.clone()),
        whole(rows),
        last_response_at,
        last_row_at,
        Cell::Integer(backlog.pending),
        Cell::Integer(backlog.dead),
        backlog.oldest.map_or(Cell::Null, |oldest| {
            Cell::Integer(reading.now.duration_since(oldest).as_secs().max(0))
        }),
        quantile(&times, 50),
        quantile(&times, 99),
        operations.watermark(id),
        Cell::Integer(status.history_loaded.into()),
        counted(|balance| balance.in_qualtrics),
        counted(|balance| balance.skipped),
        counted(|balance| balance.erased),
        counted(|balance| balance.missing),
        Cell::Text(status.callbacks.as_str().to_owned()),
    ])
}

fn whole(count: u64) -> Cell {
    Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// How many rows the viewer sees, and when the newest was recorded.
pub(super) async fn rows_and_newest(
    reading: &Reading,
    set: &EntitySet,
) -> Result<(u64, Cell), ApiError> {
    let path = utf8_percent_encode(&set.name, NON_ALPHANUMERIC).to_string();
    let options = set.recorded_date().map(|date| {
        let date = utf8_percent_encode(&date.name, NON_ALPHANUMERIC);
        format!("$select={date}&$orderby={date}%20desc&$top=1&$count=true")
    });
    let incoming = Incoming {
        method: "GET",
        path: &path,
        query: Some(options.as_deref().unwrap_or("$top=0&$count=true")),
        ..Incoming::default()
    };
    let request = odata::parse(&reading.served.model, &incoming)?;
    let Target::Query(query) = request.target else {
        return Ok((0, Cell::Null));
    };
    let (_, selection) = reading.select(*query, Some(1), &[])?;
    let kinds = selection.shape.kinds().collect();
    let one = [ColumnType::BigInt].into();
    let [count, rows] = reading
        .ask([
            selection.count.map(|count| (count, one)),
            selection.rows.map(|rows| (rows, kinds)),
        ])
        .await?;
    let count = match count {
        Some(count) => number(count).await?,
        None => 0,
    };
    let newest = match rows {
        Some(rows) => rows.all().await?.into_iter().next(),
        None => None,
    };
    let date = newest.and_then(|row| {
        row.into_iter()
            .find(|cell| matches!(cell, Cell::Timestamp(_)))
    });
    Ok((count, date.unwrap_or(Cell::Null)))
}

/// A row of the change log, as far as it matters here.
struct Logged {
    response_id: String,
    received_at: Option<Timestamp>,
    committed_at: Timestamp,
}

/// The survey's newest changes, newest first.
async fn changes(reading: &Reading, survey: &SurveyId) -> Result<Vec<Logged>, StoreError> {
    const KINDS: [ColumnType; 6] = [
        ColumnType::BigInt,
        ColumnType::NVarchar(18),
        ColumnType::NVarchar(69),
        ColumnType::Timestamp,
        ColumnType::Timestamp,
        ColumnType::Timestamp,
    ];
    let logged = |row: &Cells| match &**row {
        [
            _,
            _,
            Cell::Text(response_id),
            _,
            received_at,
            Cell::Timestamp(committed_at),
        ] => Some(Logged {
            response_id: response_id.clone(),
            received_at: match received_at {
                Cell::Timestamp(received_at) => Some(*received_at),
                _ => None,
            },
            committed_at: *committed_at,
        }),
        _ => None,
    };
    let newest = sql::changes::newest(Some(survey.as_ref()), RECENT_ROWS_MAX);
    Ok(reading
        .rows(newest, &KINDS)
        .await?
        .iter()
        .filter_map(logged)
        .collect())
}

/// When the newest row was committed that the viewer sees; null if none of the last ones is.
async fn last_row_at(
    reading: &Reading,
    set: &std::sync::Arc<EntitySet>,
    changes: &[Logged],
) -> Result<Cell, ApiError> {
    for change in changes.iter().take(NEWEST_LOOKED_AT) {
        let query = Query::entity(set.clone(), Key::response(&change.response_id));
        let (_, selection) = reading.select(query, None, &[])?;
        let kinds = selection.shape.kinds().collect();
        let [row] = reading
            .ask([selection.rows.map(|rows| (rows, kinds))])
            .await?;
        if let Some(row) = row
            && !row.all().await?.is_empty()
        {
            return Ok(Cell::Timestamp(change.committed_at));
        }
    }
    Ok(Cell::Null)
}

/// Of the rows that came by callback lately, how long each took; ascending.
fn event_to_row_ms(now: Timestamp, changes: &[Logged]) -> Vec<i64> {
    let since = now.checked_sub(RECENT).unwrap_or(now);
    let recent = changes.iter().filter(|change| change.committed_at >= since);
    let mut times: Vec<i64> = recent
        .filter_map(|change| {
            let time = change.committed_at.duration_since(change.received_at?);
            i64::try_from(time.as_millis()).ok()
        })
        .collect();
    times.sort_unstable();
    times
}

/// The value below which so many percent lie (nearest rank); null of nothing.
fn quantile(ascending: &[i64], percent: usize) -> Cell {
    let rank = (ascending.len() * percent).div_ceil(100).saturating_sub(1);
    ascending
        .get(rank)
        .map_or(Cell::Null, |value| Cell::Integer(*value))
}

/// What the database knows of all surveys.
struct Operations {
    open: Vec<Cells>,
    surveys: Vec<Cells>,
}

#[derive(Default)]
struct Backlog {
    pending: i64,
    dead: i64,
    oldest: Option<Timestamp>,
}

impl Operations {
    async fn read(reading: &Reading) -> Result<Self, StoreError> {
        const OPEN: [ColumnType; 4] = [
            ColumnType::NVarchar(18),
            ColumnType::NVarchar(8),
            ColumnType::BigInt,
            ColumnType::Timestamp,
        ];
        const SURVEYS: [ColumnType; 4] = [
            ColumnType::NVarchar(18),
            ColumnType::NVarchar(100),
            ColumnType::NVarchar(64),
            ColumnType::Timestamp,
        ];
        Ok(Self {
            open: reading.rows(sql::inbox::open_counts(), &OPEN).await?,
            surveys: reading.rows(sql::surveys::list(), &SURVEYS).await?,
        })
    }

    fn backlog(&self, survey: &SurveyId) -> Backlog {
        let mut backlog = Backlog::default();
        for row in &self.open {
            let [
                Cell::Text(of),
                Cell::Text(state),
                Cell::Integer(count),
                oldest,
            ] = &**row
            else {
                continue;
            };
            if of != survey.as_ref() {
                continue;
            }
            if state == "dead" {
                backlog.dead += count;
                continue;
            }
            backlog.pending += count;
            if let Cell::Timestamp(oldest) = oldest {
                backlog.oldest = Some(backlog.oldest.map_or(*oldest, |known| known.min(*oldest)));
            }
        }
        backlog
    }

    fn watermark(&self, survey: &SurveyId) -> Cell {
        let row = self
            .surveys
            .iter()
            .find(|row| matches!(row.first(), Some(Cell::Text(of)) if of == survey.as_ref()));
        row.and_then(|row| row.get(3))
            .cloned()
            .unwrap_or(Cell::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        assert_eq!(quantile(&[], 50), Cell::Null);
        assert_eq!(quantile(&[7], 99), Cell::Integer(7));
        assert_eq!(quantile(&[1, 2, 3, 4], 50), Cell::Integer(2));
        assert_eq!(quantile(&[1, 2, 3, 4], 99), Cell::Integer(4));
    }
}
