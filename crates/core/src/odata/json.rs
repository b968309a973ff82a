//! Answers as OData JSON, row by row. Source: OData JSON Format V4.01, 4 to 7, 11.

use super::error::QueryError;
use super::format::{JsonFormat, Metadata};
use super::literal::Literal;
use super::model::Model;
use super::query::{Key, Query, Resource};
use super::skiptoken::{Position, SkipToken};
use super::value::{write_json, write_string, write_text};
use crate::row::Cell;
use crate::sql::{Page, Selection, Shape};

/// Writes a list of rows as they come from the database.
#[derive(Debug)]
pub struct ListWriter<'a> {
    query: &'a Query,
    shape: &'a Shape,
    page: Page,
    format: JsonFormat,
    rows: u64,
    /// The key of the last row, where pages continue behind keys.
    last_key: Option<Key>,
    more: bool,
}

/// Whether the writer takes another row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Another row, if there is one.
    More,
    /// No other: the page is full.
    Nothing,
}

impl<'a> ListWriter<'a> {
    /// Begins the answer. `count` is the number that the selection's count statement found.
    #[must_use]
    pub fn begin(
        query: &'a Query,
        selection: &'a Selection,
        format: JsonFormat,
        count: Option<u64>,
        out: &mut Vec<u8>,
    ) -> Self {
        out.push(b'{');
        write_context(format, &format!("$metadata#{}", query.set.name), out);
        if let Some(count) = count {
            let quote = if format.ieee754_compatible { "\"" } else { "" };
            write_text(out, format_args!("\"@odata.count\":{quote}{count}{quote},"));
        }
        out.extend_from_slice(b"\"value\":[");
        Self {
            query,
            shape: &selection.shape,
            page: selection.page,
            format,
            rows: 0,
            last_key: None,
            more: false,
        }
    }

    /// Writes a row, unless the page is full: then the row only tells that there are more.
    pub fn row(&mut self, cells: &[Cell], out: &mut Vec<u8>) -> Wants {
        if self.page.rows.is_some_and(|rows| self.rows >= rows) {
            self.more = true;
            return Wants::Nothing;
        }
        if self.rows > 0 {
            out.push(b',');
        }
        out.push(b'{');
        write_properties(self.shape, self.format, cells, out);
        out.push(b'}');
        self.rows += 1;
        if self.page.rows == Some(self.rows) {
            self.last_key = self.key(cells);
        }
        Wants::More
    }

    /// Ends the answer, with the link to the next page if there is one.
    pub fn end(self, out: &mut Vec<u8>) {
        out.push(b']');
        if self.more
            && let Some(token) = self.token()
        {
            let next = Query {
                token: Some(token),
                ..self.query.clone()
            };
            out.extend_from_slice(b",\"@odata.nextLink\":");
            write_string(&next.to_url(), out);
        }
        out.push(b'}');
    }

    fn token(&self) -> Option<SkipToken> {
        let position = if self.query.pages_by_key() {
            Position::After(self.last_key.clone()?)
        } else {
            Position::Offset(self.page.end)
        };
        Some(SkipToken::new(self.query, position, self.page.rest_of_top))
    }

    fn key(&self, cells: &[Cell]) -> Option<Key> {
        let value = |name: &str| {
            let index = self
                .shape
                .columns
                .iter()
                .position(|column| column.name == name)?;
            match cells.get(index)? {
                Cell::Text(text) => Some(Literal::Text(text.clone())),
                Cell::Integer(number) => Some(Literal::Integer(*number)),
                _ => None,
            }
        };
        self.query
            .set
            .key()
            .map(|property| value(&property.name))
            .collect::<Option<_>>()
            .map(Key)
    }
}

