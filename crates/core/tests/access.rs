//! Who sees which rows: the rules by themselves.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};

use ingester_core::access::{AccessRule, AccessRules, EmailTrust, RowFilter, Rows, Viewer};
use ingester_core::odata::{EntitySet, Model, SetKind, Source, StoredProperty};
use ingester_core::row::{Cell, ColumnType};

fn rule(rows: Rows) -> AccessRule {
    AccessRule {
        domain: None,
        scope: None,
        group: None,
        attribute: BTreeMap::new(),
        technical: None,
        rows,
    }
}

fn only(columns: &[(&str, &[&str])]) -> Rows {
    let columns = columns.iter().map(|(name, values)| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        ((*name).to_owned(), values)
    });
    Rows::Where(columns.collect())
}

fn viewer(attributes: &[(&str, &[&str])]) -> Viewer {
    let attributes = attributes.iter().map(|(name, values)| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        ((*name).to_owned(), values)
    });
    Viewer {
        email: Some("ann@sap.com".to_owned()),
        origin: Some("sap.custom".to_owned()),
        scopes: BTreeSet::from(["Read".to_owned()]),
        groups: BTreeSet::from(["Team".to_owned()]),
        attributes: attributes.collect(),
        ..Viewer::default()
    }
}

fn model() -> Model {
    let column = |name: &str, kind: ColumnType, key: bool| StoredProperty {
        name: name.to_owned(),
        column: name.to_uppercase().parse().unwrap(),
        kind,
        nullable: !key,
        key,
        label: None,
        missing: None,
        choices: Vec::new(),
        is_nps: false,
    };
    let set = EntitySet::new(
        "Feedback",
        SetKind::Survey("SV_22VlHYNeldrrrk1".parse().unwrap()),
        Source::Table("FEEDBACK".parse().unwrap()),
        vec![
            column("ResponseId", ColumnType::NVarchar(50), true),
            column("AccountID", ColumnType::NVarchar(100), false),
            column("Q1", ColumnType::Integer, false),
        ],
        jiff::tz::TimeZone::UTC,
    );
    Model {
        namespace: "Test".to_owned(),
        sets: vec![set.into()],
    }
}

fn filter(rules: Vec<AccessRule>, viewer: &Viewer) -> RowFilter {
    let model = model();
    AccessRules::new(rules, EmailTrust::Verified)
        .unwrap()
        .filter(viewer, &model, &model.sets[0])
}

