//! Pages of a list: where one begins, how long it is, and what comes behind a row.

use super::relation::Relation;
use super::text::{Builder, all, any, list, numbered, sql};
use super::{Page, Selection};
use crate::odata::{Direction, Key, Position, Query, Transformation};
use crate::sql::Statement;

impl Builder<'_> {
    /// A page of the rows in their final order.
    pub(super) fn list(&mut self, query: &Query, base: &Relation, rows: Relation) -> Selection {
        let mut rows = if query.order.is_empty() {
            rows
        } else {
            self.ordered(rows, &query.order)
        };
        let token = query.token.as_ref();
        let top = token.map_or(query.top, |token| token.rest_of_top);
        let (skip, anchor) = match token.map(|token| &token.position) {
            None => (query.skip, None),
            Some(Position::Offset(offset)) => (*offset, None),
            Some(Position::After(key)) => (0, Some(self.behind(query, base, key, &mut rows))),
        };
        let page_rows = self.context.page_rows;
        let length = match (page_rows, top) {
            (Some(page), Some(top)) => Some(page.min(top)),
            (page, top) => page.or(top),
        };
        let rest_of_top = top.map(|top| top.saturating_sub(length.unwrap_or(top)));
        // One row more tells whether there is another page; a page that ends with `$top` needs none.
        let more = if rest_of_top == Some(0) { 0 } else { 1 };
        rows.cut(skip, length.map(|length| length.saturating_add(more)));
        let (names, shape) = rows.result_columns(&query.result_names());
        let select = sql!["SELECT ", names, rows.tail(), rows.order_and_limit()];
        Selection {
            anchor,
            count: None,
            rows: Some(self.with_ctes(sql!["/* odata.list */ "], select)),
            shape,
            page: Page {
                rows: length,
                rest_of_top,
                end: skip.saturating_add(length.unwrap_or(0)),
            },
        }
    }

    /// Keeps the rows behind the one with this key, and makes the statement that says whether that one is still there.
    /// Its values are read by the database, in the same statement as the page: they never travel.
    fn behind(
        &mut self,
        query: &Query,
        base: &Relation,
        key: &Key,
        rows: &mut Relation,
    ) -> Statement {
        let mut anchor = self.steps(base.clone(), &computes(&query.apply));
        if !query.compute.is_empty() {
            anchor = self.computed(anchor, &query.compute);
        }
        anchor.conditions.extend(self.key_of(query, &anchor, key));
        let anchor_rows = self.ordered(anchor, &query.order);
        let values = anchor_rows.total_order().into_iter().map(|(sql, _)| sql);
        let values = values
            .enumerate()
            .map(|(index, value)| sql![value, " AS ", numbered("\"#A", index)]);
        let found = sql!["SELECT 1", anchor_rows.tail()];
        let select = sql!["SELECT ", list(values, ", "), anchor_rows.tail()];
        let conditions = rows.total_order().into_iter().enumerate().rev();
        let behind = conditions.fold(
            None,
            |rest: Option<Statement>, (index, (value, direction))| {
                let anchor = || numbered("\"#A", index);
                let value = || value.clone();
                let (operator, nulls) = match direction {
                    Direction::Ascending => (
                        " > ",
                        sql!["(", anchor(), " IS NULL AND ", value(), " IS NOT NULL)"],
                    ),
                    Direction::Descending => (
                        " < ",
                        sql!["(", anchor(), " IS NOT NULL AND ", value(), " IS NULL)"],
                    ),
                };
                let mut later = vec![sql![value(), operator, anchor()], nulls];
                if let Some(rest) = rest {
                    let equal = any(vec![
                        sql![value(), " = ", anchor()],
                        sql!["(", value(), " IS NULL AND ", anchor(), " IS NULL)"],
                    ]);
                    later.push(all(vec![equal, rest]));
                }
                Some(any(later))
            },
        );
        rows.conditions.extend(behind);
        rows.from = sql!["(", select, ") \"#A\" CROSS JOIN ", rows.from.clone()];
        self.with_ctes(sql!["/* odata.anchor */ "], found)
    }

    fn key_of(&self, query: &Query, relation: &Relation, key: &Key) -> Vec<Statement> {
        let properties = query.set.key().zip(&key.0);
        properties
            .filter_map(|(property, literal)| {
                let column = relation.column(&property.name)?;
                let value = self.comparable(column.sql.clone(), column.kind);
                Some(sql![value, " = ", self.literal(literal)])
            })
            .collect()
    }
}

/// The steps that add properties: an order may name those.
fn computes(steps: &[Transformation]) -> Vec<Transformation> {
    let computes = steps
        .iter()
        .filter(|step| matches!(step, Transformation::Compute(_)));
    computes.cloned().collect()
}
