//! The transformations of `$apply`, one relation to the next.

use super::base::cast;
use super::relation::{Column, Relation, order_list};
use super::text::{Builder, list, numbered, sql};
use crate::odata::{
    Aggregate, AggregateValue, Computed, Direction, Expr, Member, Method, OrderItem, Search,
    Transformation, column_kind,
};
use crate::row::ColumnType;
use crate::sql::{Dialect, Statement};

impl Builder<'_> {
    pub(super) fn steps(&mut self, relation: Relation, steps: &[Transformation]) -> Relation {
        steps
            .iter()
            .fold(relation, |relation, step| self.step(relation, step))
    }

    fn step(&mut self, relation: Relation, step: &Transformation) -> Relation {
        match step {
            Transformation::Identity => relation,
            Transformation::Filter(condition) => self.filtered(relation, condition),
            Transformation::Search(search) => self.searched(relation, search),
            Transformation::GroupBy { keys, aggregates } => {
                self.grouped(relation, keys, aggregates)
            }
            Transformation::Aggregate(aggregates) => self.grouped(relation, &[], aggregates),
            Transformation::OrderBy(items) => self.ordered(relation, items),
            Transformation::Top(count) => cut(relation, 0, Some(*count)),
            Transformation::Skip(count) => cut(relation, *count, None),
            Transformation::TopCount(count, expr) => {
                self.ranked(relation, *count, expr, Direction::Descending)
            }
            Transformation::BottomCount(count, expr) => {
                self.ranked(relation, *count, expr, Direction::Ascending)
            }
            Transformation::Compute(computed) => self.computed(relation, computed),
            Transformation::Concat(sequences) => self.concatenated(relation, sequences),
        }
    }

    pub(super) fn filtered(&mut self, relation: Relation, condition: &Expr) -> Relation {
        let mut relation = self.plain(relation);
        let condition = self.holds(condition, true, &relation);
        relation.conditions.push(condition);
        relation
    }

    pub(super) fn searched(&mut self, relation: Relation, search: &Search) -> Relation {
        let mut relation = self.plain(relation);
        let condition = self.found(search, true, &relation);
        relation.conditions.push(condition);
        relation
    }

    pub(super) fn ordered(&mut self, relation: Relation, items: &[OrderItem]) -> Relation {
        let mut relation = if relation.is_limited() {
            self.wrapped(relation)
        } else {
            relation
        };
        let order = items
            .iter()
            .map(|item| (self.value(&item.expr, &relation), item.direction));
        relation.order = order.collect();
        relation
    }

    fn ranked(
        &mut self,
        relation: Relation,
        count: u64,
        expr: &Expr,
        direction: Direction,
    ) -> Relation {
        let item = OrderItem {
            expr: expr.clone(),
            direction,
        };
        let relation = self.ordered(relation, &[item]);
        cut(relation, 0, Some(count))
    }

    pub(super) fn computed(&mut self, relation: Relation, computed: &[Computed]) -> Relation {
        let mut relation = self.plain(relation);
        for Computed { expr, alias } in computed {
            let kind = column_kind(expr);
            let sql = self.stored(self.value(expr, &relation), kind);
            relation.columns.push(Column {
                name: alias.clone(),
                kind,
                sql,
            });
        }
        self.wrapped(relation)
    }

    fn grouped(
        &mut self,
        relation: Relation,
        keys: &[Member],
        aggregates: &[Aggregate],
    ) -> Relation {
        let mut relation = self.plain(relation);
        // HANA does not take an expression with binds in GROUP BY for the same as in the select list: it is computed
        // in a SELECT of its own.
        let computes = |key: &Member| {
            relation
                .column(&key.name)
                .is_some_and(|column| !column.sql.binds().is_empty())
        };
        if keys.iter().any(computes) {
            relation = self.wrapped(relation);
        }
        let key_columns: Vec<Column> = keys
            .iter()
            .filter_map(|key| {
                let column = relation.column(&key.name)?;
                let sql = match column.kind {
                    ColumnType::NClob => self.comparable(column.sql.clone(), column.kind),
                    _ => column.sql.clone(),
                };
                Some(Column {
                    name: key.name.clone(),
                    kind: key.kind,
                    sql,
                })
            })
            .collect();
        let values = aggregates.iter().map(|aggregate| Column {
            name: aggregate.alias.clone(),
            kind: aggregate.kind(),
            sql: self.aggregate(aggregate, &relation),
        });
        let groups = key_columns
            .iter()
            .map(|column| column.sql.clone())
            .collect();
        let identity = (0..key_columns.len()).collect();
        let columns = key_columns.iter().cloned().chain(values).collect();
        Relation {
            columns,
            groups: Some(groups),
            identity,
            order: Vec::new(),
            parts: None,
            ..relation
        }
    }

    fn aggregate(&self, aggregate: &Aggregate, over: &Relation) -> Statement {
        let AggregateValue::Of(expr, method) = &aggregate.value else {
            return sql!["COUNT(*)"];
        };
        let value = self.value(expr, over);
        let kind = aggregate.kind();
        match (method, self.dialect(), kind) {
            (Method::CountDistinct, ..) => sql!["COUNT(DISTINCT ", value, ")"],
            (Method::Average, Dialect::Sqlite, _) => sql!["AVG(", value, ")"],
            // HANA's AVG of whole numbers and decimals is a decimal of its own choice.
            (Method::Average, Dialect::Hana, _) => sql!["AVG(CAST(", value, " AS DOUBLE))"],
            (Method::Min, ..) => self.stored(sql!["MIN(", value, ")"], kind),
            (Method::Max, ..) => self.stored(sql!["MAX(", value, ")"], kind),
            // SQLite adds decimals as doubles: rounded to the column's digits the sum is exact again.
            (Method::Sum, Dialect::Sqlite, ColumnType::Decimal { scale, .. }) => {
                let mut sum = sql!["ROUND(SUM(", value, "), "];
                sum.number(scale.into()).push(")");
                sum
            }
            (Method::Sum, Dialect::Hana, ColumnType::BigInt | ColumnType::Decimal { .. }) => {
                sql!["SUM(", cast(value, kind), ")"]
            }
            (Method::Sum, ..) => sql!["SUM(", value, ")"],
        }
    }

    fn concatenated(&mut self, relation: Relation, sequences: &[Vec<Transformation>]) -> Relation {
        // Groups and cuts are computed once; a table is read again by each part, through its own indexes.
        let input = if relation.is_plain() {
            relation
        } else {
            self.shared(relation)
        };
        let parts: Vec<Relation> = sequences
            .iter()
            .map(|sequence| {
                let part = self.steps(input.clone(), sequence);
                self.wrapped(part)
            })
            .collect();
        let mut columns: Vec<Column> = Vec::new();
        for column in parts.iter().flat_map(|part| &part.columns) {
            match columns.iter_mut().find(|known| known.name == column.name) {
                Some(known) if known.kind == column.kind => {}
                Some(known) => known.kind = wider(known.kind, column.kind),
                None => columns.push(Column {
                    sql: numbered("\"C", columns.len()),
                    ..column.clone()
                }),
            }
        }
        let mut sets: Vec<Vec<usize>> = Vec::new();
        let mut selects = Vec::new();
        for part in &parts {
            let number = numbered_part(sets.len(), part.parts.is_some());
            selects.push(self.part(part, &columns, number));
            match &part.parts {
                None => sets.push(indices(&columns, part, |_| true)),
                Some(inner) => sets.extend(
                    inner
                        .iter()
                        .map(|set| indices(&columns, part, |index| set.contains(&index))),
                ),
            }
        }
        let mut relation =
            Relation::new(sql!["(", list(selects, " UNION ALL "), ") \"R\""], columns);
        relation.parts = Some(sets);
        relation.order = vec![
            (sql!["\"#B\""], Direction::Ascending),
            (sql!["\"#N\""], Direction::Ascending),
        ];
        relation
    }

    /// One part's rows with all columns of the whole, its number and its rows' numbers.
    fn part(&self, part: &Relation, columns: &[Column], number: Statement) -> Statement {
        let values = columns.iter().map(|column| {
            let value = match part.column(&column.name) {
                Some(own) => own.sql.clone(),
                None => cast(sql!["NULL"], column.kind),
            };
            sql![value, " AS ", column.sql.clone()]
        });
        let order = part.total_order();
        let row = if order.is_empty() {
            sql!["1"]
        } else {
            sql!["ROW_NUMBER() OVER (ORDER BY ", order_list(order), ")"]
        };
        sql![
            "SELECT ",
            number,
            " AS \"#B\", ",
            row,
            " AS \"#N\", ",
            list(values, ", "),
            part.tail()
        ]
    }

    /// The relation, or another around it, to which conditions may be added.
    fn plain(&mut self, relation: Relation) -> Relation {
        if relation.is_plain() {
            relation
        } else {
            self.wrapped(relation)
        }
    }
}

