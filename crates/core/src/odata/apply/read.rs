//! Reads transformations, each over what the one before leaves.

use super::{
    Aggregate, AggregateValue, Computed, Direction, Method, OrderItem, Transformation, grouped_kind,
};
use crate::odata::cursor::Parser;
use crate::odata::error::{QueryError, shown};
use crate::odata::expr::{Expr, Type};
use crate::odata::operands::column_kind;
use crate::odata::parser::{Member, Scope};
use crate::odata::search::Search;
use crate::row::ColumnType;

/// Transformations of one `$apply`, those inside `concat` included.
const TRANSFORMATIONS_MAX: usize = 32;

/// Reads a whole `$apply` and says what its result's rows have.
pub(crate) fn whole(
    mut parser: Parser<'_>,
    scope: &Scope,
) -> Result<(Vec<Transformation>, Scope), QueryError> {
    let mut left = TRANSFORMATIONS_MAX;
    let (sequence, scope) = sequence(&mut parser, scope, &mut left)?;
    parser.end("`/` or end")?;
    Ok((sequence, scope))
}

fn sequence(
    parser: &mut Parser<'_>,
    scope: &Scope,
    left: &mut usize,
) -> Result<(Vec<Transformation>, Scope), QueryError> {
    let mut scope = scope.clone();
    let mut transformations = Vec::new();
    loop {
        *left = left.checked_sub(1).ok_or_else(|| {
            parser.fail(format!(
                "expected at most {TRANSFORMATIONS_MAX} transformations"
            ))
        })?;
        parser.space();
        let (transformation, after) =
            parser.nested(|parser| transformation(parser, &scope, left))?;
        transformations.push(transformation);
        scope = after;
        parser.space();
        if !parser.eat("/") {
            return Ok((transformations, scope));
        }
    }
}

fn transformation(
    parser: &mut Parser<'_>,
    scope: &Scope,
    left: &mut usize,
) -> Result<(Transformation, Scope), QueryError> {
    let start = parser.here();
    let name = parser.word();
    if name == "identity" {
        return Ok((Transformation::Identity, scope.clone()));
    }
    if !parser.eat("(") {
        return Err(parser.fail_at(
            start,
            "expected a transformation like filter(…), groupby((…)) or aggregate(…)",
        ));
    }
    parser.space();
    let unchanged = |transformation| (transformation, scope.clone());
    let result = match name {
        "filter" => unchanged(Transformation::Filter(parser.condition(scope)?)),
        "search" => unchanged(Transformation::Search(Search::parse(parser)?)),
        "orderby" => unchanged(Transformation::OrderBy(order(parser, scope)?)),
        "top" => unchanged(Transformation::Top(whole_number(parser)?)),
        "skip" => unchanged(Transformation::Skip(whole_number(parser)?)),
        "topcount" => unchanged(ranked(parser, scope, Transformation::TopCount)?),
        "bottomcount" => unchanged(ranked(parser, scope, Transformation::BottomCount)?),
        "aggregate" => aggregated(parser, scope)?,
        "groupby" => grouped(parser, scope)?,
        "compute" => {
            let (computed, scope) = computed(parser, scope)?;
            (Transformation::Compute(computed), scope)
        }
        "concat" => concatenated(parser, scope, left)?,
        "topsum" | "toppercent" | "bottomsum" | "bottompercent" | "join" | "outerjoin" | "nest"
        | "expand" | "addnested" | "ancestors" | "descendants" | "traverse" => {
            let message = format!("the transformation `{name}` is not served");
            return Err(QueryError::unsupported(parser.position(start), message));
        }
        _ => {
            return Err(parser.fail_at(
                start,
                format!("there is no transformation `{}`", shown(name)),
            ));
        }
    };
    parser.space();
    if parser.eat(")") {
        Ok(result)
    } else {
        Err(parser.fail("expected `)`"))
    }
}

/// `$orderby`'s items, also inside `orderby(…)`.
pub(crate) fn order(parser: &mut Parser<'_>, scope: &Scope) -> Result<Vec<OrderItem>, QueryError> {
    let mut items = Vec::new();
    loop {
        parser.space();
        let expr = parser.expression(scope)?.expr;
        let direction = if parser.eat_end_word("desc") {
            Direction::Descending
        } else {
            parser.eat_end_word("asc");
            Direction::Ascending
        };
        items.push(OrderItem { expr, direction });
        parser.space();
        if !parser.eat(",") {
            return Ok(items);
        }
    }
}

