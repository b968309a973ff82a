//! Each configured survey: access, definition, settings, table, and the right to write to it.

use ingester_core::id::ResponseId;
use ingester_core::row::{Cell, Column, ColumnName, ColumnType, Row, Table};
use ingester_core::sql;
use ingester_core::time::Timestamp;

use super::{Finding, Report, Systems, Verdict};
use crate::cli::error::CliError;
use crate::cli::parts::{self, Inspected};
use crate::cli::schema::diff::{self, Kind};
use crate::config;
use crate::lifecycle::Lifecycle;
use crate::qualtrics::{Priority, Qualtrics};
use crate::service;
use crate::store::Store;
use crate::telemetry::audit::Act;
use crate::telemetry::metrics::Metrics;

pub(super) async fn check(report: &mut Report, systems: &Systems<'_>) {
    for settings in &systems.config.surveys {
        let id = &settings.id;
        if let Some(qualtrics) = &systems.qualtrics {
            if !access(report, qualtrics, settings).await {
                continue;
            }
            responses(report, qualtrics, settings).await;
        }
        let Some(store) = &systems.store else {
            report.add(Finding::skipped("table", "needs the database").of(id));
            continue;
        };
        match inspect(systems, settings, store).await {
            Ok(inspected) => {
                let inspected = if report.fix {
                    mended(report, systems, inspected, store).await
                } else {
                    inspected
                };
                table(report, store, &inspected).await;
            }
            Err(error) => {
                report.add(Finding::problem("definition", "definition", error.to_string()).of(id));
            }
        }
    }
}

/// Whether the credentials see the survey. One that is closed is worth a word.
async fn access(report: &mut Report, qualtrics: &Qualtrics, settings: &config::Survey) -> bool {
    match qualtrics.survey(&settings.id).await {
        Ok(state) if state.is_active => {
            report
                .add(Finding::ok("survey", format!("\"{}\", active", state.name)).of(&settings.id));
            true
        }
        Ok(state) => {
            let message = format!("\"{}\" is not active: it takes no responses", state.name);
            report.add(Finding::warning("survey", message).of(&settings.id));
            true
        }
        Err(error) => {
            let message = if error.is_not_found() {
                format!(
                    "{error}: check the id of the [[survey]], and that the credentials' owner sees it (`survey list`)"
                )
            } else {
                error.to_string()
            };
            report.add(Finding::problem("survey", error.code(), message).of(&settings.id));
            false
        }
    }
}

/// Whether single responses can be read, which is what every row needs: one that nobody has is asked for, and the right
/// answer is that there is none.
async fn responses(report: &mut Report, qualtrics: &Qualtrics, settings: &config::Survey) {
    let Ok(nobodys) = "R_000000000000000".parse::<ResponseId>() else {
        return;
    };
    let read = qualtrics
        .response(&settings.id, &nobodys, Priority::Live)
        .await;
    let finding = match read {
        Err(error) if !error.is_not_yet() => {
            Finding::problem("responses", error.code(), error.to_string())
        }
        _ => Finding::ok("responses", "can be read"),
    };
    report.add(finding.of(&settings.id));
}

async fn inspect(
    systems: &Systems<'_>,
    settings: &config::Survey,
    store: &Store,
) -> Result<Inspected, CliError> {
    let life = Lifecycle::new();
    let qualtrics = match &systems.qualtrics {
        Some(qualtrics) => qualtrics.clone(),
        None => parts::qualtrics_or_none(systems.config, &life)?,
    };
    Inspected::look(settings, systems.config, &qualtrics, store).await
}

