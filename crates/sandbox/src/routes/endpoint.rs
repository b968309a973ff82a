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

/// Source of the scopes: a list copied from Qualtrics' page of OAuth clients.
const READ_SURVEYS: &str = "read:surveys";
const READ_RESPONSES: &str = "read:survey_responses";
const WRITE_RESPONSES: &str = "write:survey_responses";

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

const fn definition(name: &'static str, scope: &'static str) -> Endpoint {
    endpoint(name, "definitions", Class::Definitions, scope)
}

const fn of_response(name: &'static str, class: Class, scope: &'static str) -> Endpoint {
    endpoint(name, "responses", class, scope)
}

const fn export(name: &'static str, class: Class) -> Endpoint {
    endpoint(name, "exports", class, READ_RESPONSES)
}

const fn subscription(name: &'static str, scope: &'static str) -> Endpoint {
    endpoint(name, "subscriptions", Class::Subscriptions, scope)
}

impl Endpoint {
    /// By method and route template.
    pub(crate) fn of(method: &Method, route: &str) -> Self {
        let route = route.trim_end_matches('/');
        if let Some(rest) = route.strip_prefix("/API/v3/surveys/{survey}") {
            return Self::of_survey(method, rest);
        }
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match route {
            "/oauth2/token" => Self {
                name: "token",
                family: "token",
                class: Class::Unlimited,
                scope: None,
            },
            "/API/v3/whoami" => definition("whoami", "read:users"),
            "/API/v3/surveys" => definition("surveys", READ_SURVEYS),
            "/API/v3/survey-definitions/{survey}" => definition("definition", READ_SURVEYS),
            "/API/v3/eventsubscriptions" | "/API/v3/eventsubscriptions/{subscription}" if reads => {
                subscription("subscriptions", "read:subscriptions")
            }
            "/API/v3/eventsubscriptions" => {
                subscription("subscription-create", "write:subscriptions")
            }
            "/API/v3/eventsubscriptions/{subscription}" => {
                subscription("subscription-delete", "write:subscriptions")
            }
            "/API/v3/op-erase-personal-data" => {
                of_response("erasure", Class::Erasure, "manage:erasure_requests")
            }
            _ => Self {
                name: "other",
                family: "other",
                class: Class::All,
                scope: None,
            },
        }
    }

    fn of_survey(method: &Method, route: &str) -> Self {
        match route {
            "" => definition("survey", READ_SURVEYS),
            "/response-schema" => definition("schema", READ_RESPONSES),
            "/responses/{response}" => match *method {
                Method::DELETE => {
                    of_response("response-delete", Class::ResponseDelete, WRITE_RESPONSES)
                }
                Method::PUT => {
                    of_response("response-update", Class::ResponseWrite, WRITE_RESPONSES)
                }
                _ => of_response("response", Class::ResponseRead, READ_RESPONSES),
            },
            "/delete-responses" => {
                of_response("delete-many", Class::ResponseDelete, WRITE_RESPONSES)
            }
            "/export-responses" => export("export-start", Class::ExportStart),
            "/export-responses/{job}" => export("export-progress", Class::ExportProgress),
            "/export-responses/{job}/file" => export("export-file", Class::ExportFile),
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
