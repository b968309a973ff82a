//! Qualtrics: address, credentials, rights, subscriptions.

use ingester_core::id::SubscriptionId;

use super::{Finding, Report, Systems, Verdict};
use crate::cli::parts;
use crate::config::Config;
use crate::jobs::instances;
use crate::jobs::subscriptions::{
    Standing, State, SubscriptionError, Subscriptions, Wish, waiting,
};
use crate::lifecycle;
use crate::qualtrics::{Qualtrics, QualtricsError};
use crate::store::Store;

/// A subscription that nobody has. Deleting it shows whether we could delete one: 404 if so, 403 if not.
const NOBODYS: &str = "SUB_000000000000000";

/// Reaches Qualtrics; nothing if no call can work.
pub(super) async fn reach(
    report: &mut Report,
    config: &Config,
    qualtrics: Qualtrics,
) -> Option<Qualtrics> {
    match qualtrics.whoami().await {
        Ok(who) => {
            report.add(Finding::ok(
                "token",
                format!("believed, brand {}", who.brand_id),
            ));
            if let Some(notice) = who.notice {
                report.add(Finding::warning(
                    "datacenter",
                    format!("Qualtrics says: {notice}; set QUALTRICS_BASE_URL or QUALTRICS_DATACENTER accordingly"),
                ));
            }
        }
        // Only this call needs that right, so everything else may work.
        Err(error) if error.code() == "forbidden" => {
            report.add(Finding::warning("token", error.to_string()));
        }
        Err(error) => {
            report.add(failed("token", &error));
            return None;
        }
    }
    let listed = qualtrics.surveys().await;
    report.add(match listed {
        Ok(surveys) => Finding::ok("surveys", format!("{} can be read", surveys.len())),
        Err(error) => failed("surveys", &error),
    });
    if config.subscription_key().is_ok() {
        may_subscribe(report, &qualtrics).await;
    }
    Some(qualtrics)
}

fn failed(check: &'static str, error: &QualtricsError) -> Finding {
    Finding::problem(check, error.code(), error.to_string())
}

/// Whether subscriptions can be managed. If not, callbacks may come all the same: somebody else may have subscribed.
async fn may_subscribe(report: &mut Report, qualtrics: &Qualtrics) {
    let Ok(nobodys) = NOBODYS.parse::<SubscriptionId>() else {
        return;
    };
    report.add(match qualtrics.unsubscribe(&nobodys).await {
        Ok(()) => Finding::ok(
            "subscription-right",
            "subscriptions can be made and deleted",
        ),
        Err(error) => {
            let error = SubscriptionError::from(error);
            Finding {
                code: Some(error.code().to_owned()),
                ..Finding::warning("subscription-right", error.to_string())
            }
        }
    });
}

/// Each survey's subscription, and how a change of keys stands.
pub(super) async fn subscriptions(report: &mut Report, systems: &Systems<'_>) {
    const CHECK: &str = "subscription";
    let config = systems.config;
    if config.events.webhook().is_none() {
        report.add(Finding::skipped(
            CHECK,
            "EVENTS is off, so nothing is subscribed",
        ));
        return;
    }
    if config.subscription_key().is_err() {
        let message =
            "no QUALTRICS_SHARED_KEY: callbacks come from Workflows, or nobody's are believed";
        report.add(Finding::skipped(CHECK, message));
        return;
    }
    let wish = match Wish::of(config) {
        Ok(wish) => wish,
        Err(error) => {
            report.add(Finding::problem(CHECK, "not-configured", error.to_string()));
            return;
        }
    };
    let (Some(qualtrics), Some(store)) = (&systems.qualtrics, &systems.store) else {
        report.add(Finding::skipped(CHECK, "needs Qualtrics and the database"));
        return;
    };
    let subscriptions = Subscriptions::new(wish, store.clone(), qualtrics.clone());
    let states = if report.fix {
        ensured(report, &subscriptions, &parts::by(config)).await
    } else {
        looked_at(report, &subscriptions).await
    };
    match states {
        Ok(()) => previous_key(report, config, store).await,
        Err(error) => report.add(Finding::problem(CHECK, error.code(), error.to_string())),
    }
}

async fn looked_at(
    report: &mut Report,
    subscriptions: &Subscriptions,
) -> Result<(), SubscriptionError> {
    let listed = subscriptions.list().await?;
    let mend = "run `subscription ensure`, or `check --fix`";
    for (survey, state, id) in subscriptions.states(&listed) {
        let former = listed.iter().any(|one| {
            one.standing == Standing::PreviousKey && Some(&one.subscription.id) == id.as_ref()
        });
        let finding = match state {
            State::Ok if former => Finding::warning(
                "subscription",
                "is still under QUALTRICS_SHARED_KEY_PREVIOUS: `subscription rotate` says what is next",
            ),
            State::Ok => Finding::ok("subscription", "present, under the configured key"),
            State::Missing => Finding::problem(
                "subscription",
                "missing",
                format!("nothing calls PUBLIC_URL for it: {mend}"),
            ),
            State::ForeignKey => Finding::problem(
                "subscription",
                "foreign_key",
                format!(
                    "what calls PUBLIC_URL for it was not made with the configured key, or is encrypted: {mend}"
                ),
            ),
        };
        report.add(finding.of(&survey));
    }
    Ok(())
}

async fn ensured(
    report: &mut Report,
    subscriptions: &Subscriptions,
    by: &str,
) -> Result<(), SubscriptionError> {
    let ensured = subscriptions.ensure().await?;
    ensured.audit(by);
    for change in &ensured.changes {
        report.add(Finding::new(
            "subscription",
            Verdict::Mended,
            change.to_string(),
        ));
    }
    if let Some(waiting) = waiting(&ensured) {
        report.add(Finding::problem("subscription", "waiting", waiting));
    }
    for (survey, state, _) in ensured.surveys {
        let finding = match state {
            State::Ok => Finding::ok("subscription", "present"),
            State::Missing | State::ForeignKey => Finding::problem(
                "subscription",
                state.as_str(),
                "could not be mended: `subscription list` shows what there is",
            ),
        };
        report.add(finding.of(&survey));
    }
    Ok(())
}

async fn previous_key(report: &mut Report, config: &Config, store: &Store) {
    let webhook = config.events.webhook();
    let Some(previous) = webhook.and_then(|webhook| webhook.shared_key_previous.as_ref()) else {
        return;
    };
    let message = match instances::previous_key_last_used(store, previous).await {
        Ok(Some(at)) => format!("last used {at:.0}, and it is {:.0}", lifecycle::now()),
        Ok(None) => "never seen in use".to_owned(),
        Err(error) => error.to_string(),
    };
    report.add(Finding::ok(
        "previous-key",
        format!("{message}; `subscription rotate` says what is next"),
    ));
}
