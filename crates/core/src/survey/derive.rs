//! Which keys a question's answers come under, and under which export tags the export file shows them.
//!
//! Sources, by rule: recorded responses, and CSV headers with their import ids (`fixtures/surveys`); where there is none,
//! the rules that a public package (surveyir) measured against the headers of 1,875 real exports. The table in
//! `fixtures/surveys/README.md` says which is which.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::asked::{Asked, Part};
use super::field::{Answer, Choice, Field, Kind, Spread};
use super::grid::place;
use super::lists::Lists;

/// The fields of one question.
pub(super) fn fields(asked: &Asked, lists: &mut Lists) -> Vec<Field> {
    let mut derivation = Derivation {
        asked,
        lists,
        fields: Vec::new(),
    };
    derivation.question(&Stem {
        key: asked.id.clone(),
        tag: asked.tag.clone(),
    });
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
        own_tags: field
            .own_tags
            .iter()
            .map(|(choice, tag)| (choice.clone(), prefixed(tag)))
            .collect(),
        ..field.clone()
    }
}

/// How key and tag begin.
pub(super) struct Stem {
    pub(super) key: String,
    pub(super) tag: String,
}

impl Stem {
    pub(super) fn with(&self, key: impl Display, tag: impl Display) -> Self {
        Self {
            key: format!("{}{key}", self.key),
            tag: format!("{}{tag}", self.tag),
        }
    }
}

pub(super) struct Derivation<'a> {
    pub(super) asked: &'a Asked,
    lists: &'a mut Lists,
    fields: Vec<Field>,
}

