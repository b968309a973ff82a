//! What a viewer may not see changes no answer: two services, one with all rows, one with only those that the viewer
//! sees, answer every question alike, to the byte, refusals included.

use std::collections::{BTreeMap, BTreeSet};

use ingester_core::access::{AccessRule, AccessRules, EmailTrust, Rows, Viewer};
use ingester_core::row::Cell;
use proptest::prelude::*;

use crate::fixture::{Row, encoded, instant, row, service, text};
use crate::support::{Answer, Service};

const ACCOUNTS: [&str; 4] = ["ACME", "Globex", "O'Neil & Co", ""];

fn cell<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T>,
    make: fn(T) -> Cell,
) -> impl Strategy<Value = Cell> {
    prop_oneof![1 => Just(Cell::Null), 4 => value.prop_map(make)]
}

fn any_row(id: usize) -> impl Strategy<Value = Row> {
    let texts = prop::sample::select(vec!["great", "GREAT value", "100%", "o'k", "ärger", ""]);
    let instants = prop::sample::select(vec![
        "2024-02-04T23:59:59.5Z",
        "2024-02-04T23:59:59.5000001Z",
        "2024-03-01T00:00:00Z",
    ]);
    (
        cell(-9..=6_i64, Cell::Integer),
        cell(0..=10_i64, Cell::Integer),
        cell(prop::sample::select(vec!["0.1", "-0.25", "3"]), |score| {
            Cell::Decimal(score.parse().unwrap())
        }),
        cell(any::<bool>(), Cell::Boolean),
        cell(texts, text),
        cell(instants, instant),
        cell(prop::sample::select(&ACCOUNTS[..]), text),
    )
        .prop_map(move |(q1, q2, score, done, comment, recorded, account)| {
            let cells = [
                ("Q1", q1),
                ("Q2", q2),
                ("Score", score),
                ("Done", done),
                ("Comment", comment.clone()),
                ("Note", comment),
                ("RecordedDate", recorded),
                ("AccountID", account),
            ];
            row(&format!("R_{id}"), &cells)
        })
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    (0..9_usize).prop_flat_map(|count| (0..count).map(any_row).collect::<Vec<_>>())
}

/// `where` of a rule: columns with values, some of them the viewer's attributes.
fn any_where() -> impl Strategy<Value = Rows> {
    let account = prop::sample::select(vec![
        "ACME",
        "Globex",
        "O'Neil & Co",
        "$user.AccountID",
        "$user.None",
        "x",
    ]);
    let accounts = prop::collection::vec(account.prop_map(str::to_owned), 1..3);
    let number = prop::sample::select(vec!["1", "2", "5", "-9", "many"]).prop_map(str::to_owned);
    let numbers = prop::collection::vec(number, 1..4);
    let done = prop::sample::select(vec!["true", "false"]).prop_map(|value| vec![value.to_owned()]);
    (
        prop::option::of(accounts),
        prop::option::of(numbers),
        prop::option::of(done),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(accounts, numbers, done, unknown)| {
            let mut columns = BTreeMap::new();
            columns.extend(accounts.map(|values| ("AccountID".to_owned(), values)));
            columns.extend(numbers.map(|values| ("Q1".to_owned(), values)));
            columns.extend(done.map(|values| ("Done".to_owned(), values)));
            if unknown || columns.is_empty() {
                columns.insert("Region".to_owned(), vec!["EU".to_owned()]);
            }
            Rows::Where(columns)
        })
}

fn any_rule() -> impl Strategy<Value = AccessRule> {
    let domain = prop::sample::select(vec!["sap.com", "partner.example", "*.sap.com"])
        .prop_map(str::to_owned);
    let word = prop::sample::select(vec!["Auditor", "Team"]).prop_map(str::to_owned);
    (
        prop::option::of(domain),
        prop::option::weighted(0.3, word.clone()),
        prop::option::weighted(0.2, word),
        prop::option::weighted(0.2, any::<bool>()),
        prop_oneof![1 => Just(Rows::All), 4 => any_where()],
    )
        .prop_map(|(domain, scope, group, technical, rows)| AccessRule {
            domain,
            scope,
            group,
            attribute: BTreeMap::new(),
            technical,
            rows,
        })
}

fn any_viewer() -> impl Strategy<Value = Viewer> {
    let email = prop::sample::select(vec![
        "ann@sap.com",
        "bob@partner.example",
        "eve@evilsap.com",
        "eu@x.sap.com",
    ]);
    let origin = prop::sample::select(vec!["sap.custom", "sap.default"]).prop_map(str::to_owned);
    let accounts = prop::collection::vec(
        prop::sample::select(&ACCOUNTS[..]).prop_map(str::to_owned),
        0..3,
    );
    (
        prop::option::of(email),
        prop::option::of(origin),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(accounts),
    )
        .prop_map(|(email, origin, scoped, technical, accounts)| Viewer {
            email: email.map(str::to_owned),
            origin,
            scopes: scoped.then(|| "Auditor".to_owned()).into_iter().collect(),
            groups: scoped.then(|| "Team".to_owned()).into_iter().collect(),
            attributes: accounts
                .map(|accounts| ("AccountID".to_owned(), accounts))
                .into_iter()
                .collect(),
            technical,
            ..Viewer::default()
        })
}

