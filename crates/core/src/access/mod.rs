//! Who sees which rows. The first matching rule decides; no match, no rows.
//!
//! [`AccessRules::restrict`] is the only way from a query to something that [`crate::sql::select`] takes.

mod email;
mod filter;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

pub use email::DomainError;
pub use filter::{Clause, RowFilter, expanded};
pub use rules::{AccessError, AccessRules, EmailTrust, RuleVerdict, SelectorVerdict, Visible};

/// Who asks, as far as access rules care. Made by `identity` from a verified token, never from anything else.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Viewer {
    /// The token's subject: a user's id, or a client's id for technical users.
    pub subject: String,
    /// The e-mail address, only where the issuer vouches for it; domain rules read nothing else.
    pub email: Option<String>,
    /// The identity provider that the token names (XSUAA's `origin`).
    pub origin: Option<String>,
    /// Scopes without the application's name.
    pub scopes: BTreeSet<String>,
    /// Groups.
    pub groups: BTreeSet<String>,
    /// Attributes by name.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// True for client-credentials tokens: no person behind it.
    pub technical: bool,
}

impl std::fmt::Debug for Viewer {
    /// Leaves out the e-mail address and the attributes: they are personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Viewer")
            .field("scopes", &self.scopes)
            .field("technical", &self.technical)
            .finish_non_exhaustive()
    }
}

/// One `[[access]]` rule of the configuration: all selectors that are given must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRule {
    /// `sap.com` exactly, or `*.sap.com` for sub-domains.
    pub domain: Option<String>,
    /// A scope without the application's name.
    pub scope: Option<String>,
    /// A group.
    pub group: Option<String>,
    /// Attribute name to the values of which one must be present.
    pub attribute: BTreeMap<String, Vec<String>>,
    /// Whether a technical user is meant.
    pub technical: Option<bool>,
    /// What a viewer sees whom the rule matches.
    pub rows: Rows,
}

/// The rows that a rule opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// All of them.
    All,
    /// Those whose columns (OData properties) have one of the values each; `$user.Name` stands for the viewer's attribute.
    Where(BTreeMap<String, Vec<String>>),
}
