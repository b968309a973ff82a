//! Composes a response: given answers, embedded data and metadata, and made-up ones for the rest.

use serde_json::{Map, Value, json};

use crate::clock::{self, Millis};
use crate::json::{Object, scalar_text};
use crate::random::Random;
use crate::response::answers::{self, Answer, nps_group};
use crate::response::document::Document;
use crate::survey::Survey;
use crate::survey::field::{Cell, Field, Opt, Shape};
use crate::survey::metadata::{self, PERSONAL, Type};
use crate::survey::question::Kind;

/// What a response is composed from.
#[derive(Debug)]
pub(crate) struct Composition<'a> {
    pub(crate) survey: &'a Survey,
    /// By key, export tag, embedded name or metadata name; `null` leaves the answer out.
    pub(crate) given: &'a Map<String, Value>,
    /// Whether what is not given is made up.
    pub(crate) fill: bool,
    pub(crate) response_id: String,
    pub(crate) recorded: Millis,
}

impl Composition<'_> {
    pub(crate) fn compose(&self, random: &mut Random) -> Document {
        let mut document = Document {
            response_id: self.response_id.clone(),
            ..Document::default()
        };
        self.metadata(&mut document, random);
        for question in &self.survey.questions {
            let turns = question.loops.map_or(vec![String::new()], |turns| {
                (1..=turns).map(|turn| format!("{turn}_")).collect()
            });
            for turn in turns {
                let made_up = if self.fill {
                    answers::answer(question, random)
                } else {
                    Vec::new()
                };
                self.question(&turn, question.kind, &question.id, made_up, &mut document);
            }
        }
        for extra in &self.survey.extras {
            let value = if extra.is_score {
                json!(random.between(0, 20))
            } else {
                json!("Communication, Timing")
            };
            if self.fill {
                document.values.push(extra.key.as_str(), value);
            }
        }
        self.embedded(&mut document, random);
        self.rest(&mut document);
        self.displayed(&mut document);
        document
    }

    fn given(&self, name: &str) -> Option<&Value> {
        self.given.get(name)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.given("finished")
            .or_else(|| self.given("Finished"))
            .and_then(Value::as_i64)
            != Some(0)
    }

    /// An embedded field may have the tag of a metadata column (`Status`); the name then means the field.
    fn declares(&self, name: &str) -> bool {
        self.survey.embedded.iter().any(|field| field.name == name)
    }

    /// Source: recorded responses, keys and JSON types.
    fn metadata(&self, document: &mut Document, random: &mut Random) {
        let duration = random.between(25, 900);
        let finished = self.is_finished();
        let end = self.recorded - 400;
        let location = |degrees: i64, random: &mut Random| {
            format!("{degrees}.{}", random.between(1_000, 9_999))
        };
        let mut defaults = vec![
            ("startDate", json!(clock::seconds(end - duration * 1_000))),
            ("endDate", json!(clock::seconds(end))),
            ("status", json!(0)),
            (
                "ipAddress",
                json!(format!("192.0.2.{}", random.between(1, 254))),
            ),
            (
                "progress",
                json!(if finished { 100 } else { random.between(1, 99) }),
            ),
            ("duration", json!(duration)),
            ("finished", json!(i64::from(finished))),
            ("recordedDate", json!(clock::millis(self.recorded))),
            ("_recordId", json!(self.response_id)),
        ];
        for contact in [
            "recipientLastName",
            "recipientFirstName",
            "recipientEmail",
            "externalDataReference",
        ] {
            defaults.push((contact, Value::Null));
        }
        let (latitude, longitude) = (random.between(36, 59), random.between(-9, 24));
        defaults.push(("locationLatitude", json!(location(latitude, random))));
        defaults.push(("locationLongitude", json!(location(longitude, random))));
        defaults.push(("distributionChannel", json!("anonymous")));
        defaults.push(("userLanguage", json!(self.survey.language())));
        for (key, default) in defaults {
            let known = metadata::find(key);
            let by_tag = known
                .filter(|field| !self.declares(field.tag))
                .and_then(|field| self.given(field.tag));
            let given = self.given(key).or(by_tag);
            let hidden = self.survey.anonymous && PERSONAL.contains(&key);
            let value = given.cloned().unwrap_or(default);
            if value.is_null() || (hidden && given.is_none()) {
                continue;
            }
            match known.map(|field| field.kind) {
                Some(Type::Status) => {
                    document.labels.push(
                        "status",
                        metadata::status_label(value.as_i64().unwrap_or(0)),
                    );
                }
                Some(Type::Finished) => document
                    .labels
                    .push("finished", if finished { "True" } else { "False" }),
                _ => {}
            }
            document.values.push(key, value);
        }
    }

    /// One question in one loop: the given answers win; where any is given, made-up choices and their texts go.
    fn question(
        &self,
        turn: &str,
        kind: Kind,
        id: &str,
        made_up: Vec<Answer>,
        document: &mut Document,
    ) {
        let prefix = format!("{turn}{id}");
        let fields = self
            .survey
            .fields
            .iter()
            .filter(|field| belongs(&field.key, &prefix));
        let given: Vec<(&Field, Value)> = fields
            .filter_map(|field| Some((field, self.given_for(field)?)))
            .collect();
        let replaced = !given.is_empty()
            && matches!(
                kind,
                Kind::Single | Kind::Multi | Kind::Nps | Kind::PickGroupRank
            );
        for answer in made_up {
            let key = format!("{turn}{}", answer.key);
            if replaced || given.iter().any(|(field, _)| field.key == key) {
                continue;
            }
            if let Some(label) = answer.label {
                document.labels.push(key.as_str(), label);
            }
            document.values.push(key, answer.value);
        }
        for (field, value) in given.into_iter().filter(|(_, value)| !value.is_null()) {
            let (value, label) = read(&field.shape, &value);
            if kind == Kind::Nps && field.shape != Shape::NpsGroup {
                if let Some(score) = value.as_i64() {
                    let (group, label) = nps_group(score);
                    document.labels.set(&format!("{prefix}_NPS_GROUP"), label);
                    document.values.set(&format!("{prefix}_NPS_GROUP"), group);
                }
            } else if let Some(label) = label {
                document.labels.set(&field.key, label);
            }
            document.values.set(&field.key, value);
        }
    }

    /// By the key, its export tag, or the tags of an array's members (`Q5_1: 1`).
    fn given_for(&self, field: &Field) -> Option<Value> {
        if let Some(value) = self.given(&field.key).or_else(|| self.given(&field.tag)) {
            return Some(value.clone());
        }
        let chosen = |column: &crate::survey::field::Column| match &column.cell {
            Cell::Member(code)
                if self
                    .given(&column.tag)
                    .is_some_and(|value| !value.is_null()) =>
            {
                Some(json!(code))
            }
            _ => None,
        };
        let chosen: Vec<Value> = field.columns.iter().filter_map(chosen).collect();
        (!chosen.is_empty()).then_some(Value::Array(chosen))
    }

    /// What is given wins over the flow's own value; a link can't do that, see `survey::link`.
    fn embedded(&self, document: &mut Document, random: &mut Random) {
        for field in &self.survey.embedded {
            let value = match (&field.value, self.given(&field.name)) {
                (Some(value), None) => Some(json!(value)),
                (Some(value), Some(Value::Null)) => Some(json!(value)),
                (_, Some(given)) => Some(given.clone()).filter(|value| !value.is_null()),
                (None, None) => self.fill.then(|| json!(sample(&field.name, random))),
            };
            if let Some(value) = value {
                document.values.push(field.name.as_str(), value);
            }
        }
    }

    /// What was given and belongs nowhere is taken over as it is: a mapper must live with unknown keys.
    fn rest(&self, document: &mut Document) {
        for (name, value) in self.given {
            let known = self.survey.field(name).is_some()
                || metadata::find(name).is_some()
                || self.declares(name)
                || self
                    .survey
                    .fields
                    .iter()
                    .any(|field| field.columns.iter().any(|column| column.tag == *name));
            if known || value.is_null() {
                continue;
            }
            document.values.set(name, value.clone());
        }
    }

    /// Everything is displayed, answered or not. Source: recorded unanswered matrix.
    fn displayed(&self, document: &mut Document) {
        for field in self
            .survey
            .fields
            .iter()
            .filter(|field| !matches!(field.shape, Shape::Order(_)))
        {
            document.displayed_fields.push(field.key.clone());
            if let Some(values) = displayed_values(&field.shape) {
                document.displayed_values.push(field.key.as_str(), values);
            }
        }
    }
}

