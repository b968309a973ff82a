//! Qualtrics at the other end of a process's calls, and the network between.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use ingester_core::id::ResponseId;
use ingester_core::time::Timestamp;
use jiff::SignedDuration;
use reqwest::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use tokio::sync::mpsc;

use super::brand::{Job, RESPONSE_SCHEMA, SURVEY_DEFINITION, envelope};
use super::world::{State, World, pass};
use crate::lifecycle::simulated::Process;
use crate::lifecycle::{self, Lifecycle};
use crate::qualtrics::simulated::{Replied, Sent};
use crate::qualtrics::{Call, Endpoint, ExportRequest, File, QualtricsError};

/// Answers the calls of `owner`, each in a task of its own.
pub(super) async fn calls(
    world: World,
    owner: String,
    process: Process,
    mut sent: mpsc::Receiver<Sent>,
    tasks: Lifecycle,
) {
    while let Some(sent) = sent.recv().await {
        let (world, owner, process) = (world.clone(), owner.clone(), process.clone());
        tasks.spawn("call", async move {
            let (way, way_back) = ways(&mut world.state());
            pass(way).await;
            let (replied, is_good) = serve(&mut world.state(), &owner, &sent.call);
            pass(way_back).await;
            process.awake().await;
            let arrived = match replied {
                Some(replied) if process.step() => sent.reply.send(replied).is_ok(),
                _ => false,
            };
            if let Call::Response(_, response) = sent.call {
                let mut state = world.state();
                *state.well_read.entry((owner, response)).or_insert(true) &= is_good && arrived;
            }
        });
    }
}

fn ways(state: &mut State) -> (Duration, Duration) {
    let late = state.plan.network.late;
    if state.fault(late) {
        (state.dice.millis(20, 15_000), state.dice.millis(20, 15_000))
    } else {
        (state.dice.millis(5, 120), state.dice.millis(5, 120))
    }
}

/// What the call meets when it arrives, and whether that is what was asked for; nothing if the connection is cut.
fn serve(state: &mut State, owner: &str, call: &Call) -> (Option<Replied>, bool) {
    let endpoint = call.endpoint();
    let trouble = trouble(state);
    let is_good = trouble.is_none();
    let replied = match trouble {
        Some(trouble) => trouble,
        None => Some(match call {
            Call::Response(_, response) => read(state, response),
            Call::ResponseSchema(_) => whole(200, RESPONSE_SCHEMA),
            Call::SurveyDefinition(_) => whole(200, SURVEY_DEFINITION),
            Call::ExportStart(_, request) => start_export(state, request),
            Call::ExportProgress(_, job) => progress(state, &job.to_string()),
            Call::ExportFile(_, job) => file(state, &job.to_string()),
            Call::Survey(_)
            | Call::Surveys(_)
            | Call::WhoAmI
            | Call::Subscriptions(_)
            | Call::Subscribe(_)
            | Call::Unsubscribe(_) => whole(403, envelope(403, "")),
        }),
    };
    let status = match &replied {
        None => "nothing".to_owned(),
        Some(Replied::File(_)) => "a file".to_owned(),
        Some(Replied::Whole { status, .. }) => status.to_string(),
    };
    let about = match call {
        Call::Response(_, response) => response.to_string(),
        _ => String::new(),
    };
    state.note(&format!(
        "{owner} asks for {} {about}: {status}",
        endpoint.name()
    ));
    if let Call::Response(_, response) = call {
        count(state, response);
    }
    (replied, is_good && status == "200")
}

/// No more reads than leases, each of which the checker holds to be granted rightly.
fn count(state: &mut State, response: &ResponseId) {
    state.counts.reads += 1;
    let reads = state.reads_of.entry(response.clone()).or_default();
    *reads += 1;
    let (reads, leases) = (*reads, state.leases_of.get(response).copied().unwrap_or(0));
    if reads > leases {
        state.violate(format!(
            "I5: {response} was read {reads} times under {leases} leases"
        ));
    }
}

