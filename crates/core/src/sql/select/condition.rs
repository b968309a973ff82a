//! Conditions, with OData's null: comparisons are never null, functions and operators over null are.
//!
//! SQL's `NOT` over null is null, and HANA has no null-safe equality. So no `NOT` is ever written: for each expression
//! there is the SQL that is true where it is true, and the SQL that is true where it is false, down to the leaves.
//! Source: OData V4.01 Part 2, 5.1.1.1.

use super::relation::Relation;
use super::text::{Builder, all, any, list, sql};
use crate::odata::{Comparison, Expr, Function, Literal};
use crate::sql::Statement;

impl Builder<'_> {
    /// SQL that is true exactly where the expression is `wanted` (else false or null).
    pub(super) fn holds(&self, expr: &Expr, wanted: bool, over: &Relation) -> Statement {
        if !self.spend() {
            return never();
        }
        match expr {
            Expr::Literal(Literal::Boolean(value)) if *value == wanted => always(),
            Expr::Literal(_) => never(),
            Expr::And(operands) | Expr::Or(operands) => {
                let conditions = operands
                    .iter()
                    .map(|operand| self.holds(operand, wanted, over))
                    .collect();
                // De Morgan: a conjunction is false where one of its operands is.
                if matches!(expr, Expr::And(_)) == wanted {
                    all(conditions)
                } else {
                    any(conditions)
                }
            }
            Expr::Not(operand) => self.holds(operand, !wanted, over),
            Expr::Compare(comparison, left, right) => {
                self.compared(*comparison, left, right, wanted, over)
            }
            Expr::In(operand, values) => self.member(operand, values, wanted, over),
            Expr::Call(function, arguments) => {
                self.text_condition(*function, arguments, wanted, over)
            }
            Expr::Property { .. } | Expr::Negate(_) | Expr::Compute(..) => {
                sql![
                    self.value(expr, over),
                    if wanted { " = TRUE" } else { " = FALSE" }
                ]
            }
        }
    }

    fn compared(
        &self,
        comparison: Comparison,
        left: &Expr,
        right: &Expr,
        wanted: bool,
        over: &Relation,
    ) -> Statement {
        if let Expr::Literal(literal) = right
            && left.is_condition()
        {
            let equal = (comparison == Comparison::Equal) == wanted;
            return self.condition_equals(left, literal, equal, over);
        }
        if matches!(left, Expr::Literal(_)) && !matches!(right, Expr::Literal(_)) {
            return self.compared(comparison.mirrored(), right, left, wanted, over);
        }
        let is_null = |expr: &Expr| matches!(expr, Expr::Literal(Literal::Null));
        if is_null(right) {
            return self.compared_with_null(comparison, left, wanted, over);
        }
        let sides = Sides {
            left: self.value(left, over),
            right: self.value(right, over),
            left_null: !is_never_null(left),
            right_null: !is_never_null(right),
        };
        match (comparison, wanted) {
            (Comparison::Equal, true) | (Comparison::NotEqual, false) => sides.or_both_null(" = "),
            (Comparison::Equal, false) | (Comparison::NotEqual, true) => sides.or_one_null(" <> "),
            (Comparison::Greater, true) => sides.compared(" > "),
            (Comparison::Less, true) => sides.compared(" < "),
            (Comparison::Greater, false) => sides.or_any_null(" <= "),
            (Comparison::Less, false) => sides.or_any_null(" >= "),
            (Comparison::GreaterOrEqual, true) => sides.or_both_null(" >= "),
            (Comparison::LessOrEqual, true) => sides.or_both_null(" <= "),
            (Comparison::GreaterOrEqual, false) => sides.or_one_null(" < "),
            (Comparison::LessOrEqual, false) => sides.or_one_null(" > "),
        }
    }

    /// Null equals only itself, and is neither greater nor less than anything.
    fn compared_with_null(
        &self,
        comparison: Comparison,
        left: &Expr,
        wanted: bool,
        over: &Relation,
    ) -> Statement {
        let null_wanted = match comparison {
            Comparison::Equal | Comparison::GreaterOrEqual | Comparison::LessOrEqual => wanted,
            Comparison::NotEqual => !wanted,
            Comparison::Greater | Comparison::Less => {
                return if wanted { never() } else { always() };
            }
        };
        match left {
            Expr::Literal(literal) => {
                if (*literal == Literal::Null) == null_wanted {
                    always()
                } else {
                    never()
                }
            }
            _ => sql![
                self.value(left, over),
                if null_wanted {
                    " IS NULL"
                } else {
                    " IS NOT NULL"
                }
            ],
        }
    }

    /// A condition compared with true, false or null.
    fn condition_equals(
        &self,
        condition: &Expr,
        literal: &Literal,
        equal: bool,
        over: &Relation,
    ) -> Statement {
        let decided = is_never_null(condition);
        match (literal, equal) {
            (Literal::Boolean(value), true) => self.holds(condition, *value, over),
            (Literal::Boolean(value), false) if decided => self.holds(condition, !value, over),
            (Literal::Boolean(value), false) => {
                sql![
                    "CASE WHEN ",
                    self.holds(condition, *value, over),
                    " THEN 1 ELSE 0 END = 0"
                ]
            }
            (_, equal) if decided => {
                if equal {
                    never()
                } else {
                    always()
                }
            }
            (_, equal) => {
                let (holds, fails) = (
                    self.holds(condition, true, over),
                    self.holds(condition, false, over),
                );
                let either = sql![
                    "CASE WHEN ",
                    holds,
                    " THEN 1 WHEN ",
                    fails,
                    " THEN 1 ELSE 0 END"
                ];
                sql![either, if equal { " = 0" } else { " = 1" }]
            }
        }
    }

    fn member(
        &self,
        operand: &Expr,
        values: &[Literal],
        wanted: bool,
        over: &Relation,
    ) -> Statement {
        let with_null = values.contains(&Literal::Null);
        let others: Vec<Literal> = values
            .iter()
            .filter(|value| **value != Literal::Null)
            .cloned()
            .collect();
        let value = || self.value(operand, over);
        let mut conditions = Vec::new();
        if wanted {
            if !others.is_empty() {
                conditions.push(self.one_of(value(), &others));
            }
            if with_null {
                conditions.push(sql![value(), " IS NULL"]);
            }
            return any(conditions);
        }
        if with_null || others.is_empty() {
            conditions.push(sql![value(), " IS NOT NULL"]);
        }
        if !others.is_empty() {
            let outside = sql![value(), " NOT IN (", self.padded(&others), ")"];
            conditions.push(if with_null {
                outside
            } else {
                any(vec![outside, sql![value(), " IS NULL"]])
            });
        }
        all(conditions)
    }

    /// `value IN (…)`.
    pub(super) fn one_of(&self, value: Statement, values: &[Literal]) -> Statement {
        if let [only] = values {
            return sql![value, " = ", self.literal(only)];
        }
        sql![value, " IN (", self.padded(values), ")"]
    }

    /// The values, the last repeated up to a power of two: HANA caches plans by text, and so there are few texts.
    fn padded(&self, values: &[Literal]) -> Statement {
        let length = values.len().next_power_of_two();
        let last = values.last();
        let padded = values
            .iter()
            .chain(std::iter::repeat(last).flatten())
            .take(length);
        list(padded.map(|value| self.literal(value)), ", ")
    }
}

