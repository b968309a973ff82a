//! The rows that a query starts from: the table, the viewer's filter, the key, and the properties' values.

use bigdecimal::{BigDecimal, ToPrimitive};

use super::relation::{Column, Relation};
use super::text::{Builder, bind, list, sql};
use crate::access::{Clause, RowFilter};
use crate::odata::{
    EntitySet, Literal, Period, Property, PropertyValue, Query, Resource, Source, Type,
};
use crate::row::{Cell, ColumnName, ColumnType};
use crate::sql::{Dialect, Statement};
use crate::time::Timestamp;

impl Builder<'_> {
    /// The visible rows with the properties that the query mentions.
    pub(super) fn base(&mut self, query: &Query, filter: &RowFilter) -> Relation {
        let from = self.source(&query.set);
        let used: Vec<&Property> = query
            .set
            .properties
            .iter()
            .filter(|property| is_used(query, property))
            .collect();
        let columns = used.iter().map(|property| Column {
            name: property.name.clone(),
            kind: property.kind,
            sql: self.property(property, &query.set),
        });
        let mut relation = Relation::new(from, columns.collect());
        relation.conditions = self.visible(filter);
        if let Resource::Entity(key) | Resource::Property { key, .. } = query.resource() {
            relation
                .conditions
                .extend(self.key_conditions(&query.set, &key.0));
        }
        relation.identity = used
            .iter()
            .enumerate()
            .filter(|(_, property)| property.key)
            .map(|(index, _)| index)
            .collect();
        relation
    }

    fn source(&mut self, set: &EntitySet) -> Statement {
        match &set.source {
            Source::Table(table) => {
                let mut from = Statement::new("");
                from.table(self.dialect(), table);
                from
            }
            Source::Values => {
                let values = self.values(set);
                self.cte(values)
            }
        }
    }

    /// A SELECT over rows that come as binds.
    fn values(&self, set: &EntitySet) -> Statement {
        let stored: Vec<(&ColumnName, ColumnType)> = set
            .properties
            .iter()
            .filter_map(|property| Some((property.column()?, property.kind)))
            .collect();
        let from = self.by_dialect("", " FROM DUMMY");
        let row = |cells: &[Cell]| {
            let cells = stored.iter().enumerate().map(|(index, (column, kind))| {
                let cell = cells.get(index).cloned().unwrap_or(Cell::Null);
                let mut value = match self.dialect() {
                    Dialect::Sqlite => bind(cell),
                    // A parameter in a select list has no type of its own.
                    Dialect::Hana => cast(bind(cell), *kind),
                };
                value.push(" AS ").column(column);
                value
            });
            sql!["SELECT ", list(cells, ", "), from]
        };
        if self.context.values.is_empty() {
            return sql![row(&[]), " WHERE 1 = 0"];
        }
        list(
            self.context.values.iter().map(|cells| row(cells)),
            " UNION ALL ",
        )
    }

    fn visible(&self, filter: &RowFilter) -> Vec<Statement> {
        match filter {
            RowFilter::All => Vec::new(),
            RowFilter::Nothing => vec![sql!["1 = 0"]],
            RowFilter::Where(clauses) => clauses.iter().map(|clause| self.clause(clause)).collect(),
        }
    }

    fn clause(&self, clause: &Clause) -> Statement {
        let value = self.comparable(column(&clause.column), clause.kind);
        let literals: Vec<Literal> = clause.values.iter().filter_map(literal_of).collect();
        self.one_of(value, &literals)
    }

    /// The condition for one row's key.
    pub(super) fn key_conditions(&self, set: &EntitySet, key: &[Literal]) -> Vec<Statement> {
        let equal = |(property, literal): (&Property, &Literal)| {
            let value = self.comparable(self.property(property, set), property.kind);
            sql![value, " = ", self.literal(literal)]
        };
        set.key().zip(key).map(equal).collect()
    }

    /// A property's value as it is stored.
    fn property(&self, property: &Property, set: &EntitySet) -> Statement {
        match &property.value {
            PropertyValue::Column {
                column: name,
                missing,
            } => match missing {
                None => column(name),
                Some(missing) => {
                    let missing = self.literal(&number(missing));
                    sql!["NULLIF(", column(name), ", ", missing, ")"]
                }
            },
            PropertyValue::Label {
                column: name,
                kind,
                choices,
            } => {
                let value = self.comparable(column(name), *kind);
                let mut label = sql!["CASE ", value.clone()];
                for choice in choices {
                    if let Some(recode) = recode(&choice.recode, *kind) {
                        let text = self.literal(&Literal::Text(choice.label.clone()));
                        label.append(sql![" WHEN ", self.literal(&recode), " THEN ", text]);
                    }
                }
                // A text column without a recode of the question holds the answer itself.
                if Type::from(*kind) == Type::Text {
                    label.append(sql![" ELSE ", value]);
                }
                sql![label, " END"]
            }
            PropertyValue::Nps { column: name } => {
                let value = || column(name);
                sql![
                    "CASE WHEN ",
                    value(),
                    " BETWEEN 9 AND 10 THEN 100 WHEN ",
                    value(),
                    " BETWEEN 7 AND 8 THEN 0 WHEN ",
                    value(),
                    " BETWEEN 0 AND 6 THEN -100 END"
                ]
            }
            PropertyValue::Recorded(period) => self.period(*period, set),
        }
    }

    /// The first day of the period that `RECORDEDDATE` lies in, by the clocks of the set's time zone.
    fn period(&self, period: Period, set: &EntitySet) -> Statement {
        let Some(recorded) = set.recorded_date().and_then(Property::column) else {
            return sql!["NULL"];
        };
        let day = self.local_day(recorded, set);
        match (self.dialect(), period) {
            (_, Period::Day) => day,
            (Dialect::Sqlite, Period::Week) => sql!["date(", day, ", '-6 days', 'weekday 1')"],
            (Dialect::Sqlite, Period::Month) => sql!["date(", day, ", 'start of month')"],
            // WEEKDAY is 0 on Mondays.
            (Dialect::Hana, Period::Week) => {
                sql!["ADD_DAYS(", day.clone(), ", - WEEKDAY(", day, "))"]
            }
            (Dialect::Hana, Period::Month) => {
                sql!["ADD_DAYS(", day.clone(), ", 1 - DAYOFMONTH(", day, "))"]
            }
        }
    }

    fn local_day(&self, recorded: &ColumnName, set: &EntitySet) -> Statement {
        let offsets = offsets(set, self.context.now);
        let whole_seconds = || sql!["substr(", column(recorded), ", 1, 19)"];
        match (self.dialect(), offsets.as_slice()) {
            (Dialect::Sqlite, [(_, 0)]) => sql!["substr(", column(recorded), ", 1, 10)"],
            (Dialect::Sqlite, _) => sql![
                "date(",
                whole_seconds(),
                ", ",
                self.offset(recorded, &offsets),
                ")"
            ],
            (Dialect::Hana, [(_, 0)]) => sql!["TO_DATE(", column(recorded), ")"],
            (Dialect::Hana, _) => sql![
                "TO_DATE(ADD_SECONDS(",
                column(recorded),
                ", ",
                self.offset(recorded, &offsets),
                "))"
            ],
        }
    }

    /// The zone's offset at the instant: the newest transition that is not later, newest first, because most rows are
    /// recent.
    fn offset(&self, recorded: &ColumnName, offsets: &[(Timestamp, i32)]) -> Statement {
        let seconds = |seconds: i32| match self.dialect() {
            Dialect::Sqlite => bind(Cell::Text(format!("{seconds} seconds"))),
            Dialect::Hana => self.literal(&Literal::Integer(seconds.into())),
        };
        let value = self.comparable(column(recorded), ColumnType::Timestamp);
        let mut case = sql!["CASE"];
        let mut last = 0;
        for (index, (since, offset)) in offsets.iter().enumerate() {
            last = *offset;
            if index + 1 < offsets.len() {
                let since = self.literal(&Literal::Timestamp(*since));
                case.append(sql![
                    " WHEN ",
                    value.clone(),
                    " >= ",
                    since,
                    " THEN ",
                    seconds(*offset)
                ]);
            }
        }
        if offsets.len() == 1 {
            seconds(last)
        } else {
            sql![case, " ELSE ", seconds(last), " END"]
        }
    }
}

