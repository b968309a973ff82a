//! Vectors of e-mail addresses and domains, where they lie beside this repository; the rules themselves are stated
//! beside the code.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ingester_core::access::{AccessRule, AccessRules, EmailTrust, Rows, Viewer};

#[test]
fn addresses_belong_to_domains_as_the_vectors_say() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let files = here
        .ancestors()
        .map(|folder| folder.join("shared/cap/email-domain-cases.json"));
    let Some(content) = files
        .into_iter()
        .find_map(|file| std::fs::read_to_string(file).ok())
    else {
        println!("not run: no shared/cap/email-domain-cases.json beside this repository");
        return;
    };
    let vectors: serde_json::Value = serde_json::from_str(&content).unwrap();
    let mut checked = 0;
    for case in vectors["cases"].as_array().unwrap() {
        let rule = AccessRule {
            domain: case["domain"].as_str().map(str::to_owned),
            scope: None,
            group: None,
            attribute: BTreeMap::new(),
            technical: None,
            rows: Rows::All,
        };
        let viewer = Viewer {
            email: case["email"].as_str().map(str::to_owned),
            ..Viewer::default()
        };
        // A domain that no rule may name matches nobody.
        let matches = AccessRules::new(vec![rule], EmailTrust::Verified)
            .is_ok_and(|rules| rules.matching(&viewer).is_some());
        assert_eq!(matches, case["match"].as_bool().unwrap(), "{case}");
        checked += 1;
    }
    println!("{checked} passed");
}
