//! From method, path, query and headers to what is asked for.
//! Source: OData V4.01 Part 2, 4; Part 1, 11.2.

use std::sync::Arc;

use super::cursor::Parser;
use super::error::{Problem, QueryError, shown};
use super::expr::Type;
use super::format::{self, Format, Offer};
use super::literal::Literal;
use super::model::{EntitySet, Model};
use super::options;
use super::query::{self, Key, Query, Resource};
use super::url::{self, Decoded, Plus, RawOption};

/// Characters of path and query together.
const URL_CHARS_MAX: usize = 32 * 1024;

/// A request as it came, path relative to the service's root.
#[derive(Debug, Clone, Copy, Default)]
pub struct Incoming<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The raw path behind the service's root, percent-encoded, with or without a leading `/`.
    pub path: &'a str,
    /// The raw query without its `?`.
    pub query: Option<&'a str>,
    /// Characters of the URL before `path`, so that positions are those of the whole.
    pub path_start: usize,
    /// `Accept`.
    pub accept: Option<&'a str>,
    /// `OData-Version`.
    pub version: Option<&'a str>,
    /// `OData-MaxVersion`.
    pub max_version: Option<&'a str>,
    /// `Prefer`.
    pub prefer: Option<&'a str>,
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is asked for.
    pub target: Target,
    /// How the answer is written.
    pub format: Format,
    /// Whether the method is HEAD: the same without a body (and without a JSON content type, because UI5's cards would
    /// parse the empty body).
    pub head_only: bool,
    /// The page size that `Prefer` asks for; where it is used, the answer says `Preference-Applied`.
    pub preferred_page_size: Option<u64>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// The service document.
    Service,
    /// `$metadata`.
    Metadata,
    /// `POST $batch`.
    Batch,
    /// `OPTIONS`: answer with `Allow`.
    Options,
    /// Rows.
    Query(Box<Query>),
}

/// The `Allow` header of all resources but `$batch`.
pub const ALLOW: &str = "GET, HEAD, OPTIONS";

/// Understands a request or says why not.
pub fn parse(model: &Model, incoming: &Incoming<'_>) -> Result<Request, QueryError> {
    format::check_versions(incoming.version, incoming.max_version)?;
    let raw_query = incoming.query.unwrap_or_default();
    let path = incoming.path.strip_prefix('/').unwrap_or(incoming.path);
    let path_start = incoming.path_start + usize::from(path.len() < incoming.path.len());
    let path_chars = path.chars().count();
    if path_chars + raw_query.chars().count() > URL_CHARS_MAX {
        let message = format!("expected a URL of at most {URL_CHARS_MAX} characters");
        return Err(QueryError::new(Problem::Malformed, message));
    }
    let options = url::options(raw_query, path_start + path_chars + 1)?;
    let target = target(model, path, path_start)?;
    check_method(incoming.method, &target)?;
    if incoming.method == "OPTIONS" {
        return Ok(Request::plain(Target::Options, Format::Text));
    }
    let target = match target {
        Target::Query(query) => Target::Query(Box::new(query.read(&options)?)),
        other => {
            options::only_format(&options)?;
            other
        }
    };
    let offer = match &target {
        Target::Service | Target::Batch | Target::Options => Offer::Json,
        Target::Metadata => Offer::Metadata,
        Target::Query(query) => match query.resource() {
            Resource::List => Offer::Rows,
            Resource::Entity(_) | Resource::Property { raw: false, .. } => Offer::Json,
            Resource::Count | Resource::Property { raw: true, .. } => Offer::Text,
        },
    };
    let format = match &target {
        // The answer's format follows the request's, not `Accept`.
        Target::Batch => Format::Text,
        _ => Format::negotiate(offer, format_option(&options), incoming.accept)?,
    };
    Ok(Request {
        head_only: incoming.method == "HEAD",
        preferred_page_size: format::preferred_page_size(incoming.prefer),
        ..Request::plain(target, format)
    })
}

impl Request {
    fn plain(target: Target, format: Format) -> Self {
        Self {
            target,
            format,
            head_only: false,
            preferred_page_size: None,
        }
    }
}

fn format_option(options: &[RawOption]) -> Option<&str> {
    let option = options
        .iter()
        .find(|option| option.name.text() == "$format");
    option.map(|option| option.value.text())
}

