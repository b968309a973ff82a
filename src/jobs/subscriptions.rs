//! The event subscriptions: that Qualtrics calls us for each configured survey, signed with the configured key.
//!
//! There is no update call, and the key is never shown again. So a subscription is replaced by making the new one and
//! then deleting the old one (both fire in between, which costs a duplicate and loses nothing), and what one was made
//! with is remembered as a fingerprint. A key is replaced only once every live instance accepts the new one. Whatever
//! dies half-way is put right by the next round: what calls us and is not remembered is replaced.

use std::sync::Arc;
use std::time::Duration;

use ingester_core::id::{SubscriptionId, SurveyId};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql;
use secrecy::SecretString;
use tokio::time::{Instant, MissedTickBehavior};
use url::Url;

use super::fingerprint;
use super::instances;
use crate::config::{Config, ConfigError};
use crate::lifecycle::{self, Lifecycle};
use crate::qualtrics::{NewSubscription, Qualtrics, QualtricsError};
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::Metrics;

mod outcome;
mod plan;

pub use outcome::{Change, Ensured, Judged, State, SubscriptionError, waiting};
pub use plan::Standing;

/// How often `serve` looks.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// After a failure, and while something has to wait, it looks sooner.
const SOON: Duration = Duration::from_secs(30);
/// The job that one instance at a time does.
const JOB: &str = "subscriptions";
/// How long it may take; an instance that was killed over it is overtaken after this.
const JOB_DURATION: Duration = Duration::from_secs(120);
/// The job that keeps each survey's [`State`], for whoever serves figures.
const STATE: &str = "subscription";

/// What the subscriptions shall be.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The surveys.
    pub surveys: Arc<[SurveyId]>,
    /// Where Qualtrics shall post.
    pub url: Url,
    /// The key that it shall sign with.
    pub key: SecretString,
    /// The key before it.
    pub previous: Option<SecretString>,
}

impl Wish {
    /// As configured.
    ///
    /// # Errors
    /// If the key or the address is missing.
    pub fn of(config: &Config) -> Result<Self, ConfigError> {
        let key = config.subscription_key()?.clone();
        let webhook = config.events.webhook();
        Ok(Self {
            surveys: config.surveys.iter().map(|one| one.id.clone()).collect(),
            url: callback_url(config)?,
            key,
            previous: webhook.and_then(|webhook| webhook.shared_key_previous.clone()),
        })
    }
}

/// Where Qualtrics posts callbacks to.
///
/// # Errors
/// If `PUBLIC_URL` is missing.
pub fn callback_url(config: &Config) -> Result<Url, ConfigError> {
    let mut url = config.public_address()?.clone();
    let path = format!("{}webhooks/qualtrics", url.path());
    url.set_path(&path);
    Ok(url)
}

/// What the database remembers of a survey's subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The survey.
    pub survey: SurveyId,
    /// Its subscription.
    pub subscription: SubscriptionId,
    /// The fingerprint of the key that it was made with.
    pub fingerprint: String,
}

/// Looks after the subscriptions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Subscriptions {
    wish: Wish,
    store: Store,
    qualtrics: Qualtrics,
}

impl Subscriptions {
    /// For a wish.
    #[must_use]
    pub fn new(wish: Wish, store: Store, qualtrics: Qualtrics) -> Self {
        Self {
            wish,
            store,
            qualtrics,
        }
    }

    /// All subscriptions of the brand, judged; nothing is changed.
    ///
    /// # Errors
    /// If Qualtrics or the database can't be asked.
    pub async fn list(&self) -> Result<Vec<Judged>, SubscriptionError> {
        let remembered = remembered(&self.store).await?;
        let listed = self.qualtrics.subscriptions().await?;
        Ok(listed
            .into_iter()
            .map(|subscription| Judged {
                standing: plan::standing(&self.wish, &remembered, &subscription),
                subscription,
            })
            .collect())
    }

