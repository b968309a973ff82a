//! Which keys a question's answers come under, and under which export tags the export file shows them.
//!
//! Sources, by rule: recorded responses and CSV headers with their import ids (`fixtures/surveys`), and where none
//! exists the key builders of public clients; the tables of `fixtures/surveys/README.md` say which is which.

use std::collections::BTreeMap;

use super::asked::{Asked, Part};
use super::field::{Answer, Choice, Field, Kind, Spread};

/// Lists of choices, each kept once: the rows of a matrix share theirs.
#[derive(Debug, Default)]
pub(super) struct Lists {
    lists: Vec<Vec<Choice>>,
    index: BTreeMap<Vec<Choice>, usize>,
}

impl Lists {
    pub(super) fn intern(&mut self, list: Vec<Choice>) -> Option<usize> {
        if list.is_empty() {
            return None;
        }
        let next = self.lists.len();
        let index = *self.index.entry(list.clone()).or_insert(next);
        if index == next {
            self.lists.push(list);
        }
        Some(index)
    }

    pub(super) fn get(&self, index: Option<usize>) -> &[Choice] {
        index
            .and_then(|index| self.lists.get(index))
            .map_or(&[], Vec::as_slice)
    }

    pub(super) fn into_inner(self) -> Vec<Vec<Choice>> {
        self.lists
    }
}

/// The fields of one question.
pub(super) fn fields(asked: &Asked, lists: &mut Lists) -> Vec<Field> {
    let mut derivation = Derivation {
        asked,
        lists,
        fields: Vec::new(),
    };
    derivation.question();
    let fields = derivation.fields;
    if asked.loops.is_empty() {
        return fields;
    }
    asked
        .loops
        .iter()
        .flat_map(|id| fields.iter().map(move |field| looped(id, field)))
        .collect()
}

/// Loop & merge writes the loop's id before key and tag alike.
fn looped(id: &str, field: &Field) -> Field {
    let prefixed = |text: &String| format!("{id}_{text}");
    Field {
        key: prefixed(&field.key),
        aliases: field.aliases.iter().map(prefixed).collect(),
        tag: prefixed(&field.tag),
        ..field.clone()
    }
}

struct Derivation<'a> {
    asked: &'a Asked,
    lists: &'a mut Lists,
    fields: Vec<Field>,
}

