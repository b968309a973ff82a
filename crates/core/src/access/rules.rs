//! The rules, checked once; which of them matches a viewer, and what that makes of a query.

use std::collections::BTreeSet;

use super::email::{DomainError, DomainPattern};
use super::{AccessRule, RowFilter, Rows, Viewer};
use crate::odata::{EntitySet, Model, Query, SetKind};

/// Whose word counts for an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmailTrust {
    /// The issuer itself says that addresses are verified (IAS's and OIDC's `email_verified`): identity puts no other
    /// into a [`Viewer`].
    Verified,
    /// XSUAA says nothing of verification: only addresses from these identity providers count.
    Origins(BTreeSet<String>),
}

/// Why rules are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// A domain that is none.
    #[error("[[access]] number {number}: domain: {source}")]
    Domain {
        /// Which rule, from 1.
        number: usize,
        /// What is wrong with it.
        source: DomainError,
    },
    /// A domain rule without anybody to trust.
    #[error(
        "[[access]] number {number}: domain needs [auth] email_origins, the identity providers whose e-mail addresses \
         may be trusted, because XSUAA does not say whether an address was verified"
    )]
    NoOrigins {
        /// Which rule, from 1.
        number: usize,
    },
    /// `where` without a column or a column without a value.
    #[error(
        "[[access]] number {number}: where needs at least one column, and a value for each: or say rows = \"all\""
    )]
    EmptyWhere {
        /// Which rule, from 1.
        number: usize,
    },
}

/// All rules, in their order.
#[derive(Debug, Clone)]
pub struct AccessRules {
    rules: Vec<(AccessRule, Option<DomainPattern>)>,
    trust: EmailTrust,
}

/// One rule as `access explain` shows it: matched if every selector holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleVerdict {
    /// Which rule, from 0.
    pub index: usize,
    /// Each selector that the rule has.
    pub selectors: Vec<SelectorVerdict>,
}

impl RuleVerdict {
    /// Whether the rule matches.
    #[must_use]
    pub fn matches(&self) -> bool {
        self.selectors.iter().all(|selector| selector.holds)
    }
}

/// One selector of a rule against one viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorVerdict {
    /// The selector as the configuration has it.
    pub selector: String,
    /// Whether it holds.
    pub holds: bool,
    /// Why, in a few words without personal data.
    pub reason: &'static str,
}

/// Something with the rows that one viewer sees of it. Only [`AccessRules::restrict`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Visible<T> {
    inner: T,
    filter: RowFilter,
}

impl<T> Visible<T> {
    /// What was restricted.
    pub fn get(&self) -> &T {
        &self.inner
    }

    /// The rows that are seen.
    pub fn filter(&self) -> &RowFilter {
        &self.filter
    }
}

impl AccessRules {
    /// Checks the rules.
    pub fn new(rules: Vec<AccessRule>, trust: EmailTrust) -> Result<Self, AccessError> {
        let untrusted = matches!(&trust, EmailTrust::Origins(origins) if origins.is_empty());
        let checked = |(index, rule): (usize, AccessRule)| {
            let number = index + 1;
            if rule.domain.is_some() && untrusted {
                return Err(AccessError::NoOrigins { number });
            }
            if matches!(&rule.rows, Rows::Where(columns) if columns.is_empty() || columns.values().any(Vec::is_empty))
            {
                return Err(AccessError::EmptyWhere { number });
            }
            let domain = rule.domain.as_deref().map(DomainPattern::new).transpose();
            domain
                .map(|domain| (rule, domain))
                .map_err(|source| AccessError::Domain { number, source })
        };
        let rules = rules
            .into_iter()
            .enumerate()
            .map(checked)
            .collect::<Result<_, _>>()?;
        Ok(Self { rules, trust })
    }

    /// The rule of a service that asks nobody who they are (`AUTH=none`, loopback only): everybody sees everything.
    #[must_use]
    pub fn open() -> Self {
        let rule = AccessRule {
            domain: None,
            scope: None,
            group: None,
            attribute: std::collections::BTreeMap::new(),
            technical: None,
            rows: Rows::All,
        };
        Self {
            rules: vec![(rule, None)],
            trust: EmailTrust::Verified,
        }
    }