/// Creates the table, or adds columns where the survey may evolve; then looks again.
async fn mended(
    report: &mut Report,
    systems: &Systems<'_>,
    inspected: Inspected,
    store: &Store,
) -> Inspected {
    let dialect = store.dialect();
    let before = diff::differences(&inspected, dialect);
    let is_mendable = |kind: Kind| matches!(kind, Kind::TableMissing | Kind::ColumnMissing);
    let Some(qualtrics) = &systems.qualtrics else {
        return inspected;
    };
    if !before.iter().any(|one| is_mendable(one.kind)) {
        return inspected;
    }
    let id = &inspected.settings.id;
    let surveys = service::surveys(
        systems.config,
        store.clone(),
        qualtrics.clone(),
        Metrics::new(),
    );
    if let Ok(surveys) = surveys {
        if let Err(error) = surveys.compiled(id).await {
            report.add(Finding::problem("table", error.code(), error.to_string()).of(id));
        }
        // What goes wrong here shows in the differences that are left.
        drop(surveys.refresh(id).await);
    }
    let Ok(after) = inspect(systems, &inspected.settings, store).await else {
        return inspected;
    };
    let left = diff::differences(&after, dialect);
    for one in before
        .iter()
        .filter(|one| is_mendable(one.kind) && !left.contains(one))
    {
        let message = match &one.column {
            Some(column) => format!(
                "added column {column} to {}; `schema apply` fills it in old rows",
                one.table
            ),
            None => format!("created table {}", one.table),
        };
        parts::audit(systems.config, Act::SchemaApply, &message);
        report.add(Finding::new("table", Verdict::Mended, message).of(id));
    }
    after
}

/// Whether the database lets us make the table, as `serve` does.
async fn can_create(store: &Store, inspected: &Inspected) -> bool {
    let dialect = store.dialect();
    let create = sql::ddl::create_table(dialect, inspected.map.table());
    let look = sql::rows::count(dialect, &inspected.settings.table);
    let made = store.rehearse(vec![create], look, &[ColumnType::BigInt]);
    made.await.is_ok()
}

async fn table(report: &mut Report, store: &Store, inspected: &Inspected) {
    let id = &inspected.settings.id;
    let table = &inspected.settings.table;
    if inspected.existing.is_none() && can_create(store, inspected).await {
        let message = format!("{table} is not there yet: `serve` creates it");
        report.add(Finding::ok("table", message).of(id));
        return;
    }
    let differences = diff::differences(inspected, store.dialect());
    for one in &differences {
        let about = one.column.as_ref();
        let about = about.map_or_else(|| table.to_string(), |column| format!("{table} {column}"));
        let message = format!("{about}: {}", one.message);
        let mut finding = if one.kind.is_problem() {
            Finding::problem("table", one.kind.code(), message)
        } else {
            Finding::warning("table", message)
        };
        finding.code = Some(one.kind.code().to_owned());
        finding.statement.clone_from(&one.statement);
        report.add(finding.of(id));
    }
    if inspected.existing.is_none() || differences.iter().any(|one| one.kind == Kind::KeyMissing) {
        return;
    }
    let (fitted, _) = inspected.map.conform(&inspected.columns());
    report.add(
        match write(store, fitted.table()).await {
            Ok(()) => Finding::ok("table", format!("{table} takes rows")),
            Err(error) => Finding::problem(
                "table",
                error.code(),
                format!("{table} takes no rows: {error}"),
            ),
        }
        .of(id),
    );
}

/// Writes a row and takes it back.
async fn write(store: &Store, table: &Table) -> Result<(), crate::store::StoreError> {
    const RESPONSE: &str = "R_checkOfTheTable";
    let Ok(response) = RESPONSE.parse::<ResponseId>() else {
        return Ok(());
    };
    let cells = table.columns.iter().map(|column| filler(column, &response));
    let row = Row(cells.collect());
    let dialect = store.dialect();
    let kinds: Vec<ColumnType> = table.columns.iter().map(|column| column.kind).collect();
    let upsert = sql::rows::upsert(dialect, table, row);
    let look = sql::rows::current(dialect, table, &response);
    store.rehearse(vec![upsert], look, &kinds).await.map(drop)
}

/// Something for a column that must be filled.
fn filler(column: &Column, response: &ResponseId) -> Cell {
    if column.name.as_ref() == ColumnName::RESPONSE_ID {
        return Cell::Text(response.to_string());
    }
    if column.nullable {
        return Cell::Null;
    }
    match column.kind {
        ColumnType::Integer | ColumnType::BigInt => Cell::Integer(0),
        ColumnType::Double => Cell::Double(0.0),
        ColumnType::Decimal { .. } => Cell::Decimal(0.into()),
        ColumnType::Boolean => Cell::Boolean(false),
        ColumnType::Date => super::date("1970-01-01"),
        ColumnType::Timestamp => Cell::Timestamp(Timestamp::UNIX_EPOCH),
        ColumnType::NVarchar(_) | ColumnType::NClob => Cell::Text(String::new()),
    }
}
