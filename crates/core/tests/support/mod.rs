//! A service in small: what the real one does between socket and database, on an in-memory SQLite.
//!
//! Long because it stands in for everything between socket and database, for all tests of OData.

use std::sync::Arc;

use ingester_core::access::{AccessRules, Viewer};
use ingester_core::odata::batch::{self, Batch, BatchFormat, PartResponse, Verdict};
use ingester_core::odata::{
    self, Format, Incoming, Model, QueryError, Request, Resource, Target, csv, json, metadata,
};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::functions::{ScalarFunction, Value};
use ingester_core::sql::{self, Context, Dialect, Selection, Statement};
use ingester_core::time;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Value as SqlValue, ValueRef};

/// Where the service's URLs begin.
pub(crate) const ROOT: &str = "/odata/v4/feedback/";

/// A service: model, rules, rows.
pub(crate) struct Service {
    pub(crate) model: Model,
    pub(crate) rules: AccessRules,
    pub(crate) viewer: Viewer,
    pub(crate) connection: Connection,
    /// Rows of one answer, by entity set.
    pub(crate) page_rows: fn(&str) -> u64,
    /// The rows of sets whose source is values.
    pub(crate) values: Vec<Vec<Cell>>,
    /// Another database that has the rows, with its dialect.
    pub(crate) elsewhere: Option<(Dialect, Run)>,
}

