//! Aggregates and grouping.

use super::comparison::collation;
use super::{Compiler, Typed};
use crate::dialect::ast::Expr;
use crate::error::{SqlError, code};
use crate::types::{Family, SqlType};

impl Compiler<'_> {
    pub(super) fn count_all(&mut self) -> Result<Typed, SqlError> {
        self.enter_aggregate()?;
        self.leave_aggregate();
        Ok(Typed {
            nullable: false,
            has_aggregate: true,
            ..Typed::value("count(*)", SqlType::BigInt)
        })
    }

    pub(super) fn aggregate(
        &mut self,
        name: &str,
        args: &[Expr],
        distinct: bool,
    ) -> Result<Typed, SqlError> {
        let [arg] = args else {
            return Err(SqlError::new(
                code::ARGUMENTS,
                format!("{name} takes one argument"),
            ));
        };
        self.enter_aggregate()?;
        let inner = self.value(arg, None);
        self.leave_aggregate();
        let inner = inner?;
        let sql_type = inner.type_or_text();
        if sql_type.is_lob() && (name != "COUNT" || distinct) {
            return Err(SqlError::new(code::DATATYPE, format!("{name} of a LOB")));
        }
        let distinct = if distinct { "DISTINCT " } else { "" };
        let sql = &inner.sql;
        let (sql, result) = match (name, sql_type.family()) {
            ("COUNT", _) => (format!("count({distinct}{sql})"), SqlType::BigInt),
            ("MIN" | "MAX", _) => {
                let collation = collation(sql_type);
                (format!("{name}({distinct}{sql}{collation})"), sql_type)
            }
            ("SUM", Family::Integer) => (format!("sum({distinct}{sql})"), SqlType::BigInt),
            ("SUM", Family::Double) => (format!("sum({distinct}{sql})"), SqlType::Double),
            ("AVG", Family::Double) => (format!("avg({distinct}{sql})"), SqlType::Double),
            ("SUM", Family::Decimal) => (format!("h_sum({distinct}{sql})"), sum_type(sql_type)),
            // AVG of whole numbers is a floating DECIMAL. Source: the dossier, 3.6.
            ("AVG", Family::Integer | Family::Decimal) => {
                (format!("h_avg({distinct}{sql})"), SqlType::DecimalFloat)
            }
            _ => {
                return Err(SqlError::new(
                    code::INCONSISTENT,
                    format!("{name} of {}", sql_type.name()),
                ));
            }
        };
        Ok(Typed {
            nullable: name != "COUNT",
            has_aggregate: true,
            ..Typed::value(sql, result)
        })
    }

    fn enter_aggregate(&mut self) -> Result<(), SqlError> {
        let scope = self
            .scopes
            .last_mut()
            .filter(|scope| scope.aggregates_allowed && !scope.in_aggregate);
        match scope {
            Some(scope) => {
                scope.in_aggregate = true;
                Ok(())
            }
            None => Err(SqlError::new(code::AGGREGATE, "")),
        }
    }

    fn leave_aggregate(&mut self) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.in_aggregate = false;
        }
    }
}

/// Assumed: a sum of DECIMAL(p,s) keeps its scale and has all digits.
fn sum_type(sql_type: SqlType) -> SqlType {
    match sql_type {
        SqlType::Decimal { scale, .. } => SqlType::Decimal {
            precision: 38,
            scale,
        },
        other => other,
    }
}
