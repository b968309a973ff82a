//! The configured surveys.

use bigdecimal::BigDecimal;
use ingester_core::id::SurveyId;
use ingester_core::row::TableName;
use ingester_core::time::{Timestamp, parse_instant};

use super::database::Database;
use super::error::{ConfigError, Fault, Findings};
use super::file::{Scalar, SurveyTable};
use super::layer::shown;
use super::setting::Origin;

/// One `[[survey]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// The survey at Qualtrics.
    pub id: SurveyId,
    /// The OData entity set.
    pub name: String,
    /// The table of its rows.
    pub table: TableName,
    /// The export tags that become columns; nothing means the default ones.
    pub columns: Option<Vec<String>>,
    /// What empty cells of number columns get, instead of NULL.
    pub missing_number: Option<BigDecimal>,
    /// What empty cells of text columns get, instead of NULL.
    pub missing_text: Option<String>,
    /// Labels instead of values.
    pub labels: bool,
    /// The columns whose values are replaced by their HMAC.
    pub pseudonymize: Vec<String>,
    /// Whether previews and tests are kept.
    pub previews: bool,
    /// Whether columns are added for new questions; nothing means only to tables that we created.
    pub evolve: Option<bool>,
    /// Whether the documents are kept.
    pub keep_raw: bool,
    /// The question that KPIs and trends show at first.
    pub score: Option<String>,
    /// The question that comments are taken from.
    pub comments: Option<String>,
    /// What `serve` loads once, behind live events.
    pub history: History,
}

/// Which responses from before the service `serve` loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// All of them.
    All,
    /// None.
    None,
    /// Those from this instant on.
    Since(Timestamp),
}

impl Survey {
    /// One table of the file; `number` counts from 1, for errors before the id is known.
    pub(super) fn resolve(
        table: SurveyTable,
        number: usize,
        origin: &Origin,
        findings: &mut Findings,
    ) -> Option<Self> {
        let label = table
            .id
            .as_deref()
            .map_or(format!("number {number}"), shown);
        let place = Place { label, origin };
        let id = findings.take(id(table.id.as_deref(), &place))?;
        let name = table.name.unwrap_or_else(|| id.to_string());
        let sql_table = table
            .table
            .unwrap_or_else(|| format!("\"{}\"", name.to_uppercase()));
        let name = findings.take(checked_name(name, &place));
        let sql_table = findings.take(checked_table(&sql_table, &place));
        let columns = findings.take(checked_columns(table.columns, &place));
        let missing = table.missing.unwrap_or_default();
        let missing_number = findings.take(number_of(missing.number, &place));
        let history = findings.take(checked_history(table.history.as_ref(), &place));
        Some(Self {
            id,
            name: name?,
            table: sql_table?,
            columns: columns?,
            missing_number: missing_number?,
            missing_text: missing.text,
            labels: table.labels.unwrap_or(false),
            pseudonymize: table.pseudonymize.unwrap_or_default(),
            previews: table.previews.unwrap_or(false),
            evolve: table.evolve,
            keep_raw: table.keep_raw.unwrap_or(true),
            score: table.score,
            comments: table.comments,
            history: history?,
        })
    }
}

/// Which `[[survey]]` an error is about.
struct Place<'a> {
    label: String,
    origin: &'a Origin,
}

impl Place<'_> {
    fn error(&self, key: &str, problem: impl Into<String>, mend: &str) -> ConfigError {
        let setting = format!("{key} of [[survey]] {}", self.label);
        ConfigError::about(setting, self.origin, Fault::new(problem, mend))
    }
}

fn id(text: Option<&str>, place: &Place<'_>) -> Result<SurveyId, ConfigError> {
    let text =
        text.ok_or_else(|| place.error("id", "is not set", "set it to the survey's id, SV_…"))?;
    let mend = "copy it from the survey's address in Qualtrics";
    text.parse()
        .map_err(|error| place.error("id", format!("is {error}"), mend))
}

fn checked_name(name: String, place: &Place<'_>) -> Result<String, ConfigError> {
    if !is_identifier(&name) {
        let problem = format!("is {}, not an OData identifier", shown(&name));
        let mend = "use letters, digits and _, at most 128, not beginning with a digit";
        return Err(place.error("name", problem, mend));
    }
    if RESERVED_NAMES
        .iter()
        .any(|reserved| name.eq_ignore_ascii_case(reserved))
    {
        let problem = format!(
            "is {}, which is an entity set of the service's own",
            shown(&name)
        );
        return Err(place.error("name", problem, "choose another name"));
    }
    Ok(name)
}

