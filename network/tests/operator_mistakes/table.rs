//! The table of mistakes, and the file that it is compared with.

use std::fmt::Write;
use std::path::{Path, PathBuf};

const UPDATE: &str = "CARECORD_SNAPSHOT";

/// What one operator did, and what it led to.
#[derive(Debug)]
pub(crate) struct Mistake {
    /// What the operator did.
    did: &'static str,
    /// What the caller saw.
    said: String,
    /// Words without which the text does not name the cause.
    cause: Vec<String>,
}

/// All mistakes, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) mistakes: Vec<Mistake>,
}

// === impl Mistake ===

impl Mistake {
    fn is_named(&self) -> bool {
        self.cause.iter().all(|words| self.said.contains(words))
    }
}

// === impl Table ===

impl Table {
    pub(crate) fn add(&mut self, did: &'static str, said: String, cause: &[&str]) {
        assert!(!said.is_empty(), "{did}: nothing was said");
        let cause = cause.iter().map(|&words| words.to_owned()).collect();
        self.mistakes.push(Mistake { did, said, cause });
    }

    /// The mistakes whose text lacks words of the cause.
    pub(crate) fn unnamed(&self) -> Vec<&Mistake> {
        self.mistakes.iter().filter(|mistake| !mistake.is_named()).collect()
    }

    /// Compares every text with the file, or writes the file.
    pub(crate) fn compare(&self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operator_mistakes/texts.txt");
        let texts = self.texts();
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(path, texts).unwrap();
            return;
        }
        let known = std::fs::read_to_string(path).unwrap();
        let (known, texts): (Vec<&str>, Vec<&str>) =
            (known.lines().collect(), texts.lines().collect());
        let differs = known.iter().zip(&texts).find(|(known, said)| known != said);
        assert!(
            differs.is_none() && known.len() == texts.len(),
            "{UPDATE}=write updates it: {differs:#?}"
        );
    }

    fn texts(&self) -> String {
        let mut texts = String::new();
        for mistake in &self.mistakes {
            let named = if mistake.is_named() { "" } else { " (the cause is not named)" };
            writeln!(texts, "# {}{named}", mistake.did).unwrap();
            writeln!(texts, "{}\n", steady(&mistake.said)).unwrap();
        }
        texts
    }
}

/// A text without what differs from run to run.
fn steady(said: &str) -> String {
    let root = PathBuf::from(std::env::temp_dir()).display().to_string();
    let words = said.split_inclusive([' ', '\n', ',', ')', '(', ';', '[', ']', '"']);
    let (mut text, mut before) = (String::new(), "");
    for word in words {
        let steady = steady_word(word, &root);
        // How many blocks there are differs with how quickly they were asked for.
        let counts = before == "block " && word.starts_with(|first: char| first.is_ascii_digit());
        let rest = word.trim_start_matches(|digit: char| digit.is_ascii_digit());
        text.push_str(&if counts { format!("N{rest}") } else { steady });
        // A number may stand in brackets.
        if word != "[" {
            before = word;
        }
    }
    text.trim_end().to_owned()
}

fn steady_word(word: &str, root: &str) -> String {
    let bare = word.trim_end_matches([' ', '\n', ',', ')', '(', ';', '[', ']', '"', ':', '?']);
    let rest = &word[bare.len()..];
    let is_hash = bare.len() >= 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_moment = bare.len() >= 20 && bare.ends_with('Z') && bare[4..].starts_with('-');
    if is_hash {
        format!("HASH{rest}")
    } else if is_moment {
        format!("TIME{rest}")
    } else if let Some(path) = bare.strip_prefix(&format!("{root}/")) {
        let below = path.split_once('/').map_or("", |(_, below)| below);
        format!("DIR/{below}{rest}")
    } else if let Some(port) = bare.strip_prefix("127.0.0.1:") {
        let after = port.trim_start_matches(|digit: char| digit.is_ascii_digit());
        format!("127.0.0.1:PORT{after}{rest}")
    } else {
        word.to_owned()
    }
}
