//! Reads the sources as tokens, without comments and literals: enough for the paths and macros that the rules speak of.

use std::fs;
use std::path::Path;

/// A source file.
pub struct Source {
    /// Its path below `src/`, with `/`.
    pub path: String,
    pub text: String,
    /// All its code, without comments and literals, on the same lines.
    pub code: String,
    /// The same without what stands under `#[cfg(test)]`.
    pub production: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let code = code_of(text);
        let is_test = path.ends_with("/tests.rs") || path.ends_with("_tests.rs");
        let production = if is_test { String::new() } else { without_tests(&code) };
        Self { path: path.to_owned(), text: text.to_owned(), code, production }
    }

    /// The modules that the file is, from the room on: `["run", "plan"]`.
    pub fn modules(&self) -> Vec<&str> {
        let path = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        path.strip_suffix("/mod").unwrap_or(path).split('/').collect()
    }

    /// Whether it only ties the rooms together.
    pub fn is_root(&self) -> bool {
        ["lib.rs", "main.rs"].contains(&self.path.as_str())
    }
}

/// The text with a blank in the place of every character of a comment or of a literal's inside.
fn code_of(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let skipped = skip(&characters[at..], at.checked_sub(1).map(|before| characters[before]));
        let end = (at + skipped.max(1)).min(characters.len());
        let kept = |&c: &char| if skipped == 0 || c == '\n' { c } else { ' ' };
        code.extend(characters[at..end].iter().map(kept));
        at = end;
    }
    code
}

/// How long the comment or literal is that begins here; 0 where none does.
fn skip(rest: &[char], before: Option<char>) -> usize {
    match rest {
        ['/', '/', ..] => rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['r', '"' | '#', ..] if !before.is_some_and(|c| is_word(c) && c != 'b' && c != 'c') => raw_string(rest),
        ['"', ..] => quoted(rest, '"'),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
        _ => 0,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        // A raw identifier.
        return 0;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let inside = hashes + 2;
    let length = rest[inside..].windows(end.len()).position(|window| window == end);
    length.map_or(rest.len(), |length| inside + length + end.len())
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The code without the items under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut production = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(MARK) {
        let (before, item) = rest.split_at(start);
        production.push_str(before);
        let behind = &item[item_end(item)..];
        rest = behind.strip_prefix('\n').unwrap_or(behind);
    }
    production + rest
}

/// Where an item ends: at the brace that closes its first one, or at a semicolon before that.
fn item_end(item: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in item.char_indices() {
        match c {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    item.len()
}

/// All paths in the code, groups (`a::{b, c}`) unfolded; macros end in `!`.
pub fn paths(code: &str) -> Vec<String> {
    let tokens = tokens(code);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        at = if is_name(tokens[at]) { path(&tokens, at, "", &mut found) } else { at + 1 };
    }
    found
}

/// Reads the path that begins at a name, and gives where it ends.
fn path(tokens: &[&str], start: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    let mut path = format!("{prefix}{}", tokens[start]);
    let mut at = start + 1;
    while let ["::", next, ..] = tokens[at..] {
        if next == "{" {
            return group(tokens, at + 2, &format!("{path}::"), found);
        }
        if next != "*" && !is_name(next) {
            break;
        }
        path = format!("{path}::{next}");
        at += 2;
    }
    let is_macro = matches!(tokens[at..], ["!", next, ..] if next != "=");
    found.push(if is_macro { path + "!" } else { path });
    at
}

/// Reads the inside of a group, and gives where it ends.
fn group(tokens: &[&str], start: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    let mut at = start;
    while at < tokens.len() && tokens[at] != "}" {
        match tokens[at] {
            "," => at += 1,
            _ => at = path(tokens, at, prefix, found),
        }
    }
    at + 1
}

/// The code as words, `::` and single other characters.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            other => other.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_name(token: &str) -> bool {
    token.starts_with(is_word)
}

pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources);
    sources
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below: Vec<&str> =
                path.strip_prefix(root).expect("below it").iter().map(|part| part.to_str().expect("UTF-8")).collect();
            sources.push(Source::new(&below.join("/"), &fs::read_to_string(&path).expect("a source")));
        }
    }
}