fn cut(mut relation: Relation, skip: u64, top: Option<u64>) -> Relation {
    relation.cut(skip, top);
    relation
}

fn numbered_part(first: usize, nested: bool) -> Statement {
    let mut number = Statement::new("");
    number.number(u64::try_from(first).unwrap_or(u64::MAX));
    if nested {
        number.push(" + \"#B\"");
    }
    number
}

/// Where the part's columns are among all columns.
fn indices(columns: &[Column], part: &Relation, has: impl Fn(usize) -> bool) -> Vec<usize> {
    let own = part
        .columns
        .iter()
        .enumerate()
        .filter(|(index, _)| has(*index));
    own.filter_map(|(_, own)| columns.iter().position(|column| column.name == own.name))
        .collect()
}

fn wider(one: ColumnType, other: ColumnType) -> ColumnType {
    match (one, other) {
        (ColumnType::Integer | ColumnType::BigInt, ColumnType::Integer | ColumnType::BigInt) => {
            ColumnType::BigInt
        }
        (ColumnType::Decimal { .. }, ColumnType::Decimal { .. }) => ColumnType::Decimal {
            precision: 38,
            scale: 9,
        },
        (ColumnType::NVarchar(_), ColumnType::NVarchar(_)) => ColumnType::NVarchar(5000),
        (ColumnType::NClob, _) | (_, ColumnType::NClob) => ColumnType::NClob,
        (kind, _) => kind,
    }
}
