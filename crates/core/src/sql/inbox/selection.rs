//! What people look at, revive and give up.

use super::super::{Dialect, Statement, push_now, stamp, text};
use crate::id::{ResponseId, SurveyId};
use crate::time::Timestamp;

/// What `inbox list` and `inbox show` select by.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only this survey's.
    pub survey: Option<SurveyId>,
    /// Only this response.
    pub response: Option<ResponseId>,
    /// Only events in this state.
    pub state: Option<String>,
    /// Only events whose reason has this code.
    pub reason: Option<String>,
}

impl Selection {
    fn append(&self, statement: &mut Statement) {
        statement.push(" WHERE 1 = 1");
        if let Some(survey) = &self.survey {
            statement.push(" AND \"SURVEY_ID\" = ").bind(text(survey));
        }
        if let Some(response) = &self.response {
            statement
                .push(" AND \"RESPONSE_ID\" = ")
                .bind(text(response));
        }
        if let Some(state) = &self.state {
            statement.push(" AND \"STATE\" = ").bind(text(state));
        }
        if let Some(reason) = &self.reason {
            // A code ends at the colon and holds none of LIKE's signs but `_`, which no code has.
            statement
                .push(" AND \"LAST_ERROR\" LIKE ")
                .bind(text(format!("{reason}:%")));
        }
    }
}

/// Events for people to look at, newest first: every column of the inbox.
#[must_use]
pub fn list(selection: &Selection, limit: u32) -> Statement {
    let mut statement = Statement::new(
        r#"/* inbox.list */
SELECT "SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "STATE", "ATTEMPTS", "NEXT_ATTEMPT_AT", "LEASE_OWNER",
  "LEASE_UNTIL", "LAST_ERROR", "DONE_AT" FROM "QUALTRICS_INBOX""#,
    );
    selection.append(&mut statement);
    statement
        .push(" ORDER BY \"RECEIVED_AT\" DESC LIMIT ")
        .number(limit.into());
    statement
}

/// How many events of a selection wait or are dead: what [`revive`] and [`drop_events`] act on.
#[must_use]
pub fn count(selection: &Selection) -> Statement {
    let mut statement =
        Statement::new("/* inbox.count */\nSELECT COUNT(*) FROM \"QUALTRICS_INBOX\"");
    selection.append(&mut statement);
    statement.push(" AND \"STATE\" IN ('dead', 'pending')");
    statement
}

/// Makes dead and waiting events due now. What was dropped is an acknowledged exception: it comes back only if it is
/// named, by its response or by that reason.
#[must_use]
pub fn revive(selection: &Selection, now: Timestamp) -> Statement {
    let form = |dialect| {
        let mut statement = Statement::new(
            "/* inbox.revive */\nUPDATE \"QUALTRICS_INBOX\" SET \"STATE\" = 'pending', \"ATTEMPTS\" = 0, \"DONE_AT\" = NULL, \
             \"RECEIVED_AT\" = ",
        );
        // Giving up is by time since receipt, so a revived event begins anew.
        statement.bind(stamp(now)).push(", \"NEXT_ATTEMPT_AT\" = ");
        push_now(&mut statement, dialect, now);
        selection.append(&mut statement);
        statement.push(" AND \"STATE\" IN ('dead', 'pending')");
        if selection.response.is_none() && selection.reason.is_none() {
            statement.push(
                " AND (\"STATE\" <> 'dead' OR \"LAST_ERROR\" IS NULL OR \"LAST_ERROR\" NOT LIKE 'dropped:%')",
            );
        }
        statement
    };
    Statement::either(form(Dialect::Sqlite), form(Dialect::Hana))
}

/// Gives waiting events up by hand; what is leased is left to its worker.
#[must_use]
pub fn drop_events(selection: &Selection, now: Timestamp) -> Statement {
    let form = |dialect| {
        let mut statement = Statement::new(
            "/* inbox.drop */\nUPDATE \"QUALTRICS_INBOX\" SET \"STATE\" = 'dead', \"NEXT_ATTEMPT_AT\" = NULL, \
             \"LAST_ERROR\" = 'dropped: given up by hand', \"DONE_AT\" = ",
        );
        push_now(&mut statement, dialect, now);
        selection.append(&mut statement);
        statement.push(" AND \"STATE\" IN ('dead', 'pending')");
        statement
    };
    Statement::either(form(Dialect::Sqlite), form(Dialect::Hana))
}
