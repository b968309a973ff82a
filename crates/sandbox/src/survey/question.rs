//! One question, read from its definition into what its type means for answers.

use serde_json::{Map, Value};

use crate::json::{number_or_text, scalar_text};
use crate::survey::text::plain;

/// What a question's answers look like. Source of the types: Qualtrics' QSF files and survey definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Single,
    Multi,
    Nps,
    Text,
    Form,
    MatrixSingle,
    MatrixMulti,
    MatrixText,
    MatrixNumber,
    SideBySide,
    Slider,
    ConstantSum,
    Rank,
    PickGroupRank,
    DrillDown,
    File,
    HeatMap,
    HotSpot,
    Highlight,
    Timing,
    Meta,
    /// Shown, but never answered: descriptive texts, captchas.
    Silent,
}

impl Kind {
    /// The rule for each `QuestionType`, `Selector` and `SubSelector`; an unknown type is taken by what it offers.
    fn of(question_type: &str, selector: &str, sub_selector: &str, has: Offers) -> Self {
        match (question_type, selector) {
            ("MC", "NPS") => Self::Nps,
            ("MC", "MAVR" | "MAHR" | "MACOL" | "MSB") => Self::Multi,
            ("MC", _) => Self::Single,
            ("TE", "FORM") => Self::Form,
            ("TE", _) => Self::Text,
            ("Matrix", "TE") => Self::MatrixText,
            ("Matrix", "CS" | "RO" | "Rank") => Self::MatrixNumber,
            ("Matrix", _) if sub_selector == "MultipleAnswer" => Self::MatrixMulti,
            ("Matrix", _) => Self::MatrixSingle,
            ("SBS", _) => Self::SideBySide,
            ("Slider", _) => Self::Slider,
            ("CS", _) => Self::ConstantSum,
            ("RO", _) => Self::Rank,
            ("PGR", _) => Self::PickGroupRank,
            ("DD", _) => Self::DrillDown,
            ("FileUpload" | "Draw" | "SS", _) => Self::File,
            ("HeatMap", _) => Self::HeatMap,
            ("HotSpot", _) => Self::HotSpot,
            ("HL", _) => Self::Highlight,
            ("Timing", _) => Self::Timing,
            ("Meta", _) => Self::Meta,
            ("DB" | "Captcha" | "Graphic", _) => Self::Silent,
            _ => match has {
                Offers::ChoicesAndAnswers => Self::MatrixSingle,
                Offers::Choices => Self::Single,
                Offers::Nothing => Self::Text,
            },
        }
    }

    /// Whether the form of the answers has neither a recorded example nor a client that reads it.
    pub(crate) fn is_guess(self) -> bool {
        matches!(
            self,
            Self::MatrixMulti | Self::MatrixNumber | Self::HeatMap | Self::Highlight
        )
    }
}

#[derive(Clone, Copy)]
enum Offers {
    ChoicesAndAnswers,
    Choices,
    Nothing,
}

/// A choice, row, column, region or word.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) id: String,
    /// As written by the survey's author, HTML included.
    pub(crate) display: String,
    /// What `labels` says: the variable name where one is set, else the text.
    pub(crate) label: String,
    pub(crate) variable_name: Option<String>,
    /// The recode's text; absent in the definition means the id.
    pub(crate) recode: String,
    /// The row's own export tag (`ChoiceDataExportTags`).
    pub(crate) tag: Option<String>,
    pub(crate) text_entry: bool,
}

impl Choice {
    /// The recode as `values` has it.
    pub(crate) fn code(&self) -> Value {
        number_or_text(&self.recode)
    }
}

/// A question of a survey.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) id: String,
    pub(crate) tag: String,
    pub(crate) kind: Kind,
    pub(crate) question_type: String,
    pub(crate) selector: String,
    pub(crate) sub_selector: Option<String>,
    pub(crate) html: String,
    pub(crate) text: String,
    /// Choices; the rows of a matrix.
    pub(crate) choices: Vec<Choice>,
    /// The columns of a matrix; leaves of a drill-down.
    pub(crate) answers: Vec<Choice>,
    /// The questions beside each other in a side-by-side, in order of their column number.
    pub(crate) columns: Vec<(String, Self)>,
    pub(crate) groups: Vec<String>,
    pub(crate) forced: bool,
    pub(crate) randomized: bool,
    pub(crate) clicks_max: usize,
    pub(crate) numeric: bool,
    /// How often the question is asked in a loop; none where it stands alone.
    pub(crate) loops: Option<usize>,
}