/// Whether the query needs the property at all: what it names, the key, and all texts for a search.
fn is_used(query: &Query, property: &Property) -> bool {
    let searched =
        query.searches() && Type::from(property.kind) == Type::Text && !property.is_computed();
    property.key || searched || query.mentioned(property)
}

/// The zone's offsets in seconds since when, newest first. Transitions before 2000, where Qualtrics has no responses,
/// are not looked at.
fn offsets(set: &EntitySet, now: Timestamp) -> Vec<(Timestamp, i32)> {
    const YEAR_2000: i64 = 946_684_800;
    const TRANSITIONS_MAX: usize = 200;
    let transitions = set.time_zone.preceding(now);
    let mut offsets: Vec<(Timestamp, i32)> = transitions
        .take_while(|transition| transition.timestamp().as_second() > YEAR_2000)
        .take(TRANSITIONS_MAX)
        .map(|transition| (transition.timestamp(), transition.offset().seconds()))
        .collect();
    let oldest = offsets.last().map_or(now, |(since, _)| *since);
    let before = oldest
        .checked_sub(jiff::SignedDuration::from_secs(1))
        .unwrap_or(oldest);
    offsets.push((Timestamp::MIN, set.time_zone.to_offset(before).seconds()));
    offsets.dedup_by_key(|(_, offset)| *offset);
    offsets
}

/// The number as the simplest literal that is equal to it.
fn number(value: &BigDecimal) -> Literal {
    let whole = value.is_integer().then(|| value.to_i64()).flatten();
    whole.map_or_else(|| Literal::Decimal(value.clone()), Literal::Integer)
}

fn recode(text: &str, kind: ColumnType) -> Option<Literal> {
    match Type::from(kind) {
        Type::Text => Some(Literal::Text(text.to_owned())),
        Type::Integer => text.parse().ok().map(Literal::Integer),
        // Plain digits only: an exponent could stand for gigabytes of zeros.
        Type::Decimal | Type::Double if !text.contains(['e', 'E']) => {
            text.parse().ok().map(Literal::Decimal)
        }
        _ => None,
    }
}

fn literal_of(cell: &Cell) -> Option<Literal> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Boolean(value) => Literal::Boolean(*value),
        Cell::Integer(value) => Literal::Integer(*value),
        Cell::Decimal(value) => Literal::Decimal(value.clone()),
        Cell::Double(value) => Literal::Double(*value),
        Cell::Date(value) => Literal::Date(*value),
        Cell::Timestamp(value) => Literal::Timestamp(*value),
        Cell::Text(value) => Literal::Text(value.clone()),
    })
}

pub(super) fn column(name: &ColumnName) -> Statement {
    let mut column = Statement::new("");
    column.column(name);
    column
}

pub(super) fn cast(value: Statement, kind: ColumnType) -> Statement {
    let mut cast = sql!["CAST(", value, " AS "];
    cast.kind(kind).push(")");
    cast
}
