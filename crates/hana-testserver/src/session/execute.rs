//! EXECUTE, and what direct and prepared executions share.

use std::time::Instant;

use super::lob::PendingLobs;
use super::reply::{Reply, rows_affected, transaction_flag};
use super::statement::{Aborted, Prepared, function_code_of};
use super::{Answer, Session, auto_commit, id_of, part};
use crate::dialect::plan::{Body, Plan};
use crate::engine::{Executed, Executor};
use crate::error::{SqlError, code};
use crate::types::SqlType;
use crate::value::Value;
use crate::wire::bytes::Malformed;
use crate::wire::error::Severity;
use crate::wire::lob::write_reply;
use crate::wire::message::Message;
use crate::wire::options::transaction;
use crate::wire::parameters::{self, Parameter};
use crate::wire::part::kind;

/// Failed row, in ROWSAFFECTED.
const FAILED: i32 = -3;

/// One execution.
pub(super) struct Run<'a> {
    pub(super) text: &'a str,
    pub(super) plan: &'a Plan,
    /// One row of parameters per execution.
    pub(super) rows: Vec<Vec<Parameter>>,
    pub(super) fetch_rows: usize,
    /// Whether the client does not know the columns yet.
    pub(super) with_metadata: bool,
}

impl Session {
    pub(super) fn execute_prepared(&mut self, message: &Message) -> Result<Answer, Malformed> {
        let id = id_of(part(message, kind::STATEMENT_ID)?)?;
        let Some(mut prepared) = self.prepared.get(&id).cloned() else {
            let error = SqlError::new(code::STATEMENT_ID, "");
            return Ok(Reply::error(&error, Severity::Error, None).answer(self, message));
        };
        if let Err(error) = self.refresh(id, &mut prepared) {
            self.shared.recorder.statement(&prepared.text, 0);
            return Ok(Reply::error(&error, Severity::Error, None).answer(self, message));
        }
        let types: Vec<SqlType> = prepared
            .plan
            .parameters
            .iter()
            .map(|parameter| parameter.sql_type)
            .collect();
        let rows = if types.is_empty() {
            vec![Vec::new()]
        } else {
            let part = part(message, kind::PARAMETERS)?;
            parameters::parse(&part.buffer, part.count, &types)?
        };
        let run = Run {
            text: &prepared.text,
            plan: &prepared.plan,
            rows,
            fetch_rows: self.shared.first_fetch_rows,
            with_metadata: false,
        };
        Ok(self.run(message, &run))
    }

    /// Compiles anew what was compiled against an older catalog.
    fn refresh(&mut self, id: u64, prepared: &mut Prepared) -> Result<(), SqlError> {
        if self.shared.engine.is_stale(&prepared.plan) {
            prepared.plan = self
                .shared
                .engine
                .compile(&prepared.parsed, &self.viewpoint)?;
            self.prepared.insert(id, prepared.clone());
        }
        Ok(())
    }

    /// Executes under the faults that are switched on.
    pub(super) fn run(&mut self, message: &Message, run: &Run<'_>) -> Answer {
        let writes = !matches!(
            run.plan.body,
            Body::Query { lock: None, .. } | Body::Session(_)
        );
        self.shared.recorder.statement(run.text, run.rows.len());
        let mishap = self.shared.faults.statement(run.text);
        std::thread::sleep(mishap.delay);
        if mishap.cut {
            return Answer::Cut;
        }
        self.transaction_text.push_str(run.text);
        if mishap.read_only && writes {
            let error = SqlError::new(
                code::NOT_SUPPORTED,
                "writable statement not allowed in read-enabled replication",
            );
            return Reply::error(&error, Severity::Error, None).answer(self, message);
        }
        if let Some(code) = mishap.error {
            return self.fail(message, &SqlError::new(code, ""));
        }
        match &run.plan.body {
            Body::Session(statement) => self.session_statement(statement, message),
            Body::Definition(_) => self.definition(run.plan, message),
            Body::Query { .. } => self.query(message, run),
            Body::Insert { .. }
            | Body::Update { .. }
            | Body::Delete { .. }
            | Body::Merge { .. } => self.modify(message, run, &mishap.row_errors),
        }
    }

    /// Answers with an error; some end the transaction, and so does an error under auto-commit.
    pub(super) fn fail(&mut self, message: &Message, error: &SqlError) -> Answer {
        let ends = error.rolls_back() || (auto_commit(message) && self.transaction.is_open());
        if ends {
            self.rollback();
        }
        let flag = ends.then_some(transaction::ROLLED_BACK);
        Reply::error(error, Severity::Error, flag).answer(self, message)
    }