impl Question {
    pub(crate) fn read(id: &str, definition: &Value) -> Self {
        let text_of = |name: &str| {
            definition
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let question_type = text_of("QuestionType");
        let selector = text_of("Selector");
        let sub_selector = definition
            .get("SubSelector")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let has = match (
            definition.get("Choices").is_some(),
            definition.get("Answers").is_some(),
        ) {
            (_, true) => Offers::ChoicesAndAnswers,
            (true, false) => Offers::Choices,
            (false, false) => Offers::Nothing,
        };
        let kind = Kind::of(
            &question_type,
            &selector,
            sub_selector.as_deref().unwrap_or_default(),
            has,
        );
        let html = text_of("QuestionText");
        let tag = text_of("DataExportTag");
        let setting = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str);
        Self {
            id: id.to_owned(),
            tag: if tag.is_empty() { id.to_owned() } else { tag },
            kind,
            question_type,
            selector,
            sub_selector,
            text: plain(&html),
            html,
            choices: choices(definition, "Choices", "ChoiceOrder", recodes_choices(kind)),
            answers: answers(kind, definition),
            columns: columns(id, definition),
            groups: texts(definition.get("Groups")),
            forced: setting("/Validation/Settings/ForceResponse") == Some("ON"),
            randomized: !matches!(setting("/Randomization/Type"), None | Some("None")),
            clicks_max: clicks_max(definition),
            numeric: matches!(
                setting("/Validation/Settings/ContentType"),
                Some("ValidNumber")
            ),
            loops: None,
        }
    }

    /// The rows or choices whose order a randomised question shows.
    pub(crate) fn shown_in_order(&self) -> &[Choice] {
        &self.choices
    }
}

/// In a matrix the recodes belong to the columns, elsewhere to the choices.
fn recodes_choices(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::MatrixSingle
            | Kind::MatrixMulti
            | Kind::MatrixText
            | Kind::MatrixNumber
            | Kind::SideBySide
    )
}