/// The values that each column must have one of.
fn values(filter: RowFilter) -> Vec<(String, Vec<Cell>)> {
    match filter {
        RowFilter::Where(clauses) => clauses
            .into_iter()
            .map(|clause| (clause.column.to_string(), clause.values))
            .collect(),
        other => panic!("no values: {other:?}"),
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

#[test]
fn the_first_match_decides_and_no_match_is_no_rows() {
    let auditor = AccessRule {
        scope: Some("Auditor".to_owned()),
        ..rule(Rows::All)
    };
    let team = AccessRule {
        group: Some("Team".to_owned()),
        ..rule(only(&[("AccountID", &["ACME"])]))
    };

    assert_eq!(filter(vec![], &viewer(&[])), RowFilter::Nothing);
    assert_eq!(
        filter(vec![auditor.clone()], &viewer(&[])),
        RowFilter::Nothing
    );
    let found = filter(
        vec![auditor.clone(), team.clone(), rule(Rows::All)],
        &viewer(&[]),
    );
    assert_eq!(
        values(found),
        [("ACCOUNTID".to_owned(), vec![text("ACME")])]
    );
    let rules = AccessRules::new(vec![auditor, team], EmailTrust::Verified).unwrap();
    assert_eq!(
        rules.matching(&viewer(&[])).map(|(index, _)| index),
        Some(1)
    );
}

#[test]
fn all_selectors_must_hold() {
    let everything = AccessRule {
        domain: Some("sap.com".to_owned()),
        scope: Some("Read".to_owned()),
        group: Some("Team".to_owned()),
        attribute: BTreeMap::from([("Country".to_owned(), vec!["DE".to_owned(), "AT".to_owned()])]),
        technical: Some(false),
        rows: Rows::All,
    };
    let austrian = viewer(&[("Country", &["AT"])]);

    assert_eq!(filter(vec![everything.clone()], &austrian), RowFilter::All);
    for change in [
        |viewer: &mut Viewer| viewer.email = None,
        |viewer: &mut Viewer| viewer.email = Some("ann@evilsap.com".to_owned()),
        |viewer: &mut Viewer| viewer.scopes.clear(),
        |viewer: &mut Viewer| viewer.groups.clear(),
        |viewer: &mut Viewer| viewer.attributes.clear(),
        |viewer: &mut Viewer| viewer.technical = true,
    ] {
        let mut other = austrian.clone();
        change(&mut other);
        assert_eq!(filter(vec![everything.clone()], &other), RowFilter::Nothing);
    }
}

#[test]
fn addresses_count_only_from_named_identity_providers() {
    let sap = AccessRule {
        domain: Some("sap.com".to_owned()),
        ..rule(Rows::All)
    };
    let trust = |origins: &[&str]| {
        EmailTrust::Origins(origins.iter().map(|origin| (*origin).to_owned()).collect())
    };
    let matches = |origins: &[&str]| {
        AccessRules::new(vec![sap.clone()], trust(origins))
            .unwrap()
            .matching(&viewer(&[]))
            .is_some()
    };

    assert!(matches(&["sap.custom"]));
    assert!(!matches(&["other"]));
    let error = AccessRules::new(vec![rule(Rows::All), sap.clone()], trust(&[]))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("[[access]] number 2: domain needs [auth] email_origins"),
        "{error}"
    );
    let mut nowhere = viewer(&[]);
    nowhere.origin = None;
    let rules = AccessRules::new(vec![sap], trust(&["sap.custom"])).unwrap();
    assert_eq!(rules.matching(&nowhere), None);
}

#[test]
fn rules_that_say_nothing_are_refused() {
    let refused = |rule: AccessRule| {
        AccessRules::new(vec![rule], EmailTrust::Verified)
            .unwrap_err()
            .to_string()
    };

    let domain = AccessRule {
        domain: Some("sap".to_owned()),
        ..rule(Rows::All)
    };
    assert_eq!(
        refused(domain),
        "[[access]] number 1: domain: expected a domain like sap.com, or *.sap.com for all below it"
    );
    assert!(refused(rule(only(&[]))).contains("where needs at least one column"));
    assert!(refused(rule(only(&[("AccountID", &[])]))).contains("a value for each"));
}

#[test]
fn values_are_those_of_the_columns_type() {
    let typed = filter(
        vec![rule(only(&[
            ("Q1", &["5", "five", "2"]),
            ("AccountID", &["5"]),
        ]))],
        &viewer(&[]),
    );

    assert_eq!(
        values(typed),
        [
            ("ACCOUNTID".to_owned(), vec![text("5")]),
            ("Q1".to_owned(), vec![Cell::Integer(2), Cell::Integer(5)]),
        ]
    );
    assert_eq!(
        filter(vec![rule(only(&[("Q1", &["five"])]))], &viewer(&[])),
        RowFilter::Nothing
    );
    assert_eq!(
        filter(vec![rule(only(&[("Nope", &["5"])]))], &viewer(&[])),
        RowFilter::Nothing
    );
}

#[test]
fn an_attribute_stands_for_its_values_and_nothing_for_none() {
    let own = |columns: &[&str]| vec![rule(only(&[("AccountID", columns)]))];
    let accounts = |attribute: &[&str]| viewer(&[("AccountID", attribute)]);

    let found = filter(
        own(&["$user.AccountID"]),
        &accounts(&["Globex", "", "ACME"]),
    );
    assert_eq!(values(found)[0].1, [text("ACME"), text("Globex")]);
    for columns in [&["$user.AccountID"][..], &["Initech", "$user.AccountID"]] {
        assert_eq!(filter(own(columns), &viewer(&[])), RowFilter::Nothing);
        assert_eq!(filter(own(columns), &accounts(&[])), RowFilter::Nothing);
        assert_eq!(filter(own(columns), &accounts(&[""])), RowFilter::Nothing);
    }
    // An attribute's value is a value, whatever it looks like.
    let found = filter(own(&["$user.AccountID"]), &accounts(&["$user.Secret"]));
    assert_eq!(values(found)[0].1, [text("$user.Secret")]);
}

#[test]
fn digests_tell_filters_apart() {
    let digest =
        |values: &[&str]| filter(vec![rule(only(&[("AccountID", values)]))], &viewer(&[])).digest();

    assert_eq!(
        digest(&["ACME", "Globex"]),
        digest(&["Globex", "ACME", "ACME"])
    );
    assert_ne!(digest(&["ACME", "Globex"]), digest(&["ACME"]));
    assert_ne!(digest(&["ACME"]), RowFilter::All.digest());
    assert_ne!(RowFilter::Nothing.digest(), RowFilter::All.digest());
}

#[test]
fn an_explanation_names_each_selector() {
    let rules = vec![
        AccessRule {
            domain: Some("*.sap.com".to_owned()),
            technical: Some(false),
            ..rule(Rows::All)
        },
        rule(Rows::All),
    ];

    let verdicts = AccessRules::new(rules, EmailTrust::Verified)
        .unwrap()
        .explain(&viewer(&[]));

    let lines: Vec<String> = verdicts
        .iter()
        .flat_map(|verdict| &verdict.selectors)
        .map(|selector| {
            format!(
                "{} {} {}",
                selector.selector, selector.holds, selector.reason
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "domain = \"*.sap.com\" false the e-mail address is of another domain",
            "technical = false true a person behind the token",
        ]
    );
    assert_eq!(
        verdicts
            .iter()
            .map(|verdict| verdict.matches())
            .collect::<Vec<_>>(),
        [false, true]
    );
}