/// `QID1_…` and `QID1#…` belong to `QID1`, `QID10` does not.
fn belongs(key: &str, prefix: &str) -> bool {
    key.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '#']))
}

/// Source: recorded `displayedValues`; the NPS group repeats for each score.
fn displayed_values(shape: &Shape) -> Option<Value> {
    let codes = |options: &[Opt]| Some(options.iter().map(|option| option.code.clone()).collect());
    match shape {
        Shape::Single(options) | Shape::Multi(options) => codes(options),
        Shape::NpsGroup => Some(json!([1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3])),
        Shape::Rank(count) => Some((1..=*count).map(Value::from).collect()),
        Shape::Text | Shape::Number | Shape::Points | Shape::Regions | Shape::Order(_) => None,
    }
}

/// A given answer in the JSON type that its field has, with its label.
fn read(shape: &Shape, given: &Value) -> (Value, Option<Value>) {
    let find = |options: &[Opt], one: &Value| {
        let text = scalar_text(one);
        options
            .iter()
            .find(|option| scalar_text(&option.code) == text || option.label == text)
            .cloned()
    };
    match shape {
        Shape::Single(options) => match find(options, given) {
            Some(option) => (option.code, Some(json!(option.label))),
            None => (given.clone(), None),
        },
        Shape::Multi(options) | Shape::Order(options) => {
            let list = match given {
                Value::Array(list) => list.clone(),
                Value::String(text) => text.split(',').map(|part| json!(part.trim())).collect(),
                other => vec![other.clone()],
            };
            let found: Vec<Option<Opt>> = list.iter().map(|one| find(options, one)).collect();
            let code = |(option, one): (&Option<Opt>, &Value)| {
                option
                    .as_ref()
                    .map_or_else(|| one.clone(), |option| option.code.clone())
            };
            let codes: Value = found.iter().zip(&list).map(code).collect();
            let labels: Vec<&str> = found
                .iter()
                .flatten()
                .map(|option| option.label.as_str())
                .collect();
            (codes, Some(json!(labels)))
        }
        Shape::NpsGroup => {
            let labels = ["Detractor", "Passive", "Promoter"];
            let label = given
                .as_u64()
                .and_then(|group| labels.get(usize::try_from(group).ok()?.checked_sub(1)?));
            (given.clone(), label.map(|label| json!(label)))
        }
        Shape::Text => (
            if given.is_object() || given.is_array() {
                given.clone()
            } else {
                json!(scalar_text(given))
            },
            None,
        ),
        Shape::Number | Shape::Rank(_) | Shape::Points | Shape::Regions => (given.clone(), None),
    }
}