/// Runs a statement and answers its rows.
pub(crate) type Run = Box<dyn Fn(&Statement, &[ColumnType]) -> Vec<Vec<Cell>>>;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Service {
    pub(crate) fn new(model: Model, connection: Connection) -> Self {
        register_functions(&connection);
        Self {
            model,
            rules: AccessRules::open(),
            viewer: Viewer::default(),
            connection,
            page_rows: |_| 1000,
            values: Vec::new(),
            elsewhere: None,
        }
    }

    /// Answers a plain GET of a URL relative to the service.
    pub(crate) fn get(&self, url: &str) -> Answer {
        let (path, query) = url
            .split_once('?')
            .map_or((url, None), |(path, query)| (path, Some(query)));
        self.answer(&Incoming {
            method: "GET",
            path,
            query,
            ..Incoming::default()
        })
    }

    /// The same under `If-None-Match`.
    pub(crate) fn answer_if_none_match(
        &self,
        incoming: &Incoming<'_>,
        tags: Option<&str>,
    ) -> Answer {
        let answer = self.answer(incoming);
        let Some(tags) = tags.filter(|_| answer.status == 200) else {
            return answer;
        };
        let Ok(Request {
            target: Target::Query(query),
            format,
            ..
        }) = odata::parse(&self.model, incoming)
        else {
            return answer;
        };
        let visible = self.rules.restrict(&self.viewer, &self.model, *query);
        let version = odata::Version {
            change_number: 1,
            definition: "1",
            page_rows: 1000,
            minute: 0,
        };
        if tags == "*" || tags == odata::etag(&visible, format, version) {
            return Answer::empty(304);
        }
        answer
    }

    /// Answers any request but a batch.
    pub(crate) fn answer(&self, incoming: &Incoming<'_>) -> Answer {
        let answered = odata::parse(&self.model, incoming).and_then(|request| {
            let head_only = request.head_only;
            let mut answer = self.answer_request(&request)?;
            if head_only {
                answer.body.clear();
                answer.content_type = None;
            }
            Ok(answer)
        });
        answered.unwrap_or_else(|error| refusal(&error))
    }

    fn answer_request(&self, request: &Request) -> Result<Answer, QueryError> {
        let format = request.format;
        let json_format = match format {
            Format::Json(json) => json,
            Format::Csv | Format::Xml | Format::Text => odata::JsonFormat::default(),
        };
        let body = match &request.target {
            Target::Service => json::service_document(&self.model, json_format),
            Target::Metadata if format == Format::Xml => metadata::xml(&self.model),
            Target::Metadata => metadata::json(&self.model),
            Target::Options => return Ok(Answer::empty(204).with("allow", odata::ALLOW)),
            Target::Batch => panic!("batches go through Service::batch"),
            Target::Query(query) => return self.answer_query(query, request, json_format),
        };
        Ok(Answer::new(format, body))
    }

    fn answer_query(
        &self,
        query: &odata::Query,
        request: &Request,
        json_format: odata::JsonFormat,
    ) -> Result<Answer, QueryError> {
        let page_rows = (self.page_rows)(&query.set().name);
        let page_rows = request
            .preferred_page_size
            .map_or(page_rows, |size| size.min(page_rows));
        let context = Context {
            dialect: self
                .elsewhere
                .as_ref()
                .map_or(Dialect::Sqlite, |(dialect, _)| *dialect),
            now: "2026-06-01T12:00:00Z".parse().unwrap(),
            page_rows: (request.format != Format::Csv).then_some(page_rows),
            values: &self.values,
        };
        let visible = self
            .rules
            .restrict(&self.viewer, &self.model, query.clone());
        let selection = sql::select(&visible, &context)?;
        if let Some(anchor) = &selection.anchor
            && self.run(anchor, &[ColumnType::Integer]).is_empty()
        {
            return Err(sql::gone());
        }
        let count = selection.count.as_ref().map(|count| {
            match self
                .run(count, &[ColumnType::Integer])
                .first()
                .and_then(|row| row.first())
            {
                Some(Cell::Integer(count)) => u64::try_from(*count).unwrap(),
                other => panic!("no count: {other:?}"),
            }
        });
        let kinds: Vec<ColumnType> = selection.shape.kinds().collect();
        let rows = selection
            .rows
            .as_ref()
            .map(|rows| self.run(rows, &kinds))
            .unwrap_or_default();
        let preference = request
            .preferred_page_size
            .map(|_| format!("odata.maxpagesize={page_rows}"));
        let answer = written(query, request, json_format, &selection, count, &rows)?;
        Ok(match preference {
            Some(preference) => answer.with("preference-applied", &preference),
            None => answer,
        })
    }

    pub(crate) fn run(&self, statement: &Statement, kinds: &[ColumnType]) -> Vec<Vec<Cell>> {
        if let Some((_, run)) = &self.elsewhere {
            return run(statement, kinds);
        }
        let mut prepared = self
            .connection
            .prepare(statement.text())
            .unwrap_or_else(|error| panic!("{error}: {statement:?}"));
        let binds = rusqlite::params_from_iter(statement.binds().iter().map(bound));
        let rows = prepared.query_map(binds, |row| {
            kinds
                .iter()
                .enumerate()
                .map(|(index, kind)| row.get_ref(index).map(|value| read(value, *kind)))
                .collect()
        });
        rows.unwrap()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}: {statement:?}"))
    }

    /// Answers `POST $batch`.
    pub(crate) fn batch(
        &self,
        content_type: Option<&str>,
        prefer: Option<&str>,
        body: &[u8],
    ) -> Answer {
        const BOUNDARY: &str = "answer_5f1c";
        let batch = match Batch::read(content_type, prefer, body, ROOT) {
            Ok(batch) => batch,
            Err(error) => return refusal(&error),
        };
        let mut out = Vec::new();
        let mut statuses = Vec::new();
        for (index, part) in batch.parts.iter().enumerate() {
            let answer = match (batch.verdict(index, &statuses), &part.request) {
                (Verdict::Stop, _) => break,
                (Verdict::FailedDependency, _) => Answer {
                    status: 424,
                    ..refusal(&odata::no_row())
                },
                (Verdict::Run, Err(error)) => refusal(error),
                (Verdict::Run, Ok(request)) => self.answer(&Incoming {
                    method: &request.method,
                    path: &request.path,
                    query: request.query.as_deref(),
                    accept: request.header("accept"),
                    ..Incoming::default()
                }),
            };
            statuses.push(answer.status);
            let mut headers = answer.headers;
            headers.extend(
                answer
                    .content_type
                    .map(|value| ("content-type".to_owned(), value)),
            );
            let response = PartResponse {
                status: answer.status,
                headers,
                body: answer.body.into_bytes(),
            };
            match batch.format {
                BatchFormat::Multipart => {
                    batch::write_multipart_response(BOUNDARY, Some((part, &response)), &mut out)
                }
                BatchFormat::Json => {
                    batch::write_json_response(index == 0, Some((part, &response)), &mut out)
                }
            }
        }
        let content_type = match batch.format {
            BatchFormat::Multipart => {
                batch::write_multipart_response(BOUNDARY, None, &mut out);
                format!("multipart/mixed;boundary={BOUNDARY}")
            }
            BatchFormat::Json => {
                batch::write_json_response(batch.parts.is_empty(), None, &mut out);
                "application/json".to_owned()
            }
        };
        Answer {
            status: 200,
            content_type: Some(content_type),
            headers: Vec::new(),
            body: String::from_utf8(out).unwrap(),
        }
    }
}

