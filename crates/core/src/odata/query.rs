//! One read of an entity set: what the URL asks for, checked against the model. Writes itself as normalised URL text.

use std::fmt;
use std::sync::Arc;

use super::apply::{self, Computed, List, OrderItem, Sequence, Transformation};
use super::error::{Problem, QueryError};
use super::expr::Expr;
use super::literal::Literal;
use super::model::{EntitySet, Property};
use super::parser::{Member, Scope};
use super::search::Search;
use super::skiptoken::SkipToken;
use super::url::encode;

/// Which part of the entity set is read.
#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    /// The rows.
    List,
    /// `/$count`: how many rows.
    Count,
    /// One row by its key.
    Entity(Key),
    /// One property of one row.
    Property {
        /// The row.
        key: Key,
        /// The property's name.
        name: String,
        /// `/$value`: the value alone, as text.
        raw: bool,
    },
}

/// A row's key: one value per key property, in the model's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Key(pub(crate) Vec<Literal>);

impl Key {
    /// The key of a response.
    #[must_use]
    pub fn response(id: &str) -> Self {
        Self(vec![Literal::Text(id.to_owned())])
    }
}

/// A checked read. Only [`crate::access::AccessRules::restrict`] makes it executable.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub(crate) set: Arc<EntitySet>,
    pub(crate) resource: Resource,
    pub(crate) apply: Vec<Transformation>,
    pub(crate) compute: Vec<Computed>,
    pub(crate) search: Option<Search>,
    pub(crate) filter: Option<Expr>,
    pub(crate) order: Vec<OrderItem>,
    /// Names in the order asked for; `None` is the default: what the scope lists.
    pub(crate) select: Option<Vec<String>>,
    pub(crate) top: Option<u64>,
    pub(crate) skip: u64,
    pub(crate) count: bool,
    pub(crate) token: Option<SkipToken>,
    /// What the result's rows have.
    pub(crate) scope: Scope,
}

impl Query {
    /// A read of the whole set.
    #[must_use]
    pub fn list(set: Arc<EntitySet>) -> Self {
        let members = set.properties.iter().map(|property| Member {
            name: property.name.clone(),
            kind: property.kind,
            listed: !property.is_computed(),
        });
        let scope = Scope {
            members: members.collect(),
            entities: true,
        };
        Self {
            set,
            resource: Resource::List,
            apply: Vec::new(),
            compute: Vec::new(),
            search: None,
            filter: None,
            order: Vec::new(),
            select: None,
            top: None,
            skip: 0,
            count: false,
            token: None,
            scope,
        }
    }

    /// A read of one row by its key: whether a change may be shown to a viewer is whether this finds a row.
    #[must_use]
    pub fn entity(set: Arc<EntitySet>, key: Key) -> Self {
        Self {
            resource: Resource::Entity(key),
            ..Self::list(set)
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn count(set: Arc<EntitySet>) -> Self {
        Self {
            resource: Resource::Count,
            ..Self::list(set)
        }
    }

    /// The entity set.
    #[must_use]
    pub fn set(&self) -> &Arc<EntitySet> {
        &self.set
    }

    /// Which part of the set is read.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Whether the answer carries `@odata.count`.
    #[must_use]
    pub fn wants_count(&self) -> bool {
        self.count
    }

    /// Whether rows keep their identity, so that pages can continue behind a key.
    pub(crate) fn pages_by_key(&self) -> bool {
        let keeps = |step: &Transformation| {
            matches!(
                step,
                Transformation::Identity
                    | Transformation::Filter(_)
                    | Transformation::Search(_)
                    | Transformation::Compute(_)
            )
        };
        self.scope.entities && self.apply.iter().all(keeps)
    }

    /// The names of the result's properties, in order; of entities the key is always among them, because pages and
    /// clients identify rows by it.
    pub(crate) fn result_names(&self) -> Vec<&str> {
        if let Resource::Property { name, .. } = &self.resource {
            return vec![name];
        }
        let keys = || self.set.key().map(|property| property.name.as_str());
        match &self.select {
            None => {
                let listed = self.scope.members.iter().filter(|member| member.listed);
                listed.map(|member| member.name.as_str()).collect()
            }
            Some(names) => {
                let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
                if self.scope.entities {
                    let missing: Vec<&str> = keys().filter(|key| !names.contains(key)).collect();
                    names.extend(missing);
                }
                names
            }
        }
    }

    /// The URL of this read, relative to the service's root: options in one order, one spelling for everything.
    #[must_use]
    pub fn to_url(&self) -> String {
        let mut url = self.path();
        let mut separator = '?';
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                url.push(separator);
                url.push_str(name);
                url.push('=');
                url.push_str(&encode(&value).to_string());
                separator = '&';
            }
        };
        let some = |present: bool, value: &dyn fmt::Display| present.then(|| value.to_string());
        option(
            "$apply",
            some(!self.apply.is_empty(), &Sequence(&self.apply)),
        );
        option(
            "$compute",
            some(!self.compute.is_empty(), &List(&self.compute)),
        );
        option("$search", self.search.as_ref().map(ToString::to_string));
        option("$filter", self.filter.as_ref().map(ToString::to_string));
        option("$orderby", some(!self.order.is_empty(), &List(&self.order)));
        option("$select", self.select.as_ref().map(|names| names.join(",")));
        option("$count", some(self.count, &true));
        option("$skip", some(self.skip > 0, &self.skip));
        option("$top", self.top.map(|top| top.to_string()));
        option("$skiptoken", self.token.as_ref().map(ToString::to_string));
        url
    }

