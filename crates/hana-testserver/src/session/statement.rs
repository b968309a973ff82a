//! PREPARE and EXECUTEDIRECT, and the statements about the session.

use std::time::{Duration, Instant};

use super::execute::Run;
use super::reply::{Reply, rows_affected, statement_context, transaction_flag};
use super::{Answer, Session, id_of, optional_part, part};
use crate::dialect::ast::SessionStatement;
use crate::dialect::parse::{Parsed, parse};
use crate::dialect::plan::{Body, Plan};
use crate::error::{SqlError, code};
use crate::faults::CommitMishap;
use crate::wire::bytes::{Malformed, Reader};
use crate::wire::error::Severity;
use crate::wire::message::Message;
use crate::wire::options::transaction;
use crate::wire::part::{Part, kind};
use crate::wire::{cesu8, function_code, metadata};

/// A prepared statement. It is compiled anew when the catalog has changed.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) text: String,
    pub(super) parsed: Parsed,
    pub(super) plan: Plan,
}

impl Session {
    pub(super) fn prepare(&mut self, message: &Message) -> Result<Answer, Malformed> {
        let text = command(message)?;
        let prepared = match self.compile(text) {
            Ok(prepared) => prepared,
            Err(error) => {
                return Ok(Reply::error(&error, Severity::Error, None).answer(self, message));
            }
        };
        let id = self.next_id();
        let plan = &prepared.plan;
        let mut reply = Reply::new(function_code_of(&plan.body)).with(Part::new(
            kind::STATEMENT_ID,
            1,
            id.to_le_bytes().to_vec(),
        ));
        if !plan.parameters.is_empty() {
            reply = reply.with(metadata::parameters(&plan.parameters, self.format));
        }
        if let Body::Query { columns, .. } = &plan.body {
            reply = reply.with(metadata::result_set(columns, self.format));
        }
        let reply = reply.with(self.context_part(Instant::now()));
        self.prepared.insert(id, prepared);
        Ok(reply.answer(self, message))
    }

    fn compile(&self, text: String) -> Result<Prepared, SqlError> {
        let parsed = parse(&text)?;
        let plan = self.shared.engine.compile(&parsed, &self.viewpoint)?;
        Ok(Prepared { text, parsed, plan })
    }

    pub(super) fn drop_statement(&mut self, message: &Message) -> Result<Answer, Malformed> {
        self.prepared
            .remove(&id_of(part(message, kind::STATEMENT_ID)?)?);
        Ok(Reply::new(function_code::NIL).answer(self, message))
    }

    pub(super) fn execute_direct(&mut self, message: &Message) -> Result<Answer, Malformed> {
        let text = command(message)?;
        let fetch_rows = match optional_part(message, kind::FETCH_SIZE) {
            Some(part) => usize::try_from(Reader::new(&part.buffer).u32()?).unwrap_or(usize::MAX),
            None => self.shared.first_fetch_rows,
        };
        Ok(self.direct(&text, message, fetch_rows))
    }

    /// Executes a text.
    pub(super) fn direct(&mut self, text: &str, message: &Message, fetch_rows: usize) -> Answer {
        let compiled = self.compile(text.to_owned()).and_then(|prepared| {
            if prepared.parsed.parameters > 0 {
                return Err(SqlError::new(code::NOT_BOUND, ""));
            }
            Ok(prepared)
        });
        match compiled {
            Err(error) => {
                // What can't be compiled was sent all the same.
                self.shared.recorder.statement(text, 0);
                Reply::error(&error, Severity::Error, None).answer(self, message)
            }
            Ok(prepared) => self.run(
                message,
                &Run {
                    text: &prepared.text,
                    plan: &prepared.plan,
                    rows: vec![Vec::new()],
                    fetch_rows,
                    with_metadata: true,
                },
            ),
        }
    }

    pub(super) fn context_part(&mut self, started: Instant) -> Part {
        self.statements += 1;
        let microseconds = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        statement_context(self.statements, microseconds)
    }

