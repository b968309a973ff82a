//! `/events`: rows as they land, as server-sent events. Each change is selected by its key under the viewer's rule, so
//! that what is told is what a read would show. Source: WHATWG HTML, "Server-sent events".

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, StatusCode};
use ingester_core::access::{RowFilter, Viewer};
use ingester_core::id::SurveyId;
use ingester_core::inbox::Change;
use ingester_core::odata::{self, EntitySet, Incoming, Target};
use ingester_core::row::Cell;
use ingester_core::sql::Dialect;
use ingester_core::time;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;

use super::App;
use super::error::ApiError;
use super::odata::{Reading, text};
use crate::changes;
use crate::jobs::housekeeping::CHANGES_KEPT;
use crate::lifecycle;
use crate::store::StoreError;

/// Proxies cut what is silent for longer; SAP's approuter after 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after this long and is opened again, so that a token which is over does not live on in it.
const STREAM_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long a browser waits before it opens a stream again.
const RETRY: Duration = Duration::from_secs(2);
/// Changes that are looked up together.
const TOGETHER: usize = 100;
/// Who missed more than this reads again instead.
const CATCH_UP_MAX: i64 = 10_000;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/events", get(listen))
}

async fn listen(
    State(app): State<App>,
    viewer: Viewer,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let seat = app.changes.seat().ok_or_else(|| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-many-listeners",
            "too many event streams are open",
        )
    })?;
    let (ring, newest) = app.changes.listen(&app.store).await?;
    let begin = Begin::of(&app, text(&headers, "last-event-id"), newest).await?;
    let listening = Listening {
        ready: VecDeque::from([begin.event()]),
        behind: begin.resume,
        position: begin.newest,
        until: Instant::now() + STREAM_LIFE,
        ring,
        viewer,
        app,
        _seat: seat,
    };
    let events = stream::unfold(listening, async |mut listening| {
        let event = listening.next().await?;
        Some((Ok::<_, std::convert::Infallible>(event), listening))
    });
    let mut response = Sse::new(events.fuse())
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive"))
        .into_response();
    // nginx would hold events back until a buffer is full.
    let headers = response.headers_mut();
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Where a stream begins.
struct Begin {
    /// The log's newest position.
    newest: i64,
    /// The position behind which the listener missed something.
    resume: Option<i64>,
    /// Whether what the listener missed can't be told any more.
    reset: bool,
}

impl Begin {
    async fn of(app: &App, last_event_id: Option<&str>, newest: i64) -> Result<Self, StoreError> {
        let begin = |resume, reset| Self {
            newest,
            resume,
            reset,
        };
        let Some(id) = last_event_id else {
            return Ok(begin(None, false));
        };
        let Ok(known) = id.parse::<i64>() else {
            return Ok(begin(None, true));
        };
        if known == newest || is_in_log(app, known, newest).await? {
            let resume = changes::settled(&app.store, known).await?;
            return Ok(begin(Some(resume), false));
        }
        Ok(begin(None, true))
    }

    /// Tells the listener its position even if nothing happens, so that it can resume from there.
    fn event(&self) -> Event {
        let id = self.resume.unwrap_or(self.newest).to_string();
        let event = Event::default().id(id).retry(RETRY);
        if self.reset {
            event.event("reset").data("{}")
        } else {
            event
        }
    }
}

/// Whether the log still has all that came behind a position.
async fn is_in_log(app: &App, position: i64, newest: i64) -> Result<bool, StoreError> {
    if position > newest || newest.saturating_sub(position) > CATCH_UP_MAX {
        return Ok(false);
    }
    // The newest change of a survey is kept however old it is, while others of its age are gone.
    let now = lifecycle::now();
    let kept_since = now.checked_sub(CHANGES_KEPT).unwrap_or(now);
    let found = changes::after(&app.store, position.saturating_sub(1), 1).await?;
    Ok(found
        .first()
        .is_some_and(|change| change.position == position && change.committed_at > kept_since))
}

/// One listener. What it holds is bounded: its share of the ring, and what was looked up together.
struct Listening {
    app: App,
    viewer: Viewer,
    ring: Receiver<Arc<Change>>,
    ready: VecDeque<Event>,
    /// The log has to be read from here before the ring is listened to.
    behind: Option<i64>,
    /// The greatest position that was looked at.
    position: i64,
    until: Instant,
    _seat: OwnedSemaphorePermit,
}

impl Listening {
    /// The next event; nothing at the stream's end.
    async fn next(&mut self) -> Option<Event> {
        let stopping = self.app.life.stopping().clone();
        while self.ready.is_empty() {
            let changes = tokio::select! {
                () = stopping.cancelled() => return None,
                () = tokio::time::sleep_until(self.until) => return None,
                changes = self.changes() => changes.ok()??,
            };
            let shown = match self.visible(&changes).await {
                Ok(shown) => shown,
                Err(error) => {
                    // The listener comes back with its last position.
                    tracing::debug!(%error.message, "an event stream ends early");
                    return None;
                }
            };
            let events = changes.iter().filter_map(|change| shown.event(change));
            self.ready.extend(events);
        }
        self.ready.pop_front()
    }

