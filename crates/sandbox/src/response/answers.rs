//! Plausible answers to every type of question.

use serde_json::{Value, json};

use crate::random::Random;
use crate::response::words::{comment, word};
use crate::survey::field::{FILE, META, TIMING, coded, level, numbered};
use crate::survey::question::{Choice, Kind, Question};

/// A value with its label, under a key without loop prefix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) key: String,
    pub(crate) value: Value,
    pub(crate) label: Option<Value>,
}

/// One respondent's answers; an optional question is skipped now and then.
pub(crate) fn answer(question: &Question, random: &mut Random) -> Vec<Answer> {
    if !question.forced && random.chance(0.12) {
        return Vec::new();
    }
    let mut answers = Answers {
        question,
        random,
        list: Vec::new(),
    };
    answers.add_all();
    if question.randomized && !question.choices.is_empty() {
        answers.display_order();
    }
    answers.list
}

struct Answers<'a> {
    question: &'a Question,
    random: &'a mut Random,
    list: Vec<Answer>,
}

impl Answers<'_> {
    fn add(&mut self, suffix: &str, value: impl Into<Value>, label: Option<Value>) {
        self.list.push(Answer {
            key: format!("{}{suffix}", self.question.id),
            value: value.into(),
            label,
        });
    }

    fn add_all(&mut self) {
        let question = self.question;
        match question.kind {
            Kind::Single => self.single(),
            Kind::Multi => self.multi(),
            Kind::Nps => self.nps(),
            Kind::Text => {
                let text = match (question.numeric, question.selector.as_str()) {
                    (true, _) => self.random.between(1, 500).to_string(),
                    (false, "SL" | "PW" | "Autocomplete") => word(self.random),
                    _ => comment(self.random),
                };
                self.add("_TEXT", text, None);
            }
            Kind::Form => self.each_choice(|random, _| json!(word(random))),
            Kind::Slider => self.each_choice(|random, _| json!(random.between(0, 100))),
            Kind::Rank => {
                let mut ranks: Vec<usize> = (1..=question.choices.len()).collect();
                self.random.shuffle(&mut ranks);
                self.each_choice(|_, at| json!(ranks.get(at)));
            }
            Kind::ConstantSum => self.constant_sum(),
            Kind::MatrixSingle | Kind::MatrixMulti | Kind::MatrixText | Kind::MatrixNumber => {
                self.matrix()
            }
            Kind::SideBySide => self.side_by_side(),
            Kind::PickGroupRank => self.pick_group_rank(),
            Kind::DrillDown => self.drill_down(),
            Kind::File => self.file(),
            Kind::HeatMap => self.heat_map(),
            Kind::HotSpot => {
                for region in &question.choices {
                    self.one_of(&format!("_{}", region.id), &question.answers);
                }
            }
            Kind::Highlight => self.highlight(),
            Kind::Timing => self.timing(),
            Kind::Meta => {
                for ((key, _), value) in
                    META.iter()
                        .zip(["Chrome", "138.0.0.0", "Windows NT 10.0", "1920x1080"])
                {
                    self.add(&format!("_{key}"), value, None);
                }
            }
            Kind::Silent => {}
        }
    }

    /// Answers with the better end of a scale more often than not.
    fn one_of(&mut self, suffix: &str, choices: &[Choice]) {
        let options = numbered(choices);
        let at = self
            .random
            .below(options.len())
            .max(self.random.below(options.len()));
        if let Some(option) = options.get(at) {
            self.add(suffix, option.code.clone(), Some(json!(option.label)));
        }
    }

    /// At least one of them, in the order of the choices.
    fn some_of(&mut self, suffix: &str, choices: &[Choice]) -> Vec<String> {
        let mut options = coded(choices);
        let sure = self.random.below(options.len());
        let mut at = 0;
        options.retain(|_| {
            at += 1;
            at - 1 == sure || self.random.chance(0.4)
        });
        if options.is_empty() {
            return Vec::new();
        }
        let codes: Vec<Value> = options.iter().map(|option| option.code.clone()).collect();
        let labels: Vec<&str> = options.iter().map(|option| option.label.as_str()).collect();
        self.add(suffix, codes, Some(json!(labels)));
        options.into_iter().map(|option| option.id).collect()
    }

    fn choice_texts(&mut self, chosen: &[String]) {
        let question = self.question;
        for choice in question
            .choices
            .iter()
            .filter(|choice| choice.text_entry && chosen.contains(&choice.id))
        {
            let text = word(self.random);
            self.add(&format!("_{}_TEXT", choice.id), text, None);
        }
    }

    fn single(&mut self) {
        let question = self.question;
        self.one_of("", &question.choices);
        let code = self.list.last().map(|answer| answer.value.clone());
        let chosen = question
            .choices
            .iter()
            .find(|choice| Some(choice.code()) == code);
        let chosen: Vec<String> = chosen.map(|choice| choice.id.clone()).into_iter().collect();
        self.choice_texts(&chosen);
    }

    fn multi(&mut self) {
        let question = self.question;
        let chosen = self.some_of("", &question.choices);
        self.choice_texts(&chosen);
    }

    /// The answer itself has no label, its group has. Source: recorded response.
    fn nps(&mut self) {
        let score = self.random.between(0, 10).max(self.random.between(0, 10));
        let (group, label) = nps_group(score);
        self.add("_NPS_GROUP", group, Some(json!(label)));
        self.add("", score, None);
    }

    fn each_choice(&mut self, mut value: impl FnMut(&mut Random, usize) -> Value) {
        let question = self.question;
        for (at, choice) in question.choices.iter().enumerate() {
            let value = value(self.random, at);
            self.add(&format!("_{}", choice.id), value, None);
        }
    }

    fn constant_sum(&mut self) {
        let mut left = 100;
        let last = self.question.choices.len().saturating_sub(1);
        self.each_choice(|random, at| {
            let part = if at == last {
                left
            } else {
                random.between(0, left)
            };
            left -= part;
            json!(part)
        });
    }

    fn matrix(&mut self) {
        let question = self.question;
        for row in &question.choices {
            let suffix = format!("_{}", row.id);
            if !question.forced && self.random.chance(0.08) {
                continue;
            }
            match question.kind {
                Kind::MatrixMulti => {
                    self.some_of(&suffix, &question.answers);
                }
                Kind::MatrixText => self.cells(&suffix, &question.answers),
                Kind::MatrixNumber => {
                    for answer in &question.answers {
                        let number = self.random.between(0, 100);
                        self.add(&format!("{suffix}_{}", answer.id), number, None);
                    }
                }
                _ => self.one_of(&suffix, &question.answers),
            }
            if row.text_entry {
                let text = word(self.random);
                self.add(&format!("{suffix}_TEXT"), text, None);
            }
        }
    }

    fn cells(&mut self, suffix: &str, answers: &[Choice]) {
        for answer in answers {
            let text = word(self.random);
            self.add(&format!("{suffix}_{}", answer.id), text, None);
        }
    }

    fn side_by_side(&mut self) {
        let question = self.question;
        for (number, column) in &question.columns {
            for row in &question.choices {
                let suffix = format!("#{number}_{}", row.id);
                match column.kind {
                    Kind::MatrixMulti => {
                        self.some_of(&suffix, &column.answers);
                    }
                    Kind::MatrixText | Kind::Text => self.cells(&suffix, &column.answers),
                    _ => self.one_of(&suffix, &column.answers),
                }
            }
        }
    }

    /// Each choice lies in one group or in none, and is ranked there.
    fn pick_group_rank(&mut self) {
        let question = self.question;
        let mut order: Vec<&Choice> = question.choices.iter().collect();
        self.random.shuffle(&mut order);
        let mut piles: Vec<Vec<&Choice>> = vec![Vec::new(); question.groups.len()];
        for choice in order {
            let at = self.random.below(piles.len() + 1);
            if let Some(pile) = piles.get_mut(at) {
                pile.push(choice);
            }
        }
        for (group, pile) in piles
            .into_iter()
            .enumerate()
            .filter(|(_, pile)| !pile.is_empty())
        {
            let codes: Vec<&str> = pile.iter().map(|choice| choice.recode.as_str()).collect();
            let labels: Vec<&str> = pile.iter().map(|choice| choice.label.as_str()).collect();
            self.add(
                &format!("_{group}_GROUP"),
                json!(codes),
                Some(json!(labels)),
            );
            for (rank, choice) in pile.iter().enumerate() {
                self.add(&format!("_G{group}_{}_RANK", choice.id), rank + 1, None);
            }
        }
    }

    fn drill_down(&mut self) {
        let question = self.question;
        let deepest =
            |answer: &&Choice| answer.label.split(" ~ ").count() == question.choices.len();
        let leaves: Vec<&Choice> = question.answers.iter().filter(deepest).collect();
        let Some(leaf) = self.random.pick(&leaves).copied() else {
            return;
        };
        for (at, (choice, word)) in question
            .choices
            .iter()
            .zip(leaf.label.split(" ~ "))
            .enumerate()
        {
            if let Some(option) = level(question, at)
                .into_iter()
                .find(|option| option.label == word)
            {
                self.add(
                    &format!("_{}", choice.id),
                    option.code,
                    Some(json!(option.label)),
                );
            }
        }
    }

    fn file(&mut self) {
        let id = self.random.id("F_", 15);
        let size = self.random.between(1_000, 900_000);
        let values = [
            json!(id),
            json!("photo of the site.jpg"),
            json!(size),
            json!("image/jpeg"),
        ];
        for ((key, _), value) in FILE.iter().zip(values) {
            self.add(&format!("_{key}"), value, None);
        }
    }

    fn heat_map(&mut self) {
        let clicks = 1 + self.random.below(self.question.clicks_max);
        let points: Vec<Value> = (0..clicks)
            .map(|_| json!({"x": self.random.between(0, 640), "y": self.random.between(0, 480)}))
            .collect();
        self.add("", points, None);
        self.add("_REGIONS", json!(["Region #1"]), None);
    }

    fn highlight(&mut self) {
        let question = self.question;
        for category in &question.answers {
            if self.random.chance(0.7) {
                self.some_of(&format!("_{}", category.id), &question.choices);
            }
        }
    }

    fn timing(&mut self) {
        let first = self.random.between(500, 4_000);
        let last = first + self.random.between(0, 20_000);
        let submit = last + self.random.between(100, 2_000);
        let clicks = self.random.between(1, 9);
        let seconds = |millis: i64| {
            crate::json::number_or_text(&format!("{}.{:03}", millis / 1_000, millis % 1_000))
        };
        let values = [
            seconds(first),
            seconds(last),
            seconds(submit),
            json!(clicks),
        ];
        for ((key, _), value) in TIMING.iter().zip(values) {
            self.add(&format!("_{key}"), value, None);
        }
    }

    fn display_order(&mut self) {
        let mut options = coded(self.question.shown_in_order());
        self.random.shuffle(&mut options);
        let codes: Vec<Value> = options.iter().map(|option| option.code.clone()).collect();
        let labels: Vec<&str> = options.iter().map(|option| option.label.as_str()).collect();
        self.add("_DO", codes, Some(json!(labels)));
    }
}

/// 0 to 6 detractor, 7 and 8 passive, 9 and 10 promoter.
pub(crate) fn nps_group(score: i64) -> (i64, &'static str) {
    match score {
        ..=6 => (1, "Detractor"),
        7 | 8 => (2, "Passive"),
        _ => (3, "Promoter"),
    }
}