    /// Each configured survey's state, by what is listed.
    #[must_use]
    pub fn states(&self, listed: &[Judged]) -> Vec<(SurveyId, State, Option<SubscriptionId>)> {
        let state = |survey: &SurveyId| {
            let calls_us: Vec<_> = listed
                .iter()
                .filter(|one| {
                    one.standing != Standing::OtherUrl
                        && plan::Topic::parse(&one.subscription.topic).covers(survey)
                })
                .collect();
            let is_ours =
                |one: &&&Judged| matches!(one.standing, Standing::Ok | Standing::PreviousKey);
            match calls_us.iter().find(is_ours) {
                Some(good) => (State::Ok, Some(good.subscription.id.clone())),
                None if calls_us.is_empty() => (State::Missing, None),
                None => (State::ForeignKey, None),
            }
        };
        let surveys = self.wish.surveys.iter();
        surveys
            .map(|survey| {
                let (state, id) = state(survey);
                (survey.clone(), state, id)
            })
            .collect()
    }

    /// Live instances that don't accept the configured key, this process left out: it does.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn waiting_for(&self) -> Result<Vec<String>, StoreError> {
        let instances = instances::live(&self.store).await?.into_iter();
        Ok(instances
            .filter(|one| one.owner != self.store.owner().as_ref() && !one.accepts(&self.wish.key))
            .map(|one| one.owner)
            .collect())
    }

    /// Creates what is missing, and replaces our own that were made with another key. Doing it twice does nothing more.
    ///
    /// # Errors
    /// If Qualtrics or the database won't; what was done by then stands, and the next call goes on from there.
    ///
    /// # Cancel safety
    /// May be dropped; then a subscription may exist that is not remembered, which the next call replaces.
    pub async fn ensure(&self) -> Result<Ensured, SubscriptionError> {
        let owner = self.store.owner();
        let take = sql::runs::take(JOB, "", owner, JOB_DURATION, lifecycle::now());
        if self.store.run(vec![take]).await? != [1] {
            return Err(SubscriptionError::Busy);
        }
        let ensured = self.ensure_alone().await;
        let give_back = sql::runs::give_back(JOB, "", owner);
        self.store.run(vec![give_back]).await?;
        ensured
    }

    async fn ensure_alone(&self) -> Result<Ensured, SubscriptionError> {
        let remembered = remembered(&self.store).await?;
        let listed = self.qualtrics.subscriptions().await?;
        let mut plan = plan::plan(&self.wish, &remembered, &listed);
        let mut ensured = Ensured {
            waiting_for: self.waiting_for().await?,
            ..Ensured::default()
        };
        if !ensured.waiting_for.is_empty() {
            ensured.held_back = plan.delete.len();
            plan.create.retain(|creation| !creation.replaces);
            plan.delete.clear();
        }
        for (survey, id) in &plan.good {
            if !remembered
                .iter()
                .any(|one| one.survey == *survey && one.subscription == *id)
            {
                self.remember(std::slice::from_ref(survey), id).await?;
            }
        }
        for creation in plan.create {
            let id = self.subscribe(&creation.topic).await?;
            self.remember(&creation.surveys, &id).await?;
            ensured.changes.push(Change::Created(id, creation.topic));
        }
        for id in plan.delete {
            self.qualtrics.unsubscribe(&id).await?;
            ensured.changes.push(Change::Deleted(id));
        }
        let listed = self.list().await?;
        ensured.surveys = self.states(&listed);
        ensured.others = listed;
        ensured.others.retain(|one| one.standing != Standing::Ok);
        let states = ensured.surveys.iter();
        let states =
            states.map(|(survey, state, _)| sql::runs::put(STATE, survey.as_ref(), state.as_str()));
        self.store.run(states.collect()).await?;
        Ok(ensured)
    }

    async fn subscribe(&self, topic: &str) -> Result<SubscriptionId, QualtricsError> {
        self.qualtrics
            .subscribe(NewSubscription {
                topic: topic.to_owned(),
                url: self.wish.url.clone(),
                shared_key: Some(self.wish.key.clone()),
            })
            .await
    }

    async fn remember(&self, surveys: &[SurveyId], id: &SubscriptionId) -> Result<(), StoreError> {
        let fingerprint = fingerprint::of_subscription(&self.wish.key, id);
        let statements = surveys.iter().flat_map(|survey| {
            [
                sql::surveys::ensure(survey),
                sql::surveys::keep_subscription(survey, Some(id), Some(&fingerprint)),
            ]
        });
        self.store.run(statements.collect()).await.map(drop)
    }

    /// Deletes a subscription by hand, and forgets it.
    ///
    /// # Errors
    /// If Qualtrics or the database won't.
    pub async fn forget(
        store: &Store,
        qualtrics: &Qualtrics,
        id: &SubscriptionId,
    ) -> Result<(), SubscriptionError> {
        let remembered = remembered(store).await?;
        qualtrics.unsubscribe(id).await?;
        let forget = remembered.iter().filter(|one| one.subscription == *id);
        let forget = forget.map(|one| sql::surveys::keep_subscription(&one.survey, None, None));
        store.run(forget.collect()).await?;
        Ok(())
    }

    /// Ensures at once and then again and again, until the shutdown starts. One line per change, and one per new
    /// problem.
    pub async fn keep(self, metrics: Metrics, life: Lifecycle) {
        let mut said = String::new();
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = life.stopping().cancelled() => return,
                _ = ticks.tick() => {}
            }
            let problem = match self.ensure().await {
                Ok(ensured) => {
                    ensured.audit("serve");
                    let waiting = waiting(&ensured);
                    if waiting.is_some() {
                        ticks.reset_at(Instant::now() + SOON);
                    }
                    waiting
                }
                Err(SubscriptionError::Busy) => None,
                Err(SubscriptionError::Qualtrics(QualtricsError::Stopping)) => return,
                Err(error) => {
                    ticks.reset_at(Instant::now() + SOON);
                    Some(format!("the subscriptions can't be ensured: {error}"))
                }
            };
            match problem {
                Some(problem) if problem != said => {
                    tracing::warn!(setting = "ENSURE_SUBSCRIPTIONS", "{problem}");
                    said = problem;
                }
                Some(_) => {}
                None => said.clear(),
            }
            for (survey, state) in states(&self.store).await.unwrap_or_default() {
                if self.wish.surveys.contains(&survey) {
                    metrics.subscription_up(&survey, state == State::Ok.as_str());
                }
            }
        }
    }
}