impl Answer {
    fn new(format: Format, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            content_type: Some(format.content_type().to_owned()),
            headers: Vec::new(),
            body: String::from_utf8(body).unwrap(),
        }
    }

    fn empty(status: u16) -> Self {
        Self {
            status,
            content_type: None,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

fn refusal(error: &QueryError) -> Answer {
    Answer {
        status: error.status(),
        ..Answer::new(
            Format::Json(odata::JsonFormat::default()),
            json::error(error),
        )
    }
}

fn written(
    query: &odata::Query,
    request: &Request,
    json_format: odata::JsonFormat,
    selection: &Selection,
    count: Option<u64>,
    rows: &[Vec<Cell>],
) -> Result<Answer, QueryError> {
    let mut out = Vec::new();
    let shape = &selection.shape;
    match (query.resource(), request.format) {
        (Resource::Count, _) => out = count.unwrap().to_string().into_bytes(),
        (Resource::List, Format::Csv) => {
            csv::write_head(shape, &mut out);
            rows.iter()
                .for_each(|row| csv::write_row(shape, row, &mut out));
        }
        (Resource::List, _) => {
            let mut writer =
                json::ListWriter::begin(query, selection, json_format, count, &mut out);
            for row in rows {
                if writer.row(row, &mut out) == json::Wants::Nothing {
                    break;
                }
            }
            writer.end(&mut out);
        }
        (Resource::Entity(_), _) => {
            out = json::entity(
                query,
                shape,
                json_format,
                rows.first().ok_or_else(odata::no_row)?,
            );
        }
        (Resource::Property { raw, .. }, _) => {
            let row = rows.first().ok_or_else(odata::no_row)?;
            let value = if *raw {
                json::raw_value(shape, row).map(String::into_bytes)
            } else {
                json::property(query, shape, json_format, row)
            };
            match value {
                Some(value) => out = value,
                None => return Ok(Answer::empty(204)),
            }
        }
    }
    Ok(Answer::new(request.format, out))
}

fn register_functions(connection: &Connection) {
    for function in ScalarFunction::ALL {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        let arguments = i32::try_from(function.arguments()).unwrap();
        connection
            .create_scalar_function(function.name(), arguments, flags, move |context| {
                let arguments: Vec<Value> = (0..context.len())
                    .map(|index| argument(context.get_raw(index)))
                    .collect();
                Ok(match function.call(&arguments) {
                    Value::Null => SqlValue::Null,
                    Value::Integer(value) => SqlValue::Integer(value),
                    Value::Real(value) => SqlValue::Real(value),
                    Value::Text(value) => SqlValue::Text(value),
                })
            })
            .unwrap();
    }
}

fn argument(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(value) => Value::Text(String::from_utf8(value.to_vec()).unwrap()),
        ValueRef::Null | ValueRef::Blob(_) => Value::Null,
    }
}

/// A cell as the store writes it.
pub(crate) fn bound(cell: &Cell) -> SqlValue {
    match cell {
        Cell::Null => SqlValue::Null,
        Cell::Boolean(value) => SqlValue::Integer((*value).into()),
        Cell::Integer(value) => SqlValue::Integer(*value),
        Cell::Decimal(value) => SqlValue::Text(value.to_plain_string()),
        Cell::Double(value) => SqlValue::Real(*value),
        Cell::Date(value) => SqlValue::Text(value.to_string()),
        Cell::Timestamp(value) => SqlValue::Text(time::to_text(*value)),
        Cell::Text(value) => SqlValue::Text(value.clone()),
    }
}

fn read(value: ValueRef<'_>, kind: ColumnType) -> Cell {
    match (value, kind) {
        (ValueRef::Null | ValueRef::Blob(_), _) => Cell::Null,
        (ValueRef::Integer(value), ColumnType::Boolean) => Cell::Boolean(value != 0),
        (ValueRef::Integer(value), _) => Cell::Integer(value),
        (ValueRef::Real(value), _) => Cell::Double(value),
        (ValueRef::Text(value), kind) => {
            let text = std::str::from_utf8(value).unwrap();
            match kind {
                ColumnType::Date => Cell::Date(text.parse().unwrap()),
                ColumnType::Timestamp => Cell::Timestamp(text.parse().unwrap()),
                _ => Cell::Text(text.to_owned()),
            }
        }
    }
}

/// A model of these sets.
pub(crate) fn model(sets: Vec<odata::EntitySet>) -> Model {
    Model {
        namespace: "FeedbackService".to_owned(),
        sets: sets.into_iter().map(Arc::new).collect(),
    }
}
