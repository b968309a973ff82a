//! `access`: why somebody sees what they see.

use std::path::PathBuf;

use clap::Subcommand;
use ingester_core::access::{AccessError, AccessRules, EmailTrust, Rows, Viewer, expanded};
use serde::Serialize;

use super::Globals;
use super::error::CliError;
use super::output;
use crate::config::{Auth, Config};
use crate::identity::{Identity, READ};
use crate::lifecycle::Lifecycle;
use crate::service;

#[derive(Debug, clap::Args)]
pub(super) struct Access {
    #[command(subcommand)]
    command: AccessCommand,
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    /// Shows each check and each rule for somebody: passed or failed, and why.
    #[command(
        after_help = "Examples:\n  qualtrics-ingester access explain --user anna@sap.com\n  qualtrics-ingester access explain --token - < token.txt"
    )]
    Explain(Explain),
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Explain {
    /// Somebody with this e-mail address, vouched for by the issuer, and the scope Read.
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// Whoever a token with these claims (JSON) would be; its signature can't be checked.
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// Whoever this token is: - reads it from standard input, so that it stands in no list of processes.
    #[arg(long, value_name = "-")]
    token: Option<String>,
}

/// One line of the explanation.
#[derive(Debug, Serialize)]
struct Step {
    check: String,
    /// `pass`, `fail`, or nothing where it could not be checked.
    result: &'static str,
    detail: String,
}

impl Access {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let AccessCommand::Explain(explain) = self.command;
        let config = globals.load([])?;
        let rules = rules(&config).map_err(|error| CliError::usage(error.to_string()))?;
        let (mut steps, viewer) = explain.viewer(&config).await?;
        if let Some(viewer) = &viewer {
            steps.extend(judged(&config, &rules, viewer));
        }
        output::list(
            globals.output,
            &["check", "result", "detail"],
            &steps,
            |step| {
                vec![
                    step.check.clone(),
                    step.result.to_owned(),
                    step.detail.clone(),
                ]
            },
        );
        Ok(())
    }
}

impl Explain {
    /// The checks of identity, and who it is.
    async fn viewer(self, config: &Config) -> Result<(Vec<Step>, Option<Viewer>), CliError> {
        if let Some(email) = self.user {
            let unchecked = ["signature", "issuer", "audience", "time"];
            let mut steps: Vec<_> = unchecked
                .map(|check| step(check, None, "no token was given"))
                .into();
            if matches!(config.auth, Auth::None) {
                steps.insert(
                    0,
                    step("AUTH", None, "AUTH is none: here the rules are not applied"),
                );
            }
            return Ok((steps, Some(user(config, email))));
        }
        let identity = Identity::new(&config.auth, &Lifecycle::new())
            .map_err(|error| CliError::failed(error.to_string()))?
            .ok_or_else(|| {
                let mode = config.auth.mode();
                CliError::usage(format!(
                    "AUTH is {mode}, so no token is checked: set it to xsuaa, ias or oidc"
                ))
            })?;
        let explanation = match (self.claims, self.token.as_deref()) {
            (Some(path), _) => {
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    CliError::usage(format!(
                        "--claims {} can't be read: {error}",
                        path.display()
                    ))
                })?;
                let explained = identity.explain_claims(&text);
                explained.map_err(|error| CliError::usage(format!("--claims: {error}")))?
            }
            (None, Some("-")) => {
                let token = std::io::read_to_string(std::io::stdin())?;
                let token = token.trim();
                let token = token.strip_prefix("Bearer ").unwrap_or(token);
                identity.explain(token).await
            }
            (None, _) => {
                return Err(CliError::usage(
                    "--token takes only -: secrets do not belong on the command line",
                ));
            }
        };
        let steps = explanation.checks.iter().map(|check| match &check.result {
            Ok(()) => step(check.name, Some(true), ""),
            Err(error) => step(check.name, Some(false), error.to_string()),
        });
        Ok((steps.collect(), explanation.claimed))
    }
}

