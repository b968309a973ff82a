//! The calls that the API knows: what each is named in counters, which limit and scope it has.

use http::Method;

use crate::limits::Class;

/// One kind of API call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) name: &'static str,
    /// As `on=` of the faults names it.
    pub(crate) family: &'static str,
    pub(crate) class: Class,
    /// The scope an OAuth token needs; `manage:` of the same thing will do, and `manage:all`.
    pub(crate) scope: Option<&'static str>,
}

const fn endpoint(
    name: &'static str,
    family: &'static str,
    class: Class,
    scope: &'static str,
) -> Endpoint {
    Endpoint {
        name,
        family,
        class,
        scope: Some(scope),
    }
}

/// Source of the scopes: a list copied from Qualtrics' page of OAuth clients.
const READ_SURVEYS: &str = "read:surveys";
const READ_RESPONSES: &str = "read:survey_responses";
const WRITE_RESPONSES: &str = "write:survey_responses";

impl Endpoint {
    /// By method and route template.
    pub(crate) fn of(method: &Method, route: &str) -> Self {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match route.trim_end_matches('/') {
            "/oauth2/token" => Self {
                name: "token",
                family: "token",
                class: Class::Unlimited,
                scope: None,
            },
            "/API/v3/whoami" => endpoint("whoami", "definitions", Class::Definitions, "read:users"),
            "/API/v3/surveys" => {
                endpoint("surveys", "definitions", Class::Definitions, READ_SURVEYS)
            }
            "/API/v3/surveys/{survey}" => {
                endpoint("survey", "definitions", Class::Definitions, READ_SURVEYS)
            }
            "/API/v3/survey-definitions/{survey}" => endpoint(
                "definition",
                "definitions",
                Class::Definitions,
                READ_SURVEYS,
            ),
            "/API/v3/surveys/{survey}/response-schema" => {
                endpoint("schema", "definitions", Class::Definitions, READ_RESPONSES)
            }
            "/API/v3/surveys/{survey}/responses/{response}" => match *method {
                Method::DELETE => endpoint(
                    "response-delete",
                    "responses",
                    Class::ResponseDelete,
                    WRITE_RESPONSES,
                ),
                Method::PUT => endpoint(
                    "response-update",
                    "responses",
                    Class::ResponseWrite,
                    WRITE_RESPONSES,
                ),
                _ => endpoint("response", "responses", Class::ResponseRead, READ_RESPONSES),
            },
            "/API/v3/surveys/{survey}/export-responses" => endpoint(
                "export-start",
                "exports",
                Class::ExportStart,
                READ_RESPONSES,
            ),
            "/API/v3/surveys/{survey}/export-responses/{job}" => endpoint(
                "export-progress",
                "exports",
                Class::ExportProgress,
                READ_RESPONSES,
            ),
            "/API/v3/surveys/{survey}/export-responses/{file}/file" => {
                endpoint("export-file", "exports", Class::ExportFile, READ_RESPONSES)
            }
            "/API/v3/eventsubscriptions" | "/API/v3/eventsubscriptions/{subscription}" if reads => {
                endpoint(
                    "subscriptions",
                    "subscriptions",
                    Class::Subscriptions,
                    "read:subscriptions",
                )
            }
            "/API/v3/eventsubscriptions" => endpoint(
                "subscription-create",
                "subscriptions",
                Class::Subscriptions,
                "write:subscriptions",
            ),
            "/API/v3/eventsubscriptions/{subscription}" => endpoint(
                "subscription-delete",
                "subscriptions",
                Class::Subscriptions,
                "write:subscriptions",
            ),
            "/API/v3/op-erase-personal-data" => endpoint(
                "erasure",
                "responses",
                Class::Erasure,
                "manage:erasure_requests",
            ),
            _ => Self {
                name: "other",
                family: "other",
                class: Class::All,
                scope: None,
            },
        }
    }

    /// Whether these scopes allow the call: `manage:` contains read and write.
    pub(crate) fn allowed_by(&self, scopes: &[String]) -> bool {
        let Some(needed) = self.scope else {
            return true;
        };
        let managed = needed
            .split_once(':')
            .map(|(_, thing)| format!("manage:{thing}"));
        scopes.iter().any(|scope| {
            scope == needed || scope == "manage:all" || Some(scope) == managed.as_ref()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managing_contains_reading_and_writing() {
        let delete = Endpoint::of(
            &Method::DELETE,
            "/API/v3/surveys/{survey}/responses/{response}",
        );
        let scopes = |scope: &str| vec![scope.to_owned()];

        assert!(delete.allowed_by(&scopes("write:survey_responses")));
        assert!(delete.allowed_by(&scopes("manage:survey_responses")));
        assert!(delete.allowed_by(&scopes("manage:all")));
        assert!(!delete.allowed_by(&scopes("read:survey_responses")));
    }
}
