//! The rules by which a question's type gives keys, tags and columns.

use crate::survey::field::{
    Cell, Column, FILE, Field, META, Opt, Shape, TIMING, coded, level, numbered,
};
use crate::survey::question::{Choice, Kind, Question};

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
            Kind::DrillDown => self.drill_down(),
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

    fn drill_down(&mut self) {
        let question = self.question;
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
mod tests;
