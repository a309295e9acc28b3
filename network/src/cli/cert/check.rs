//! `carecord cert check`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::shown;
use crate::bringup::now_unix_s;
use crate::certificates::{self, Certificate};
use crate::codes::Code;
use crate::error::{Exit, Failure, Outcome};
use crate::output::{Output, table};
use crate::renewal;

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// Folder of a network, an organisation, a node, or an MSP.
    #[arg(long, env = "CARECORD_DIR", default_value = "carecord-network", value_name = "DIR")]
    dir: PathBuf,
    /// How long every certificate must still last: days or hours, for example 30d or 12h.
    #[arg(long, default_value = "30d", value_parser = duration_s, value_name = "TIME")]
    within: i64,
}

// === impl Check ===

impl Check {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        let mut found =
            certificates::below(&self.dir).map_err(|error| Failure::file(&self.dir, &error))?;
        // What was replaced may end: nobody shows it any more.
        found.retain(|(path, _)| !renewal::is_replaced(path));
        if found.is_empty() {
            return Err(Failure::new(Code::Argument, "there is no certificate in this folder")
                .at(self.dir.display())
                .exit(Exit::NotFound));
        }
        found.sort_by_key(|(_, certificate)| certificate.not_after_unix_s);
        let now = now_unix_s();
        let ends = |certificate: &Certificate| certificate.lasts_s(now) < self.within;
        let ending = found.iter().filter(|(_, certificate)| ends(certificate)).count();
        let rows: Vec<_> = found
            .iter()
            .map(|(path, certificate)| {
                json!({
                    "file": path,
                    "ends": ends(certificate),
                    "lasts_s": certificate.lasts_s(now),
                    "certificate": certificate,
                })
            })
            .collect();
        let result = json!({
            "schema": "carecord.certificates/v1",
            "within_s": self.within,
            "ending": ending,
            "certificates": rows,
        });
        output.result(&result, || {
            if ending == 0 {
                return format!("none of {} certificates ends within this time", found.len());
            }
            let due = found.iter().filter(|(_, certificate)| ends(certificate));
            let rows = due.map(|(path, certificate)| {
                [
                    shown(certificate.not_after_unix_s, certificate.lasts_s(now)),
                    certificate.common_name.clone(),
                    path.strip_prefix(&self.dir).unwrap_or(path).display().to_string(),
                ]
            });
            table(["UNTIL", "SUBJECT", "FILE"], rows)
        });
        if ending == 0 {
            return Ok(());
        }
        let total = found.len();
        let cause =
            format!("{ending} of {total} certificates have expired or will within this time");
        let dir = self.dir.display();
        let hint = format!(
            "`carecord cert renew --dir {dir} --all` renews those of nodes, `--user NAME` those of a person"
        );
        Err(Failure::new(Code::Expiring, cause).at(dir).hint(hint))
    }
}

/// `30d` or `12h` in seconds.
fn duration_s(text: &str) -> Result<i64, String> {
    let units = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
    let parsed = units.iter().find_map(|(unit, seconds)| {
        let number: u32 = text.strip_suffix(*unit)?.parse().ok()?;
        Some(i64::from(number) * seconds)
    });
    parsed.ok_or_else(|| "a number and d, h, m or s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::duration_s;

    #[test]
    fn times_have_a_number_and_a_unit() {
        for (text, seconds) in [("30d", 2_592_000), ("12h", 43_200), ("0d", 0), ("5m", 300)] {
            assert_eq!(duration_s(text), Ok(seconds), "{text}");
        }
        for text in ["", "d", "-1d", "30", "1y", "99999999999d", "1é"] {
            assert!(duration_s(text).is_err(), "{text}");
        }
    }
}
