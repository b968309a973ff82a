//! Any bytes are a response schema or an error; a schema alone compiles to columns of different names, and is kept as
//! it was.
#![no_main]

use ingester_core::mapping::{ColumnMap, MapOptions};
use ingester_core::survey::{DefinitionAnswers, SurveyDefinition};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let id = "SV_22VlHYNeldrrrk1".parse().expect("an id");
    let answers = DefinitionAnswers { response_schema: Some(bytes), ..DefinitionAnswers::default() };
    let Ok(definition) = SurveyDefinition::from_answers(&id, &answers) else { return };
    let kept = SurveyDefinition::from_json(&definition.to_json()).expect("what we keep, we read");
    assert_eq!(kept.version(), definition.version());
    let options = MapOptions::new("FEEDBACK".parse().expect("a name"));
    if let Ok((map, _)) = ColumnMap::compile(&definition, &options, &[]) {
        let mut names: Vec<_> = map.table().columns.iter().map(|column| column.name.as_ref().to_uppercase()).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "two columns of one name");
    }
});
