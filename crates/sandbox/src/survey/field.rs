//! The keys that a question has in `values`, with the tags and cells of an export file.
//!
//! Everything else follows from this list: the response schema, generated answers, displayed fields, export columns.
//! Source: the dossier of recorded answers and clients; types marked as guesses there are marked by `Kind::is_guess`.

use serde_json::Value;

use crate::survey::question::{Choice, Kind, Question};

/// A possible answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Opt {
    pub(crate) id: String,
    /// As `values` holds it: a number for single answers, a string in arrays.
    pub(crate) code: Value,
    pub(crate) label: String,
}

/// What a key's value looks like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Single(Vec<Opt>),
    Multi(Vec<Opt>),
    /// 1 detractor, 2 passive, 3 promoter.
    NpsGroup,
    Text,
    Number,
    /// A rank among so many.
    Rank(usize),
    Points,
    Regions,
    /// The order in which choices were shown.
    Order(Vec<Opt>),
}

/// Where a column's cell comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// The value, arrays joined by commas.
    Whole,
    /// The code, where the array holds it.
    Member(String),
    /// The position of the code in the array.
    Place(String),
    /// A coordinate of the n-th point.
    Point(usize, &'static str),
}

/// A column of an export file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) tag: String,
    pub(crate) choice: Option<String>,
    pub(crate) text: String,
    pub(crate) cell: Cell,
}

/// A key of `values` that belongs to a question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) tag: String,
    pub(crate) question: String,
    pub(crate) question_tag: String,
    pub(crate) text: String,
    pub(crate) shape: Shape,
    pub(crate) columns: Vec<Column>,
    pub(crate) loop_number: Option<usize>,
}

/// All keys of a question, once for each loop.
pub(crate) fn fields(question: &Question) -> Vec<Field> {
    let mut list = Fields {
        question,
        list: Vec::new(),
    };
    list.add_all();
    match question.loops {
        None => list.list,
        Some(loops) => (1..=loops)
            .flat_map(|turn| list.list.iter().map(move |field| in_loop(field, turn)))
            .collect(),
    }
}

/// Source: recorded loops: key `1_QID4137_1`, header `1_JJ11_DO_1`, and `1_1` where the row's own tag is `1`.
fn in_loop(field: &Field, turn: usize) -> Field {
    let mut field = field.clone();
    let prefixed = |text: &str| format!("{turn}_{text}");
    field.key = prefixed(&field.key);
    field.tag = prefixed(&field.tag);
    for column in &mut field.columns {
        column.tag = prefixed(&column.tag);
    }
    field.loop_number = Some(turn);
    field
}

/// `Number` options for single answers.
pub(crate) fn numbered(choices: &[Choice]) -> Vec<Opt> {
    choices
        .iter()
        .map(|choice| Opt {
            id: choice.id.clone(),
            code: choice.code(),
            label: choice.label.clone(),
        })
        .collect()
}

/// String options for arrays. Source: recorded `"QID2": ["2"]`; that the strings are recodes and not choice ids is
/// assumed (the recorded ones are equal).
pub(crate) fn coded(choices: &[Choice]) -> Vec<Opt> {
    let code = |choice: &Choice| Value::from(choice.recode.clone());
    choices
        .iter()
        .map(|choice| Opt {
            id: choice.id.clone(),
            code: code(choice),
            label: choice.label.clone(),
        })
        .collect()
}

/// The distinct words of one level of a drill-down, numbered in order.
pub(crate) fn level(question: &Question, level: usize) -> Vec<Opt> {
    let mut options: Vec<Opt> = Vec::new();
    for answer in &question.answers {
        let Some(word) = answer.label.split(" ~ ").nth(level) else {
            continue;
        };
        if !options.iter().any(|option| option.label == word) {
            let number = options.len() + 1;
            options.push(Opt {
                id: number.to_string(),
                code: Value::from(number),
                label: word.to_owned(),
            });
        }
    }
    options
}