    /// The first rule that matches the viewer, with its index.
    #[must_use]
    pub fn matching(&self, viewer: &Viewer) -> Option<(usize, &AccessRule)> {
        let index = self.explain(viewer).iter().position(RuleVerdict::matches)?;
        self.rules.get(index).map(|(rule, _)| (index, rule))
    }

    /// Every rule against the viewer, selector by selector.
    #[must_use]
    pub fn explain(&self, viewer: &Viewer) -> Vec<RuleVerdict> {
        let rules = self.rules.iter().enumerate();
        rules
            .map(|(index, (rule, domain))| self.verdict(index, rule, domain.as_ref(), viewer))
            .collect()
    }

    fn verdict(
        &self,
        index: usize,
        rule: &AccessRule,
        domain: Option<&DomainPattern>,
        viewer: &Viewer,
    ) -> RuleVerdict {
        let mut selectors = Vec::new();
        let mut selector = |selector: String, (holds, reason): (bool, &'static str)| {
            selectors.push(SelectorVerdict {
                selector,
                holds,
                reason,
            });
        };
        if let (Some(text), Some(domain)) = (&rule.domain, domain) {
            selector(
                format!("domain = \"{text}\""),
                self.email_verdict(domain, viewer),
            );
        }
        if let Some(scope) = &rule.scope {
            let verdict = has(
                viewer.scopes.contains(scope),
                "the token has the scope",
                "the token lacks the scope",
            );
            selector(format!("scope = \"{scope}\""), verdict);
        }
        if let Some(group) = &rule.group {
            let verdict = has(
                viewer.groups.contains(group),
                "the viewer is in the group",
                "the viewer is not in the group",
            );
            selector(format!("group = \"{group}\""), verdict);
        }
        for (name, wanted) in &rule.attribute {
            let verdict = match viewer.attributes.get(name) {
                None => (false, "the token lacks the attribute"),
                Some(values) => has(
                    wanted.iter().any(|value| values.contains(value)),
                    "the attribute has one of the values",
                    "the attribute has other values",
                ),
            };
            selector(format!("attribute = {{ {name} = {wanted:?} }}"), verdict);
        }
        if let Some(technical) = rule.technical {
            let reason = if viewer.technical {
                "no person behind the token"
            } else {
                "a person behind the token"
            };
            selector(
                format!("technical = {technical}"),
                (viewer.technical == technical, reason),
            );
        }
        RuleVerdict { index, selectors }
    }

    fn email_verdict(&self, domain: &DomainPattern, viewer: &Viewer) -> (bool, &'static str) {
        let Some(email) = &viewer.email else {
            return (false, "no e-mail address that the issuer vouches for");
        };
        if let EmailTrust::Origins(origins) = &self.trust
            && !viewer
                .origin
                .as_ref()
                .is_some_and(|origin| origins.contains(origin))
        {
            return (
                false,
                "the e-mail address is from an identity provider that email_origins does not name",
            );
        }
        has(
            domain.matches(email),
            "the e-mail address is of the domain",
            "the e-mail address is of another domain",
        )
    }

    /// The rows of the set that the viewer sees. `model` tells which surveys there are, for sets about surveys.
    #[must_use]
    pub fn filter(&self, viewer: &Viewer, model: &Model, set: &EntitySet) -> RowFilter {
        let Some((_, rule)) = self.matching(viewer) else {
            return RowFilter::Nothing;
        };
        match &set.kind {
            SetKind::Survey(_) => RowFilter::new(&rule.rows, viewer, set),
            SetKind::AboutSurveys { survey_column } => {
                let visible = model.sets.iter().filter_map(|other| match &other.kind {
                    SetKind::Survey(survey) => {
                        let sees = RowFilter::new(&rule.rows, viewer, other) != RowFilter::Nothing;
                        sees.then(|| survey.to_string())
                    }
                    SetKind::AboutSurveys { .. } => None,
                });
                RowFilter::of_texts(survey_column.clone(), visible.collect())
            }
        }
    }

    /// The query over the rows that the viewer sees.
    #[must_use]
    pub fn restrict(&self, viewer: &Viewer, model: &Model, query: Query) -> Visible<Query> {
        let filter = self.filter(viewer, model, query.set());
        Visible {
            inner: query,
            filter,
        }
    }
}

fn has(holds: bool, yes: &'static str, no: &'static str) -> (bool, &'static str) {
    (holds, if holds { yes } else { no })
}