impl Derivation<'_> {
    fn question(&mut self) {
        let asked = self.asked;
        let id = &asked.id;
        let tag = &asked.tag;
        match asked.kind.as_str() {
            // Nothing is answered there.
            "DB" | "Captcha" => return,
            "MC" if asked.selector == "NPS" => self.nps(),
            "MC" => self.choice(),
            "TE" if asked.selector == "FORM" => self.form(),
            "TE" => {
                let kind = match asked.selector.as_str() {
                    "ESTB" | "ML" => Kind::Essay,
                    _ => Kind::Text,
                };
                self.add(format!("{id}_TEXT"), tag.clone(), "", kind, Answer::Text);
            }
            "Matrix" => self.rows(asked, id, tag),
            "SBS" => {
                for column in &asked.columns {
                    let number = &column.id;
                    self.rows(
                        column,
                        &format!("{id}#{number}"),
                        &format!("{tag}#{number}"),
                    );
                }
            }
            "Slider" | "CS" => self.per_choice(Kind::Number, self.number()),
            "RO" => self.per_choice(Kind::Rank, Answer::Integer),
            "PGR" => self.pick_group_rank(),
            "DD" => self.drill_down(),
            "FileUpload" | "Draw" | "Signature" => self.file(),
            "HeatMap" => {
                self.add(
                    id.clone(),
                    tag.clone(),
                    "",
                    Kind::Structure,
                    Answer::Structure,
                );
                let regions = format!("{id}_REGIONS");
                self.add(
                    regions,
                    format!("{tag}_REGIONS"),
                    "",
                    Kind::Structure,
                    Answer::Structure,
                );
            }
            "HotSpot" => self.per_choice(Kind::MatrixChoice, Answer::Recode),
            "HL" => self.highlight(),
            "Timing" => self.named(Kind::Timing, TIMING),
            "Meta" => self.named(Kind::MetaInfo, META_INFO),
            // Assumed: a question of a type that we don't know answers under its own id. What it really answers is
            // kept as JSON text, or reported as an unknown key.
            _ => self.add(
                id.clone(),
                tag.clone(),
                "",
                Kind::Structure,
                Answer::Structure,
            ),
        }
        self.texts_beside_choices();
        self.display_order();
    }

    fn number(&self) -> Answer {
        if self.asked.whole {
            Answer::Integer
        } else {
            Answer::Number
        }
    }

    /// Adds a field; `part` is the label of what is asked one by one.
    fn add(&mut self, key: String, tag: String, part: &str, kind: Kind, answer: Answer) {
        let question = &self.asked.text;
        self.fields.push(Field {
            key,
            aliases: Vec::new(),
            tag,
            question: Some(self.asked.id.clone()),
            kind,
            answer,
            spread: Spread::One,
            list: None,
            text: if part.is_empty() {
                question.clone()
            } else {
                format!("{question} - {part}")
            },
            by_default: !self.asked.trashed,
        });
    }

    /// Gives the field added last its choices.
    fn choices(&mut self, list: Vec<Choice>, spread: Spread) {
        let list = self.lists.intern(list);
        if let Some(field) = self.fields.last_mut() {
            field.list = list;
            field.spread = spread;
        }
    }

    fn aliases(&mut self, aliases: Vec<String>) {
        if let Some(field) = self.fields.last_mut() {
            field.aliases = aliases;
        }
    }

    fn choice(&mut self) {
        let (id, tag) = (self.asked.id.clone(), self.asked.tag.clone());
        if self.asked.is_multiple() {
            self.add(id, tag, "", Kind::MultipleChoice, Answer::Recode);
            self.choices(list(&self.asked.choices), Spread::Chosen);
        } else {
            self.add(id, tag, "", Kind::SingleChoice, Answer::Recode);
            self.choices(list(&self.asked.choices), Spread::One);
        }
    }

    fn nps(&mut self) {
        let (id, tag) = (&self.asked.id, &self.asked.tag);
        let (group, group_tag) = (format!("{id}_NPS_GROUP"), format!("{tag}_NPS_GROUP"));
        self.add(id.clone(), tag.clone(), "", Kind::Nps, Answer::Integer);
        self.add(
            group,
            group_tag,
            "NPS group",
            Kind::NpsGroup,
            Answer::Recode,
        );
        let groups = [("1", "Detractor"), ("2", "Passive"), ("3", "Promoter")];
        let groups = groups.map(|(recode, label)| Choice {
            id: recode.to_owned(),
            recode: recode.to_owned(),
            label: label.to_owned(),
        });
        self.choices(groups.to_vec(), Spread::One);
    }

    /// The recorded import id is `QID2698_1`; the column map of `GET /surveys` says `…_1_TEXT`, and no recorded
    /// response has a form, so both spellings are taken.
    fn form(&mut self) {
        let asked = self.asked;
        for field in &asked.choices {
            let key = format!("{}_{}", asked.id, field.id);
            let alias = format!("{key}_TEXT");
            self.add(
                key,
                format!("{}_{}", asked.tag, field.id),
                &field.label,
                Kind::Text,
                Answer::Text,
            );
            self.aliases(vec![alias]);
        }
    }

    /// The rows of a matrix, or of one column of a side by side.
    fn rows(&mut self, grid: &Asked, key: &str, tag: &str) {
        let asked = self.asked;
        // A side by side's columns may leave out the rows, which are the same for all.
        let rows = if asked.columns.is_empty() || grid.choices.is_empty() {
            &asked.choices
        } else {
            &grid.choices
        };
        for row in rows {
            let row_key = format!("{key}_{}", row.id);
            let row_tag = match &row.tag {
                Some(own) if asked.columns.is_empty() => own.clone(),
                _ => format!("{tag}_{}", row.id),
            };
            self.row(grid, row, &row_key, &row_tag);
        }
    }

    fn row(&mut self, grid: &Asked, row: &Part, key: &str, tag: &str) {
        let entered = match grid.selector.as_str() {
            "TE" => Some((Kind::Text, Answer::Text)),
            "CS" => Some((Kind::Number, self.number())),
            "RO" => Some((Kind::Rank, Answer::Integer)),
            _ => None,
        };
        if let Some((kind, answer)) = entered {
            for column in &grid.answers {
                let cell = format!("{key}_{}", column.id);
                let aliases = vec![
                    format!("{cell}_TEXT"),
                    format!("{}-{}-{}-TEXT", self.asked.id, row.id, column.id),
                ];
                let label = format!("{} - {}", row.label, column.label);
                self.add(cell, format!("{tag}_{}", column.id), &label, kind, answer);
                self.aliases(aliases);
            }
        } else if grid.is_multiple() {
            self.add(
                key.to_owned(),
                tag.to_owned(),
                &row.label,
                Kind::MultipleChoice,
                Answer::Recode,
            );
            self.choices(list(&grid.answers), Spread::Chosen);
        } else {
            self.add(
                key.to_owned(),
                tag.to_owned(),
                &row.label,
                Kind::MatrixChoice,
                Answer::Recode,
            );
            self.choices(list(&grid.answers), Spread::One);
        }
        if row.has_text {
            self.add(
                format!("{key}_TEXT"),
                format!("{tag}_TEXT"),
                &row.label,
                Kind::ChoiceText,
                Answer::Text,
            );
        }
    }

    fn per_choice(&mut self, kind: Kind, answer: Answer) {
        let asked = self.asked;
        for choice in &asked.choices {
            let (key, tag) = (
                format!("{}_{}", asked.id, choice.id),
                format!("{}_{}", asked.tag, choice.id),
            );
            self.add(key, tag, &choice.label, kind, answer);
            if answer == Answer::Recode {
                self.choices(list(&asked.answers), Spread::One);
            }
        }
    }

    fn pick_group_rank(&mut self) {
        let asked = self.asked;
        let (id, tag) = (&asked.id, &asked.tag);
        for group in &asked.groups {
            let key = format!("{id}_{group}_GROUP");
            self.add(
                key,
                format!("{tag}_{group}_GROUP"),
                "",
                Kind::Group,
                Answer::Recode,
            );
            self.choices(list(&asked.choices), Spread::Chosen);
            for choice in &asked.choices {
                let key = format!("{id}_G{group}_{}_RANK", choice.id);
                let rank_tag = format!("{tag}_{group}_{}_RANK", choice.id);
                self.add(key, rank_tag, &choice.label, Kind::Rank, Answer::Integer);
            }
        }
    }

    fn drill_down(&mut self) {
        let asked = self.asked;
        for level in 1..=asked.levels.max(asked.choices.len()) {
            let label = asked
                .choices
                .get(level - 1)
                .map_or("", |part| part.label.as_str());
            let key = format!("{}_{level}", asked.id);
            self.add(
                key,
                format!("{}_{level}", asked.tag),
                label,
                Kind::SingleChoice,
                Answer::Recode,
            );
            self.choices(list(&asked.answers), Spread::One);
        }
    }

    fn file(&mut self) {
        for (key, tag, answer) in FILE {
            let key = format!("{}_{key}", self.asked.id);
            self.add(
                key,
                format!("{}_{tag}", self.asked.tag),
                tag,
                Kind::File,
                *answer,
            );
        }
    }

    /// One column per word and category, as the export file has it.
    fn highlight(&mut self) {
        let asked = self.asked;
        for category in &asked.answers {
            let (key, tag) = (
                format!("{}_{}", asked.id, category.id),
                format!("{}_{}", asked.tag, category.id),
            );
            self.add(
                key,
                tag,
                &category.label,
                Kind::MultipleChoice,
                Answer::Recode,
            );
            self.choices(list(&asked.choices), Spread::Chosen);
        }
    }

    fn named(&mut self, kind: Kind, parts: &[(&str, &str, Answer)]) {
        for (key, tag, answer) in parts {
            let key = format!("{}_{key}", self.asked.id);
            self.add(key, format!("{}_{tag}", self.asked.tag), tag, kind, *answer);
        }
    }

    /// `QID5_7_TEXT` for a choice with a text box. Rows bring theirs along, forms and meta info are nothing else.
    fn texts_beside_choices(&mut self) {
        let asked = self.asked;
        if matches!(
            asked.kind.as_str(),
            "Matrix" | "SBS" | "TE" | "Meta" | "Timing"
        ) {
            return;
        }
        for choice in asked.choices.iter().filter(|choice| choice.has_text) {
            let key = format!("{}_{}_TEXT", asked.id, choice.id);
            let tag = format!("{}_{}_TEXT", asked.tag, choice.recode());
            self.add(key, tag, &choice.label, Kind::ChoiceText, Answer::Text);
        }
    }

    /// Only exports that ask for it show the order, so it is a column only where it is named.
    fn display_order(&mut self) {
        let asked = self.asked;
        if asked.choices.is_empty()
            || matches!(asked.kind.as_str(), "TE" | "Meta" | "Timing" | "SBS")
        {
            return;
        }
        let shown = if asked.answers.is_empty() {
            list(&asked.choices)
        } else {
            asked
                .choices
                .iter()
                .map(|row| Choice {
                    id: row.id.clone(),
                    recode: row.tag.clone().unwrap_or_else(|| row.id.clone()),
                    label: row.label.clone(),
                })
                .collect()
        };
        let (key, tag) = (format!("{}_DO", asked.id), format!("{}_DO", asked.tag));
        self.add(key, tag, "order shown", Kind::DisplayOrder, Answer::Integer);
        self.choices(shown, Spread::Places);
        if let Some(field) = self.fields.last_mut() {
            field.by_default = false;
        }
    }
}