    /// COMMIT, ROLLBACK, SET ….
    pub(super) fn session_statement(
        &mut self,
        statement: &SessionStatement,
        message: &Message,
    ) -> Answer {
        match statement {
            SessionStatement::Commit => return self.commit_request(message),
            SessionStatement::Rollback => return self.rollback_request(message),
            SessionStatement::SetSchema(schema) => {
                if !self
                    .shared
                    .engine
                    .has_schema(&self.viewpoint.user, &schema.name)
                {
                    let error = SqlError::new(code::SCHEMA, &schema.name).at(schema.at);
                    return Reply::error(&error, Severity::Error, None).answer(self, message);
                }
                self.viewpoint.schema.clone_from(&schema.name);
                self.show_connection();
            }
            SessionStatement::SetVariable(key, value) => {
                self.set_variable(key.clone(), value.clone())
            }
            SessionStatement::LockWait { milliseconds } => {
                self.transaction.lock_wait = Duration::from_millis(*milliseconds);
            }
            SessionStatement::Isolation => {}
        }
        let context = self.context_part(Instant::now());
        Reply::new(function_code::DDL)
            .with(rows_affected(&[0]))
            .with(context)
            .with(transaction_flag(transaction::NO_WRITE_STARTED))
            .answer(self, message)
    }

    /// A definition commits what was open and itself.
    pub(super) fn definition(&mut self, plan: &Plan, message: &Message) -> Answer {
        let Body::Definition(definition) = &plan.body else {
            return Answer::Cut;
        };
        let started = Instant::now();
        let result = self
            .shared
            .engine
            .define(definition, &self.viewpoint, &mut self.transaction);
        self.transaction_text.clear();
        match result {
            Err(error) => Reply::error(&error, Severity::Error, None).answer(self, message),
            Ok(()) => {
                self.shared.recorder.commit(self.viewpoint.session);
                let context = self.context_part(started);
                Reply::new(function_code::DDL)
                    .with(rows_affected(&[0]))
                    .with(context)
                    .with(transaction_flag(transaction::COMMITTED))
                    .answer(self, message)
            }
        }
    }

    pub(super) fn commit_request(&mut self, message: &Message) -> Answer {
        match self.commit() {
            Err(Aborted::Cut) => Answer::Cut,
            Err(Aborted::Error(error)) => {
                Reply::error(&error, Severity::Error, Some(transaction::ROLLED_BACK))
                    .answer(self, message)
            }
            Ok(()) => Reply::new(function_code::COMMIT)
                .with(rows_affected(&[0]))
                .with(transaction_flag(transaction::COMMITTED))
                .answer(self, message),
        }
    }

    pub(super) fn rollback_request(&mut self, message: &Message) -> Answer {
        self.rollback();
        Reply::new(function_code::ROLLBACK)
            .with(rows_affected(&[0]))
            .with(transaction_flag(transaction::ROLLED_BACK))
            .answer(self, message)
    }

    /// Commits, unless a fault cuts the connection before or behind it.
    pub(super) fn commit(&mut self) -> Result<(), Aborted> {
        let mishap = self.shared.faults.commit(&self.transaction_text);
        self.transaction_text.clear();
        self.pending_lobs = None;
        if mishap == CommitMishap::CutBefore {
            return Err(Aborted::Cut);
        }
        self.shared
            .engine
            .commit(&mut self.transaction)
            .map_err(Aborted::Error)?;
        self.shared.recorder.commit(self.viewpoint.session);
        if mishap == CommitMishap::CutAfter {
            return Err(Aborted::Cut);
        }
        Ok(())
    }

    pub(super) fn rollback(&mut self) {
        self.shared.engine.rollback(&mut self.transaction);
        self.shared.recorder.rollback();
        self.transaction_text.clear();
        self.pending_lobs = None;
    }
}

/// Why a commit did not come to its end.
pub(super) enum Aborted {
    Cut,
    Error(SqlError),
}

fn command(message: &Message) -> Result<String, Malformed> {
    cesu8::decode(&part(message, kind::COMMAND)?.buffer)
}

/// The function code of a statement; node-hdb allows batches only for 1 to 4.
pub(super) fn function_code_of(body: &Body) -> i16 {
    match body {
        Body::Query { lock: None, .. } => function_code::SELECT,
        Body::Query { lock: Some(_), .. } => function_code::SELECT_FOR_UPDATE,
        Body::Insert { .. } => function_code::INSERT,
        Body::Update { .. } | Body::Merge { .. } => function_code::UPDATE,
        Body::Delete { .. } => function_code::DELETE,
        Body::Definition(_) => function_code::DDL,
        Body::Session(SessionStatement::Commit) => function_code::COMMIT,
        Body::Session(SessionStatement::Rollback) => function_code::ROLLBACK,
        Body::Session(_) => function_code::DDL,
    }
}
