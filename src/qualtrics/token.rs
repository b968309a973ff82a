//! The OAuth token: one keeper fetches it, renews it before it ends, and everybody else reads it.
//!
//! Because only the keeper asks, there is one request for all waiters. A renewal goes on in the background at 80 % of
//! the token's life, so that no caller waits for it, not even the first after an idle hour.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::error::{QualtricsError, Retry};
pub(super) use super::token_request::OAuthClient;
use crate::lifecycle::Lifecycle;

/// After a failed request: 1 s, doubled up to this.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// After a token was refused: how soon the next refusal may renew it; 1 s, times four each time, up to this.
const REFUSAL_BACKOFF_MAX: Duration = Duration::from_secs(5 * 60);
/// A refusal this long after the last one is a new story.
const REFUSALS_FORGOTTEN: Duration = Duration::from_secs(10 * 60);
/// However short a token's life is, it is not renewed faster than this.
const RENEWAL_MIN: Duration = Duration::from_millis(500);

/// The tokens of one OAuth client.
#[derive(Debug)]
pub(super) struct Tokens {
    state: Arc<watch::Sender<State>>,
    renew: Arc<Notify>,
}

/// A token that is worth trying.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// `Bearer …`, marked sensitive, so that `Debug` hides it.
    header: HeaderValue,
    number: u64,
    ends: Instant,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// Why there is no newer token. Answers all callers until the keeper has tried again.
    failure: Option<QualtricsError>,
    refusals: u32,
    refused_at: Option<Instant>,
}

impl Tokens {
    /// Starts the keeper, which asks for the first token at once.
    pub(super) fn start(client: OAuthClient, life: &Lifecycle) -> Self {
        let tokens = Self {
            state: Arc::new(watch::Sender::new(State::default())),
            renew: Arc::new(Notify::new()),
        };
        let keeper = Keeper {
            client,
            state: Arc::clone(&tokens.state),
            renew: Arc::clone(&tokens.renew),
        };
        let stopping = life.stopping().clone();
        life.spawn_part("qualtrics-token", async move {
            let state = Arc::clone(&keeper.state);
            stopping.run_until_cancelled(keeper.keep()).await;
            state.send_modify(|state| state.failure = Some(QualtricsError::Stopping));
        });
        tokens
    }

    /// The token to use now. Waits only if there is none yet, or none any more.
    pub(super) async fn current(&self) -> Result<Token, QualtricsError> {
        let mut states = self.state.subscribe();
        let known = states
            .wait_for(|state| state.usable().is_some() || state.failure.is_some())
            .await;
        let Ok(state) = known else {
            return Err(QualtricsError::Stopping);
        };
        match (state.usable(), &state.failure) {
            (Some(token), _) => Ok(token.clone()),
            (None, Some(error)) => Err(error.clone()),
            (None, None) => Err(QualtricsError::Stopping),
        }
    }

    /// Qualtrics answered 401 to this token. True if another one is worth trying: the token was fine until now, or is
    /// no longer the current one. Tokens that are refused again and again are renewed ever more rarely.
    pub(super) fn refused(&self, token: &Token) -> bool {
        let now = Instant::now();
        let mut worth_trying = true;
        let renew = self.state.send_if_modified(|state| {
            let is_current =
                state.token.as_ref().map(|current| current.number) == Some(token.number);
            if !is_current {
                return false;
            }
            worth_trying = state.may_renew(now);
            if worth_trying {
                state.token = None;
                state.failure = None;
            }
            worth_trying
        });
        if renew {
            self.renew.notify_one();
        }
        worth_trying
    }
}

impl Token {
    /// The value of `Authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl State {
    fn usable(&self) -> Option<&Token> {
        self.token
            .as_ref()
            .filter(|token| token.ends > Instant::now())
    }

    fn may_renew(&mut self, now: Instant) -> bool {
        let since = self.refused_at.map(|at| now.saturating_duration_since(at));
        match since {
            Some(since) if since < REFUSALS_FORGOTTEN => {
                let backoff = Duration::from_secs(4_u64.saturating_pow(self.refusals));
                if since < backoff.min(REFUSAL_BACKOFF_MAX) {
                    return false;
                }
                self.refusals += 1;
            }
            _ => self.refusals = 0,
        }
        self.refused_at = Some(now);
        true
    }
}

struct Keeper {
    client: OAuthClient,
    state: Arc<watch::Sender<State>>,
    renew: Arc<Notify>,
}

impl Keeper {
    async fn keep(self) {
        let mut number = 0;
        let mut failures = 0;
        loop {
            let asked_at = Instant::now();
            let wait = match self.client.request().await {
                Ok(granted) => {
                    if failures > 0 {
                        tracing::info!("Qualtrics grants tokens again");
                    }
                    failures = 0;
                    number += 1;
                    let token = Token {
                        header: granted.header,
                        number,
                        ends: asked_at + granted.life,
                    };
                    self.state.send_modify(|state| {
                        state.token = Some(token);
                        state.failure = None;
                    });
                    (granted.life * 4 / 5).max(RENEWAL_MIN)
                }
                Err(error) => {
                    tracing::warn!(error = %error, code = error.code(), "no new Qualtrics token: {error}");
                    let backoff =
                        Duration::from_secs(2_u64.saturating_pow(failures)).min(BACKOFF_MAX);
                    failures += 1;
                    let wait = match error.retry() {
                        Retry::After(wait) => wait.max(backoff),
                        Retry::Never | Retry::Backoff => backoff,
                    };
                    self.state.send_modify(|state| state.failure = Some(error));
                    wait
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.renew.notified() => {}
            }
        }
    }
}
