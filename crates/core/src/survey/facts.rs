//! What is said of a survey as a whole: name, brand, dates, counts.

use super::answers::Definition;
use super::json::Node;
use super::{ResponseCounts, SurveyDefinition};
use crate::id::SurveyId;
use crate::time::parse_instant;

/// Where it is said.
pub(super) struct Facts<'a> {
    survey: Option<Node<'a>>,
    definition: Option<Node<'a>>,
    options: Option<Node<'a>>,
    schema: Option<Node<'a>>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(
        survey: Option<Node<'a>>,
        definition: Option<&Definition<'a>>,
        schema: Option<Node<'a>>,
    ) -> Self {
        let definition = definition.map(|definition| definition.facts);
        Self {
            survey,
            definition,
            options: definition.and_then(|definition| definition.get("SurveyOptions")),
            schema,
        }
    }

    fn text(&self, survey: &str, definition: &[&str]) -> Option<String> {
        let in_definition = |name: &&str| {
            [self.definition, self.options]
                .into_iter()
                .flatten()
                .find_map(|node| node.text_at(name))
        };
        self.survey
            .and_then(|node| node.text_at(survey))
            .or_else(|| definition.iter().find_map(in_definition))
            .filter(|text| !text.is_empty())
    }

    /// A definition that has nothing but these.
    pub(super) fn into_definition(self, id: &SurveyId) -> SurveyDefinition {
        let instant = |survey, definition: &[&str]| parse_instant(&self.text(survey, definition)?);
        let count = |name| {
            let counts = self.survey?.get("responseCounts")?;
            counts.text_at(name)?.parse().ok()
        };
        SurveyDefinition {
            id: id.clone(),
            name: self
                .text("name", &["SurveyName"])
                .or_else(|| self.title())
                .unwrap_or_else(|| id.to_string()),
            brand_id: self.text("organizationId", &["BrandID", "SurveyBrandID"]),
            created: instant("creationDate", &["SurveyCreationDate"]),
            last_modified: instant("lastModifiedDate", &["LastModified"]),
            active: self
                .text("isActive", &["SurveyStatus"])
                .map(|status| status == "true" || status == "Active"),
            counts: count("auditable").map(|auditable| ResponseCounts {
                auditable,
                generated: count("generated").unwrap_or(0),
                deleted: count("deleted").unwrap_or(0),
            }),
            questions: Vec::new(),
            fields: Vec::new(),
            lists: Vec::new(),
            embedded: Vec::new(),
        }
    }

    /// `JSON Schema Example (SV_…) - Survey Response` without what Qualtrics puts behind the name.
    fn title(&self) -> Option<String> {
        let title = self.schema?.text_at("title")?;
        let (name, _) = title.rsplit_once(" (SV_")?;
        Some(name.to_owned())
    }
}