fn checked_table(text: &str, place: &Place<'_>) -> Result<TableName, ConfigError> {
    let table: TableName = text.parse().map_err(|error| {
        let problem = format!("is {}, {error}", shown(text));
        place.error(
            "table",
            problem,
            "write TABLE or \\\"SCHEMA\\\".\\\"TABLE\\\"",
        )
    })?;
    if OWN_TABLES
        .iter()
        .any(|own| table.name().eq_ignore_ascii_case(own))
    {
        let problem = "is a table of the service's own";
        return Err(place.error("table", problem, "choose another table"));
    }
    Ok(table)
}

fn checked_columns(
    columns: Option<Vec<String>>,
    place: &Place<'_>,
) -> Result<Option<Vec<String>>, ConfigError> {
    if columns.as_ref().is_some_and(Vec::is_empty) {
        return Err(place.error("columns", "is empty", "leave it out for all questions"));
    }
    Ok(columns)
}

fn number_of(number: Option<Scalar>, place: &Place<'_>) -> Result<Option<BigDecimal>, ConfigError> {
    let Some(Scalar(text)) = number else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| place.error("missing.number", "is not a number", "write for example -9"))
}

fn checked_history(history: Option<&Scalar>, place: &Place<'_>) -> Result<History, ConfigError> {
    match history.map(|Scalar(text)| text.as_str()) {
        None | Some("all") => Ok(History::All),
        Some("none") => Ok(History::None),
        Some(text) => parse_instant(text).map(History::Since).ok_or_else(|| {
            let mend = "write \"all\", \"none\", or a date like 2024-05-01";
            place.error("history", "is no date", mend)
        }),
    }
}

/// The entity sets beside those of the surveys.
const RESERVED_NAMES: [&str; 2] = ["Surveys", "Questions"];

/// The service's own tables.
const OWN_TABLES: [&str; 7] = [
    "QUALTRICS_INBOX",
    "QUALTRICS_RAW",
    "QUALTRICS_SURVEYS",
    "QUALTRICS_QUESTIONS",
    "QUALTRICS_CHANGES",
    "QUALTRICS_RUNS",
    "QUALTRICS_ERASED",
];

/// Source: OData 4.01 CSDL, 15.2 "Simple Identifier": a letter or `_`, then letters, digits and `_`, at most 128.
fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|c| c.is_alphanumeric() || c == '_')
        && text.chars().count() <= 128
}

/// No two surveys share an id, a name or a table. Names and tables are compared without case: SQLite does so, and
/// two entity sets that differ in case alone are a trap.
pub(super) fn check_unique(
    surveys: &[Survey],
    database: &Database,
    origin: &Origin,
    findings: &mut Findings,
) {
    for (index, survey) in surveys.iter().enumerate() {
        let before = surveys.get(..index).unwrap_or_default();
        let mut shared = |key: &str, value: &str, mend: &str| {
            let place = format!("{key} of [[survey]] \"{}\"", survey.id);
            let problem = format!("is {}, which an earlier survey has too", shown(value));
            findings.error(ConfigError::about(place, origin, Fault::new(problem, mend)));
        };
        if before.iter().any(|other| other.id == survey.id) {
            shared("id", survey.id.as_ref(), "keep one of the two");
            continue;
        }
        if before
            .iter()
            .any(|other| other.name.to_lowercase() == survey.name.to_lowercase())
        {
            shared("name", &survey.name, "give each survey a name of its own");
        }
        if before
            .iter()
            .any(|other| same_table(&other.table, &survey.table, database))
        {
            shared(
                "table",
                &survey.table.to_string(),
                "give each survey a table of its own",
            );
        }
    }
}

/// Only on HANA, and only two different schemas, keep equal names apart: SQLite ignores the schema.
fn same_table(one: &TableName, other: &TableName, database: &Database) -> bool {
    let schemas_differ = match database {
        Database::Sqlite(_) => false,
        Database::Hana(hana) => {
            let schema = |table: &TableName| {
                table
                    .schema()
                    .map(str::to_owned)
                    .or_else(|| hana.schema.clone())
            };
            schema(one)
                .zip(schema(other))
                .is_some_and(|(one, other)| one != other)
        }
    };
    !schemas_differ && one.name().to_lowercase() == other.name().to_lowercase()
}
