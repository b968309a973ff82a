//! Every folder of `fixtures/surveys` is a case: its answers of Qualtrics give the expected table, and its responses the
//! expected rows.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers fail by panicking"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ingester_core::id::SurveyId;
use ingester_core::mapping::{
    CodebookEntry, ColumnMap, MapNote, MapOptions, Mapped, PseudonymKey, ResponseDocument,
};
use ingester_core::row::{Cell, ColumnName};
use ingester_core::survey::{DefinitionAnswers, SurveyDefinition};
use ingester_core::time::to_text;
use serde_json::{Map, Value, json};

#[test]
fn every_survey_gives_the_expected_table_and_rows() {
    let mut differences = String::new();
    for folder in folders() {
        let survey = Survey::read(&folder);
        survey.check("table.json", &survey.table(), &mut differences);
        survey.check("rows.json", &survey.rows(), &mut differences);
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn a_stored_definition_gives_the_same_map() {
    for folder in folders() {
        let survey = Survey::read(&folder);

        let stored = SurveyDefinition::from_json(&survey.definition.to_json()).unwrap();

        assert_eq!(stored, survey.definition, "{}", folder.display());
        assert_eq!(stored.version(), survey.definition.version());
    }
}

#[test]
fn a_stored_codebook_keeps_every_column() {
    for folder in folders() {
        let survey = Survey::read(&folder);
        let stored: Vec<CodebookEntry> = survey.map.codebook().iter().map(stored).collect();

        let (again, notes) =
            ColumnMap::compile(&survey.definition, &survey.options, &stored).unwrap();

        assert_eq!(notes, Vec::<MapNote>::new(), "{}", folder.display());
        assert_eq!(again.table(), survey.map.table());
        assert_eq!(again.codebook(), survey.map.codebook());
    }
}

/// Through the columns of `QUALTRICS_QUESTIONS`.
fn stored(entry: &CodebookEntry) -> CodebookEntry {
    CodebookEntry::from_stored(
        entry.column.clone(),
        entry.property.clone(),
        entry.tag.clone(),
        &entry.question_key(),
        entry.text.clone(),
        entry.kind.clone(),
        &entry.choices_json(),
    )
    .unwrap()
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/surveys");
    let mut folders: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

struct Survey {
    folder: PathBuf,
    definition: SurveyDefinition,
    options: MapOptions,
    map: ColumnMap,
    notes: Vec<MapNote>,
}

impl Survey {
    fn read(folder: &Path) -> Self {
        let id: SurveyId = folder
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let answer = |name: &str| fs::read(folder.join(name)).ok();
        let (schema, survey, definition) = (
            answer("response-schema.json"),
            answer("survey.json"),
            answer("survey-definition.json"),
        );
        let definition = SurveyDefinition::from_answers(
            &id,
            &DefinitionAnswers {
                response_schema: schema.as_deref(),
                survey: survey.as_deref(),
                survey_definition: definition.as_deref(),
            },
        )
        .unwrap();
        let options = answer("options.json").map_or_else(
            || MapOptions::new(id.to_string().parse().unwrap()),
            |options| read_options(&id, &serde_json::from_slice(&options).unwrap()),
        );
        let (map, notes) = ColumnMap::compile(&definition, &options, &[])
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        Self {
            folder: folder.to_owned(),
            definition,
            options,
            map,
            notes,
        }
    }

    /// Compares with the expected file. What differs is written beside the build, to be looked at and copied.
    fn check(&self, name: &str, actual: &str, differences: &mut String) {
        let path = self.folder.join("expected").join(name);
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if expected.trim() == actual.trim() {
            return;
        }
        let survey = self.folder.file_name().unwrap();
        let beside = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("surveys")
            .join(survey)
            .join("expected");
        fs::create_dir_all(&beside).unwrap();
        fs::write(beside.join(name), format!("{actual}\n")).unwrap();
        writeln!(
            differences,
            "{} differs from {}",
            beside.join(name).display(),
            path.display()
        )
        .unwrap();
    }

    fn table(&self) -> String {
        let columns = self.map.table().columns.iter().zip(self.map.codebook());
        let columns = columns.map(|(column, entry)| {
            assert_eq!(column.name, entry.column);
            let mut shown = json!({
                "column": column.name.as_ref(),
                "property": column.property,
                "type": column.kind.to_string(),
                "tag": entry.tag,
                "key": entry.question_key(),
                "kind": entry.kind,
                "text": entry.text,
            });
            if !entry.choices.is_empty() {
                let choices = entry
                    .choices
                    .iter()
                    .map(|choice| format!("{} {}", choice.recode, choice.label));
                shown["choices"] = choices.collect::<Vec<_>>().join(" | ").into();
            }
            shown.to_string()
        });
        let notes: Vec<String> = self.notes.iter().map(ToString::to_string).collect();
        let facts = json!({
            "name": self.definition.name(),
            "brand": self.definition.brand_id(),
            "lastModified": self.definition.last_modified().map(to_text),
            "active": self.definition.is_active(),
            "embedded": self.definition.embedded_fields().collect::<Vec<_>>(),
            "score": self.map.score().map(|entry| &entry.tag),
            "comments": self.map.comments().map(|entry| &entry.tag),
            "notes": notes,
        });
        lines(std::iter::once(facts.to_string()).chain(columns))
    }

    fn rows(&self) -> String {
        let mut responses: Vec<PathBuf> = fs::read_dir(self.folder.join("responses"))
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        responses.sort();
        lines(responses.iter().map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let mut outcome = self.outcome(&fs::read(path).unwrap());
            outcome.insert("response".to_owned(), name.into());
            Value::Object(outcome).to_string()
        }))
    }

    fn outcome(&self, bytes: &[u8]) -> Map<String, Value> {
        let key: PseudonymKey = "a key for tests, of 32 characters".parse().unwrap();
        let outcome = match ResponseDocument::parse(bytes, None) {
            Err(error) => json!({ "error": error.code(), "message": error.to_string() }),
            Ok(document) => {
                let redacted = self.map.redact(&document, Some(&key)).unwrap();
                match self.map.map(&redacted) {
                    Err(error) => json!({ "error": error.code(), "message": error.to_string() }),
                    Ok(Mapped::Skip(reason)) => json!({ "skip": reason.code() }),
                    Ok(Mapped::Row {
                        row,
                        unknown,
                        truncated,
                        ..
                    }) => {
                        let columns = self.map.table().columns.iter().zip(row.0.iter());
                        let cells: Map<String, Value> = columns
                            .filter(|(_, cell)| **cell != Cell::Null)
                            .map(|(column, cell)| (column.name.to_string(), shown(cell)))
                            .collect();
                        let truncated: Vec<&str> =
                            truncated.iter().map(ColumnName::as_ref).collect();
                        json!({ "row": cells, "unknown": unknown, "truncated": truncated })
                    }
                }
            }
        };
        outcome.as_object().unwrap().clone()
    }
}

/// A JSON array with one element a line: short to read, and a difference shows where it is.
fn lines(elements: impl Iterator<Item = String>) -> String {
    format!("[\n{}\n]", elements.collect::<Vec<_>>().join(",\n"))
}

fn shown(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Boolean(value) => (*value).into(),
        Cell::Integer(value) => (*value).into(),
        Cell::Decimal(value) => json!({ "decimal": value.to_plain_string() }),
        Cell::Double(value) => (*value).into(),
        Cell::Date(value) => value.to_string().into(),
        Cell::Timestamp(value) => to_text(*value).into(),
        Cell::Text(value) if value.len() > 200 => {
            format!("{} characters", value.chars().count()).into()
        }
        Cell::Text(value) => value.clone().into(),
    }
}

fn read_options(id: &SurveyId, options: &Value) -> MapOptions {
    let texts = |name: &str| {
        let list = options.get(name)?.as_array()?;
        Some(
            list.iter()
                .map(|text| text.as_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
        )
    };
    let text = |name: &str| Some(options.get(name)?.as_str()?.to_owned());
    let flag = |name: &str| options.get(name).and_then(Value::as_bool).unwrap_or(false);
    MapOptions {
        columns: texts("columns"),
        missing_number: text("missingNumber").map(|number| number.parse().unwrap()),
        missing_text: text("missingText"),
        labels: flag("labels"),
        pseudonymize: texts("pseudonymize").unwrap_or_default(),
        previews: flag("previews"),
        score: text("score"),
        comments: text("comments"),
        ..MapOptions::new(
            text("table")
                .unwrap_or_else(|| id.to_string())
                .parse()
                .unwrap(),
        )
    }
}
