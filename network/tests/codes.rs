//! Every error code that the sources name has a page, and every page is of a code that they name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const PREFIX: &str = "CR-";
const DIGITS: usize = 3;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

/// Every Rust file of ours below a `src` folder; tests may make codes up.
fn sources(folder: &Path, in_src: bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("it has one").to_string_lossy().into_owned();
        if path.is_dir() {
            let foreign = ["target", "node_modules", "tests"].contains(&name.as_str());
            if !foreign && !name.starts_with('.') {
                sources(&path, in_src || name == "src", found);
            }
        } else if in_src && name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// The codes in a text: `CR-`, an area in capitals, `-`, three digits.
fn codes(text: &str) -> impl Iterator<Item = String> + '_ {
    text.match_indices(PREFIX).filter_map(|(at, _)| {
        let rest = &text[at + PREFIX.len()..];
        let (area, rest) = rest.split_once('-')?;
        let number = rest.get(..DIGITS)?;
        let is_code = !area.is_empty()
            && area.chars().all(|c| c.is_ascii_uppercase())
            && number.chars().all(|c| c.is_ascii_digit());
        is_code.then(|| format!("{PREFIX}{area}-{number}"))
    })
}

fn named() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&root(), false, &mut files);
    let texts = files.iter().map(|path| fs::read_to_string(path).expect("text"));
    texts.flat_map(|text| codes(&text).collect::<Vec<_>>()).collect()
}

fn pages() -> BTreeSet<String> {
    let folder = fs::read_dir(root().join("docs/errors")).expect("readable");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a name");
    folder
        .map(|entry| name(entry.expect("readable")))
        .map(|name| name.strip_suffix(".md").expect("only pages").to_owned())
        .collect()
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let (named, pages) = (named(), pages());
    assert!(named.len() > 40, "the sources were found: {}", named.len());
    let without: Vec<_> = named.difference(&pages).collect();
    assert!(without.is_empty(), "no page in docs/errors for {without:?}");
    let unused: Vec<_> = pages.difference(&named).collect();
    assert!(unused.is_empty(), "no source names {unused:?}");
}

#[test]
fn every_page_says_what_it_means_and_what_to_do() {
    for code in pages() {
        let page = fs::read_to_string(root().join(format!("docs/errors/{code}.md"))).expect("text");
        assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        let (meaning, remedy) = page.split_once("\n## What to do\n").expect(&code);
        assert!(meaning.lines().count() > 2 && !remedy.trim().is_empty(), "{code}");
    }
}
