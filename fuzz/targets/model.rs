//! A small model with every type.

use std::sync::{Arc, LazyLock};

use ingester_core::odata::{EntitySet, Model, SetKind, Source, StoredProperty};
use ingester_core::row::ColumnType;

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let kinds = [
        ("ResponseId", ColumnType::NVarchar(100)),
        ("RecordedDate", ColumnType::Timestamp),
        ("Q1", ColumnType::Integer),
        ("Q2", ColumnType::Decimal { precision: 20, scale: 6 }),
        ("Q3", ColumnType::NVarchar(5000)),
        ("Q4", ColumnType::NClob),
        ("Q5", ColumnType::Date),
        ("Q6", ColumnType::Boolean),
        ("Q7", ColumnType::Double),
    ];
    let stored = kinds.into_iter().map(|(name, kind)| StoredProperty {
        name: name.to_owned(),
        column: name.to_uppercase().parse().expect("a name"),
        kind,
        nullable: name != "ResponseId",
        key: name == "ResponseId",
        label: None,
        missing: None,
        choices: Vec::new(),
        is_nps: false,
    });
    let survey = "SV_22VlHYNeldrrrk1".parse().expect("an id");
    let table = "FEEDBACK".parse().expect("a name");
    let set = EntitySet::new("Feedback", SetKind::Survey(survey), Source::Table(table), stored.collect(), jiff::tz::TimeZone::UTC);
    Model { namespace: "feedback".to_owned(), sets: vec![Arc::new(set)] }
});

/// The model.
pub(crate) fn model() -> &'static Model {
    &MODEL
}