fn whole_number(parser: &mut Parser<'_>) -> Result<u64, QueryError> {
    let start = parser.here();
    let digits = parser.take(|char| char.is_ascii_digit());
    if digits.is_empty() {
        return Err(parser.fail_at(start, "expected a whole number, zero or more"));
    }
    // More than any table has is the same as all.
    Ok(digits.parse().unwrap_or(u64::MAX))
}

fn ranked(
    parser: &mut Parser<'_>,
    scope: &Scope,
    make: fn(u64, Expr) -> Transformation,
) -> Result<Transformation, QueryError> {
    let count = whole_number(parser)?;
    parser.space();
    parser.expect(",")?;
    parser.space();
    Ok(make(count, parser.expression(scope)?.expr))
}

fn aggregated(
    parser: &mut Parser<'_>,
    scope: &Scope,
) -> Result<(Transformation, Scope), QueryError> {
    let aggregates = aggregates(parser, scope, &[])?;
    let scope = Scope {
        members: aggregates.iter().map(aggregate_member).collect(),
        entities: false,
    };
    Ok((Transformation::Aggregate(aggregates), scope))
}

fn aggregate_member(aggregate: &Aggregate) -> Member {
    Member {
        name: aggregate.alias.clone(),
        kind: aggregate.kind(),
        listed: true,
    }
}

fn aggregates(
    parser: &mut Parser<'_>,
    scope: &Scope,
    keys: &[Member],
) -> Result<Vec<Aggregate>, QueryError> {
    let mut aggregates: Vec<Aggregate> = Vec::new();
    loop {
        parser.space();
        let value = aggregate_value(parser, scope)?;
        let (alias, start) = alias(parser)?;
        let taken = keys.iter().any(|key| key.name == alias)
            || aggregates.iter().any(|aggregate| aggregate.alias == alias);
        if taken {
            return Err(parser.fail_at(start, format!("the name `{}` is taken", shown(&alias))));
        }
        aggregates.push(Aggregate { value, alias });
        parser.space();
        if !parser.eat(",") {
            return Ok(aggregates);
        }
    }
}

fn aggregate_value(parser: &mut Parser<'_>, scope: &Scope) -> Result<AggregateValue, QueryError> {
    if parser.eat("$count") {
        return Ok(AggregateValue::Count);
    }
    let start = parser.here();
    let expr = parser.expression(scope)?.expr;
    if !parser.eat_word("with") {
        return Err(parser.fail("expected `with` and a method like average"));
    }
    let at = parser.here();
    let name = parser.word();
    let Some((method, _)) = Method::ALL.into_iter().find(|(_, known)| *known == name) else {
        return Err(parser.fail_at(at, "expected one of sum, average, min, max, countdistinct"));
    };
    let kind = expr.kind();
    let fits = match method {
        Method::Sum | Method::Average => kind.is_number(),
        Method::Min | Method::Max => kind != Type::Boolean && kind != Type::Null,
        Method::CountDistinct => kind != Type::Null,
    };
    if !fits {
        let message = format!("`{name}` does not go with {}", kind.name());
        return Err(parser.fail_at(start, message));
    }
    Ok(AggregateValue::Of(expr, method))
}

/// ` as name`, and where the name stood.
fn alias(parser: &mut Parser<'_>) -> Result<(String, usize), QueryError> {
    const NAME_CHARS_MAX: usize = 128;
    if !parser.eat_word("as") {
        return Err(parser.fail("expected `as` and a name for the result"));
    }
    let start = parser.here();
    let name = parser.word();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(parser.fail_at(start, "expected a name of 1 to 128 letters, digits or `_`"));
    }
    Ok((name.to_owned(), start))
}