/// The two sides of a comparison and whether each may be null.
struct Sides {
    left: Statement,
    right: Statement,
    left_null: bool,
    right_null: bool,
}

impl Sides {
    fn compared(&self, operator: &'static str) -> Statement {
        sql![self.left.clone(), operator, self.right.clone()]
    }

    fn is(&self, left: &'static str, right: &'static str) -> Statement {
        sql![
            "(",
            self.left.clone(),
            left,
            " AND ",
            self.right.clone(),
            right,
            ")"
        ]
    }

    fn or_both_null(&self, operator: &'static str) -> Statement {
        let mut conditions = vec![self.compared(operator)];
        if self.left_null && self.right_null {
            conditions.push(self.is(" IS NULL", " IS NULL"));
        }
        any(conditions)
    }

    fn or_one_null(&self, operator: &'static str) -> Statement {
        let mut conditions = vec![self.compared(operator)];
        match (self.left_null, self.right_null) {
            (true, true) => {
                conditions.push(self.is(" IS NULL", " IS NOT NULL"));
                conditions.push(self.is(" IS NOT NULL", " IS NULL"));
            }
            (true, false) => conditions.push(sql![self.left.clone(), " IS NULL"]),
            (false, true) => conditions.push(sql![self.right.clone(), " IS NULL"]),
            (false, false) => {}
        }
        any(conditions)
    }

    fn or_any_null(&self, operator: &'static str) -> Statement {
        let mut conditions = vec![self.compared(operator)];
        if self.left_null {
            conditions.push(sql![self.left.clone(), " IS NULL"]);
        }
        if self.right_null {
            conditions.push(sql![self.right.clone(), " IS NULL"]);
        }
        any(conditions)
    }
}

/// Whether the expression has a value in every row. Properties may be null however they are declared: what the
/// database has is not ours to promise.
fn is_never_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(literal) => *literal != Literal::Null,
        Expr::Compare(..) | Expr::In(..) => true,
        Expr::And(operands) | Expr::Or(operands) => operands.iter().all(is_never_null),
        Expr::Not(operand) => is_never_null(operand),
        Expr::Call(Function::Now | Function::MinDateTime | Function::MaxDateTime, _) => true,
        Expr::Property { .. } | Expr::Negate(_) | Expr::Compute(..) | Expr::Call(..) => false,
    }
}

fn always() -> Statement {
    sql!["1 = 1"]
}

pub(super) fn never() -> Statement {
    sql!["1 = 0"]
}
