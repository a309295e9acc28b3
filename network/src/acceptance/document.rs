//! A document whose commands are run as they are written.

use std::path::Path;
use std::time::Duration;

use super::program::{Program, Said};
use super::suite::sources;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::state::read_text;

const FENCE: &str = "```";
const SHELL: &str = "```sh";
const PATIENCE: Duration = Duration::from_secs(180);

/// The shell blocks of a document, in their order.
pub(super) struct Document {
    name: String,
    blocks: Vec<String>,
}

// === impl Document ===

impl Document {
    /// Reads a document of the sources.
    pub(super) fn read(path: &str) -> Outcome<Self> {
        let text = read_text(&sources().join(path))?;
        Ok(Self { name: path.to_owned(), blocks: blocks(&text) })
    }

    /// Its blocks.
    pub(super) fn blocks(&self) -> &[String] {
        &self.blocks
    }

    /// Runs a block in `folder` for the network `dir`, with our binary as `carecord`; it must succeed.
    pub(super) async fn run(
        &self,
        block: &str,
        binary: &Path,
        folder: &Path,
        dir: &Path,
    ) -> Outcome<Said> {
        let bin = binary.parent().unwrap_or(binary).display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let said = Program::new("bash")
            .args(["-euo", "pipefail", "-c", block])
            .env("PATH", format!("{bin}:{path}"))
            .env("CARECORD_DIR", dir)
            .within(folder)
            .run(PATIENCE)
            .await?;
        if said.ok {
            return Ok(said);
        }
        let cause = format!("{}: this block failed:\n{block}\n{}", self.name, said.last_words());
        Err(Failure::new(Code::Short, cause))
    }
}

fn blocks(text: &str) -> Vec<String> {
    let (mut blocks, mut open): (Vec<String>, Option<String>) = (Vec::new(), None);
    for line in text.lines() {
        match (&mut open, line.trim_end()) {
            (None, SHELL) => open = Some(String::new()),
            (Some(_), FENCE) => blocks.extend(open.take()),
            (Some(block), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn shell_blocks_are_found_and_others_are_not() {
        let text = "a\n```sh\none \\\n  two\n```\n```\nno\n```\n```sh\nthree\n```\n";
        assert_eq!(blocks(text), ["one \\\n  two\n", "three\n"]);
    }
}
