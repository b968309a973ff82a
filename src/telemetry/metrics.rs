//! Every metric, once. Call sites say what happened; names, units and labels live here.
//!
//! Labels are bounded: configured surveys, enum variants, route templates. Never ids of responses, URLs or messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use ingester_core::id::SurveyId;
use ingester_core::time::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

mod latency;
mod outcome;
mod process;

pub use outcome::EventOutcome;
use outcome::OutcomeLabel;

/// From half a millisecond to a minute; the tail tells a retry from a queue.
const SECONDS_BUCKETS: [f64; 16] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

#[derive(Clone, Debug)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SECONDS_BUCKETS)
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndpointLabel {
    endpoint: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabel {
    endpoint: &'static str,
    status: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SurveyLabel {
    survey: String,
}

impl From<&SurveyId> for SurveyLabel {
    fn from(survey: &SurveyId) -> Self {
        Self {
            survey: survey.to_string(),
        }
    }
}

/// All metrics of one service, with their registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Handles>);

#[derive(Debug)]
struct Handles {
    registry: Registry,
    events: Family<OutcomeLabel, Counter>,
    callbacks_refused: Family<ReasonLabel, Counter>,
    previous_key_last_used: Gauge<f64, AtomicU64>,
    rows_upserted: Family<SurveyLabel, Counter>,
    event_to_row: Histogram,
    completed_to_row: Histogram,
    completed_date_anomalies: Counter,
    inbox_events: Family<StateLabel, Gauge<i64, AtomicI64>>,
    oldest_pending: Gauge<f64, AtomicU64>,
    qualtrics_requests: Family<RequestLabel, Counter>,
    qualtrics_request_seconds: Family<EndpointLabel, Histogram, Seconds>,
    qualtrics_calls_left: Gauge<i64, AtomicI64>,
    rate_limit_wait: Counter<f64, AtomicU64>,
    database_seconds: Family<OperationLabel, Histogram, Seconds>,
    database_up: Gauge<i64, AtomicI64>,
    subscription_up: Family<SurveyLabel, Gauge<i64, AtomicI64>>,
    cells_truncated: Family<SurveyLabel, Counter>,
    unknown_keys: Family<SurveyLabel, Counter>,
    freshness: Family<SurveyLabel, Gauge<f64, AtomicU64>>,
    complete_up_to: Family<SurveyLabel, Gauge<f64, AtomicU64>>,
    reconcile_missing: Family<SurveyLabel, Gauge<i64, AtomicI64>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers everything. Counters that are looked for in alerts exist from the start, at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut handles = Handles::unregistered();
        let mut registry = Registry::default();
        handles.register(&mut registry);
        handles.registry = registry;
        for outcome in EventOutcome::ALL {
            drop(handles.events.get_or_create(&outcome.label()));
        }
        Self(Arc::new(handles))
    }

    /// Writes all metrics as OpenMetrics text, which Prometheus reads.
    ///
    /// # Errors
    /// Never in practice: writing to a `String` does not fail.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }

    /// Something became of a callback or an event.
    pub fn event(&self, outcome: EventOutcome) {
        self.0.events.get_or_create(&outcome.label()).inc();
    }

    /// A callback was answered with 4xx.
    pub fn callback_refused(&self, reason: &'static str) {
        self.0
            .callbacks_refused
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    /// The previous key verified a callback.
    pub fn previous_key_used(&self, at: Timestamp) {
        self.0
            .previous_key_last_used
            .set(at.as_duration().as_secs_f64());
    }

    /// When the previous key last verified a callback in this process, if it did.
    #[must_use]
    pub fn previous_key_last_used(&self) -> Option<Timestamp> {
        let seconds = self.0.previous_key_last_used.get();
        let since_epoch = Duration::try_from_secs_f64(seconds).ok()?;
        (seconds > 0.0)
            .then(|| Timestamp::UNIX_EPOCH.checked_add(since_epoch).ok())
            .flatten()
    }

    /// A row was committed.
    pub fn row_committed(&self, survey: &SurveyId, rows: u64) {
        self.0
            .rows_upserted
            .get_or_create(&survey.into())
            .inc_by(rows);
    }

    /// How long an event took from its receipt, and from its completion where that is known.
    pub fn event_to_row(&self, from_receipt: Duration, from_completion: Option<Duration>) {
        self.0.event_to_row.observe(from_receipt.as_secs_f64());
        if let Some(duration) = from_completion {
            self.0.completed_to_row.observe(duration.as_secs_f64());
        }
    }

    /// A `CompletedDate` differed from receipt by more than ten minutes.
    pub fn completed_date_anomaly(&self) {
        self.0.completed_date_anomalies.inc();
    }

    /// How many events the inbox holds in a state.
    pub fn inbox(&self, state: &'static str, events: i64) {
        self.0
            .inbox_events
            .get_or_create(&StateLabel { state })
            .set(events);
    }

    /// The age of the oldest event that is not yet a row; zero if there is none.
    pub fn oldest_pending(&self, age: Duration) {
        self.0.oldest_pending.set(age.as_secs_f64());
    }

    /// A Qualtrics call ended; status 0 means no answer.
    pub fn qualtrics_request(&self, endpoint: &'static str, status: u16, duration: Duration) {
        let status = u32::from(status);
        self.0
            .qualtrics_requests
            .get_or_create(&RequestLabel { endpoint, status })
            .inc();
        self.0
            .qualtrics_request_seconds
            .get_or_create(&EndpointLabel { endpoint })
            .observe(duration.as_secs_f64());
    }

    /// How many single reads the current window still allows.
    pub fn qualtrics_calls_left(&self, calls: u32) {
        self.0.qualtrics_calls_left.set(i64::from(calls));
    }

    /// A call waited for the rate limit.
    pub fn rate_limit_wait(&self, duration: Duration) {
        self.0.rate_limit_wait.inc_by(duration.as_secs_f64());
    }

    /// A database operation ended.
    pub fn database(&self, operation: &'static str, duration: Duration) {
        self.0
            .database_seconds
            .get_or_create(&OperationLabel { operation })
            .observe(duration.as_secs_f64());
    }

    /// Whether events can be stored.
    pub fn database_up(&self, up: bool) {
        self.0.database_up.set(i64::from(up));
    }

    /// Whether a survey's subscription is present and ours.
    pub fn subscription_up(&self, survey: &SurveyId, up: bool) {
        self.0
            .subscription_up
            .get_or_create(&survey.into())
            .set(i64::from(up));
    }

    /// Texts were shortened.
    pub fn cells_truncated(&self, survey: &SurveyId, cells: u64) {
        self.0
            .cells_truncated
            .get_or_create(&survey.into())
            .inc_by(cells);
    }

    /// A document had keys that the definition does not know.
    pub fn unknown_keys(&self, survey: &SurveyId, keys: u64) {
        self.0
            .unknown_keys
            .get_or_create(&survey.into())
            .inc_by(keys);
    }

    /// The age of a survey's newest row.
    pub fn freshness(&self, survey: &SurveyId, age: Duration) {
        self.0
            .freshness
            .get_or_create(&survey.into())
            .set(age.as_secs_f64());
    }

    /// A survey's watermark.
    pub fn complete_up_to(&self, survey: &SurveyId, watermark: Timestamp) {
        self.0
            .complete_up_to
            .get_or_create(&survey.into())
            .set(watermark.as_duration().as_secs_f64());
    }

    /// What the last reconcile could not repair.
    pub fn reconcile_missing(&self, survey: &SurveyId, responses: i64) {
        self.0
            .reconcile_missing
            .get_or_create(&survey.into())
            .set(responses);
    }
}

impl Handles {
    fn unregistered() -> Self {
        Self {
            registry: Registry::default(),
            events: Family::default(),
            callbacks_refused: Family::default(),
            previous_key_last_used: Gauge::default(),
            rows_upserted: Family::default(),
            event_to_row: Seconds.new_metric(),
            completed_to_row: Seconds.new_metric(),
            completed_date_anomalies: Counter::default(),
            inbox_events: Family::default(),
            oldest_pending: Gauge::default(),
            qualtrics_requests: Family::default(),
            qualtrics_request_seconds: Family::new_with_constructor(Seconds),
            qualtrics_calls_left: Gauge::default(),
            rate_limit_wait: Counter::default(),
            database_seconds: Family::new_with_constructor(Seconds),
            database_up: Gauge::default(),
            subscription_up: Family::default(),
            cells_truncated: Family::default(),
            unknown_keys: Family::default(),
            freshness: Family::default(),
            complete_up_to: Family::default(),
            reconcile_missing: Family::default(),
        }
    }

    fn register(&self, registry: &mut Registry) {
        macro_rules! register {
            ($($name:literal, $help:literal, $metric:ident;)*) => {
                $(registry.register($name, $help, self.$metric.clone());)*
            };
        }
        // A counter's `_total` is added by the encoder.
        register! {
            "ingester_events", "Callbacks and events by what became of them", events;
            "ingester_callbacks_refused", "Callbacks answered with 4xx", callbacks_refused;
            "ingester_previous_key_last_used_timestamp_seconds", "When QUALTRICS_SHARED_KEY_PREVIOUS last verified a callback; 0: never", previous_key_last_used;
            "ingester_rows_upserted", "Rows written", rows_upserted;
            "ingester_event_to_row_seconds", "From callback received to row committed", event_to_row;
            "ingester_completed_to_row_seconds", "From the survey completed to row committed", completed_to_row;
            "ingester_completed_date_anomalies", "Callbacks whose CompletedDate differs from receipt by more than ten minutes", completed_date_anomalies;
            "ingester_inbox_events", "Events in the inbox", inbox_events;
            "ingester_oldest_pending_seconds", "Age of the oldest event that is not yet a row", oldest_pending;
            "ingester_qualtrics_requests", "Calls of the Qualtrics API", qualtrics_requests;
            "ingester_qualtrics_request_seconds", "Duration of Qualtrics API calls", qualtrics_request_seconds;
            "ingester_qualtrics_calls_left", "Single reads that the current 60 seconds still allow", qualtrics_calls_left;
            "ingester_rate_limit_wait_seconds", "Time spent waiting for the rate limit", rate_limit_wait;
            "ingester_database_seconds", "Duration of database operations", database_seconds;
            "ingester_database_up", "1 while events can be stored", database_up;
            "ingester_subscription_up", "1 while the survey's event subscription is present and ours", subscription_up;
            "ingester_cells_truncated", "Texts shortened to their column's length", cells_truncated;
            "ingester_unknown_keys", "Keys of response documents that the survey's definition does not know", unknown_keys;
            "ingester_freshness_seconds", "Age of the newest row", freshness;
            "ingester_complete_up_to_seconds", "Unix time up to which the survey is known to be complete", complete_up_to;
            "ingester_reconcile_missing", "Responses that the last reconcile found missing and could not repair", reconcile_missing;
        }
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("ingester_build", "The running version", build);
        registry.register_collector(Box::new(process::ProcessCollector));
    }
}