fn grouped(parser: &mut Parser<'_>, scope: &Scope) -> Result<(Transformation, Scope), QueryError> {
    parser.expect("(")?;
    let mut keys: Vec<Member> = Vec::new();
    loop {
        parser.space();
        let start = parser.here();
        let name = parser.word();
        if name == "rollup" && parser.rest().starts_with('(') {
            return Err(QueryError::unsupported(
                parser.position(start),
                "`rollup` is not served",
            ));
        }
        let Some(member) = scope.member(name) else {
            let message = format!("there is no property `{}`", shown(name));
            return Err(parser.fail_at(start, message).about(&shown(name)));
        };
        if keys.iter().all(|key| key.name != name) {
            keys.push(Member {
                name: name.to_owned(),
                kind: grouped_kind(member.kind),
                listed: true,
            });
        }
        parser.space();
        if !parser.eat(",") {
            break;
        }
    }
    if !parser.eat(")") {
        return Err(parser.fail("expected `,` or `)`"));
    }
    parser.space();
    let mut aggregates = Vec::new();
    if parser.eat(",") {
        parser.space();
        let start = parser.here();
        if !parser.eat("aggregate(") {
            let message = "groups are only served with aggregate(…)";
            return Err(QueryError::unsupported(parser.position(start), message));
        }
        aggregates = self::aggregates(parser, scope, &keys)?;
        parser.expect(")")?;
    }
    let members = keys
        .iter()
        .cloned()
        .chain(aggregates.iter().map(aggregate_member))
        .collect();
    let scope = Scope {
        members,
        entities: false,
    };
    Ok((Transformation::GroupBy { keys, aggregates }, scope))
}

/// `expr as name, …`, also of `$compute`.
pub(crate) fn computed(
    parser: &mut Parser<'_>,
    scope: &Scope,
) -> Result<(Vec<Computed>, Scope), QueryError> {
    let mut after = scope.clone();
    let mut computed = Vec::new();
    loop {
        parser.space();
        let start = parser.here();
        let expr = parser.expression(scope)?.expr;
        if matches!(expr.kind(), Type::Null | Type::Duration) {
            return Err(parser.fail_at(start, "expected an expression with a type"));
        }
        let (alias, start) = alias(parser)?;
        if after.member(&alias).is_some() {
            return Err(parser.fail_at(start, format!("the name `{}` is taken", shown(&alias))));
        }
        after.members.push(Member {
            name: alias.clone(),
            kind: column_kind(&expr),
            listed: true,
        });
        computed.push(Computed { expr, alias });
        parser.space();
        if !parser.eat(",") {
            return Ok((computed, after));
        }
    }
}

fn concatenated(
    parser: &mut Parser<'_>,
    scope: &Scope,
    left: &mut usize,
) -> Result<(Transformation, Scope), QueryError> {
    let mut sequences = Vec::new();
    let mut after = Scope::default();
    loop {
        parser.space();
        let start = parser.here();
        let (sequence, output) = sequence(parser, scope, left)?;
        sequences.push(sequence);
        merge(&mut after, output).map_err(|name| {
            let message = format!(
                "`{}` has another type in an earlier part of concat",
                shown(&name)
            );
            parser.fail_at(start, message)
        })?;
        parser.space();
        if !parser.eat(",") {
            break;
        }
    }
    if sequences.len() < 2 {
        return Err(parser.fail("expected `,` and a second sequence"));
    }
    Ok((Transformation::Concat(sequences), after))
}

/// Adds the properties of one part of `concat`; the error is the name of one whose types disagree.
fn merge(scope: &mut Scope, part: Scope) -> Result<(), String> {
    for member in part.members {
        match scope
            .members
            .iter_mut()
            .find(|known| known.name == member.name)
        {
            None => scope.members.push(member),
            Some(known) if Type::from(known.kind) == Type::from(member.kind) => {
                known.listed |= member.listed;
                if known.kind != member.kind {
                    known.kind = column_kind_of(Type::from(member.kind));
                }
            }
            Some(_) => return Err(member.name),
        }
    }
    Ok(())
}

/// The widest column type of values of that type.
fn column_kind_of(kind: Type) -> ColumnType {
    match kind {
        Type::Integer => ColumnType::BigInt,
        Type::Decimal => ColumnType::Decimal {
            precision: 38,
            scale: 9,
        },
        Type::Double => ColumnType::Double,
        Type::Boolean => ColumnType::Boolean,
        Type::Date => ColumnType::Date,
        Type::Timestamp => ColumnType::Timestamp,
        Type::Text | Type::Duration | Type::Null => ColumnType::NVarchar(5000),
    }
}