/// The rules, also where `AUTH=none` applies none: they are written for elsewhere.
fn rules(config: &Config) -> Result<AccessRules, AccessError> {
    match config.auth {
        Auth::None => AccessRules::new(config.access.clone(), EmailTrust::Verified),
        Auth::Closed | Auth::Xsuaa(_) | Auth::Ias(_) | Auth::Oidc(_) => {
            service::access_rules(config)
        }
    }
}

/// Somebody whom the issuer vouches for.
fn user(config: &Config, email: String) -> Viewer {
    Viewer {
        subject: email.clone(),
        email: Some(email),
        origin: config.email_origins.first().cloned(),
        scopes: [READ.to_owned()].into(),
        ..Viewer::default()
    }
}

/// Scope, origin, each rule, and what the first that matches shows.
fn judged(config: &Config, rules: &AccessRules, viewer: &Viewer) -> Vec<Step> {
    let has_scope = viewer.scopes.contains(READ) || matches!(config.auth, Auth::None);
    let mut steps = vec![step(
        "scope",
        Some(has_scope),
        if has_scope {
            "Read"
        } else {
            "the scope Read is missing: data routes answer 403"
        },
    )];
    if matches!(config.auth, Auth::Xsuaa(_)) && viewer.email.is_some() {
        let trusted = viewer
            .origin
            .as_ref()
            .is_some_and(|origin| config.email_origins.contains(origin));
        let origin = viewer.origin.as_deref().unwrap_or("none");
        let detail = if trusted {
            format!("{origin}, which email_origins names")
        } else {
            format!("{origin}, which email_origins does not name: no domain rule matches")
        };
        steps.push(step("origin", Some(trusted), detail));
    }
    let matching = rules.matching(viewer);
    for verdict in rules.explain(viewer) {
        let selectors = verdict
            .selectors
            .iter()
            .map(|selector| format!("{}: {}", selector.selector, selector.reason));
        let detail = selectors.collect::<Vec<_>>().join("; ");
        steps.push(step(
            format!("rule {}", verdict.index + 1),
            Some(verdict.matches()),
            detail,
        ));
        if matching.is_some_and(|(index, _)| index == verdict.index) {
            break;
        }
    }
    steps.push(match matching {
        None => step("filter", Some(false), "no rule matches: no rows"),
        Some((_, rule)) => match filter(&rule.rows, viewer) {
            Ok(detail) => step("filter", Some(true), detail),
            Err(detail) => step("filter", Some(false), detail),
        },
    });
    steps
}

/// What the rule's rows are for this viewer, or why there are none.
fn filter(rows: &Rows, viewer: &Viewer) -> Result<String, String> {
    let columns = match rows {
        Rows::All => return Ok("all rows".to_owned()),
        Rows::Where(columns) => columns,
    };
    let mut conditions = Vec::new();
    for (column, wanted) in columns {
        let values = expanded(wanted, viewer).ok_or_else(|| {
            format!("{column}: the token lacks an attribute that the rule needs: no rows")
        })?;
        conditions.push(format!("{column} is one of {values:?}"));
    }
    Ok(format!("rows where {}", conditions.join(" and ")))
}

fn step(check: impl Into<String>, passed: Option<bool>, detail: impl Into<String>) -> Step {
    Step {
        check: check.into(),
        result: match passed {
            Some(true) => "pass",
            Some(false) => "fail",
            None => "-",
        },
        detail: detail.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_attribute_shows_no_rows() {
        let rows = Rows::Where(
            [(
                "AccountID".to_owned(),
                vec!["$user.Account".to_owned(), "ACME".to_owned()],
            )]
            .into(),
        );
        let mut viewer = Viewer::default();

        assert_eq!(
            filter(&rows, &viewer),
            Err("AccountID: the token lacks an attribute that the rule needs: no rows".to_owned())
        );

        viewer
            .attributes
            .insert("Account".to_owned(), vec!["Globex".to_owned()]);
        assert_eq!(
            filter(&rows, &viewer),
            Ok(r#"rows where AccountID is one of ["ACME", "Globex"]"#.to_owned())
        );
        assert_eq!(filter(&Rows::All, &viewer), Ok("all rows".to_owned()));
    }
}
