//! Tables: header rows and cells, compared with the recorded ones and with the documents.

use serde_json::{Map, Value, json};

use crate::files::csv;
use crate::support::{EVERY_TYPE, TestSandbox, recorded, recorded_text};

#[tokio::test]
async fn the_recorded_csv_header_is_made_from_the_recorded_definition() {
    let sandbox = TestSandbox::start().await;
    let definition = recorded("survey-definition.beskar.json").to_string();
    sandbox
        .handle
        .put_survey(&qualtrics_sandbox::Survey::from_json(&definition).unwrap());
    sandbox
        .handle
        .complete(
            "SV_3gbwq8aJgqPwQDP",
            json!({"Q22": "one, \"two\"\nthree", "Q63": 2, "Q18": null}),
        )
        .unwrap();

    let text = sandbox
        .export(
            "SV_3gbwq8aJgqPwQDP",
            json!({"format": "csv", "useLabels": true}),
        )
        .await;

    let theirs = recorded_text("export.uselabels.csv") + "\r\n";
    assert_eq!(
        text.lines().take(3).collect::<Vec<_>>(),
        theirs.lines().take(3).collect::<Vec<_>>()
    );
    let lines = csv(&text);
    let cell = |tag: &str| &lines[3][lines[0].iter().position(|name| name == tag).unwrap()];
    assert_eq!(cell("Q22"), "one, \"two\"\nthree");
    assert_eq!(cell("Q63"), "weekly");
    assert_eq!(cell("Q18"), "");
    assert_eq!(
        (cell("Status").as_str(), cell("Finished").as_str()),
        ("IP Address", "True")
    );
    assert_eq!(cell("RecordedDate").len(), "2020-02-20 01:17:20".len());
    assert_eq!(cell("SolutionRevision"), "2");
}

/// Headers and ImportIds of the recorded survey whose map and file differ.
#[tokio::test]
async fn headers_of_every_type_follow_the_recorded_rules() {
    let sandbox = TestSandbox::start().await;
    for _ in 0..20 {
        sandbox.handle.complete(EVERY_TYPE, json!({})).unwrap();
    }

    let lines = csv(&sandbox
        .export(
            EVERY_TYPE,
            json!({"format": "csv", "includeDisplayOrder": true}),
        )
        .await);

    let found = |tag: &str, import: Value| {
        let columns = lines[0].iter().zip(&lines[2]);
        columns
            .filter(|(name, _)| *name == tag)
            .any(|(_, text)| serde_json::from_str::<Value>(text).unwrap() == import)
    };
    for (tag, import) in [
        ("Q4_10", json!({"ImportId": "QID4", "choiceId": "1"})),
        ("Q4_99_TEXT", json!({"ImportId": "QID4_4_TEXT"})),
        ("PII_1", json!({"ImportId": "QID10_1"})),
        ("1", json!({"ImportId": "QID12_4"})),
        ("SM1_11", json!({"ImportId": "QID12_11"})),
        ("Q13_1_7", json!({"ImportId": "QID13_1", "choiceId": "3"})),
        ("Q16#1_1", json!({"ImportId": "QID16#1_1"})),
        (
            "TIMING_1_First Click",
            json!({"ImportId": "QID27_FIRST_CLICK"}),
        ),
        ("Browser_Operating System", json!({"ImportId": "QID28_OS"})),
        (
            "JJ4_1_199",
            json!({"ImportId": "QID26_1", "choiceId": "199"}),
        ),
        ("1_1", json!({"ImportId": "1_QID30_1"})),
        ("2_1", json!({"ImportId": "2_QID30_1"})),
        ("Q2_DO_6", json!({"ImportId": "QID2_DO", "choiceId": "6"})),
        ("SC0", json!({"ImportId": "SC_0everyTypeScor1"})),
        (
            "Q9 - Topics",
            json!({"ImportId": "QID9_TEXT_a1b2c3d4e5Topics"}),
        ),
        ("Q6_NPS_GROUP", json!({"ImportId": "QID6_NPS_GROUP"})),
    ] {
        assert!(found(tag, import.clone()), "{tag} {import}");
    }
    assert_eq!(
        lines[0].iter().filter(|tag| *tag == "Q7").count(),
        2,
        "two questions may have one tag"
    );
    assert!(
        !lines[0].iter().any(|tag| tag == "Q34"),
        "the trash is not exported"
    );
    assert!(lines.iter().all(|line| line.len() == lines[0].len()));
    assert_eq!(lines.len(), 23);
}

