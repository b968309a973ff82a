//! Names and keys against headers of real export files: what the same survey's CSV calls a column, and which import id
//! it gives it, is what we must derive.
#![expect(clippy::unwrap_used, reason = "test helpers fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ingester_core::mapping::{CodebookEntry, ColumnMap, MapOptions};
use ingester_core::survey::{DefinitionAnswers, SurveyDefinition};
use serde_json::Value;

#[test]
fn a_plain_survey_has_the_names_of_its_export() {
    let folder = folder("SV_3gbwq8aJgqPwQDP");
    let csv = fs::read_to_string(folder.join("export.csv")).unwrap();
    let mut records = csv.split("\r\n").map(csv_record);
    let (names, _texts, imports) = (
        records.next().unwrap(),
        records.next().unwrap(),
        records.next().unwrap(),
    );
    let columns: Vec<Column> = names
        .into_iter()
        .zip(imports)
        .map(|(name, import)| Column::of(name, &serde_json::from_str(&import).unwrap()))
        .collect();

    assert_eq!(columns.len(), 24);
    for answers in [
        &["survey.json"][..],
        &["survey-definition.json"],
        &["survey.json", "survey-definition.json"],
    ] {
        assert_eq!(
            differences(&folder, answers, &columns),
            Vec::<String>::new(),
            "{answers:?}"
        );
    }
}

/// The recorded answer lacks `ChoiceDataExportTags`, without which own tags `1`, `2`, `3` of rows can't be told from
/// none. Everything else agrees.
#[test]
fn a_rich_survey_has_the_names_of_its_export_but_for_what_its_answer_lacks() {
    let folder = folder("SV_3FdDswpcO88rSxE");
    let columns: Vec<Value> =
        serde_json::from_slice(&fs::read(folder.join("csv-columns.json")).unwrap()).unwrap();
    let columns: Vec<Column> = columns
        .iter()
        .map(|column| {
            Column::of(
                column["csvHeader"].as_str().unwrap().to_owned(),
                &column["import"],
            )
        })
        .collect();

    let differences = differences(&folder, &["survey.json"], &columns);

    let rows_without_their_own_tags = [
        "1 (QID4121_1): JJscn1_1",
        "2 (QID4121_2): JJscn1_2",
        "3 (QID4121_3): JJscn1_3",
        "1_1 (1_QID4137_1): 1_JJ11_1",
        "1_2 (1_QID4137_2): 1_JJ11_2",
        "1_3 (1_QID4137_3): 1_JJ11_3",
        "2_1 (2_QID4137_1): 2_JJ11_1",
        "2_2 (2_QID4137_2): 2_JJ11_2",
        "2_3 (2_QID4137_3): 2_JJ11_3",
    ];
    let flow_orders = [
        "FL_210_DO_FL_211 (FL_210_DO): none",
        "FL_210_DO_FL_212 (FL_210_DO): none",
        "FL_20_DO_FL_94 (FL_20_DO): none",
        "FL_20_DO_FL_95 (FL_20_DO): none",
        "FL_219_DO_FL_220 (FL_219_DO): none",
        "FL_219_DO_FL_221 (FL_219_DO): none",
    ];
    assert_eq!(
        differences,
        [&rows_without_their_own_tags[..], &flow_orders].concat()
    );
    assert_eq!(columns.len(), 65 + flow_orders.len());
}

