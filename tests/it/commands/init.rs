//! `init`: a file that is read back, never overwrites, and is as the survey is.

use super::{Desk, SURVEY};

const EVERY_TYPE: &str = "SV_0EveryTypeOfQst";

impl Desk {
    fn forget_file(&self) {
        std::fs::remove_file(self.folder.path().join("ingester.toml")).unwrap();
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("ingester.toml")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_written_file_gives_the_columns_that_none_gives() {
    let desk = Desk::new().await;
    let columns = |list: Vec<serde_json::Value>| {
        let column = |line: &serde_json::Value| {
            format!("{} {} {}", line["column"], line["type"], line["key"])
        };
        let mut columns: Vec<_> = list.iter().map(column).collect();
        columns.sort();
        columns
    };
    for survey in [SURVEY, EVERY_TYPE] {
        let plain = format!("[[survey]]\nid = \"{survey}\"\n");
        std::fs::write(desk.folder.path().join("ingester.toml"), plain).unwrap();
        let by_default = columns(desk.list(&["schema", "show"]).await);
        desk.forget_file();

        let said = desk.run(&["init", "--survey", survey]).await;

        assert_eq!(said.code, 0, "{said:?}");
        assert!(desk.file().contains("columns = ["), "{}", desk.file());
        assert_eq!(columns(desk.list(&["schema", "show"]).await), by_default);
        assert!(
            said.stdout.contains("token"),
            "it checks what it wrote: {said:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_survey_all_of_them_are_written() {
    let desk = Desk::new().await;
    desk.forget_file();

    let said = desk.run(&["init"]).await;

    assert_eq!(said.code, 0, "{said:?}");
    let file = desk.file();
    for words in [
        SURVEY,
        EVERY_TYPE,
        "name = \"ProjectFeedback\"",
        "name = \"EveryQuestionType\"",
    ] {
        assert!(file.contains(words), "{words}: {file}");
    }
    let lines = file.lines().filter(|line| line.contains("RecipientEmail"));
    assert!(
        lines.clone().count() > 0 && lines.clone().all(|line| line.trim_start().starts_with('#')),
        "{file}"
    );
    assert!(
        file.contains("# Overall, how satisfied are you with the project?"),
        "{file}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_rule_is_one() {
    let mut desk = Desk::new().await;
    desk.forget_file();
    desk.run(&["init", "--survey", SURVEY]).await;
    let file = desk.file();
    let rules = file.find("#[[access]]").unwrap();
    let (before, after) = file.split_at(rules);
    let rules: String = after
        .lines()
        .map(|line| format!("{}\n", line.trim_start_matches('#')))
        .collect();
    std::fs::write(
        desk.folder.path().join("ingester.toml"),
        format!("{before}{rules}"),
    )
    .unwrap();
    desk.set("QUALTRICS_CLIENT_SECRET", "not needed to read the file");

    let said = desk.run(&["check"]).await;

    assert!(said.stdout.contains("2 access rules"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_is_never_overwritten() {
    let desk = Desk::new().await;
    let before = desk.file();

    desk.run(&["init"]).await.fails(
        2,
        "ingester.toml is there already and is not overwritten: say --print",
    );
    let printed = desk.run(&["init", "--print"]).await;

    assert_eq!(desk.file(), before);
    assert!(printed.stdout.contains("[[survey]]"), "{printed:?}");
    assert!(printed.stderr.is_empty(), "{printed:?}");
    let elsewhere = desk.run(&["init", "--config", "other.toml"]).await;
    assert_eq!(elsewhere.code, 0, "{elsewhere:?}");
    assert!(desk.folder.path().join("other.toml").exists());
}
