//! The columns of a table export: three header rows, and the cells of a response.
//!
//! Source: recorded CSV files and their ImportIds; the dossier's derivation rules for what was not recorded.

use serde_json::{Value, json};

use crate::clock;
use crate::export::parameters::Parameters;
use crate::json::scalar_text;
use crate::response::document::Document;
use crate::survey::Survey;
use crate::survey::field::{Cell, Field, Shape};
use crate::survey::metadata::{METADATA, Metadata, PERSONAL, Type};

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) tag: String,
    pub(crate) text: String,
    /// Row three: what identifies the column.
    pub(crate) import: String,
    source: Source,
    labels: bool,
}

#[derive(Clone, Debug)]
enum Source {
    Metadata(&'static Metadata),
    Field {
        key: String,
        cell: Cell,
        shape: Shape,
    },
    Value(String),
}

pub(crate) fn columns(survey: &Survey, parameters: &Parameters) -> Vec<Column> {
    let mut list = Vec::new();
    let wanted = |ids: &Option<Vec<String>>, id: &str| {
        ids.as_ref()
            .is_none_or(|ids| ids.iter().any(|one| one == id))
    };
    for metadata in &METADATA {
        let hidden = survey.anonymous && PERSONAL.contains(&metadata.key);
        if !hidden && wanted(&parameters.survey_metadata_ids, metadata.key) {
            list.push(of_metadata(metadata));
        }
    }
    if parameters.by_modification() {
        list.push(of_metadata(&MODIFIED));
    }
    for field in &survey.fields {
        let shown = parameters.display_order() || !matches!(field.shape, Shape::Order(_));
        if shown && wanted(&parameters.question_ids, &field.question) {
            list.extend(of_field(field, parameters));
        }
    }
    let named = survey
        .extras
        .iter()
        .map(|extra| (&extra.key, &extra.tag, &extra.text));
    let embedded = survey
        .embedded
        .iter()
        .map(|field| (&field.name, &field.name, &field.name));
    for (key, tag, text) in named.chain(embedded) {
        if wanted(&parameters.embedded_data_ids, key) {
            list.push(Column {
                tag: tag.clone(),
                text: text.clone(),
                import: import(key, None, None),
                source: Source::Value(key.clone()),
                labels: false,
            });
        }
    }
    if parameters.labels() {
        for column in &mut list {
            column.labels = true;
        }
    }
    list
}

const MODIFIED: Metadata = Metadata {
    key: "lastModifiedDate",
    tag: "LastModifiedDate",
    text: "Last Modified Date",
    kind: Type::Date,
};

fn import(key: &str, choice: Option<&str>, zone: Option<&str>) -> String {
    // Written by hand: the order of the members is recorded.
    let text = |value: &str| json!(value).to_string();
    let mut object = format!("{{\"ImportId\":{}", text(key));
    if let Some(choice) = choice {
        object.push_str(&format!(",\"choiceId\":{}", text(choice)));
    }
    if let Some(zone) = zone {
        object.push_str(&format!(",\"timeZone\":{}", text(zone)));
    }
    object.push('}');
    object
}

fn of_metadata(metadata: &'static Metadata) -> Column {
    Column {
        tag: metadata.tag.to_owned(),
        text: metadata.text.to_owned(),
        import: import(
            metadata.key,
            None,
            (metadata.kind == Type::Date).then_some("Z"),
        ),
        source: Source::Metadata(metadata),
        labels: false,
    }
}

fn of_field(field: &Field, parameters: &Parameters) -> Vec<Column> {
    let column = |tag: &str, text: &str, choice: Option<&str>, cell: &Cell| Column {
        tag: tag.to_owned(),
        text: text.to_owned(),
        import: import(&field.key, choice, None),
        source: Source::Field {
            key: field.key.clone(),
            cell: cell.clone(),
            shape: field.shape.clone(),
        },
        labels: false,
    };
    let whole = matches!(field.shape, Shape::Multi(_)) && !parameters.breakout();
    let mut list: Vec<Column> = if whole {
        vec![column(&field.tag, &field.text, None, &Cell::Whole)]
    } else {
        let each = field.columns.iter();
        each.map(|one| column(&one.tag, &one.text, one.choice.as_deref(), &one.cell))
            .collect()
    };
    let labelled = matches!(
        field.shape,
        Shape::Single(_) | Shape::Multi(_) | Shape::NpsGroup
    );
    if parameters.label_columns() && labelled {
        let of_labels = list.iter().map(|column| Column {
            import: column.import.replacen('}', ",\"IsLabelsColumn\":true}", 1),
            labels: true,
            ..column.clone()
        });
        let of_labels: Vec<Column> = of_labels.collect();
        list = list
            .into_iter()
            .zip(of_labels)
            .flat_map(|(code, label)| [code, label])
            .collect();
    }
    list
}

impl Column {
    /// The cell of a response; empty where it has no value.
    pub(crate) fn cell(&self, document: &Document, parameters: &Parameters) -> String {
        match &self.source {
            Source::Metadata(metadata) => {
                let Some(value) = document.values.get(metadata.key) else {
                    return String::new();
                };
                let text = scalar_text(value);
                match metadata.kind {
                    Type::Date => clock::parse(&text).map_or(text, clock::plain),
                    Type::Status | Type::Finished if self.labels => {
                        document.labels.get(metadata.key).map_or(text, scalar_text)
                    }
                    _ => text,
                }
            }
            Source::Value(key) => {
                let text = document
                    .values
                    .get(key)
                    .map(scalar_text)
                    .unwrap_or_default();
                replaced(text, parameters)
            }
            Source::Field { key, cell, shape } => {
                let text = self.answer(document, parameters, key, cell, shape);
                let decimal = parameters.decimal_comma() && text.parse::<f64>().is_ok();
                replaced(
                    if decimal {
                        text.replace('.', ",")
                    } else {
                        text
                    },
                    parameters,
                )
            }
        }
    }