fn list(parts: &[Part]) -> Vec<Choice> {
    parts
        .iter()
        .map(|part| Choice {
            id: part.id.clone(),
            recode: part.recode().to_owned(),
            label: part.label.clone(),
        })
        .collect()
}

/// Recorded import ids and headers of a page timer.
const TIMING: &[(&str, &str, Answer)] = &[
    ("FIRST_CLICK", "First Click", Answer::Number),
    ("LAST_CLICK", "Last Click", Answer::Number),
    ("PAGE_SUBMIT", "Page Submit", Answer::Number),
    ("CLICK_COUNT", "Click Count", Answer::Integer),
];

/// Recorded import ids and headers; only four of the seven that the question lists are exported.
const META_INFO: &[(&str, &str, Answer)] = &[
    ("BROWSER", "Browser", Answer::Text),
    ("VERSION", "Version", Answer::Text),
    ("OS", "Operating System", Answer::Text),
    ("RESOLUTION", "Resolution", Answer::Text),
];

/// An uploaded file, or a signature, which is stored as one.
const FILE: &[(&str, &str, Answer)] = &[
    ("FILE_ID", "Id", Answer::Text),
    ("FILE_NAME", "Name", Answer::Text),
    ("FILE_SIZE", "Size", Answer::BigInteger),
    ("FILE_TYPE", "Type", Answer::Text),
];