/// With the tags that the definition would give, all names agree.
#[test]
fn rows_with_own_tags_are_named_by_them() {
    let definition = br#"{"SurveyID":"SV_3FdDswpcO88rSxE","Questions":{
        "QID4121":{"QuestionType":"Matrix","Selector":"Likert","SubSelector":"SingleAnswer","DataExportTag":"JJscn1",
            "Choices":{"1":{"Display":"Politics"},"2":{"Display":"Government"}},"ChoiceDataExportTags":{"1":"1","2":"2"},
            "Answers":{"1":{"Display":"a"},"2":{"Display":"b"}}},
        "QID4137":{"QuestionType":"Matrix","Selector":"Likert","SubSelector":"SingleAnswer","DataExportTag":"JJ11",
            "Choices":{"1":{"Display":"believable"}},"ChoiceDataExportTags":{"1":"1"},
            "Answers":{"1":{"Display":"a"},"2":{"Display":"b"}}}},
        "Blocks":{"BL_1":{"Type":"Standard","BlockElements":[{"Type":"Question","QuestionID":"QID4137"}],
            "Options":{"Looping":"Static","LoopingOptions":{"Static":{"1":{},"2":{}}}}}}}"#;
    let answers = DefinitionAnswers {
        survey_definition: Some(definition),
        ..DefinitionAnswers::default()
    };
    let definition =
        SurveyDefinition::from_answers(&"SV_3FdDswpcO88rSxE".parse().unwrap(), &answers).unwrap();

    let (map, _) =
        ColumnMap::compile(&definition, &MapOptions::new("T".parse().unwrap()), &[]).unwrap();

    let tags: Vec<(&str, &str)> = map
        .codebook()
        .iter()
        .filter(|entry| entry.kind == "matrix-choice")
        .map(|entry| (entry.tag.as_str(), entry.key.as_str()))
        .collect();
    assert_eq!(
        tags,
        [
            ("1_1", "1_QID4137_1"),
            ("2_1", "2_QID4137_1"),
            ("1", "QID4121_1"),
            ("2", "QID4121_2"),
        ]
    );
}

fn folder(survey: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/surveys")
        .join(survey)
}

/// A column of an export file: its name, and the object in its third row.
struct Column {
    name: String,
    import_id: String,
    choice: Option<String>,
}

impl Column {
    fn of(name: String, import: &Value) -> Self {
        Self {
            name,
            import_id: import["ImportId"].as_str().unwrap().to_owned(),
            choice: import
                .get("choiceId")
                .map(|choice| choice.as_str().unwrap().to_owned()),
        }
    }
}

/// What we call differently, or don't have.
fn differences(folder: &Path, answers: &[&str], columns: &[Column]) -> Vec<String> {
    let answer = |name: &str| {
        answers
            .contains(&name)
            .then(|| fs::read(folder.join(name)).unwrap())
    };
    let (survey, survey_definition) = (answer("survey.json"), answer("survey-definition.json"));
    let answers = DefinitionAnswers {
        response_schema: None,
        survey: survey.as_deref(),
        survey_definition: survey_definition.as_deref(),
    };
    let id = folder
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let definition = SurveyDefinition::from_answers(&id, &answers).unwrap();

    let wanted: BTreeSet<&str> = columns
        .iter()
        .map(|column| column.import_id.as_str())
        .collect();
    let wanted = wanted.into_iter().map(str::to_owned);
    let wanted = wanted
        .filter(|key| compile(&definition, std::slice::from_ref(key)).is_some())
        .collect::<Vec<_>>();
    let map = compile(&definition, &wanted).unwrap();
    columns
        .iter()
        .filter_map(|column| {
            let entry = map.codebook().iter().find(|entry| is_of(entry, column));
            let ours = entry.map_or("none", |entry| entry.tag.as_str());
            (ours != column.name).then(|| format!("{} ({}): {ours}", column.name, column.import_id))
        })
        .collect()
}

fn compile(definition: &SurveyDefinition, columns: &[String]) -> Option<ColumnMap> {
    let options = MapOptions {
        columns: Some(columns.to_vec()),
        ..MapOptions::new("T".parse().unwrap())
    };
    let (map, _) = ColumnMap::compile(definition, &options, &[]).ok()?;
    Some(map)
}

/// An import id is a key in `values`, a choice id there what the choice's column is named by.
fn is_of(entry: &CodebookEntry, column: &Column) -> bool {
    let named = entry.choice.as_ref().and(entry.choices.first());
    entry.key == column.import_id && named.map(|choice| &choice.recode) == column.choice.as_ref()
}

/// A record without line breaks in its cells.
fn csv_record(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cells.last_mut().unwrap().push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => cells.last_mut().unwrap().push(character),
        }
    }
    cells
}
