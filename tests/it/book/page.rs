//! Reads a page of the book: its fenced blocks and the marks above them, in their order.
//!
//! A mark is an HTML comment on a line of its own, which no reader of the page sees: `<!-- WORD -->` or `<!-- WORD: TEXT -->`.

use std::path::{Path, PathBuf};

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// The first word behind its fence; empty where there is none.
    pub language: String,
    /// Its lines, each with its line feed.
    pub text: String,
    /// The line of its opening fence, from 1.
    pub line: usize,
    /// The marks directly above it.
    pub marks: Vec<(String, String)>,
}

impl Block {
    /// The text of a mark above it.
    pub fn mark(&self, word: &str) -> Option<&str> {
        self.marks.iter().find(|(name, _)| name == word).map(|(_, text)| text.as_str())
    }

    /// The file that it is to be written to: by a mark `file`, or by a comment in its first line.
    pub fn file(&self) -> Option<&str> {
        let comment = || {
            let name = self.text.lines().next()?.strip_prefix("# ")?;
            let is_path = !name.contains(char::is_whitespace) && Path::new(name).extension().is_some();
            (is_path && matches!(self.language.as_str(), "yaml" | "python" | "sh")).then_some(name)
        };
        self.mark("file").or_else(comment)
    }
}

/// What stands on a page.
#[derive(Debug, Clone)]
pub enum Item {
    /// A fenced block.
    Block(Block),
    /// A mark, whatever stands below it.
    Mark(String, String),
}

/// The folder of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The pages of the book, relative to `docs/`, in byte order.
pub fn pages() -> Vec<String> {
    let docs = root().join("docs");
    let files = ignore::WalkBuilder::new(&docs).build().filter_map(Result::ok).map(ignore::DirEntry::into_path);
    let pages = files.filter(|path: &PathBuf| path.extension().is_some_and(|extension| extension == "md"));
    let names = pages.map(|path| path.strip_prefix(&docs).expect("below").to_string_lossy().replace('\\', "/"));
    let mut names: Vec<String> = names.filter(|name| name != "SUMMARY.md").collect();
    names.sort();
    names
}

/// The items of a page.
pub fn items(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut marks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let ticks = line.chars().take_while(|character| *character == '`').count();
        if ticks >= 3 && !line[ticks..].contains('`') {
            let language = line[ticks..].split([' ', ',']).next().unwrap_or_default().to_owned();
            let is_end = |line: &str| line.trim_end().len() >= ticks && line.trim_end().chars().all(|tick| tick == '`');
            let body: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| !is_end(line)).collect();
            let text = body.iter().flat_map(|line| [line, "\n"]).collect();
            items.push(Item::Block(Block { language, text, line: number + 1, marks: std::mem::take(&mut marks) }));
        } else if let Some(mark) = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
            let (word, text) = mark.split_once(": ").unwrap_or((mark, ""));
            marks.push((word.to_owned(), text.to_owned()));
            items.push(Item::Mark(word.to_owned(), text.to_owned()));
        } else {
            marks.clear();
        }
    }
    items
}

/// The fenced blocks of a page.
pub fn blocks(text: &str) -> Vec<Block> {
    let blocks = items(text).into_iter().filter_map(|item| match item {
        Item::Block(block) => Some(block),
        Item::Mark(..) => None,
    });
    blocks.collect()
}

/// Whether pages are to be written anew instead of being held to what is so.
pub fn is_writing() -> bool {
    std::env::var_os("CHAT_EVAL_BOOK").is_some_and(|value| value == "write")
}

/// Holds a generated page to the text that it must have, or writes it.
pub fn hold(path: &str, text: &str) {
    let file = root().join(path);
    if is_writing() {
        std::fs::write(&file, text).unwrap_or_else(|error| panic!("{path}: {error}"));
        return;
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(there == text, "{path} is not what the code says; {HOW}:\n{}", similar_diff(&there, text));
}

/// How a page is written anew.
pub const HOW: &str = "`CHAT_EVAL_BOOK=write cargo test --test it book::` writes it, then read the difference";

/// The lines in which two texts differ.
pub fn similar_diff(old: &str, new: &str) -> String {
    similar::TextDiff::from_lines(old, new).unified_diff().context_radius(1).to_string()
}
