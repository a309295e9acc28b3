//! The envelope around every answer: `{"result":…,"errors":[…],"messages":[],"success":…}`, the result always first.

use serde_json::Value;

use crate::refusal::Refusal;

/// What came of a call.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status if it went well.
    pub success_status: u16,
    /// Address of what was made.
    pub location: Option<String>,
    /// The result, or why there is none.
    pub result: Result<Value, Refusal>,
}

// === impl Answer ===

impl Answer {
    pub(super) fn of(success_status: u16, result: Result<Value, Refusal>) -> Self {
        Self { success_status, location: None, result }
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.result.as_ref().map_or_else(|refusal| refusal.status, |_| self.success_status)
    }

    /// The body.
    pub fn body(&self) -> Vec<u8> {
        let (result, errors, success) = match &self.result {
            Ok(value) => (value.to_string(), String::new(), true),
            Err(refusal) => {
                let error = serde_json::json!({
                    "code": refusal.code.number(), "message": refusal.message,
                });
                // A client reads the result before it knows of the error, hence an empty text.
                ("\"\"".to_owned(), error.to_string(), false)
            }
        };
        format!(
            "{{\"result\":{result},\"errors\":[{errors}],\"messages\":[],\"success\":{success}}}"
        )
        .into_bytes()
    }
}