    /// Changes to look up: from the log while behind, then from the ring. Nothing once the ring is closed.
    async fn changes(&mut self) -> Result<Option<Vec<Arc<Change>>>, StoreError> {
        let store = self.app.store.clone();
        let mut changes = Vec::new();
        if let Some(position) = self.behind {
            let limit = u32::try_from(TOGETHER).unwrap_or(u32::MAX);
            let missed = changes::after(&store, position, limit).await?;
            let is_last = missed.len() < TOGETHER;
            self.behind = missed.last().map(|last| last.position).filter(|_| !is_last);
            changes.extend(missed.into_iter().map(Arc::new));
        } else {
            let lagging = match self.ring.recv().await {
                Ok(change) => {
                    changes.push(change);
                    self.drain(&mut changes)
                }
                Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => return Ok(None),
            };
            // What was read from the log may still be in the ring. (On HANA a smaller position may be a newer change.)
            if store.dialect() == Dialect::Sqlite {
                changes.retain(|change| change.position > self.position);
            }
            if lagging {
                let position = changes.iter().map(|change| change.position).max();
                let position = position.unwrap_or(self.position);
                self.behind = Some(changes::settled(&store, position).await?);
            }
        }
        let greatest = changes.iter().map(|change| change.position).max();
        self.position = self.position.max(greatest.unwrap_or(self.position));
        Ok(Some(changes))
    }

    /// Takes what else is in the ring, up to what is looked up together. True if some of it is gone.
    fn drain(&mut self, changes: &mut Vec<Arc<Change>>) -> bool {
        while changes.len() < TOGETHER {
            match self.ring.try_recv() {
                Ok(change) => changes.push(change),
                Err(TryRecvError::Lagged(_)) => return true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return false,
            }
        }
        false
    }

    /// Which of the changes the viewer may hear of: those whose rows a read would show.
    async fn visible(&self, changes: &[Arc<Change>]) -> Result<Shown, ApiError> {
        let mut shown = Shown::default();
        if changes.is_empty() {
            return Ok(shown);
        }
        let reading = Reading::new(self.app.clone(), self.viewer.clone());
        for survey in reading.served.surveys() {
            let id = &survey.settings.id;
            let of_survey = changes.iter().filter(|change| change.survey_id == *id);
            let keys: Vec<&str> = of_survey
                .map(|change| change.response_id.as_ref())
                .collect();
            let model = &reading.served.model;
            if let Some(set) = model.survey(id)
                && !keys.is_empty()
                && reading.app.access.filter(&self.viewer, model, set) != RowFilter::Nothing
            {
                let visible = visible_keys(&reading, set, &keys).await?;
                shown.0.insert(id.clone(), (set.name.clone(), visible));
            }
        }
        Ok(shown)
    }
}

/// The rows among these keys that the viewer sees.
async fn visible_keys(
    reading: &Reading,
    set: &EntitySet,
    keys: &[&str],
) -> Result<HashSet<String>, ApiError> {
    let Some(key) = set.key().next() else {
        return Ok(HashSet::new());
    };
    let key = utf8_percent_encode(&key.name, NON_ALPHANUMERIC);
    // Response ids are letters, digits and underscores.
    let query = format!(
        "$select={key}&$filter={key}%20in%20('{}')",
        keys.join("','")
    );
    let incoming = Incoming {
        method: "GET",
        path: &utf8_percent_encode(&set.name, NON_ALPHANUMERIC).to_string(),
        query: Some(&query),
        ..Incoming::default()
    };
    let Target::Query(query) = odata::parse(&reading.served.model, &incoming)?.target else {
        return Ok(HashSet::new());
    };
    let (_, selection) = reading.select(*query, None, &[])?;
    let Some(rows) = selection.rows else {
        return Ok(HashSet::new());
    };
    let kinds: Vec<_> = selection.shape.kinds().collect();
    let rows = reading.rows(rows, &kinds).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| match row.into_iter().next() {
            Some(Cell::Text(key)) => Some(key),
            _ => None,
        })
        .collect())
}

/// The visible rows of each survey, under the name of its entity set.
#[derive(Default)]
struct Shown(HashMap<SurveyId, (String, HashSet<String>)>);

impl Shown {
    /// The change as an event, if it is shown.
    fn event(&self, change: &Change) -> Option<Event> {
        let (set, keys) = self.0.get(&change.survey_id)?;
        let key = change.response_id.as_ref();
        let data =
            json!({ "set": set, "key": key, "changedAt": time::to_text(change.committed_at) });
        keys.contains(key).then(|| {
            Event::default()
                .id(change.position.to_string())
                .event("row")
                .data(data.to_string())
        })
    }
}
