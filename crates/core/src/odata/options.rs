//! The system query options: which go where, in which order they are read, and what each one may name.
//! Source: OData V4.01 Part 1, 11.2; Part 2, 5.1.

use super::apply;
use super::cursor::Parser;
use super::error::{QueryError, shown};
use super::parser::Scope;
use super::query::{Query, Resource};
use super::search::Search;
use super::skiptoken::SkipToken;
use super::url::RawOption;

impl Query {
    /// Reads the system query options that go with the resource.
    pub(crate) fn read(mut self, options: &[RawOption]) -> Result<Self, QueryError> {
        let options = Options::new(options, self.allowed_options())?;
        // The order of evaluation, which decides what each option may name. Source: OData V4.01 Part 1, 11.2.1.
        if let Some(option) = options.get("$apply") {
            let (steps, scope) =
                apply::whole(Parser::new(&option.value), &self.scope).map_err(about("$apply"))?;
            (self.apply, self.scope) = (steps, scope);
        }
        if let Some(option) = options.get("$compute") {
            let mut parser = Parser::new(&option.value);
            let (computed, scope) =
                apply::computed(&mut parser, &self.scope).map_err(about("$compute"))?;
            parser.end("`,` or end").map_err(about("$compute"))?;
            (self.compute, self.scope) = (computed, scope);
            if options.get("$select").is_none() {
                self.scope
                    .members
                    .iter_mut()
                    .rev()
                    .take(self.compute.len())
                    .for_each(|member| member.listed = false);
            }
        }
        if let Some(option) = options.get("$search") {
            self.search =
                Some(Search::whole(Parser::new(&option.value)).map_err(about("$search"))?);
        }
        if let Some(option) = options.get("$filter") {
            let filter = Parser::new(&option.value).whole_condition(&self.scope);
            self.filter = Some(filter.map_err(about("$filter"))?);
        }
        if self.resource == Resource::Count {
            return Ok(self);
        }
        if let Some(option) = options.get("$orderby") {
            let mut parser = Parser::new(&option.value);
            self.order = apply::order(&mut parser, &self.scope).map_err(about("$orderby"))?;
            parser
                .end("`,`, `asc`, `desc` or end")
                .map_err(about("$orderby"))?;
        }
        if let Some(option) = options.get("$select") {
            self.select = select(option, &self.scope).map_err(about("$select"))?;
        }
        self.count = match options
            .get("$count")
            .map(|option| (option, option.value.text()))
        {
            None | Some((_, "false")) => false,
            Some((_, "true")) => true,
            Some((option, _)) => {
                return Err(
                    QueryError::at(option.value.position(0), "expected true or false")
                        .about("$count"),
                );
            }
        };
        self.top = options.get("$top").map(number).transpose()?;
        self.skip = options.get("$skip").map(number).transpose()?.unwrap_or(0);
        if let Some(option) = options.get("$expand") {
            refuse_expand(option)?;
        }
        if let Some(option) = options.get("$skiptoken") {
            let token = SkipToken::decode(option.value.text(), &self);
            self.token = Some(token.map_err(about("$skiptoken"))?);
        }
        Ok(self)
    }

    fn allowed_options(&self) -> &'static [&'static str] {
        match self.resource {
            Resource::List | Resource::Count => &[
                "$apply",
                "$compute",
                "$search",
                "$filter",
                "$orderby",
                "$select",
                "$count",
                "$top",
                "$skip",
                "$expand",
                "$skiptoken",
                "$format",
            ],
            Resource::Entity(_) => &["$select", "$compute", "$expand", "$format"],
            Resource::Property { .. } => &["$format"],
        }
    }
}

/// The system query options of one request: known, allowed here, none twice.
struct Options<'a>(Vec<&'a RawOption>);

impl<'a> Options<'a> {
    fn new(options: &'a [RawOption], allowed: &[&str]) -> Result<Self, QueryError> {
        let mut system: Vec<&RawOption> = Vec::new();
        // Options without `$` are the client's own and ignored; also `$`-less spellings of system options, which a
        // V4.0 service does not know. Source: OData V4.01 Part 1, 11.2.1.
        for option in options
            .iter()
            .filter(|option| option.name.text().starts_with('$'))
        {
            let name = option.name.text();
            if !allowed.contains(&name) {
                let message = match name {
                    "$deltatoken" | "$levels" | "$index" | "$schemaversion" | "$id" => {
                        "is not served"
                    }
                    _ => "does not go here, or does not exist",
                };
                let message = format!("the query option `{}` {message}", shown(name));
                return Err(QueryError::at(option.name.position(0), message).about(&shown(name)));
            }
            if system.iter().any(|other| other.name.text() == name) {
                let message = format!("the query option `{name}` is given twice");
                return Err(QueryError::at(option.name.position(0), message).about(name));
            }
            system.push(option);
        }
        Ok(Self(system))
    }

    fn get(&self, name: &str) -> Option<&'a RawOption> {
        self.0
            .iter()
            .find(|option| option.name.text() == name)
            .copied()
    }
}

fn about(name: &'static str) -> impl Fn(QueryError) -> QueryError {
    move |error| error.about(name)
}

fn number(option: &RawOption) -> Result<u64, QueryError> {
    let text = option.value.text();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = "expected a whole number, zero or more";
        return Err(QueryError::at(option.value.position(0), message).about(option.name.text()));
    }
    // More than any table has is the same as all.
    Ok(text.parse().unwrap_or(u64::MAX))
}

/// `$select`: names in scope, or `*` for all that a list shows anyway.
fn select(option: &RawOption, scope: &Scope) -> Result<Option<Vec<String>>, QueryError> {
    let mut parser = Parser::new(&option.value);
    let mut names: Vec<String> = Vec::new();
    let mut everything = false;
    loop {
        parser.space();
        let start = parser.here();
        if parser.eat("*") {
            everything = true;
        } else {
            let name = parser.word();
            if scope.member(name).is_none() {
                let message = format!("there is no property `{}`", shown(name));
                return Err(parser.fail_at(start, message).about(&shown(name)));
            }
            if names.iter().all(|known| known != name) {
                names.push(name.to_owned());
            }
        }
        parser.space();
        if !parser.eat(",") {
            break;
        }
    }
    parser.end("`,` or end")?;
    if everything {
        let listed = scope.members.iter().filter(|member| member.listed);
        let extra: Vec<String> = names
            .into_iter()
            .filter(|name| !scope.member(name).is_some_and(|m| m.listed))
            .collect();
        if extra.is_empty() {
            return Ok(None);
        }
        return Ok(Some(
            listed
                .map(|member| member.name.clone())
                .chain(extra)
                .collect(),
        ));
    }
    Ok(Some(names))
}

/// There are no navigation properties: `*` expands nothing, all else names what does not exist.
fn refuse_expand(option: &RawOption) -> Result<(), QueryError> {
    match option.value.text().trim() {
        "*" => Ok(()),
        _ => {
            let message = "there are no navigation properties to expand";
            Err(QueryError::at(option.value.position(0), message).about("$expand"))
        }
    }
}

/// Refuses all options but `$format`, for resources that take no other.
pub(crate) fn only_format(options: &[RawOption]) -> Result<(), QueryError> {
    Options::new(options, &["$format"]).map(drop)
}
