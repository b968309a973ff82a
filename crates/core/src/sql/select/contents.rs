//! Conditions on texts: what they contain, begin and end with, and `$search`.

use super::condition::never;
use super::relation::Relation;
use super::text::{Builder, all, any, bind, sql};
use super::value::constant_text;
use crate::odata::{Expr, Function, Literal, Search, Type};
use crate::row::Cell;
use crate::sql::{Dialect, Statement};

impl Builder<'_> {
    /// A function that is true or false of a text; null where the text or the part is null.
    pub(super) fn text_condition(
        &self,
        function: Function,
        arguments: &[Expr],
        wanted: bool,
        over: &Relation,
    ) -> Statement {
        let (Some(text), Some(part)) = (arguments.first(), arguments.get(1)) else {
            return never();
        };
        let value = self.value(text, over);
        if function == Function::MatchesPattern {
            let pattern = self.value(part, over);
            return match (self.dialect(), wanted) {
                (Dialect::Sqlite, _) => {
                    sql![
                        "odata_matches(",
                        value,
                        ", ",
                        pattern,
                        if wanted { ") = 1" } else { ") = 0" }
                    ]
                }
                (Dialect::Hana, true) => sql![value, " LIKE_REGEXPR ", pattern],
                (Dialect::Hana, false) => sql![value, " NOT LIKE_REGEXPR ", pattern],
            };
        }
        let constant = match part {
            Expr::Literal(Literal::Text(text)) => Some(text.clone()),
            Expr::Call(function, arguments) => constant_text(*function, arguments),
            _ => None,
        };
        match constant {
            // Every text contains the empty one; null doesn't say.
            Some(part) if part.is_empty() => {
                if wanted {
                    sql![value, " IS NOT NULL"]
                } else {
                    never()
                }
            }
            Some(part) => self.holds_constant(function, value, &part, wanted),
            None => self.holds_value(function, &value, &self.value(part, over), wanted),
        }
    }

    /// `contains`, `startswith`, `endswith` with a constant: LIKE on HANA, where LOCATE is slower and not for all types.
    fn holds_constant(
        &self,
        function: Function,
        value: Statement,
        part: &str,
        wanted: bool,
    ) -> Statement {
        if self.dialect() == Dialect::Hana {
            let escaped = like_escaped(part);
            let pattern = match function {
                Function::StartsWith => format!("{escaped}%"),
                Function::EndsWith => format!("%{escaped}"),
                _ => format!("%{escaped}%"),
            };
            let like = if wanted { " LIKE " } else { " NOT LIKE " };
            return sql![value, like, bind(Cell::Text(pattern)), " ESCAPE '\\'"];
        }
        let text = || bind(Cell::Text(part.to_owned()));
        let mut length = Statement::new("");
        length.number(u64::try_from(part.chars().count()).unwrap_or(u64::MAX));
        match function {
            Function::StartsWith => {
                sql![
                    "substr(",
                    value,
                    ", 1, ",
                    length,
                    if wanted { ") = " } else { ") <> " },
                    text()
                ]
            }
            Function::EndsWith => {
                sql![
                    "substr(",
                    value,
                    ", -",
                    length,
                    if wanted { ") = " } else { ") <> " },
                    text()
                ]
            }
            _ => sql![
                "instr(",
                value,
                ", ",
                text(),
                if wanted { ") > 0" } else { ") = 0" }
            ],
        }
    }

    /// The same where the part is a value of the row.
    fn holds_value(
        &self,
        function: Function,
        value: &Statement,
        part: &Statement,
        wanted: bool,
    ) -> Statement {
        let (value, part) = (|| value.clone(), || part.clone());
        let (find, length, substring) = self.by_dialect(
            ("instr(", "length(", "substr("),
            ("LOCATE(", "LENGTH(", "SUBSTRING("),
        );
        match function {
            Function::StartsWith => {
                let found = sql![substring, value(), ", 1, ", length, part(), "))"];
                sql![found, if wanted { " = " } else { " <> " }, part()]
            }
            Function::EndsWith => {
                let lengths = || sql![length, value(), ") - ", length, part(), ")"];
                let end = sql![substring, value(), ", ", lengths(), " + 1)"];
                if wanted {
                    sql!["(", lengths(), " >= 0 AND ", end, " = ", part(), ")"]
                } else {
                    sql!["(", lengths(), " < 0 OR ", end, " <> ", part(), ")"]
                }
            }
            _ => {
                let empty = sql![part(), if wanted { " = ''" } else { " <> ''" }];
                let found = sql![
                    find,
                    value(),
                    ", ",
                    part(),
                    if wanted { ") > 0" } else { ") = 0" }
                ];
                // Databases disagree on where the empty text is found.
                if wanted {
                    sql![
                        "(",
                        found,
                        " OR (",
                        empty,
                        " AND ",
                        value(),
                        " IS NOT NULL))"
                    ]
                } else {
                    sql!["(", found, " AND ", empty, ")"]
                }
            }
        }
    }

    /// Where the row's texts hold the words.
    pub(super) fn found(&self, search: &Search, wanted: bool, over: &Relation) -> Statement {
        match search {
            Search::Not(operand) => self.found(operand, !wanted, over),
            Search::And(operands) | Search::Or(operands) => {
                let conditions = operands
                    .iter()
                    .map(|operand| self.found(operand, wanted, over))
                    .collect();
                if matches!(search, Search::And(_)) == wanted {
                    all(conditions)
                } else {
                    any(conditions)
                }
            }
            Search::Term(term) => {
                let texts = over
                    .columns
                    .iter()
                    .filter(|column| Type::from(column.kind) == Type::Text);
                let conditions = texts.map(|column| {
                    let value = self.comparable(column.sql.clone(), column.kind);
                    self.term(value, &term.to_lowercase(), wanted)
                });
                let conditions = conditions.collect();
                if wanted {
                    any(conditions)
                } else {
                    all(conditions)
                }
            }
        }
    }

    /// One text holds one term, whatever the case of its letters; an empty cell does not.
    fn term(&self, value: Statement, term: &str, wanted: bool) -> Statement {
        if !self.spend() {
            return never();
        }
        let lower = sql![
            self.by_dialect("odata_lower(", "LOWER("),
            value.clone(),
            ")"
        ];
        let found = self.holds_constant(Function::Contains, lower, term, wanted);
        if wanted {
            found
        } else {
            sql!["(", found, " OR ", value, " IS NULL)"]
        }
    }
}

/// The text with LIKE's own characters made literal.
fn like_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}