    /// The path of the resource, relative to the service's root.
    #[must_use]
    pub fn path(&self) -> String {
        let set = &self.set.name;
        match &self.resource {
            Resource::List => set.clone(),
            Resource::Count => format!("{set}/$count"),
            Resource::Entity(key) => format!("{set}{}", self.key_text(key)),
            Resource::Property { key, name, raw } => {
                let value = if *raw { "/$value" } else { "" };
                format!("{set}{}/{name}{value}", self.key_text(key))
            }
        }
    }

    fn key_text(&self, key: &Key) -> String {
        let named = key.0.len() > 1;
        let values = self.set.key().zip(&key.0).map(|(property, value)| {
            let name = if named {
                format!("{}=", property.name)
            } else {
                String::new()
            };
            format!("{name}{}", encode(&value.to_string()))
        });
        format!("({})", values.collect::<Vec<_>>().join(","))
    }

    /// Properties of the set, by the names that the query mentions anywhere.
    pub(crate) fn mentioned(&self, property: &Property) -> bool {
        let mut mentioned = false;
        let mut visit = |name: &str| mentioned |= name == property.name;
        self.visit_names(&mut visit);
        mentioned
    }

    fn visit_names(&self, visit: &mut dyn FnMut(&str)) {
        visit_steps(&self.apply, visit);
        self.compute
            .iter()
            .for_each(|computed| computed.expr.properties(visit));
        self.filter
            .iter()
            .for_each(|filter| filter.properties(visit));
        self.order
            .iter()
            .for_each(|item| item.expr.properties(visit));
        if self.resource != Resource::Count {
            self.result_names().into_iter().for_each(visit);
        }
    }

    /// Whether words are looked for in the set's texts.
    pub(crate) fn searches(&self) -> bool {
        self.search.is_some() || searching(&self.apply)
    }
}

fn searching(steps: &[Transformation]) -> bool {
    steps.iter().any(|step| match step {
        Transformation::Search(_) => true,
        Transformation::Concat(sequences) => sequences.iter().any(|sequence| searching(sequence)),
        _ => false,
    })
}

fn visit_steps(steps: &[Transformation], visit: &mut dyn FnMut(&str)) {
    let aggregates = |aggregates: &[apply::Aggregate], visit: &mut dyn FnMut(&str)| {
        for aggregate in aggregates {
            if let apply::AggregateValue::Of(expr, _) = &aggregate.value {
                expr.properties(visit);
            }
        }
    };
    for step in steps {
        match step {
            Transformation::Identity
            | Transformation::Search(_)
            | Transformation::Top(_)
            | Transformation::Skip(_) => {}
            Transformation::Filter(expr)
            | Transformation::TopCount(_, expr)
            | Transformation::BottomCount(_, expr) => expr.properties(visit),
            Transformation::GroupBy {
                keys,
                aggregates: values,
            } => {
                keys.iter().for_each(|key| visit(&key.name));
                aggregates(values, visit);
            }
            Transformation::Aggregate(values) => aggregates(values, visit),
            Transformation::OrderBy(items) => {
                items.iter().for_each(|item| item.expr.properties(visit))
            }
            Transformation::Compute(computed) => {
                computed.iter().for_each(|item| item.expr.properties(visit))
            }
            Transformation::Concat(sequences) => {
                sequences.iter().for_each(|steps| visit_steps(steps, visit))
            }
        }
    }
}

/// The refusal of a key whose row is not there, or not the viewer's: the two are not told apart.
#[must_use]
pub fn no_row() -> QueryError {
    QueryError::new(Problem::NotFound, "there is no such row")
}