/// Cell by cell: what the file shows is what the document says.
#[tokio::test]
async fn tables_and_documents_say_the_same() {
    let sandbox = TestSandbox::start().await;
    for _ in 0..30 {
        sandbox.handle.complete(EVERY_TYPE, json!({})).unwrap();
    }
    let documents = sandbox.ndjson(EVERY_TYPE, json!({})).await;
    let lines = csv(&sandbox.export(EVERY_TYPE, json!({"format": "csv"})).await);

    let mut compared = 0;
    for (line, document) in lines[3..].iter().zip(&documents) {
        for (cell, import) in line.iter().zip(&lines[2]) {
            let import: Map<String, Value> = serde_json::from_str(import).unwrap();
            let key = import["ImportId"].as_str().unwrap();
            let value = document["values"].get(key);
            match (value, import.get("choiceId")) {
                (None, _) => assert_eq!(cell, "", "{key}"),
                (Some(Value::Array(list)), Some(_)) if list[0].is_string() => {
                    assert!(
                        cell.is_empty() || list.contains(&json!(cell)),
                        "{key}: {cell} of {list:?}"
                    );
                }
                (Some(Value::String(text)), None) if !key.ends_with("Date") => {
                    assert_eq!(cell, text)
                }
                (Some(Value::Number(number)), None) => assert_eq!(*cell, number.to_string()),
                _ => continue,
            }
            compared += 1;
        }
    }
    assert!(compared > 1_000, "{compared}");
}

/// The recorded survey whose map and header differ, as its definition must have been: rows and columns back in
/// `Choices` and `Answers`, and the rows' own tags, which only the header shows.
fn definition_of(recorded: &Value) -> Value {
    let own_tags = json!({"QID4121": {"1": "1", "2": "2", "3": "3"}, "QID4137": {"1": "1", "2": "2", "3": "3"},
        "QID4030": {"4": "1", "5": "2", "6": "3", "7": "4", "8": "5", "11": "SM1_11", "12": "SM1_12"}});
    let randomized = ["QID4039", "QID4121", "QID4030", "QID4137"];
    let displays = |choices: &Value| -> Value {
        let all = choices.as_object().into_iter().flatten();
        all.map(|(id, choice)| (id.clone(), json!({"Display": choice["choiceText"]})))
            .collect::<Map<_, _>>()
            .into()
    };
    let mut questions = Map::new();
    for (id, question) in recorded["survey"]["questions"].as_object().unwrap() {
        let kind = &question["questionType"];
        let rows = question.get("subQuestions");
        let mut definition = json!({"QuestionType": kind["type"], "Selector": kind["selector"],
            "SubSelector": kind["subSelector"], "DataExportTag": question["questionName"],
            "QuestionText": question["questionText"], "Choices": displays(rows.unwrap_or(&question["choices"])),
            "ChoiceDataExportTags": own_tags.get(id).unwrap_or(&json!(false))});
        if rows.is_some() {
            definition["Answers"] = displays(&question["choices"]);
        }
        if randomized.contains(&id.as_str()) {
            definition["Randomization"] = json!({"Type": "All"});
        }
        questions.insert(id.clone(), definition);
    }
    let elements: Vec<Value> = questions
        .keys()
        .filter(|id| *id != "QID4137")
        .map(|id| json!({"Type": "Question", "QuestionID": id}))
        .collect();
    let turns: Map<String, Value> = (1..=5)
        .map(|turn| (turn.to_string(), json!({"1": "text"})))
        .collect();
    json!({"SurveyID": "SV_3FdDswpcO88rSxE", "SurveyName": "reduced", "Questions": questions, "Blocks": {
        "BL_1": {"Type": "Default", "BlockElements": elements},
        "BL_2": {"Type": "Standard", "BlockElements": [{"Type": "Question", "QuestionID": "QID4137"}],
            "Options": {"Looping": "Static", "LoopingOptions": {"Static": turns}}}}})
}

#[tokio::test]
async fn map_and_header_differ_as_in_the_recorded_survey() {
    let sandbox = TestSandbox::start().await;
    let theirs = recorded("tags.exportColumnMap-versus-csv.json");
    let definition = definition_of(&theirs).to_string();
    sandbox
        .handle
        .put_survey(&qualtrics_sandbox::Survey::from_json(&definition).unwrap());
    // The recorded choices are cut; what refers to a missing one can't be made.
    let cut = |text: &str| {
        ["98", "SM1_14"]
            .iter()
            .any(|missing| text.ends_with(missing))
    };

    let (_, view) = sandbox.get("/API/v3/surveys/SV_3FdDswpcO88rSxE").await;
    for (tag, references) in theirs["survey"]["exportColumnMap"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(tag, _)| !cut(tag))
    {
        assert_eq!(&view["result"]["exportColumnMap"][tag], references, "{tag}");
    }

    let lines = csv(&sandbox
        .export(
            "SV_3FdDswpcO88rSxE",
            json!({"format": "csv", "includeDisplayOrder": true}),
        )
        .await);
    let ours: Vec<(&String, Value)> = lines[0]
        .iter()
        .zip(
            lines[2]
                .iter()
                .map(|import| serde_json::from_str(import).unwrap()),
        )
        .collect();
    for column in theirs["csvColumns"].as_array().unwrap() {
        let (header, import) = (column["csvHeader"].as_str().unwrap(), &column["import"]);
        let found = ours
            .iter()
            .any(|(tag, ours)| *tag == header && ours == import);
        assert!(found || cut(header), "{header} {import}");
    }
}
