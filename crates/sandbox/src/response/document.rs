//! A response document, as single reads and JSON exports show it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::Object;

/// Source: recorded responses; the docs' example shows that members can be missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    pub(crate) response_id: String,
    pub(crate) values: Object<Value>,
    #[serde(default)]
    pub(crate) labels: Object<Value>,
    #[serde(default)]
    pub(crate) displayed_fields: Vec<String>,
    #[serde(default)]
    pub(crate) displayed_values: Object<Value>,
}

/// What the index needs to know of a document that came from outside.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Head {
    pub(crate) response_id: String,
    #[serde(default)]
    pub(crate) values: HeadValues,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct HeadValues {
    pub(crate) recorded_date: Option<String>,
    pub(crate) end_date: Option<String>,
    pub(crate) finished: Option<Value>,
    pub(crate) status: Option<Value>,
}

impl Head {
    /// 1 and 0 as recorded; booleans and a missing member are taken kindly.
    pub(crate) fn is_finished(&self) -> bool {
        !matches!(&self.values.finished, Some(Value::Bool(false)))
            && self.values.finished.as_ref().and_then(Value::as_i64) != Some(0)
    }

    pub(crate) fn status(&self) -> i64 {
        self.values
            .status
            .as_ref()
            .and_then(Value::as_i64)
            .unwrap_or(0)
    }
}