/// A believable value for an embedded-data field, from its name.
fn sample(name: &str, random: &mut Random) -> String {
    let lower = name.to_lowercase();
    let from = |words: &[&str], random: &mut Random| {
        random.pick(words).copied().unwrap_or_default().to_owned()
    };
    if lower.contains("account") || lower.contains("company") {
        from(
            &["ACME", "Globex", "Initech", "Umbrella", "Müller & Söhne"],
            random,
        )
    } else if lower.contains("project") {
        format!("P-{}", random.between(1_001, 1_012))
    } else if lower.contains("phase") {
        from(
            &["Discover", "Prepare", "Explore", "Realize", "Deploy", "Run"],
            random,
        )
    } else if lower.contains("country") {
        from(&["DE", "FR", "US", "JP"], random)
    } else {
        format!("{name}-{}", random.between(1, 99))
    }
}

/// Gives a document the label texts of its values, where the survey knows them; used after edits.
pub(crate) fn set_value(survey: &Survey, document: &mut Document, name: &str, given: &Value) {
    let key = survey.field(name).map(|field| field.key.clone());
    let key = key
        .or_else(|| metadata::find(name).map(|field| field.key.to_owned()))
        .unwrap_or_else(|| name.to_owned());
    if given.is_null() {
        document.values.remove(&key);
        document.labels.remove(&key);
        return;
    }
    let (value, label) = survey
        .field(&key)
        .map_or_else(|| (given.clone(), None), |field| read(&field.shape, given));
    let label = match key.as_str() {
        "status" => value
            .as_i64()
            .map(|status| json!(metadata::status_label(status))),
        "finished" => Some(json!(if value.as_i64() == Some(0) {
            "False"
        } else {
            "True"
        })),
        _ => label,
    };
    if let Some(label) = label {
        document.labels.set(&key, label);
    }
    document.values.set(&key, value);
}

/// The keys of `values` that belong to one question, in any loop.
pub(crate) fn keys_of<'a>(
    values: &'a Object<Value>,
    question: &'a str,
) -> impl Iterator<Item = &'a str> {
    values.iter().map(|(key, _)| key).filter(move |key| {
        let behind_loop = key
            .split_once('_')
            .filter(|(turn, _)| turn.bytes().all(|byte| byte.is_ascii_digit()));
        belongs(key, question) || behind_loop.is_some_and(|(_, rest)| belongs(rest, question))
    })
}