/// Whether the viewer sees the row, by the words of the contract and nothing of the code.
fn sees(rules: &[AccessRule], viewer: &Viewer, row: &Row) -> bool {
    let matches = |rule: &&AccessRule| {
        let domain = rule.domain.as_deref().is_none_or(|domain| {
            let trusted = viewer.origin.as_deref() == Some("sap.custom");
            let own = viewer
                .email
                .as_deref()
                .and_then(|email| email.split('@').nth(1))
                .unwrap_or_default();
            let below = domain
                .strip_prefix("*.")
                .map(|domain| own.ends_with(&format!(".{domain}")));
            trusted && below.unwrap_or(own == domain)
        });
        domain
            && rule
                .scope
                .as_ref()
                .is_none_or(|scope| viewer.scopes.contains(scope))
            && rule
                .group
                .as_ref()
                .is_none_or(|group| viewer.groups.contains(group))
            && rule
                .technical
                .is_none_or(|technical| technical == viewer.technical)
    };
    match rules.iter().find(matches).map(|rule| &rule.rows) {
        None => false,
        Some(Rows::All) => true,
        Some(Rows::Where(columns)) => columns
            .iter()
            .all(|(name, wanted)| has_one_of(name, wanted, viewer, row)),
    }
}

fn has_one_of(name: &str, wanted: &[String], viewer: &Viewer, row: &Row) -> bool {
    let mut values: Vec<String> = Vec::new();
    for value in wanted {
        match value.strip_prefix("$user.") {
            None => values.push(value.clone()),
            Some(attribute) => {
                let own: Vec<String> = viewer
                    .attributes
                    .get(attribute)
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect();
                let own: Vec<String> = own.into_iter().filter(|value| !value.is_empty()).collect();
                if own.is_empty() {
                    return false;
                }
                values.extend(own);
            }
        }
    }
    let index = match name {
        "AccountID" => 11,
        "Q1" => 3,
        "Done" => 8,
        _ => return false,
    };
    match &row[index] {
        Cell::Text(text) => values.contains(text),
        Cell::Integer(number) => values.contains(&number.to_string()),
        Cell::Boolean(done) => values.contains(&done.to_string()),
        _ => false,
    }
}

/// Questions of every kind; `{}` stands for a condition.
const QUESTIONS: [&str; 30] = [
    "Feedback?$filter={}",
    "Feedback?$filter={}&$count=true&$top=2&$orderby=RecordedDate desc",
    "Feedback?$filter={}&$orderby=Q1 desc,Score&$select=Q1,Q1_Label,Q2_NPS,RecordedWeek",
    "Feedback/$count?$filter={}",
    "Feedback?$search=great&$filter={}",
    "Feedback?$search=NOT great OR \"R_1\"",
    "Feedback?$apply=filter({})/aggregate(Q1 with average as a,Score with sum as s,$count as n)",
    "Feedback?$apply=groupby((AccountID),aggregate(Q2_NPS with average as nps,$count as n))&$orderby=nps desc&$count=true",
    "Feedback?$apply=groupby((Q1_Label,RecordedMonth),aggregate(Q2 with max as m))&$filter=m gt 3",
    "Feedback?$apply=filter({})/concat(aggregate($count as n),groupby((AccountID))/topcount(2,AccountID),top(2))",
    "Feedback?$apply=topcount(3,Score)/filter({})",
    "Feedback?$apply=aggregate(AccountID with countdistinct as d,Comment with min as lo)",
    "Feedback?$apply=compute(Q1 divby Q2 as ratio)/filter(ratio ge 1)/aggregate(ratio with sum as s)",
    "Feedback('R_0')",
    "Feedback('R_1')?$select=AccountID",
    "Feedback('R_2')/Comment/$value",
    "Feedback('R_3')/AccountID",
    "Feedback('R_4')/Nope",
    "Feedback?$format=csv&$filter={}",
    "Feedback?$orderby=Nope",
    "Feedback?$filter=Q1 eq 'x'",
    "Feedback?$filter=Q1 div (Q2 sub 3) gt 0 or {}",
    "Feedback?$skip=1&$orderby=Comment,AccountID",
    "Feedback?$filter=Q1 mul 9223372036854775807 gt 1 or {}",
    "Surveys?$select=SurveyId",
    "Surveys/$count",
    "Questions",
    "Questions(SurveyId='SV_22VlHYNeldrrrk1',Column='Q1')",
    "Feedback?$filter=matchesPattern(Comment,'^g')&$count=true&$top=0",
    "Feedback?$apply=orderby(RecordedDate desc)/skip(1)/top(1)",
];