impl Derivation<'_> {
    fn question(&mut self, stem: &Stem) {
        let asked = self.asked;
        match asked.kind.as_str() {
            // Nothing is answered there.
            "DB" | "Captcha" => return,
            "MC" if asked.selector == "NPS" => self.nps(stem),
            "MC" => self.choice(stem),
            // A graphic slider has one coded answer.
            "SS" => self.choice(stem),
            "TE" if asked.selector == "FORM" => self.form(stem),
            "TE" => self.text(stem),
            "Matrix" => self.rows(asked, stem),
            "SBS" => {
                for column in &asked.columns {
                    let number = format!("#{}", column.id);
                    self.rows(column, &stem.with(&number, &number));
                }
            }
            "Slider" | "CS" => self.per_choice(stem, Kind::Number, self.number()),
            "RO" => self.per_choice(stem, Kind::Rank, Answer::Integer),
            "PGR" => self.pick_group_rank(stem),
            "DD" => self.drill_down(stem),
            "FileUpload" | "Draw" | "Signature" => self.named(stem, Kind::File, FILE),
            "HeatMap" => self.heat_map(stem),
            "HotSpot" => self.per_choice(stem, Kind::MatrixChoice, Answer::Recode),
            "HL" => self.highlight(stem),
            "Timing" => self.named(stem, Kind::Timing, TIMING),
            "Meta" => self.named(stem, Kind::MetaInfo, META_INFO),
            // Assumed: a question of a type that we don't know answers under its own id. What it really answers is
            // kept as JSON text, or reported as an unknown key.
            _ => {
                self.add(stem.with("", ""), "", Kind::Structure, Answer::Structure);
            }
        }
        self.texts_beside_choices(stem);
        self.display_order(stem);
    }

    pub(super) fn number(&self) -> Answer {
        if self.asked.whole {
            Answer::Integer
        } else {
            Answer::Number
        }
    }

    /// Adds a field; `part` is the label of what is asked one by one.
    pub(super) fn add(&mut self, stem: Stem, part: &str, kind: Kind, answer: Answer) {
        let question = &self.asked.text;
        self.fields.push(Field {
            key: stem.key,
            aliases: Vec::new(),
            tag: stem.tag,
            own_tags: BTreeMap::new(),
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
    pub(super) fn choices(&mut self, list: Vec<Choice>, spread: Spread) {
        let list = self.lists.intern(list);
        if let Some(field) = self.fields.last_mut() {
            field.list = list;
            field.spread = spread;
        }
    }

    pub(super) fn aliases(&mut self, aliases: Vec<String>) {
        if let Some(field) = self.fields.last_mut() {
            field.aliases = aliases;
        }
    }

    fn choice(&mut self, stem: &Stem) {
        let asked = self.asked;
        if !asked.is_multiple() {
            self.add(stem.with("", ""), "", Kind::SingleChoice, Answer::Recode);
            self.choices(list(&asked.choices), Spread::One);
            return;
        }
        self.add(stem.with("", ""), "", Kind::MultipleChoice, Answer::Recode);
        self.choices(list(&asked.choices), Spread::Chosen);
        let own = asked
            .choices
            .iter()
            .filter_map(|choice| Some((choice.id.clone(), choice.tag.clone()?)));
        if let Some(field) = self.fields.last_mut() {
            field.own_tags = own.collect();
        }
    }

    fn nps(&mut self, stem: &Stem) {
        let group = |recode: &str, label: &str| Choice {
            id: recode.to_owned(),
            recode: recode.to_owned(),
            label: label.to_owned(),
        };
        self.add(stem.with("", ""), "", Kind::Nps, Answer::Integer);
        self.add(
            stem.with("_NPS_GROUP", "_NPS_GROUP"),
            "NPS group",
            Kind::NpsGroup,
            Answer::Recode,
        );
        let groups = vec![
            group("1", "Detractor"),
            group("2", "Passive"),
            group("3", "Promoter"),
        ];
        self.choices(groups, Spread::One);
    }

    fn text(&mut self, stem: &Stem) {
        let kind = match self.asked.selector.as_str() {
            "ESTB" | "ML" => Kind::Essay,
            _ => Kind::Text,
        };
        self.add(stem.with("_TEXT", ""), "", kind, Answer::Text);
    }

    /// The recorded import id is `QID2698_1`; the column map of `GET /surveys` says `…_1_TEXT`, and no recorded
    /// response has a form, so both spellings are taken.
    fn form(&mut self, stem: &Stem) {
        for field in &self.asked.choices {
            let suffix = format!("_{}", field.id);
            let field_stem = stem.with(&suffix, &suffix);
            let alias = format!("{}_TEXT", field_stem.key);
            self.add(field_stem, &field.label, Kind::Text, Answer::Text);
            self.aliases(vec![alias]);
        }
    }

    fn per_choice(&mut self, stem: &Stem, kind: Kind, answer: Answer) {
        let asked = self.asked;
        for choice in &asked.choices {
            let suffix = format!("_{}", choice.id);
            self.add(stem.with(&suffix, &suffix), &choice.label, kind, answer);
            if answer == Answer::Recode {
                self.choices(list(&asked.answers), Spread::One);
            }
        }
    }

    fn pick_group_rank(&mut self, stem: &Stem) {
        let asked = self.asked;
        for group in &asked.groups {
            let suffix = format!("_{group}_GROUP");
            self.add(stem.with(&suffix, &suffix), "", Kind::Group, Answer::Recode);
            self.choices(list(&asked.choices), Spread::Chosen);
            for choice in &asked.choices {
                let id = &choice.id;
                let rank = stem.with(
                    format_args!("_G{group}_{id}_RANK"),
                    format_args!("_{group}_{id}_RANK"),
                );
                self.add(rank, &choice.label, Kind::Rank, Answer::Integer);
            }
        }
    }

    fn drill_down(&mut self, stem: &Stem) {
        let asked = self.asked;
        for level in 1..=asked.levels.max(asked.choices.len()) {
            let label = asked
                .choices
                .get(level - 1)
                .map_or("", |part| part.label.as_str());
            let suffix = format!("_{level}");
            self.add(
                stem.with(&suffix, &suffix),
                label,
                Kind::SingleChoice,
                Answer::Recode,
            );
            self.choices(list(&asked.answers), Spread::One);
        }
    }

    /// Two columns for each click; the question's own tag is that of the regions.
    fn heat_map(&mut self, stem: &Stem) {
        let coordinates = (1..=self.asked.levels.max(1)).flat_map(|click| {
            ["x", "y"].map(|axis| Choice {
                id: format!("{click}_{axis}"),
                recode: format!("{click}_{axis}"),
                label: format!("click {click}, {axis}"),
            })
        });
        self.add(stem.with("", ""), "", Kind::Number, Answer::Number);
        self.choices(coordinates.collect(), Spread::Points);
        self.add(
            stem.with("_REGIONS", ""),
            "regions",
            Kind::Structure,
            Answer::Structure,
        );
    }

    /// One column per word and category, as the export file has it.
    fn highlight(&mut self, stem: &Stem) {
        let asked = self.asked;
        for category in &asked.answers {
            let suffix = format!("_{}", category.id);
            self.add(
                stem.with(&suffix, &suffix),
                &category.label,
                Kind::MultipleChoice,
                Answer::Recode,
            );
            self.choices(list(&asked.choices), Spread::Chosen);
        }
    }

    fn named(&mut self, stem: &Stem, kind: Kind, parts: &[(&str, &str, Answer)]) {
        for (key, tag, answer) in parts {
            self.add(
                stem.with(format_args!("_{key}"), format_args!("_{tag}")),
                tag,
                kind,
                *answer,
            );
        }
    }

    /// `QID5_7_TEXT` for a choice with a text box. Rows bring theirs along, forms and meta info are nothing else.
    fn texts_beside_choices(&mut self, stem: &Stem) {
        let asked = self.asked;
        if matches!(
            asked.kind.as_str(),
            "Matrix" | "SBS" | "TE" | "Meta" | "Timing"
        ) {
            return;
        }
        for choice in asked.choices.iter().filter(|choice| choice.has_text) {
            let beside = stem.with(
                format_args!("_{}_TEXT", choice.id),
                format_args!("_{}_TEXT", choice.recode()),
            );
            self.add(beside, &choice.label, Kind::ChoiceText, Answer::Text);
        }
    }

    /// Only exports that ask for it show the order, so it is a column only where it is named.
    fn display_order(&mut self, stem: &Stem) {
        let asked = self.asked;
        if asked.choices.is_empty()
            || matches!(
                asked.kind.as_str(),
                "TE" | "Meta" | "Timing" | "SBS" | "HeatMap"
            )
        {
            return;
        }
        let shown = if asked.answers.is_empty() {
            list(&asked.choices)
        } else {
            (1..)
                .zip(&asked.choices)
                .map(|(position, row)| Choice {
                    id: row.id.clone(),
                    recode: row.tag.clone().unwrap_or_else(|| place(row, position)),
                    label: row.label.clone(),
                })
                .collect()
        };
        self.add(
            stem.with("_DO", "_DO"),
            "order shown",
            Kind::DisplayOrder,
            Answer::Integer,
        );
        self.choices(shown, Spread::Places);
        if let Some(field) = self.fields.last_mut() {
            field.by_default = false;
        }
    }
}

pub(super) fn list(parts: &[Part]) -> Vec<Choice> {
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
