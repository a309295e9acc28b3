//! `carecord explain CODE`.

use clap::Args;
use serde_json::json;

use crate::codes::{self, Code};
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};

/// What an error code means and what to do; without a code, all codes.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// For example CR-NET-010.
    code: Option<String>,
}

// === impl Explain ===

impl Explain {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        match self.code {
            None => {
                let all: Vec<_> = codes::PAGES
                    .iter()
                    .map(|(code, page)| json!({"code": code, "title": codes::title(page)}))
                    .collect();
                output.result(&json!({"schema": "carecord.codes/v1", "codes": all}), || {
                    let row = |(code, page): &(&str, &str)| {
                        [(*code).to_owned(), codes::title(page).to_owned()]
                    };
                    table(["CODE", "MEANING"], codes::PAGES.iter().map(row))
                });
                Ok(())
            }
            Some(code) => {
                let page = codes::page(&code).ok_or_else(|| {
                    Failure::new(Code::UnknownCode, format!("there is no code {code:?}"))
                        .hint("`carecord explain` lists all codes")
                })?;
                let value = json!({
                    "schema": "carecord.code/v1",
                    "code": code.to_uppercase(),
                    "title": codes::title(page),
                    "page": page,
                });
                output.result(&value, || page.trim_end().to_owned());
                Ok(())
            }
        }
    }
}