/// Suffix of the key, and of the header. Source: recorded headers and ImportIds.
pub(crate) const TIMING: [(&str, &str); 4] = [
    ("FIRST_CLICK", "First Click"),
    ("LAST_CLICK", "Last Click"),
    ("PAGE_SUBMIT", "Page Submit"),
    ("CLICK_COUNT", "Click Count"),
];
/// Only four of the seven choices appear. Source: recorded headers and ImportIds.
pub(crate) const META: [(&str, &str); 4] = [
    ("BROWSER", "Browser"),
    ("VERSION", "Version"),
    ("OS", "Operating System"),
    ("RESOLUTION", "Resolution"),
];
/// Source: clients that read uploaded files.
pub(crate) const FILE: [(&str, &str); 4] = [
    ("FILE_ID", "Id"),
    ("FILE_NAME", "Name"),
    ("FILE_SIZE", "Size"),
    ("FILE_TYPE", "Type"),
];

struct Fields<'a> {
    question: &'a Question,
    list: Vec<Field>,
}

impl Fields<'_> {
    /// Adds a key `QIDn{suffix}` with one column of the same tag.
    fn add(&mut self, suffix: &str, tag: String, about: Option<&str>, shape: Shape) {
        let text = self.text(&[about]);
        let column = Column {
            tag: tag.clone(),
            choice: None,
            text: text.clone(),
            cell: Cell::Whole,
        };
        self.add_columns(suffix, tag, text, shape, vec![column]);
    }

    fn add_columns(
        &mut self,
        suffix: &str,
        tag: String,
        text: String,
        shape: Shape,
        columns: Vec<Column>,
    ) {
        self.list.push(Field {
            key: format!("{}{suffix}", self.question.id),
            tag,
            question: self.question.id.clone(),
            question_tag: self.question.tag.clone(),
            text,
            shape,
            columns,
            loop_number: None,
        });
    }

    /// Adds a key whose value is an array, with one column for each option.
    fn add_broken_out(&mut self, suffix: &str, tag: &str, about: Option<&str>, options: Vec<Opt>) {
        let columns = options
            .iter()
            .map(|option| {
                let code = crate::json::scalar_text(&option.code);
                Column {
                    tag: format!("{tag}_{code}"),
                    choice: Some(option.id.clone()),
                    text: self.text(&[about, Some(&option.label)]),
                    cell: Cell::Member(code),
                }
            })
            .collect();
        let text = self.text(&[about]);
        self.add_columns(suffix, tag.to_owned(), text, Shape::Multi(options), columns);
    }

    fn text(&self, about: &[Option<&str>]) -> String {
        let mut text = self.question.text.clone();
        for part in about.iter().flatten() {
            text.push_str(" - ");
            text.push_str(part);
        }
        text
    }

    fn tag(&self, suffix: &str) -> String {
        format!("{}_{suffix}", self.question.tag)
    }

    /// A row's own tag stands verbatim. Source: recorded headers `1` and `SM1_11`.
    fn row_tag(&self, row: &Choice) -> String {
        row.tag.clone().unwrap_or_else(|| self.tag(&row.id))
    }

    fn add_all(&mut self) {
        let question = self.question;
        match question.kind {
            Kind::Single => self.single(),
            Kind::Multi => {
                self.add_broken_out("", &question.tag, None, coded(&question.choices));
                self.choice_texts();
            }
            Kind::Nps => {
                self.add(
                    "",
                    question.tag.clone(),
                    None,
                    Shape::Single(numbered(&question.choices)),
                );
                self.add(
                    "_NPS_GROUP",
                    self.tag("NPS_GROUP"),
                    Some("Group"),
                    Shape::NpsGroup,
                );
            }
            Kind::Text => self.add("_TEXT", question.tag.clone(), None, Shape::Text),
            Kind::Form => self.each_choice(&Shape::Text),
            Kind::Slider | Kind::ConstantSum => self.each_choice(&Shape::Number),
            Kind::Rank => self.each_choice(&Shape::Rank(question.choices.len())),
            Kind::MatrixSingle | Kind::MatrixMulti | Kind::MatrixText | Kind::MatrixNumber => {
                self.matrix()
            }
            Kind::SideBySide => self.side_by_side(),
            Kind::PickGroupRank => self.pick_group_rank(),
            Kind::DrillDown => {
                for (at, choice) in question.choices.iter().enumerate() {
                    let shape = Shape::Single(level(question, at));
                    self.add(
                        &format!("_{}", choice.id),
                        self.tag(&choice.id),
                        Some(&choice.label),
                        shape,
                    );
                }
            }
            Kind::File => self.suffixes(&FILE),
            Kind::Timing => self.suffixes(&TIMING),
            Kind::Meta => self.suffixes(&META),
            Kind::HeatMap => self.heat_map(),
            Kind::HotSpot => {
                for region in &question.choices {
                    let shape = Shape::Single(numbered(&question.answers));
                    self.add(
                        &format!("_{}", region.id),
                        self.tag(&region.id),
                        Some(&region.label),
                        shape,
                    );
                }
            }
            Kind::Highlight => {
                for category in &question.answers {
                    let (suffix, tag) = (format!("_{}", category.id), self.tag(&category.id));
                    self.add_broken_out(
                        &suffix,
                        &tag,
                        Some(&category.label),
                        coded(&question.choices),
                    );
                }
            }
            Kind::Silent => {}
        }
        if question.randomized && !question.choices.is_empty() {
            self.display_order();
        }
    }

    fn single(&mut self) {
        self.add(
            "",
            self.question.tag.clone(),
            None,
            Shape::Single(numbered(&self.question.choices)),
        );
        self.choice_texts();
    }

    fn choice_texts(&mut self) {
        for choice in self
            .question
            .choices
            .iter()
            .filter(|choice| choice.text_entry)
        {
            let tag = self.tag(&format!("{}_TEXT", choice.recode));
            self.add(
                &format!("_{}_TEXT", choice.id),
                tag,
                Some(&format!("{} - Text", choice.label)),
                Shape::Text,
            );
        }
    }

    fn each_choice(&mut self, shape: &Shape) {
        for choice in &self.question.choices {
            self.add(
                &format!("_{}", choice.id),
                self.tag(&choice.id),
                Some(&choice.label),
                shape.clone(),
            );
        }
    }

    fn suffixes(&mut self, suffixes: &[(&str, &str)]) {
        for (key, tag) in suffixes {
            let shape = match *key {
                "FILE_SIZE" => Shape::Number,
                _ if self.question.kind == Kind::Timing => Shape::Number,
                _ => Shape::Text,
            };
            self.add(&format!("_{key}"), self.tag(tag), Some(tag), shape);
        }
    }

    fn matrix(&mut self) {
        let question = self.question;
        for row in &question.choices {
            let (suffix, tag) = (format!("_{}", row.id), self.row_tag(row));
            match question.kind {
                Kind::MatrixMulti => {
                    self.add_broken_out(&suffix, &tag, Some(&row.label), coded(&question.answers))
                }
                Kind::MatrixText | Kind::MatrixNumber => {
                    let shape = if question.kind == Kind::MatrixText {
                        Shape::Text
                    } else {
                        Shape::Number
                    };
                    for column in &question.answers {
                        let about = format!("{} - {}", row.label, column.label);
                        let (suffix, tag) = (
                            format!("{suffix}_{}", column.id),
                            format!("{tag}_{}", column.id),
                        );
                        self.add(&suffix, tag, Some(&about), shape.clone());
                    }
                }
                _ => self.add(
                    &suffix,
                    tag.clone(),
                    Some(&row.label),
                    Shape::Single(numbered(&question.answers)),
                ),
            }
            if row.text_entry {
                let about = format!("{} - Text", row.label);
                self.add(
                    &format!("{suffix}_TEXT"),
                    format!("{tag}_TEXT"),
                    Some(&about),
                    Shape::Text,
                );
            }
        }
    }

    fn side_by_side(&mut self) {
        let question = self.question;
        for (number, column) in &question.columns {
            for row in &question.choices {
                let suffix = format!("#{number}_{}", row.id);
                let tag = format!("{}{suffix}", question.tag);
                let about = format!("{} - {}", column.text, row.label);
                match column.kind {
                    Kind::MatrixMulti => {
                        self.add_broken_out(&suffix, &tag, Some(&about), coded(&column.answers))
                    }
                    Kind::MatrixText | Kind::Text => {
                        for answer in &column.answers {
                            let about = format!("{about} - {}", answer.label);
                            let (suffix, tag) = (
                                format!("{suffix}_{}", answer.id),
                                format!("{tag}_{}", answer.id),
                            );
                            self.add(&suffix, tag, Some(&about), Shape::Text);
                        }
                    }
                    _ => self.add(
                        &suffix,
                        tag,
                        Some(&about),
                        Shape::Single(numbered(&column.answers)),
                    ),
                }
            }
        }
    }

    /// Source: recorded keys `QID64_0_GROUP`, `QID64_G0_13_RANK`; tags after a client that reads them.
    fn pick_group_rank(&mut self) {
        let question = self.question;
        for (group, name) in question.groups.iter().enumerate() {
            let tag = self.tag(&format!("{group}_GROUP"));
            self.add_broken_out(
                &format!("_{group}_GROUP"),
                &tag,
                Some(name),
                coded(&question.choices),
            );
            for choice in &question.choices {
                let tag = self.tag(&format!("{group}_{}_RANK", choice.id));
                let about = format!("{name} - {} - Rank", choice.label);
                let shape = Shape::Rank(question.choices.len());
                self.add(
                    &format!("_G{group}_{}_RANK", choice.id),
                    tag,
                    Some(&about),
                    shape,
                );
            }
        }
    }

    fn heat_map(&mut self) {
        let question = self.question;
        let columns = (1..=question.clicks_max)
            .flat_map(|point| ["x", "y"].map(|axis| (point, axis)))
            .map(|(point, axis)| Column {
                tag: self.tag(&format!("{point}_{axis}")),
                choice: Some(format!("{point}_{axis}")),
                text: self.text(&[Some(&format!("Click {point} - {axis}"))]),
                cell: Cell::Point(point, axis),
            })
            .collect();
        self.add_columns(
            "",
            question.tag.clone(),
            question.text.clone(),
            Shape::Points,
            columns,
        );
        self.add(
            "_REGIONS",
            question.tag.clone(),
            Some("Regions"),
            Shape::Regions,
        );
    }

    /// Source: recorded `demAgeTeen_DO_1` with `{"ImportId":"QID4039_DO","choiceId":"1"}`, and `SM1_DO_SM1_11`.
    fn display_order(&mut self) {
        let question = self.question;
        let options = coded(question.shown_in_order());
        let columns = question
            .shown_in_order()
            .iter()
            .map(|choice| {
                let name = choice.tag.as_ref().unwrap_or(&choice.id);
                Column {
                    tag: self.tag(&format!("DO_{name}")),
                    choice: Some(name.clone()),
                    text: self.text(&[Some("Display Order"), Some(&choice.label)]),
                    cell: Cell::Place(choice.recode.clone()),
                }
            })
            .collect();
        let text = self.text(&[Some("Display Order")]);
        self.add_columns("_DO", self.tag("DO"), text, Shape::Order(options), columns);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(definition: serde_json::Value, expected: &[(&str, &[&str])]) {
        let question = Question::read("QID7", &definition);
        let fields = fields(&question);
        let found: Vec<(&str, Vec<&str>)> = fields
            .iter()
            .map(|field| {
                (
                    field.key.as_str(),
                    field
                        .columns
                        .iter()
                        .map(|column| column.tag.as_str())
                        .collect(),
                )
            })
            .collect();
        let expected: Vec<(&str, Vec<&str>)> = expected
            .iter()
            .map(|(key, tags)| (*key, tags.to_vec()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn each_type_has_its_keys_and_tags() {
        let two = json!({"1": {"Display": "a"}, "2": {"Display": "b"}});
        check(
            json!({"QuestionType": "MC", "Selector": "MAVR", "DataExportTag": "Q4",
                "Choices": {"1": {"Display": "a"}, "2": {"Display": "b", "TextEntry": "true"}}, "RecodeValues": {"1": "10", "2": "20"}}),
            &[
                ("QID7", &["Q4_10", "Q4_20"]),
                ("QID7_2_TEXT", &["Q4_20_TEXT"]),
            ],
        );
        check(
            json!({"QuestionType": "TE", "Selector": "FORM", "DataExportTag": "PII", "Choices": two}),
            &[("QID7_1", &["PII_1"]), ("QID7_2", &["PII_2"])],
        );
        check(
            json!({"QuestionType": "Matrix", "Selector": "Likert", "SubSelector": "SingleAnswer", "DataExportTag": "SM1",
                "Choices": two, "Answers": two, "ChoiceDataExportTags": {"2": "SM1_11"}, "Randomization": {"Type": "All"}}),
            &[
                ("QID7_1", &["SM1_1"]),
                ("QID7_2", &["SM1_11"]),
                ("QID7_DO", &["SM1_DO_1", "SM1_DO_SM1_11"]),
            ],
        );
        check(
            json!({"QuestionType": "Matrix", "Selector": "Likert", "SubSelector": "MultipleAnswer", "DataExportTag": "Q",
                "Choices": {"1": {"Display": "a"}}, "Answers": two}),
            &[("QID7_1", &["Q_1_1", "Q_1_2"])],
        );
        check(
            json!({"QuestionType": "SBS", "DataExportTag": "S", "Choices": {"1": {"Display": "a"}}, "AdditionalQuestions": {
                "1": {"Selector": "Likert", "SubSelector": "SingleAnswer", "Answers": two},
                "2": {"Selector": "Likert", "SubSelector": "MultipleAnswer", "Answers": two},
                "3": {"Selector": "TE", "Answers": {"1": {"Display": "why"}}}}}),
            &[
                ("QID7#1_1", &["S#1_1"]),
                ("QID7#2_1", &["S#2_1_1", "S#2_1_2"]),
                ("QID7#3_1_1", &["S#3_1_1"]),
            ],
        );
        check(
            json!({"QuestionType": "PGR", "DataExportTag": "P", "Groups": ["g"], "Choices": {"13": {"Display": "a"}}}),
            &[
                ("QID7_0_GROUP", &["P_0_GROUP_13"]),
                ("QID7_G0_13_RANK", &["P_0_13_RANK"]),
            ],
        );
        check(
            json!({"QuestionType": "Timing", "DataExportTag": "TIMING_1"}),
            &[
                ("QID7_FIRST_CLICK", &["TIMING_1_First Click"]),
                ("QID7_LAST_CLICK", &["TIMING_1_Last Click"]),
                ("QID7_PAGE_SUBMIT", &["TIMING_1_Page Submit"]),
                ("QID7_CLICK_COUNT", &["TIMING_1_Click Count"]),
            ],
        );
    }

    #[test]
    fn loops_stand_in_front_of_keys_and_tags() {
        let definition = json!({"QuestionType": "Matrix", "Selector": "Likert", "DataExportTag": "JJ11",
            "Choices": {"1": {"Display": "a"}}, "Answers": {"1": {"Display": "x"}}, "ChoiceDataExportTags": {"1": "1"},
            "Randomization": {"Type": "All"}});
        let mut question = Question::read("QID4137", &definition);
        question.loops = Some(2);

        let fields = fields(&question);

        let keys: Vec<_> = fields
            .iter()
            .map(|field| (field.key.as_str(), field.columns[0].tag.as_str()))
            .collect();
        assert_eq!(
            keys,
            [
                ("1_QID4137_1", "1_1"),
                ("1_QID4137_DO", "1_JJ11_DO_1"),
                ("2_QID4137_1", "2_1"),
                ("2_QID4137_DO", "2_JJ11_DO_1")
            ]
        );
    }

    #[test]
    fn a_drill_down_numbers_the_words_of_each_level() {
        let definition = json!({"QuestionType": "DD", "Choices": {"1": {"Display": "Country"}, "2": {"Display": "City"}},
            "Answers": {"1": {"Display": "DE ~ Berlin"}, "2": {"Display": "DE ~ Bonn"}, "3": {"Display": "FR ~ Paris"}}});
        let question = Question::read("QID1", &definition);

        let labels = |at| {
            level(&question, at)
                .into_iter()
                .map(|option| option.label)
                .collect::<Vec<_>>()
        };
        assert_eq!(labels(0), ["DE", "FR"]);
        assert_eq!(labels(1), ["Berlin", "Bonn", "Paris"]);
    }
}
