//! What is asked of the database for one answer, all of it from one state.

use std::sync::Arc;

use ingester_core::access::Visible;
use ingester_core::id::SurveyId;
use ingester_core::odata::{self, Query, Resource};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{self, Context, Selection, Statement};

use super::super::error::ApiError;
use super::{How, Reading};
use crate::store::{Cells, Reader, RowStream, Select, StoreError};

/// What is read for an answer, each where it is asked for.
#[derive(Debug)]
pub(super) struct Reads {
    pub(super) change_number: Option<RowStream>,
    pub(super) anchor: Option<RowStream>,
    pub(super) count: Option<RowStream>,
    pub(super) rows: Option<RowStream>,
}

impl Reading {
    /// The query over the viewer's rows, and its SQL. `values` are the rows of a set that the service computes.
    pub(in crate::http) fn select(
        &self,
        query: Query,
        page_rows: Option<u64>,
        values: &[Vec<Cell>],
    ) -> Result<(Visible<Query>, Selection), ApiError> {
        let visible = self
            .app
            .access
            .restrict(&self.viewer, &self.served.model, query);
        let context = Context {
            dialect: self.app.store.dialect(),
            now: self.now,
            page_rows,
            values,
        };
        let selection = sql::select(&visible, &context)?;
        Ok((visible, selection))
    }

    /// Asks several things of one state of the database, each where there is something to ask.
    pub(in crate::http) async fn ask<const N: usize>(
        &self,
        asked: [Option<(Statement, Arc<[ColumnType]>)>; N],
    ) -> Result<[Option<RowStream>; N], StoreError> {
        let wanted = asked.each_ref().map(Option::is_some);
        let selects = asked
            .into_iter()
            .flatten()
            .map(|(statement, kinds)| Select { statement, kinds });
        let streams = self
            .app
            .store
            .snapshot(Reader::Viewer, selects.collect())
            .await?;
        let mut streams = streams.into_iter();
        Ok(wanted.map(|wanted| wanted.then(|| streams.next()).flatten()))
    }

    /// Asks for few rows.
    pub(in crate::http) async fn rows(
        &self,
        statement: Statement,
        kinds: &[ColumnType],
    ) -> Result<Vec<Cells>, StoreError> {
        match self.ask([Some((statement, kinds.into()))]).await? {
            [Some(stream)] => stream.all().await,
            [None] => Ok(Vec::new()),
        }
    }

    pub(super) async fn change_number(&self, survey: &SurveyId) -> Result<u64, StoreError> {
        let statement = sql::surveys::change_number(survey);
        match self.ask([Some((statement, one_number()))]).await? {
            [Some(stream)] => number(stream).await,
            [None] => Ok(0),
        }
    }

    pub(super) async fn read(
        &self,
        survey: Option<&SurveyId>,
        query: &Query,
        selection: &mut Selection,
        how: How,
    ) -> Result<Reads, StoreError> {
        // A HEAD of a list has nothing to say of its rows; one of a row says whether it is there.
        let is_list = matches!(query.resource(), Resource::List | Resource::Count);
        let wants_rows = !(how.head_only && is_list);
        let with = |statement: Statement| (statement, one_number());
        let rows = selection.rows.take().filter(|_| wants_rows);
        let count = selection.count.take().filter(|_| wants_rows);
        let [change_number, anchor, count, rows] = self
            .ask([
                survey.map(sql::surveys::change_number).map(with),
                selection.anchor.take().map(with),
                count.map(with),
                rows.map(|rows| (rows, selection.shape.kinds().collect())),
            ])
            .await?;
        Ok(Reads {
            change_number,
            anchor,
            count,
            rows,
        })
    }
}

/// How a read of one number is read.
fn one_number() -> Arc<[ColumnType]> {
    [ColumnType::BigInt].into()
}

/// The one number of a read.
pub(in crate::http) async fn number(stream: RowStream) -> Result<u64, StoreError> {
    let rows = stream.all().await?;
    match rows.first().map(|row| &**row) {
        Some([Cell::Integer(number)]) => Ok(u64::try_from(*number).unwrap_or(0)),
        _ => Err(StoreError::unexpected("a count is not a number")),
    }
}

pub(super) async fn one_row(stream: RowStream) -> Result<Cells, ApiError> {
    let rows = stream.all().await?;
    rows.into_iter()
        .next()
        .ok_or_else(|| odata::no_row().into())
}
