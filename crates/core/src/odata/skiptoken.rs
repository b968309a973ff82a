//! `$skiptoken`: where the next page begins. It holds the last row's key (or an offset, for grouped results), what is
//! left of `$top`, and a digest of the query; no answers. Source: OData V4.01 Part 1, 11.2.6.7: opaque to clients.

use std::fmt;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::{Problem, QueryError};
use super::expr::Type;
use super::literal::Literal;
use super::query::{Key, Query};

/// A decoded token.
#[derive(Debug, Clone, PartialEq)]
pub struct SkipToken {
    pub(crate) position: Position,
    /// What is left of `$top` behind the rows already sent.
    pub(crate) rest_of_top: Option<u64>,
    digest: String,
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Position {
    /// Behind the row with this key.
    After(Key),
    /// Behind so many rows.
    Offset(u64),
}

impl SkipToken {
    pub(crate) fn new(query: &Query, position: Position, rest_of_top: Option<u64>) -> Self {
        Self {
            position,
            rest_of_top,
            digest: digest(query),
        }
    }

    /// Reads a token that came with the query. The query must be the one that the token was made for.
    pub(crate) fn decode(text: &str, query: &Query) -> Result<Self, QueryError> {
        let malformed = || {
            QueryError::new(
                Problem::Malformed,
                "the $skiptoken is not one of this service's: begin anew without it",
            )
        };
        let bytes = hex::decode(text).map_err(|_| malformed())?;
        let fields: Vec<Value> = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
        let [digest_value, rest, position] = fields.as_slice() else {
            return Err(malformed());
        };
        if digest_value.as_str() != Some(&digest(query)) {
            let message = "the $skiptoken belongs to another query: begin anew without it";
            return Err(QueryError::new(Problem::Malformed, message));
        }
        let position = match position {
            Value::Number(offset) if !query.pages_by_key() => offset.as_u64().map(Position::Offset),
            Value::Array(values) if query.pages_by_key() => key(values, query).map(Position::After),
            _ => None,
        };
        Ok(Self {
            position: position.ok_or_else(malformed)?,
            rest_of_top: rest.as_u64(),
            digest: digest(query),
        })
    }
}

/// The key that a token's values are, if they fit the set's key properties.
fn key(values: &[Value], query: &Query) -> Option<Key> {
    let properties: Vec<_> = query.set.key().collect();
    if properties.len() != values.len() {
        return None;
    }
    let literal = |(value, kind): (&Value, Type)| match (value, kind) {
        (Value::String(text), Type::Text) => Some(Literal::Text(text.clone())),
        (Value::Number(number), Type::Integer) => number.as_i64().map(Literal::Integer),
        _ => None,
    };
    let kinds = properties.iter().map(|property| Type::from(property.kind));
    values
        .iter()
        .zip(kinds)
        .map(literal)
        .collect::<Option<Vec<_>>>()
        .map(Key)
}

/// Names the query without its token: pages of one query share it, another query does not.
fn digest(query: &Query) -> String {
    let plain = Query {
        token: None,
        ..query.clone()
    };
    let hash = Sha256::digest(plain.to_url());
    hex::encode(hash.iter().take(8).copied().collect::<Vec<u8>>())
}

impl fmt::Display for SkipToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = match &self.position {
            Position::Offset(offset) => json!(offset),
            Position::After(Key(values)) => values
                .iter()
                .map(|value| match value {
                    Literal::Text(text) => json!(text),
                    Literal::Integer(number) => json!(number),
                    _ => Value::Null,
                })
                .collect(),
        };
        f.write_str(&hex::encode(
            json!([self.digest, self.rest_of_top, position]).to_string(),
        ))
    }
}
