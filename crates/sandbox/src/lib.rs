//! A local stand-in for the Qualtrics API: one process, no account, no network.
//!
//! It answers as Qualtrics does, as far as anyone has recorded or documented that: OAuth and API tokens, surveys and
//! their definitions, single responses with their "not yet" phase, exports, event subscriptions with signed callbacks,
//! rate limits of a brand, error envelopes, a survey page to fill in. Tests hold each answer against recorded payloads
//! (`tests/recorded`). An answer whose shape nobody has recorded carries the header `x-sandbox-evidence: guess`.
//!
//! It shares no code with what it tests: it signs with its own lines and writes its own JSON, because a mistake that
//! both sides make would be seen by neither. It keeps no secrets and must not be reachable from outside.
//!
//! ```no_run
//! # async fn example() -> Result<(), qualtrics_sandbox::SandboxError> {
//! use qualtrics_sandbox::{Options, Sandbox};
//!
//! let sandbox = Sandbox::bind(([127, 0, 0, 1], 0).into(), Options::default()).await?;
//! let (url, handle) = (sandbox.base_url(), sandbox.handle());
//! tokio::spawn(sandbox.run(std::future::pending()));
//! let response = handle.complete("SV_22VlHYNeldrrrk1", serde_json::json!({"Q1": 5, "AccountID": "ACME"}))?;
//! # let _ = (url, response);
//! # Ok(())
//! # }
//! ```
//!
//! # Credentials
//!
//! OAuth client `sandbox-client` with the secret `sandbox-secret` (`POST /oauth2/token`), or the header
//! `X-API-TOKEN: sandbox-token`; see [`Options`]. Surveys are filled in at `/jfe/form/SV_…?AccountID=…`, previews at
//! `/jfe/preview/SV_…`.
//!
//! # Control
//!
//! What [`Handle`] does is also reachable over HTTP, in JSON, without credentials. Errors are 400 or 404 with
//! `{"error": "…"}`.
//!
//! | request | does |
//! |---|---|
//! | `GET /control/state` | surveys with their numbers of responses, faults, limits, counters |
//! | `GET /control/calls`, `/control/callbacks` | the last 2,000 API calls, the last 2,000 posted callbacks |
//! | `GET /control/faults` | the faults, and every switch with its meaning |
//! | `PUT /control/faults` | replaces the faults; the body is the text of the switches, `429=0.1,not-yet=0.2` |
//! | `PATCH /control/faults` | changes only the switches in the body |
//! | `GET`, `PUT /control/limits` | `"real"`, `"off"`, or `{"custom": {"response_reads": 1000}}` (see [`PerMinute`]) |
//! | `POST /control/time` | `{"advance": "2h"}`: the sandbox's time moves on; tokens, files, "not yet" age at once |
//! | `DELETE /control/tokens` | all OAuth tokens are unknown from now on |
//! | `POST /control/complete` | a [`Completion`], with `count` for many (ids are returned), with `rate` for so many a second (202; without `count` until the end) |
//! | `GET /control/surveys` | the ids of all surveys |
//! | `POST /control/surveys` | adds or replaces a survey: a QSF file, or an answer of `survey-definitions` |
//! | `POST /control/surveys/{id}/changes` | a [`Change`]: `{"change": "renameTag", "question": "Q1", "tag": "Overall"}`, `recode`, `addQuestion`, `trashQuestion`, `changeQuestion`, `rename`, `activate`, `deactivate` |
//! | `POST /control/surveys/{id}/documents` | keeps response documents: ndjson in the body, or `?path=` of a file here; 1,000,000 are fine |
//! | `GET /control/surveys/{id}/responses` | the ids of all responses |
//! | `GET …/responses/{id}` | the document, visible or not |
//! | `PUT …/responses/{id}` | keeps the body byte for byte as a document (its `responseId` counts): poison of any kind |
//! | `PATCH …/responses/{id}` | edits values by key or tag, `null` removes one: no event, another modification date |
//! | `DELETE …/responses/{id}` | deletes, without an event |
//! | `POST …/responses/{id}/announce` | calls the subscriptions once more |
//! | `GET /control/subscriptions` | all subscriptions |
//! | `PATCH /control/subscriptions/{id}` | `{"sharedKey": "…", "publicationUrl": "…"}`: re-keyed or pointed elsewhere |
//! | `DELETE /control/subscriptions/{id}` | drops it |
//! | `POST /control/reset` | back to the beginning |

mod callback;
mod clock;
mod delivery;
mod envelope;
mod error;
mod export;
pub mod faults;
mod handle;
mod journal;
mod json;
mod limits;
mod options;
mod random;
mod response;
mod routes;
mod server;
mod state;
mod subscriptions;
mod survey;

pub use self::error::SandboxError;
pub use self::faults::{Faults, FaultsError};
pub use self::handle::{Change, Completion, Handle};
pub use self::journal::Counters;
pub use self::limits::{Limits, PerMinute};
pub use self::options::Options;
pub use self::server::Sandbox;
pub use self::survey::edit::EditError;
pub use self::survey::{Survey, SurveyError};
