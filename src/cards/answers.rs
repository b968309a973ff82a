//! What a survey's table can answer, as far as cards ask: read once from the column map.

use ingester_core::mapping::{CodebookEntry, ColumnMap};
use ingester_core::row::{Column, ColumnName, ColumnType};
use ingester_core::survey::Kind;

/// What a survey's table can answer. All names are OData properties, which are identifiers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// The survey's id.
    pub id: String,
    /// The entity set.
    pub set: String,
    /// The survey's name as its author wrote it; not for manifests.
    pub title: String,
    /// Where surveys are filled in, the id left out, if Qualtrics' address is known.
    pub form: Option<String>,
    /// The question that figures show at first: a scale of numbers.
    pub score: Option<Scale>,
    /// The question whose texts are shown.
    pub comments: Option<String>,
    /// The first question of how likely one is to recommend.
    pub nps: Option<String>,
    /// The first question whose answers can be counted by choice.
    pub choices: Option<String>,
    /// What figures can be broken down by: embedded data, then choice questions.
    pub dimensions: Vec<String>,
    /// Embedded data: property and name in links.
    pub embedded: Vec<(String, String)>,
    /// Text answers and their questions' texts.
    pub texts: Vec<(String, String)>,
    /// When a response was recorded.
    pub recorded: Option<String>,
    /// The response's id.
    pub key: String,
}

/// A question answered by numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// The property.
    pub property: String,
    /// The question's text.
    pub text: String,
    /// Three quarters of the way from the worst to the best.
    pub target: f64,
    /// Whether there is a `…_Label`.
    pub has_label: bool,
}

impl Answers {
    /// Reads them from the map. `form` is where surveys are filled in, the id left out.
    #[must_use]
    pub fn new(id: &str, set: &str, title: &str, form: Option<String>, map: &ColumnMap) -> Self {
        let columns: Vec<Pair<'_>> = map
            .table()
            .columns
            .iter()
            .zip(map.codebook())
            .map(|(column, entry)| Pair { column, entry })
            .collect();
        let is = |kind: Kind| columns.iter().filter(move |pair| pair.is(kind));
        let property = |pair: &Pair<'_>| pair.column.property.clone();
        let nps = is(Kind::Nps).find(|pair| pair.is_number()).map(property);
        let score = map.score().and_then(|entry| {
            let pair = columns.iter().find(|pair| pair.entry == entry)?;
            pair.is_number().then(|| scale(pair))
        });
        let labelled: Vec<String> = is(Kind::SingleChoice)
            .filter(|pair| pair.has_label())
            .map(property)
            .collect();
        let embedded: Vec<&Pair<'_>> = is(Kind::EmbeddedData).collect();
        let can_group = |pair: &&&Pair<'_>| matches!(pair.column.kind, ColumnType::NVarchar(_));
        let dimensions = embedded.iter().filter(can_group).map(|pair| property(pair));
        Self {
            id: id.to_owned(),
            set: set.to_owned(),
            title: title.to_owned(),
            form,
            comments: map.comments().map(|entry| entry.property.clone()),
            choices: score
                .as_ref()
                .map(|scale| scale.property.clone())
                .or_else(|| is(Kind::SingleChoice).map(property).next())
                .or_else(|| is(Kind::MatrixChoice).map(property).next())
                .or_else(|| nps.clone()),
            nps,
            score,
            dimensions: dimensions.chain(labelled).collect(),
            embedded: embedded
                .iter()
                .map(|pair| (property(pair), pair.entry.tag.clone()))
                .collect(),
            texts: columns
                .iter()
                .filter(|pair| {
                    pair.is(Kind::Essay) || pair.is(Kind::Text) || pair.is(Kind::ChoiceText)
                })
                .map(|pair| (property(pair), pair.entry.text.clone()))
                .collect(),
            recorded: named(&columns, ColumnName::RECORDED_DATE)
                .filter(|pair| pair.column.kind == ColumnType::Timestamp)
                .map(property),
            key: named(&columns, ColumnName::RESPONSE_ID)
                .map_or_else(|| "ResponseId".to_owned(), property),
        }
    }
}

/// A column and what it means.
struct Pair<'a> {
    column: &'a Column,
    entry: &'a CodebookEntry,
}

impl Pair<'_> {
    fn is(&self, kind: Kind) -> bool {
        self.entry.kind == kind.as_str()
    }

    fn is_number(&self) -> bool {
        matches!(
            self.column.kind,
            ColumnType::Integer
                | ColumnType::BigInt
                | ColumnType::Double
                | ColumnType::Decimal { .. }
        )
    }

    fn has_label(&self) -> bool {
        !self.entry.choices.is_empty()
    }
}

fn named<'a>(columns: &'a [Pair<'_>], name: &str) -> Option<&'a Pair<'a>> {
    columns
        .iter()
        .find(|pair| pair.column.name.as_ref().eq_ignore_ascii_case(name))
}

fn scale(pair: &Pair<'_>) -> Scale {
    let recodes = pair.entry.choices.iter();
    let values: Vec<f64> = recodes
        .filter_map(|choice| choice.recode.parse().ok())
        .filter(|value: &f64| value.is_finite())
        .collect();
    let worst = values.iter().copied().fold(f64::INFINITY, f64::min);
    let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let target = if worst < best {
        worst + 0.75 * (best - worst)
    } else {
        0.0
    };
    Scale {
        property: pair.column.property.clone(),
        text: pair.entry.text.clone(),
        target: (target * 10.0).round() / 10.0,
        has_label: pair.has_label(),
    }
}
