//! Conditions against an evaluator that knows nothing of SQL: three-valued, as OData V4.01 Part 2, 5.1.1.1 has it.

use ingester_core::row::Cell;
use proptest::prelude::*;

use crate::fixture::{cases, row, service, text};

#[derive(Debug, Clone)]
enum Condition {
    Numbers(Number, &'static str, Number),
    Texts(Text, &'static str, Text),
    Contains(&'static str, Text, Text),
    In(Number, Vec<Option<i64>>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Is(Box<Self>, &'static str, Option<bool>),
}

#[derive(Debug, Clone)]
enum Number {
    Column(&'static str),
    Literal(Option<i64>),
    Length(Text),
}

#[derive(Debug, Clone)]
enum Text {
    Column(&'static str),
    Literal(&'static str),
    Upper(Box<Self>),
}

/// One row: `Q1`, `Q2`, `Comment`, `AccountID`.
type Values = (
    Option<i64>,
    Option<i64>,
    Option<&'static str>,
    Option<&'static str>,
);

impl Number {
    fn url(&self) -> String {
        match self {
            Self::Column(name) => (*name).to_owned(),
            Self::Literal(value) => value.map_or("null".to_owned(), |value| value.to_string()),
            Self::Length(text) => format!("length({})", text.url()),
        }
    }

    fn value(&self, row: &Values) -> Option<i64> {
        match self {
            // -9 is configured as missing for Q1.
            Self::Column("Q1") => row.0.filter(|value| *value != -9),
            Self::Column(_) => row.1,
            Self::Literal(value) => *value,
            Self::Length(text) => text
                .value(row)
                .map(|text| i64::try_from(text.chars().count()).unwrap()),
        }
    }
}

impl Text {
    fn url(&self) -> String {
        match self {
            Self::Column(name) => (*name).to_owned(),
            Self::Literal(value) => format!("'{}'", value.replace('\'', "''")),
            Self::Upper(text) => format!("toupper({})", text.url()),
        }
    }

    fn value(&self, row: &Values) -> Option<String> {
        match self {
            Self::Column("Comment") => row.2.map(str::to_owned),
            Self::Column(_) => row.3.map(str::to_owned),
            Self::Literal(value) => Some((*value).to_owned()),
            Self::Upper(text) => text.value(row).map(|text| text.to_uppercase()),
        }
    }
}

fn compared<T: PartialOrd>(operator: &str, left: Option<&T>, right: Option<&T>) -> bool {
    let both_null = left.is_none() && right.is_none();
    let values = left.zip(right);
    let holds = |test: fn(&T, &T) -> bool| values.is_some_and(|(left, right)| test(left, right));
    match operator {
        "eq" => both_null || holds(T::eq),
        "ne" => !(both_null || holds(T::eq)),
        "gt" => holds(T::gt),
        "lt" => holds(T::lt),
        "ge" => both_null || holds(T::ge),
        _ => both_null || holds(T::le),
    }
}

impl Condition {
    fn url(&self) -> String {
        let joined = |operands: &[Self], word: &str| {
            let operands: Vec<String> = operands.iter().map(Self::url).collect();
            format!("({})", operands.join(word))
        };
        match self {
            Self::Numbers(left, operator, right) => {
                format!("{} {operator} {}", left.url(), right.url())
            }
            Self::Texts(left, operator, right) => {
                format!("{} {operator} {}", left.url(), right.url())
            }
            Self::Contains(function, text, part) => {
                format!("{function}({},{})", text.url(), part.url())
            }
            Self::In(number, values) => {
                let values: Vec<String> = values
                    .iter()
                    .map(|value| Number::Literal(*value).url())
                    .collect();
                format!("{} in ({})", number.url(), values.join(","))
            }
            Self::And(operands) => joined(operands, " and "),
            Self::Or(operands) => joined(operands, " or "),
            Self::Not(operand) => format!("not ({})", operand.url()),
            Self::Is(operand, operator, value) => {
                let value = value.map_or("null".to_owned(), |value| value.to_string());
                format!("({}) {operator} {value}", operand.url())
            }
        }
    }

    fn value(&self, row: &Values) -> Option<bool> {
        match self {
            Self::Numbers(left, operator, right) => Some(compared(
                operator,
                left.value(row).as_ref(),
                right.value(row).as_ref(),
            )),
            Self::Texts(left, operator, right) => Some(compared(
                operator,
                left.value(row).as_ref(),
                right.value(row).as_ref(),
            )),
            Self::Contains(function, text, part) => {
                let (text, part) = (text.value(row)?, part.value(row)?);
                Some(match *function {
                    "startswith" => text.starts_with(&part),
                    "endswith" => text.ends_with(&part),
                    _ => text.contains(&part),
                })
            }
            Self::In(number, values) => Some(values.contains(&number.value(row))),
            Self::And(operands) => {
                let values: Vec<_> = operands.iter().map(|operand| operand.value(row)).collect();
                if values.contains(&Some(false)) {
                    return Some(false);
                }
                (!values.contains(&None)).then_some(true)
            }
            Self::Or(operands) => {
                let values: Vec<_> = operands.iter().map(|operand| operand.value(row)).collect();
                if values.contains(&Some(true)) {
                    return Some(true);
                }
                (!values.contains(&None)).then_some(false)
            }
            Self::Not(operand) => operand.value(row).map(|value| !value),
            Self::Is(operand, operator, value) => {
                Some((operand.value(row) == *value) == (*operator == "eq"))
            }
        }
    }
}

fn any_text() -> impl Strategy<Value = Text> {
    let leaf = prop_oneof![
        2 => prop::sample::select(vec!["Comment", "AccountID"]).prop_map(Text::Column),
        1 => prop::sample::select(vec!["", "a", "Ä", "50%", "o'k", "_"]).prop_map(Text::Literal),
    ];
    leaf.prop_recursive(1, 2, 1, |inner| {
        inner.prop_map(|inner| Text::Upper(Box::new(inner)))
    })
}

fn any_number() -> impl Strategy<Value = Number> {
    prop_oneof![
        3 => prop::sample::select(vec!["Q1", "Q2"]).prop_map(Number::Column),
        2 => prop::option::of(-9..4_i64).prop_map(Number::Literal),
        1 => any_text().prop_map(Number::Length),
    ]
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let comparison = prop::sample::select(vec!["eq", "ne", "gt", "ge", "lt", "le"]);
    let function = prop::sample::select(vec!["contains", "startswith", "endswith"]);
    let values = prop::collection::vec(prop::option::of(-9..4_i64), 1..4);
    let leaf = prop_oneof![
        (any_number(), comparison.clone(), any_number())
            .prop_map(|(l, o, r)| Condition::Numbers(l, o, r)),
        (any_text(), comparison, any_text()).prop_map(|(l, o, r)| Condition::Texts(l, o, r)),
        (function, any_text(), any_text()).prop_map(|(f, t, p)| Condition::Contains(f, t, p)),
        (any_number(), values).prop_map(|(number, values)| Condition::In(number, values)),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let operands = prop::collection::vec(inner.clone(), 2..4);
        let equality = prop::sample::select(vec!["eq", "ne"]);
        prop_oneof![
            operands.clone().prop_map(Condition::And),
            operands.prop_map(Condition::Or),
            inner
                .clone()
                .prop_map(|inner| Condition::Not(Box::new(inner))),
            (inner, equality, prop::option::of(any::<bool>())).prop_map(
                |(inner, equality, value)| Condition::Is(Box::new(inner), equality, value)
            ),
        ]
    })
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_filter_finds_what_the_specification_says(
        rows in prop::collection::vec(
            (
                prop::option::of(-9..4_i64),
                prop::option::of(-9..4_i64),
                prop::option::of(prop::sample::select(vec!["", "a", "ä", "Äa", "50%", "50", "o'k", "a_b"])),
                prop::option::of(prop::sample::select(vec!["", "a", "A", "ä"])),
            ),
            1..8,
        ),
        conditions in prop::collection::vec(any_condition(), 6),
    ) {
        let cells = |(q1, q2, comment, account): &Values| {
            let number = |value: Option<i64>| value.map_or(Cell::Null, Cell::Integer);
            let words = |value: Option<&str>| value.map_or(Cell::Null, text);
            [("Q1", number(*q1)), ("Q2", number(*q2)), ("Comment", words(*comment)), ("AccountID", words(*account))]
        };
        let stored: Vec<_> = rows.iter().enumerate().map(|(n, row_values)| row(&format!("R_{n}"), &cells(row_values))).collect();
        let service = service(&stored);
        for condition in conditions {
            let holds = |row: &Values| condition.value(row) == Some(true);
            let expected: Vec<String> =
                rows.iter().enumerate().filter(|(_, row)| holds(row)).map(|(n, _)| n.to_string()).collect();

            let filter = condition.url();

            prop_assert_eq!(service.ids(&format!("$filter={filter}")), expected.join(" "), "{}", filter);
        }
    }
}