/// A single entity.
#[must_use]
pub fn entity(query: &Query, shape: &Shape, format: JsonFormat, cells: &[Cell]) -> Vec<u8> {
    let mut out = vec![b'{'];
    write_context(
        format,
        &format!("$metadata#{}/$entity", query.set.name),
        &mut out,
    );
    write_properties(shape, format, cells, &mut out);
    out.push(b'}');
    out
}

/// A single property; `None` for null, which is answered with 204.
#[must_use]
pub fn property(
    query: &Query,
    shape: &Shape,
    format: JsonFormat,
    cells: &[Cell],
) -> Option<Vec<u8>> {
    let (cell, column) = cells.first().zip(shape.columns.first())?;
    if *cell == Cell::Null {
        return None;
    }
    let mut out = vec![b'{'];
    write_context(
        format,
        &format!("../$metadata#{}", property_context(query)),
        &mut out,
    );
    out.extend_from_slice(b"\"value\":");
    write_json(cell, column.kind, format.ieee754_compatible, &mut out);
    out.push(b'}');
    Some(out)
}

/// A property's value alone, as `/$value` answers it; `None` for null, which is answered with 204.
#[must_use]
pub fn raw_value(shape: &Shape, cells: &[Cell]) -> Option<String> {
    let (cell, column) = cells.first().zip(shape.columns.first())?;
    super::value::text(cell, column.kind)
}

/// The service document. Source: JSON Format, 5.
#[must_use]
pub fn service_document(model: &Model, format: JsonFormat) -> Vec<u8> {
    let mut out = vec![b'{'];
    write_context(format, "$metadata", &mut out);
    out.extend_from_slice(b"\"value\":[");
    for (index, set) in model.sets.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"name\":");
        write_string(&set.name, &mut out);
        out.extend_from_slice(b",\"url\":");
        write_string(&set.name, &mut out);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// An error. Source: JSON Format, 21.1.
#[must_use]
pub fn error(error: &QueryError) -> Vec<u8> {
    let mut out = b"{\"error\":{\"code\":".to_vec();
    write_string(error.code(), &mut out);
    out.extend_from_slice(b",\"message\":");
    write_string(&error.to_string(), &mut out);
    if let Some(target) = error.target() {
        out.extend_from_slice(b",\"target\":");
        write_string(target, &mut out);
    }
    out.extend_from_slice(b"}}");
    out
}

fn write_context(format: JsonFormat, context: &str, out: &mut Vec<u8>) {
    if format.metadata == Metadata::Minimal {
        out.extend_from_slice(b"\"@odata.context\":");
        write_string(context, out);
        out.push(b',');
    }
}

/// The context of a property: its path as a client may write it, without percent-encoding.
fn property_context(query: &Query) -> String {
    let Resource::Property { key, name, .. } = &query.resource else {
        return query.set.name.clone();
    };
    let named = key.0.len() > 1;
    let values = query.set.key().zip(&key.0).map(|(property, value)| {
        if named {
            format!("{}={value}", property.name)
        } else {
            value.to_string()
        }
    });
    format!(
        "{}({})/{name}",
        query.set.name,
        values.collect::<Vec<_>>().join(",")
    )
}

fn write_properties(shape: &Shape, format: JsonFormat, cells: &[Cell], out: &mut Vec<u8>) {
    let part = part(shape, cells);
    let mut first = true;
    for (index, (column, cell)) in shape.columns.iter().zip(cells).enumerate() {
        if part.is_some_and(|part| !part.get(index).copied().unwrap_or(false)) {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        write_string(&column.name, out);
        out.push(b':');
        write_json(cell, column.kind, format.ieee754_compatible, out);
    }
}

/// After `concat`: which columns the row's part has.
fn part<'a>(shape: &'a Shape, cells: &[Cell]) -> Option<&'a Vec<bool>> {
    let parts = shape.parts.as_ref()?;
    let number = match cells.get(shape.columns.len()) {
        Some(Cell::Integer(number)) => usize::try_from(*number).ok()?,
        _ => return None,
    };
    parts.get(number)
}