fn clicks_max(definition: &Value) -> usize {
    let clicks = definition
        .pointer("/Configuration/MaxClicks")
        .map(scalar_text);
    clicks.and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// Objects and PHP-style arrays alike, as id and value.
///
/// Source: recorded definitions have `"Language": []` for an empty object, `"ChoiceOrder": [1, 2]` beside `["1", "2"]`.
pub(crate) fn members(value: Option<&Value>) -> Vec<(String, &Value)> {
    match value {
        Some(Value::Object(map)) => map
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Some(Value::Array(list)) => list
            .iter()
            .enumerate()
            .map(|(at, value)| (at.to_string(), value))
            .collect(),
        _ => Vec::new(),
    }
}

pub(crate) fn texts(value: Option<&Value>) -> Vec<String> {
    members(value)
        .into_iter()
        .map(|(_, value)| scalar_text(value))
        .collect()
}

fn choices(definition: &Value, name: &str, order: &str, recoded: bool) -> Vec<Choice> {
    let mut found = members(definition.get(name));
    let order = texts(definition.get(order));
    let place = |id: &str| {
        order
            .iter()
            .position(|other| other == id)
            .unwrap_or(usize::MAX)
    };
    found.sort_by(|(one, _), (other, _)| {
        let number = |id: &str| id.parse::<u64>().unwrap_or(u64::MAX);
        (place(one), number(one), one).cmp(&(place(other), number(other), other))
    });
    let empty = Map::new();
    let table = |name: &str| {
        definition
            .get(name)
            .and_then(Value::as_object)
            .unwrap_or(&empty)
    };
    let (recodes, names) = (table("RecodeValues"), table("VariableNaming"));
    let tags = if name == "Choices" {
        table("ChoiceDataExportTags")
    } else {
        &empty
    };
    found
        .into_iter()
        .map(|(id, value)| {
            let display = value
                .get("Display")
                .map_or_else(|| scalar_text(value), scalar_text);
            let name = names
                .get(&id)
                .filter(|_| recoded)
                .map(scalar_text)
                .filter(|name| !name.is_empty());
            Choice {
                label: name.clone().unwrap_or_else(|| plain(&display)),
                variable_name: name,
                recode: recodes
                    .get(&id)
                    .filter(|_| recoded)
                    .map_or_else(|| id.clone(), scalar_text),
                tag: tags.get(&id).map(scalar_text).filter(|tag| !tag.is_empty()),
                text_entry: takes_text(value.get("TextEntry")),
                display,
                id,
            }
        })
        .collect()
}

/// A hot spot that names no answers knows off and on. Assumed: no definition of one was recorded.
fn answers(kind: Kind, definition: &Value) -> Vec<Choice> {
    let found = choices(definition, "Answers", "AnswerOrder", true);
    if kind == Kind::HotSpot && found.is_empty() {
        let off_on =
            serde_json::json!({"Answers": {"1": {"Display": "Off"}, "2": {"Display": "On"}}});
        return choices(&off_on, "Answers", "AnswerOrder", false);
    }
    found
}

fn takes_text(value: Option<&Value>) -> bool {
    matches!(value.map(scalar_text).as_deref(), Some("true" | "1" | "on"))
}

/// Each column of a side-by-side is a matrix over the same rows.
fn columns(id: &str, definition: &Value) -> Vec<(String, Question)> {
    let mut found = members(definition.get("AdditionalQuestions"));
    found.sort_by_key(|(number, _)| number.parse::<u64>().unwrap_or(u64::MAX));
    found
        .into_iter()
        .map(|(number, column)| {
            let mut merged = column.clone();
            if let Value::Object(map) = &mut merged {
                for name in ["Choices", "ChoiceOrder"] {
                    if let Some(rows) = definition.get(name) {
                        map.insert(name.to_owned(), rows.clone());
                    }
                }
                map.entry("QuestionType")
                    .or_insert_with(|| Value::from("Matrix"));
            }
            (number, Question::read(id, &merged))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_type_is_taken_by_what_it_offers() {
        let check =
            |definition: Value, kind| assert_eq!(Question::read("QID1", &definition).kind, kind);

        check(
            json!({"QuestionType": "New", "Choices": {"1": {"Display": "a"}}}),
            Kind::Single,
        );
        check(
            json!({"QuestionType": "New", "Choices": {}, "Answers": {"1": {"Display": "a"}}}),
            Kind::MatrixSingle,
        );
        check(json!({"QuestionType": "New"}), Kind::Text);
        check(json!({}), Kind::Text);
    }

    #[test]
    fn choices_are_read_from_objects_and_arrays_in_the_order_given() {
        let object = json!({"QuestionType": "MC", "Selector": "SAVR", "ChoiceOrder": [2, "1"],
            "Choices": {"1": {"Display": "<b>One</b>"}, "2": {"Display": "Two", "TextEntry": "true"}, "10": {"Display": "Ten"}},
            "RecodeValues": {"1": "133.1", "2": -1}, "VariableNaming": []});
        let question = Question::read("QID1", &object);

        let ids: Vec<_> = question
            .choices
            .iter()
            .map(|choice| choice.id.as_str())
            .collect();
        let codes: Vec<_> = question.choices.iter().map(Choice::code).collect();
        assert_eq!(ids, ["2", "1", "10"]);
        assert_eq!(codes, [json!(-1), json!(133.1), json!(10)]);
        assert!(question.choices[0].text_entry);
        assert_eq!(question.choices[1].label, "One");

        let array =
            json!({"QuestionType": "MC", "Choices": [{"Display": "zero"}, {"Display": "one"}]});
        assert_eq!(Question::read("QID1", &array).choices[1].id, "1");
    }

    #[test]
    fn the_recodes_of_a_matrix_belong_to_its_columns() {
        let matrix = json!({"QuestionType": "Matrix", "Selector": "Likert", "SubSelector": "SingleAnswer",
            "Choices": {"1": {"Display": "row"}}, "Answers": {"4": {"Display": "often"}},
            "RecodeValues": {"1": "9", "4": "1"}, "ChoiceDataExportTags": {"1": "SM1_11"}});
        let question = Question::read("QID1", &matrix);

        assert_eq!(question.choices[0].recode, "1");
        assert_eq!(question.choices[0].tag.as_deref(), Some("SM1_11"));
        assert_eq!(question.answers[0].recode, "1");
        assert_eq!(question.answers[0].tag, None);
    }
}