fn check_method(method: &str, target: &Target) -> Result<(), QueryError> {
    let allowed = match (method, target) {
        ("POST" | "OPTIONS", Target::Batch) => true,
        (_, Target::Batch) => false,
        (method, _) => matches!(method, "GET" | "HEAD" | "OPTIONS"),
    };
    if allowed {
        return Ok(());
    }
    let message = match target {
        Target::Batch => "`$batch` takes POST",
        _ => "this service is read-only: it takes GET and HEAD",
    };
    Err(QueryError::new(Problem::ReadOnly, message))
}

fn target(model: &Model, path: &str, start: usize) -> Result<Target, QueryError> {
    let mut segments = Vec::new();
    let mut position = start;
    for raw in path.split('/') {
        segments.push(Decoded::new(raw, position, Plus::Literal)?);
        position += raw.chars().count() + 1;
    }
    // A slash at the end changes nothing.
    if segments.last().is_some_and(|last| last.text().is_empty()) {
        segments.pop();
    }
    let Some((first, rest)) = segments.split_first() else {
        return Ok(Target::Service);
    };
    match (first.text(), rest) {
        ("$metadata", []) => return Ok(Target::Metadata),
        ("$batch", []) => return Ok(Target::Batch),
        _ => {}
    }
    let mut parser = Parser::new(first);
    let name = parser.word();
    let Some(set) = model.set(name) else {
        let message = format!("there is no entity set `{}`", shown(first.text()));
        return Err(QueryError::new(Problem::NotFound, message));
    };
    let key = key(&mut parser, set)?;
    let resource = resource(set, key, rest)?;
    let query = Query {
        resource,
        ..Query::list(Arc::clone(set))
    };
    Ok(Target::Query(Box::new(query)))
}

fn resource(set: &EntitySet, key: Option<Key>, rest: &[Decoded]) -> Result<Resource, QueryError> {
    let nothing = |segment: &Decoded| {
        let message = format!("there is nothing at `{}`", shown(segment.text()));
        QueryError::new(Problem::NotFound, message)
    };
    let segment = |index: usize| rest.get(index).map(Decoded::text);
    match (key, segment(0), segment(1), segment(2)) {
        (None, None, _, _) => Ok(Resource::List),
        (None, Some("$count"), None, _) => Ok(Resource::Count),
        (Some(key), None, _, _) => Ok(Resource::Entity(key)),
        (Some(key), Some(name), value, None)
            if set.property(name).is_some() && matches!(value, None | Some("$value")) =>
        {
            Ok(Resource::Property {
                key,
                name: name.to_owned(),
                raw: value.is_some(),
            })
        }
        _ => Err(rest.last().map_or_else(query::no_row, nothing)),
    }
}

/// The key in brackets, if there are any. Source: OData V4.01 Part 2, 4.3.1.
fn key(parser: &mut Parser<'_>, set: &EntitySet) -> Result<Option<Key>, QueryError> {
    if parser.rest().is_empty() {
        return Ok(None);
    }
    let properties: Vec<_> = set.key().collect();
    let mut values: Vec<Option<Literal>> = vec![None; properties.len()];
    parser.expect("(")?;
    loop {
        parser.space();
        let start = parser.here();
        let named = key_name(parser);
        let index = match (named, properties.as_slice()) {
            (None, [_]) => Some(0),
            (None, _) => None,
            (Some(name), _) => properties.iter().position(|property| property.name == name),
        };
        let expected = || {
            let names: Vec<String> = properties
                .iter()
                .map(|key| format!("{}=…", key.name))
                .collect();
            format!("expected the key ({})", names.join(","))
        };
        let slot = index.and_then(|index| Some((properties.get(index)?, values.get_mut(index)?)));
        let Some((property, slot @ None)) = slot else {
            return Err(parser.fail_at(start, expected()));
        };
        let value = parser.literal()?.ok_or_else(|| parser.fail(expected()))?;
        if value.kind() != Type::from(property.kind) {
            let message = format!(
                "expected {}, found {}",
                Type::from(property.kind).name(),
                value.kind().name()
            );
            return Err(parser.fail_at(start, message).about(&property.name));
        }
        *slot = Some(value);
        parser.space();
        if !parser.eat(",") {
            break;
        }
    }
    parser.expect(")")?;
    parser.end("`/` or end")?;
    match values.into_iter().collect::<Option<Vec<_>>>() {
        Some(values) => Ok(Some(Key(values))),
        None => Err(parser.fail("expected all properties of the key")),
    }
}

/// `Name=` before a key's value.
fn key_name<'a>(parser: &mut Parser<'a>) -> Option<&'a str> {
    let start = parser.here();
    let name = parser.word();
    if !name.is_empty() && parser.eat("=") {
        return Some(name);
    }
    parser.rewind(start);
    None
}
