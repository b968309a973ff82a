//! `link`: a survey's address with embedded data in it.

use ingester_core::id::SurveyId;
use ingester_core::survey::{DefinitionAnswers, SurveyDefinition};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use url::Url;

use super::error::CliError;
use super::output::Format;
use super::{Globals, output, parts};
use crate::lifecycle::Lifecycle;

/// What may stand in a query as it is. Source: RFC 3986, 2.3.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Longer links do not survive all browsers and mail programs. Source: Qualtrics, "Passing information via query
/// strings".
const CHARACTERS_MAX: usize = 2000;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  qualtrics-ingester link --survey SV_22VlHYNeldrrrk1 AccountID=ACME ProjectID=P1"
)]
pub(super) struct Link {
    /// The survey.
    #[arg(long, value_name = "SV_…")]
    survey: SurveyId,
    /// Embedded data, as the survey's flow names them.
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = pair)]
    fields: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

#[derive(Debug, Serialize)]
struct Made {
    url: String,
    warnings: Vec<String>,
}

impl Link {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let config = parts::config(globals)?;
        let (base, _) = config.qualtrics_access()?;
        let qualtrics = parts::qualtrics(&config, &Lifecycle::new())?;
        let bodies = qualtrics.definition(&self.survey).await?;
        let answers = DefinitionAnswers {
            response_schema: bodies.response_schema.as_deref(),
            survey: bodies.survey.as_deref(),
            survey_definition: bodies.survey_definition.as_deref(),
        };
        let definition = SurveyDefinition::from_answers(&self.survey, &answers)
            .map_err(|error| CliError::failed(error.to_string()))?;
        let brand = bodies.survey_definition.as_deref().and_then(brand_url);
        let url = link(brand.as_ref().unwrap_or(base), &self.survey, &self.fields);
        let declared: Vec<&str> = definition.embedded_fields().collect();
        let made = Made {
            warnings: warnings(&url, &self.fields, &declared),
            url,
        };
        for warning in &made.warnings {
            output::note(format!("warning: {warning}"));
        }
        match globals.output {
            Format::Json => output::json(&[made]),
            Format::Text => output::line(made.url),
        }
        Ok(())
    }
}

/// The brand's own address, where respondents are sent.
fn brand_url(definition: &[u8]) -> Option<Url> {
    #[derive(Deserialize)]
    struct Envelope {
        result: Definition,
    }
    #[derive(Deserialize)]
    struct Definition {
        #[serde(rename = "BrandBaseURL")]
        brand_base_url: Option<String>,
    }
    let envelope: Envelope = serde_json::from_slice(definition).ok()?;
    let url = Url::parse(&envelope.result.brand_base_url?).ok()?;
    matches!(url.scheme(), "https" | "http").then_some(url)
}

fn link(base: &Url, survey: &SurveyId, fields: &[(String, String)]) -> String {
    let mut link = format!("{}/jfe/form/{survey}", base.as_str().trim_end_matches('/'));
    for (index, (key, value)) in fields.iter().enumerate() {
        link.push(if index == 0 { '?' } else { '&' });
        link.extend(utf8_percent_encode(key, ENCODED));
        link.push('=');
        link.extend(utf8_percent_encode(value, ENCODED));
    }
    link
}

/// What Qualtrics would do with this link without a word.
fn warnings(link: &str, fields: &[(String, String)], declared: &[&str]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, (key, _)) in fields.iter().enumerate() {
        let shown = output::printable(key);
        if key.starts_with("Q_") {
            warnings.push(format!(
                "{shown} is a name of Qualtrics' own (they begin with Q_): it does something there instead of being kept"
            ));
        } else if !declared.contains(&key.as_str()) {
            let near = declared
                .iter()
                .find(|known| known.eq_ignore_ascii_case(key));
            let mend = match near {
                Some(near) => format!("names are case-sensitive, write {near}"),
                None => "add it to an Embedded Data element of the survey flow".to_owned(),
            };
            warnings.push(format!(
                "the survey's flow does not declare {shown}, so Qualtrics drops it: {mend}"
            ));
        }
        let before = fields.get(..index).unwrap_or_default();
        if before.iter().any(|(other, _)| other == key) {
            warnings.push(format!("{shown} stands there twice: give it once"));
        }
    }
    let characters = link.chars().count();
    if characters > CHARACTERS_MAX {
        warnings.push(format!(
            "the link has {characters} characters: some browsers cut what is longer than {CHARACTERS_MAX}"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn values_are_percent_encoded() {
        let base = "https://acme.fra1.qualtrics.com/".parse().unwrap();
        let survey = "SV_22VlHYNeldrrrk1".parse().unwrap();
        let fields = fields(&[("AccountID", "A & B=C+ü"), ("Phase", "")]);

        let link = link(&base, &survey, &fields);

        assert_eq!(
            link,
            "https://acme.fra1.qualtrics.com/jfe/form/SV_22VlHYNeldrrrk1?AccountID=A%20%26%20B%3DC%2B%C3%BC&Phase="
        );
        let read: Vec<(String, String)> = Url::parse(&link)
            .unwrap()
            .query_pairs()
            .into_owned()
            .collect();
        assert_eq!(read, fields);
    }

    #[test]
    fn what_qualtrics_would_drop_or_use_itself_is_told() {
        let check = |given: &[(&str, &str)], words: &[&str]| {
            let warnings = warnings("https://x", &fields(given), &["AccountID"]);
            assert_eq!(warnings.len(), words.len(), "{warnings:?}");
            for (warning, words) in warnings.iter().zip(words) {
                assert!(warning.contains(words), "{warning}");
            }
        };
        check(&[("AccountID", "x")], &[]);
        check(&[("accountid", "x")], &["case-sensitive, write AccountID"]);
        check(&[("Other", "x")], &["does not declare Other"]);
        check(&[("Q_CHL", "qr")], &["Qualtrics' own"]);
        check(&[("AccountID", "x"), ("AccountID", "y")], &["twice"]);
        let long = "x".repeat(2001);
        assert!(warnings(&long, &[], &[])[0].contains("2001 characters"));
    }

    #[test]
    fn a_brand_without_an_address_is_reached_at_the_api() {
        assert_eq!(brand_url(br#"{"result":{}}"#), None);
        assert_eq!(
            brand_url(br#"{"result":{"BrandBaseURL":"javascript:x"}}"#),
            None
        );
        assert!(brand_url(br#"{"result":{"BrandBaseURL":"https://a.qualtrics.com"}}"#).is_some());
    }
}