/// What goes wrong with a call; of what is wrong, nothing is a cut connection.
#[expect(
    clippy::option_option,
    reason = "no trouble, or a trouble that is no answer"
)]
fn trouble(state: &mut State) -> Option<Option<Replied>> {
    let faults = state.plan.network.clone();
    if state.fault(faults.cut) {
        return Some(None);
    }
    if state.fault(faults.limited) {
        // Source: RFC 9110, 10.2.3, and what gateways are known to send.
        let waits = [
            "",
            "3",
            "-1",
            "999999999",
            "soon",
            "Sun, 01 Mar 2026 08:01:00 GMT",
        ];
        let wait = state.dice.one_of(&waits).unwrap_or_default();
        let headers = [(RETRY_AFTER, wait.to_owned())];
        let headers = headers.into_iter().filter(|(_, wait)| !wait.is_empty());
        return Some(Some(Replied::Whole {
            status: 429,
            headers: headers.collect(),
            body: envelope(429, ""),
        }));
    }
    if state.fault(faults.failed) {
        let status = state.dice.one_of(&[500, 502, 503, 504]).unwrap_or(500);
        return Some(Some(whole(status, envelope(status, ""))));
    }
    if state.fault(faults.garbage) {
        let bodies: [(u16, &'static str); 4] = [
            (200, "<html>Sign in</html>"),
            (200, r#"{"result":{"responseId":"R_"#),
            (200, ""),
            (
                200,
                r#"{"result":{},"meta":{"httpStatus":"500 - Internal Error"}}"#,
            ),
        ];
        let (status, body) = state.dice.one_of(&bodies)?;
        return Some(Some(whole(status, body)));
    }
    None
}

/// One response: 404 or 202 until it is shown, then its newest completion.
fn read(state: &mut State, id: &ResponseId) -> Replied {
    let now = lifecycle::now();
    let Some(response) = state.responses.get(id) else {
        return whole(404, envelope(404, ""));
    };
    let newest = response.at(now);
    let (shown_at, hidden_as) = response.hidden;
    match newest {
        Some((number, version)) if shown_at <= now => {
            whole(200, envelope(200, &response.document(number, version)))
        }
        // Source: singleResponses.json documents 202 with a message; a blank document is what a client must not take.
        Some((_, version)) if hidden_as == 202 => {
            let blank = response.blank(version.completed);
            let message = r#"{"message":"The response is being processed."}"#;
            let is_blank = state.dice.chance(500);
            whole(202, envelope(202, if is_blank { &blank } else { message }))
        }
        _ => whole(404, envelope(404, "")),
    }
}

fn start_export(state: &mut State, request: &ExportRequest) -> Replied {
    let now = lifecycle::now();
    let (lags, takes) = if state.dice.chance(500) {
        (3, 3)
    } else {
        (110, 15)
    };
    let lag = seconds(state, 0, lags);
    let takes = seconds(state, 1, takes);
    let Some(mut job) = Job::start(state.responses.values(), now, lag, request.start, takes) else {
        return whole(500, envelope(500, ""));
    };
    let lacking = state.plan.network.lacking;
    let mut documents = std::mem::take(&mut job.documents);
    documents.retain(|_| !state.fault(lacking));
    job.documents = documents;
    state.counts.exports += 1;
    state.jobs.push(job);
    let number = state.jobs.len();
    whole(
        200,
        envelope(
            200,
            &format!(r#"{{"progressId":"ES_{number}","status":"inProgress"}}"#),
        ),
    )
}

fn seconds(state: &mut State, from: u64, to: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(state.dice.between(from, to)).unwrap_or(0))
}

fn progress(state: &mut State, id: &str) -> Replied {
    let failed = state.plan.network.failed / 2;
    let result = match job(state, id).map(|job| job.done_at) {
        None => return whole(404, envelope(404, "")),
        Some(done_at) if done_at > lifecycle::now() => {
            r#"{"status":"inProgress","percentComplete":50}"#.to_owned()
        }
        Some(_) if state.fault(failed) => r#"{"status":"failed"}"#.to_owned(),
        Some(_) => format!(r#"{{"status":"complete","fileId":"{id}"}}"#),
    };
    whole(200, envelope(200, &result))
}

fn file(state: &mut State, id: &str) -> Replied {
    let Some(archive) = job(state, id).map(Job::archive) else {
        return whole(404, envelope(404, ""));
    };
    let cut = state.plan.network.cut;
    let end = match state.fault(cut) {
        true => usize::try_from(state.dice.below(archive.len() as u64)).unwrap_or(0),
        false => archive.len(),
    };
    let archive = Bytes::from(archive);
    let parts: Vec<Bytes> = archive
        .slice(..end)
        .chunks(700)
        .map(Bytes::copy_from_slice)
        .collect();
    let broken = (end < archive.len()).then(|| {
        let problem = "the connection was cut".into();
        let endpoint = Endpoint::ExportFile;
        Err(QualtricsError::Unreachable { endpoint, problem })
    });
    let parts = parts.into_iter().map(Ok).chain(broken);
    let slowly = stream::iter(parts).then(|part| async {
        pass(Duration::from_millis(20)).await;
        part
    });
    Replied::File(File(slowly.boxed()))
}

fn job<'a>(state: &'a State, id: &str) -> Option<&'a Job> {
    let number: usize = id.strip_prefix("ES_")?.parse().ok()?;
    state.jobs.get(number.checked_sub(1)?)
}

fn whole(status: u16, body: impl Into<Bytes>) -> Replied {
    let json: (HeaderName, String) = (CONTENT_TYPE, "application/json".to_owned());
    Replied::Whole {
        status,
        headers: vec![json],
        body: body.into(),
    }
}

/// The instant from which a response is shown, and as what it is hidden until then.
pub(super) fn hidden(state: &mut State, completed: Timestamp) -> (Timestamp, u16) {
    let completions = state.plan.completions.clone();
    let status = state.dice.one_of(&[404, 202]).unwrap_or(404);
    let after = if state.dice.chance(completions.gone) {
        SignedDuration::from_hours(48)
    } else if state.dice.chance(completions.hidden) {
        seconds(state, 1, 30)
    } else {
        SignedDuration::ZERO
    };
    let shown_at = completed.checked_add(after).unwrap_or(completed);
    (shown_at, status)
}