    fn query(&mut self, message: &Message, run: &Run<'_>) -> Answer {
        let started = Instant::now();
        let [row] = run.rows.as_slice() else {
            return self.fail(
                message,
                &SqlError::new(code::NOT_SUPPORTED, "a query with a batch of parameters"),
            );
        };
        let Some(values) = complete(row) else {
            return self.fail(
                message,
                &SqlError::new(code::NOT_SUPPORTED, "a LOB stream as a query's parameter"),
            );
        };
        match self.execute_once(run.plan, values) {
            Ok(Executed::Rows(rows)) => self.result_set(message, run, rows, started),
            Ok(Executed::Affected(_)) => self.fail(
                message,
                &SqlError::new(code::GENERAL, "test server: no rows"),
            ),
            Err(error) => self.fail(message, &error),
        }
    }

    /// Converts the parameters and executes one row.
    pub(super) fn execute_once(
        &mut self,
        plan: &Plan,
        values: Vec<Value>,
    ) -> Result<Executed, SqlError> {
        let mut converted = Vec::with_capacity(values.len());
        for (position, (value, parameter)) in values.into_iter().zip(&plan.parameters).enumerate() {
            converted.push(value.convert(parameter.sql_type).map_err(|mut error| {
                error.text = format!("{}: parameter {}", error.text, position + 1);
                error
            })?);
        }
        let executor = Executor {
            viewpoint: &self.viewpoint,
            variables: &self.variables,
        };
        self.shared
            .engine
            .execute(plan, &converted, &executor, &mut self.transaction)
    }

    /// A batch: rows that fail don't keep the others from being executed, unless the transaction is over.
    fn modify(&mut self, message: &Message, run: &Run<'_>, failing: &[(usize, i32)]) -> Answer {
        let started = Instant::now();
        let mut counts = Vec::with_capacity(run.rows.len());
        let mut errors = Vec::new();
        let mut pending = PendingLobs::new(run.plan);
        for (position, row) in run.rows.iter().enumerate() {
            let fault = failing.iter().find(|(failing, _)| *failing == position);
            let result = match (fault, complete(row)) {
                (Some((_, code)), _) => Err(SqlError::new(*code, "")),
                (None, Some(values)) => self.execute_once(run.plan, values),
                (None, None) => {
                    pending.add(row, || {
                        self.last_id += 1;
                        self.last_id
                    });
                    Ok(Executed::Affected(1))
                }
            };
            match result {
                Ok(Executed::Affected(count)) => {
                    counts.push(i32::try_from(count).unwrap_or(i32::MAX))
                }
                Ok(Executed::Rows(_)) => counts.push(0),
                Err(error) if error.rolls_back() => return self.fail(message, &error),
                Err(error) => {
                    counts.push(FAILED);
                    errors.push(error);
                }
            }
        }
        // Source: go-hdb: one failing row comes back without counts.
        if let ([FAILED], [error]) = (counts.as_slice(), errors.as_slice()) {
            return self.fail(message, error);
        }
        let locators = pending.locators();
        if locators.is_empty() && auto_commit(message) {
            match self.commit() {
                Ok(()) => {}
                Err(Aborted::Cut) => return Answer::Cut,
                Err(Aborted::Error(error)) => return self.fail(message, &error),
            }
        }
        let flag = if self.transaction.is_open() || !locators.is_empty() {
            transaction::WRITE_STARTED
        } else {
            transaction::COMMITTED
        };
        let function_code = function_code_of(&run.plan.body);
        let mut reply = Reply::new(function_code);
        if !errors.is_empty() {
            reply = reply.with_row_errors(&errors, function_code);
        }
        reply = reply.with(rows_affected(&counts));
        if !locators.is_empty() {
            reply = reply.with(write_reply(&locators));
            self.pending_lobs = Some(pending);
        }
        let context = self.context_part(started);
        reply
            .with(context)
            .with(transaction_flag(flag))
            .answer(self, message)
    }
}

/// The values of a row, unless some are still to come.
pub(super) fn complete(row: &[Parameter]) -> Option<Vec<Value>> {
    row.iter()
        .map(|parameter| match parameter {
            Parameter::Value(value) => Some(value.clone()),
            Parameter::Streamed(_) => None,
        })
        .collect()
}
