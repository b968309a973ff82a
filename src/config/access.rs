//! The access rules of the file, checked and with their domains written as they are compared.

use std::collections::BTreeMap;

use ingester_core::access::{AccessRule, Rows};

use super::error::{ConfigError, Fault};
use super::file::{AccessTable, OneOrMany};
use super::layer::shown;
use super::setting::Origin;
use super::value::ascii_domain;

/// One `[[access]]`; `number` counts from 1.
pub(super) fn rule(
    table: AccessTable,
    number: usize,
    origin: &Origin,
) -> Result<AccessRule, ConfigError> {
    let error = |key: &str, fault: Fault| {
        ConfigError::about(
            format!("{key} of [[access]] number {number}"),
            origin,
            fault,
        )
    };
    let domain = match table.domain {
        Some(text) => Some(domain(&text).map_err(|fault| error("domain", fault))?),
        None => None,
    };
    let attribute = values(table.attribute).map_err(|fault| error("attribute", fault))?;
    let columns = values(table.columns).map_err(|fault| error("where", fault))?;
    let rows = match (table.rows.as_deref(), columns) {
        (Some("all"), None) => Rows::All,
        (None, Some(columns)) => Rows::Where(columns),
        (Some("all"), Some(_)) => {
            return Err(error(
                "rows",
                Fault::new("is given beside where", "leave one of them out"),
            ));
        }
        (Some(other), _) => {
            let problem = format!("is {}, not \"all\"", shown(other));
            return Err(error(
                "rows",
                Fault::new(problem, "write rows = \"all\", or where = { … }"),
            ));
        }
        (None, None) => {
            return Err(error(
                "rows",
                Fault::new("is not set", "write rows = \"all\", or where = { … }"),
            ));
        }
    };
    Ok(AccessRule {
        domain,
        scope: table.scope,
        group: table.group,
        attribute: attribute.unwrap_or_default(),
        technical: table.technical,
        rows,
    })
}

/// `sap.com` or `*.sap.com`, in A-labels and lower case.
fn domain(text: &str) -> Result<String, Fault> {
    let (prefix, name) = match text.strip_prefix("*.") {
        Some(name) => ("*.", name),
        None => ("", text),
    };
    match ascii_domain(name) {
        Some(ascii) => Ok(format!("{prefix}{ascii}")),
        None => Err(Fault::new(
            format!("is {}, not a domain", shown(text)),
            "write for example sap.com, or *.sap.com for its sub-domains",
        )),
    }
}

/// Names with their values: neither may be absent, since "no value" would match nothing or everything.
fn values(
    given: Option<BTreeMap<String, OneOrMany>>,
) -> Result<Option<BTreeMap<String, Vec<String>>>, Fault> {
    let Some(given) = given else { return Ok(None) };
    let given: BTreeMap<String, Vec<String>> = given
        .into_iter()
        .map(|(name, values)| (name, values.into()))
        .collect();
    if given.is_empty() || given.values().any(Vec::is_empty) {
        return Err(Fault::new(
            "has no values",
            "name at least one, for example { AccountID = [\"ACME\"] }",
        ));
    }
    let nameless = |value: &String| value.strip_prefix("$user.").is_some_and(str::is_empty);
    if given.values().flatten().any(nameless) {
        return Err(Fault::new(
            "has $user. without a name",
            "write for example \"$user.AccountID\"",
        ));
    }
    Ok(Some(given))
}