/// Whether a subscription's topic fires for a survey's completed responses; wildcards do for all of them.
#[must_use]
pub fn covers(topic: &str, survey: &SurveyId) -> bool {
    plan::Topic::parse(topic).covers(survey)
}

/// Each survey's state as it was last seen by whoever looked.
///
/// # Errors
/// If the database can't be read.
pub async fn states(store: &Store) -> Result<Vec<(SurveyId, String)>, StoreError> {
    const KINDS: [ColumnType; 4] = [
        ColumnType::NVarchar(60),
        ColumnType::NVarchar(36),
        ColumnType::Timestamp,
        ColumnType::NClob,
    ];
    let rows = store.rows(sql::runs::list(STATE), &KINDS).await?;
    Ok(rows
        .iter()
        .filter_map(|row| match &**row {
            [Cell::Text(survey), _, _, Cell::Text(state)] => {
                Some((survey.parse().ok()?, state.clone()))
            }
            _ => None,
        })
        .collect())
}

async fn remembered(store: &Store) -> Result<Vec<Remembered>, StoreError> {
    const KINDS: [ColumnType; 8] = [
        ColumnType::NVarchar(18),
        ColumnType::NVarchar(100),
        ColumnType::NVarchar(64),
        ColumnType::Timestamp,
        ColumnType::Timestamp,
        ColumnType::BigInt,
        ColumnType::NVarchar(64),
        ColumnType::NVarchar(32),
    ];
    let rows = store.rows(sql::surveys::list(), &KINDS).await?;
    Ok(rows
        .iter()
        .filter_map(|row| match &**row {
            [
                Cell::Text(survey),
                ..,
                Cell::Text(subscription),
                Cell::Text(fingerprint),
            ] => Some(Remembered {
                survey: survey.parse().ok()?,
                subscription: subscription.parse().ok()?,
                fingerprint: fingerprint.clone(),
            }),
            _ => None,
        })
        .collect())
}