fn any_condition() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "Q1 eq 5",
        "Q1 eq null",
        "Q1 ge Q2",
        "not (Q1 eq 2)",
        "Q1 in (1,null)",
        "Score lt 0.2",
        "Done",
        "not Done",
        "contains(Comment,'a')",
        "contains(tolower(Comment),'great')",
        "endswith(Note,'%')",
        "AccountID gt 'B'",
        "RecordedDate gt 2024-02-04T23:59:59.5Z",
        "RecordedDay eq 2024-02-04",
        "Q1_Label eq 'bad'",
        "Q2_NPS lt 0",
        "startswith(ResponseId,'R_')",
        "true",
        "null",
        "length(Comment) gt 3",
        "contains(Comment,'%') eq null",
    ]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(3, 8, 3, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone())
                    .prop_map(|(one, other)| format!("({one} and {other})")),
                (inner.clone(), inner.clone())
                    .prop_map(|(one, other)| format!("({one} or {other})")),
                inner.prop_map(|inner| format!("not ({inner})")),
            ]
        })
}

/// All answers to a question: the pages of a list one by one.
fn ask(service: &Service, question: &str) -> Vec<Answer> {
    let mut answers = vec![service.get(&encoded(question))];
    while let Some(next) = answers.last().and_then(|answer| {
        let body: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
        body["@odata.nextLink"].as_str().map(str::to_owned)
    }) {
        answers.push(service.get(&next));
        assert!(answers.len() < 50, "pages without end: {question}");
    }
    answers
}

fn batch(service: &Service, questions: &[String]) -> Answer {
    let parts: Vec<String> = questions
        .iter()
        .map(|question| format!("--b\r\n\r\nGET {question} HTTP/1.1\r\n\r\n"))
        .collect();
    let body = format!("{}--b--", parts.concat());
    service.batch(
        Some("multipart/mixed;boundary=b"),
        Some("odata.continue-on-error"),
        body.as_bytes(),
    )
}

proptest! {
    #![proptest_config(crate::fixture::cases(300))]

    #[test]
    fn no_answer_depends_on_a_hidden_row(
        rows in any_rows(),
        rules in prop::collection::vec(any_rule(), 0..4),
        viewer in any_viewer(),
        conditions in prop::collection::vec(any_condition(), 4),
        picks in prop::collection::vec(0..QUESTIONS.len(), 8),
    ) {
        let trust = EmailTrust::Origins(BTreeSet::from(["sap.custom".to_owned()]));
        let visible: Vec<Row> = rows.iter().filter(|row| sees(&rules, &viewer, row)).cloned().collect();
        let access = AccessRules::new(rules, trust).unwrap();
        let serve = |rows: &[Row], viewer: &Viewer| {
            let mut service = service(rows);
            service.rules = access.clone();
            service.viewer = viewer.clone();
            service.page_rows = |_| 3;
            service
        };
        let (all, only) = (serve(&rows, &viewer), serve(&visible, &viewer));
        let questions: Vec<String> = picks
            .iter()
            .zip(conditions.iter().cycle())
            .map(|(pick, condition)| QUESTIONS[*pick].replace("{}", condition))
            .collect();

        for question in &questions {
            prop_assert_eq!(ask(&all, question), ask(&only, question), "{}", question);
        }
        prop_assert_eq!(batch(&all, &questions), batch(&only, &questions));
        let count = all.get("Feedback/$count").body;
        prop_assert_eq!(count, visible.len().to_string());
        for row in &rows {
            let Cell::Text(id) = &row[0] else { continue };
            let status = all.get(&format!("Feedback('{id}')")).status;
            let expected = if visible.contains(row) { 200 } else { 404 };
            prop_assert_eq!(status, expected, "{}", id);
        }
    }
}

#[test]
fn a_foreign_token_tells_nothing_of_the_row_it_names() {
    let rows = [
        row("R_0", &[("AccountID", text("ACME"))]),
        row("R_1", &[]),
        row("R_2", &[("AccountID", text("ACME"))]),
    ];
    let mut open = service(&rows);
    open.page_rows = |_| 2;
    let link = open.json("Feedback")["@odata.nextLink"]
        .as_str()
        .unwrap()
        .to_owned();
    let rule = AccessRule {
        domain: None,
        scope: None,
        group: None,
        attribute: BTreeMap::new(),
        technical: None,
        rows: Rows::Where(BTreeMap::from([(
            "AccountID".to_owned(),
            vec!["ACME".to_owned()],
        )])),
    };
    let restricted = |rows: &[Row]| {
        let mut service = service(rows);
        service.rules = AccessRules::new(vec![rule.clone()], EmailTrust::Verified).unwrap();
        service
    };

    let hidden = restricted(&rows).get(&link);
    let absent = restricted(&[rows[0].clone(), rows[2].clone()]).get(&link);

    assert_eq!(hidden.status, 400);
    assert_eq!(hidden, absent);
}