    fn answer(
        &self,
        document: &Document,
        parameters: &Parameters,
        key: &str,
        cell: &Cell,
        shape: &Shape,
    ) -> String {
        let value = document.values.get(key);
        let label = document.labels.get(key);
        let seen = document.displayed_fields.iter().any(|field| field == key);
        let recode = |recode: &Option<Value>| {
            recode
                .as_ref()
                .filter(|_| seen)
                .map(scalar_text)
                .unwrap_or_default()
        };
        let Some(value) = value else {
            let multiple = matches!(shape, Shape::Multi(_));
            let unanswered = if multiple {
                &parameters.multiselect_seen_unanswered_recode
            } else {
                &parameters.seen_unanswered_recode
            };
            return recode(unanswered);
        };
        let place = |code: &str| {
            value
                .as_array()?
                .iter()
                .position(|one| scalar_text(one) == code)
        };
        match cell {
            Cell::Whole => joined(label.filter(|_| self.labels).unwrap_or(value)),
            Cell::Member(code) => match place(code) {
                None => recode(&parameters.multiselect_seen_unanswered_recode),
                Some(at) if self.labels => label
                    .and_then(|labels| labels.get(at))
                    .map_or_else(|| code.clone(), scalar_text),
                Some(_) => code.clone(),
            },
            Cell::Place(code) => place(code)
                .map(|at| (at + 1).to_string())
                .unwrap_or_default(),
            Cell::Point(point, axis) => {
                let coordinate = point
                    .checked_sub(1)
                    .and_then(|at| value.get(at))
                    .and_then(|point| point.get(*axis));
                coordinate.map(scalar_text).unwrap_or_default()
            }
        }
    }
}

fn joined(value: &Value) -> String {
    match value {
        Value::Array(list) => list.iter().map(scalar_text).collect::<Vec<_>>().join(","),
        other => scalar_text(other),
    }
}

fn replaced(text: String, parameters: &Parameters) -> String {
    match &parameters.newline_replacement {
        Some(replacement) => text.replace('\n', replacement),
        None => text,
    }
}
