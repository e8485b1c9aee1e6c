//! The tree of a scenario's file, as far as scripts are made of it.
//!
//! There may be thousands of files, nearly all of them small: so the trees of those that were looked at last are held, and made anew
//! of the text for the others. A large one, which would take long to read, is held by its scenario.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::decode::one_or_many;
use super::yaml::{self, Node, Value};
use crate::diagnostic::{Diagnostic, SourceFile};

/// What scripts are made of. Cases, of which there may be a great many, are not: each becomes variables.
const KEYS: [&str; 8] = ["persona", "personas", "facts", "history", "turns", "probes", "each_reply", "expect"];
/// Small trees of so many bytes are held.
const HELD_BYTES: usize = 1 << 20;
/// A tree or a text of more bytes is large. It must be well below what is held.
const LARGE: usize = 32 << 10;

static HELD: Mutex<Held> = Mutex::new(Held { trees: VecDeque::new(), bytes: 0 });

/// What of a file scripts are made of. A copy shares it.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    source: Arc<SourceFile>,
    entries: Arc<[(Node, Node)]>,
    /// What it takes, nearly.
    bytes: usize,
}

impl Tree {
    /// Of a file, with the root of all that it says.
    ///
    /// # Errors
    /// Why it is no tree.
    pub(super) fn read(source: &Arc<SourceFile>) -> Result<(Self, Node), Box<Diagnostic>> {
        let root = yaml::parse(source)?;
        let entries: &[_] = if let Value::Map(entries) = &root.value { entries } else { &[] };
        let is_needed = |key: &Node| key.scalar_text().is_some_and(|key| KEYS.contains(&key));
        let entries: Arc<[_]> = entries.iter().filter(|(key, _)| is_needed(key)).cloned().collect();
        let bytes = entries.iter().map(|(key, value)| size(key) + size(value)).sum();
        Ok((Self { source: Arc::clone(source), entries, bytes }, root))
    }

    /// Of a file that was read before.
    ///
    /// # Errors
    /// Why it is no tree: none, since it was one then.
    pub(super) fn of(source: &Arc<SourceFile>) -> Result<Self, Box<Diagnostic>> {
        let known = held().tree(source);
        if let Some(known) = known {
            return Ok(known);
        }
        let (tree, _) = Self::read(source)?;
        tree.clone().hold();
        Ok(tree)
    }

    /// Whether it would take long to make it anew.
    pub(super) fn is_large(&self) -> bool {
        self.bytes.max(self.source.text.len()) > LARGE
    }

    /// The file.
    pub(super) const fn source(&self) -> &Arc<SourceFile> {
        &self.source
    }

    /// Has it at hand for whoever looks at the file next.
    pub(super) fn hold(self) {
        let let_go = held().add(self);
        // Others need not wait while they are taken apart.
        drop(let_go);
    }

    /// The value of a key of the scenario, one of those that scripts are made of. A key without a value counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        debug_assert!(KEYS.contains(&key), "`{key}` is not held");
        let (_, value) = self.entries.iter().find(|(name, _)| name.scalar_text() == Some(key))?;
        Some(value).filter(|value| !matches!(value.value, Value::Null))
    }

    /// The persona at an index: a map, or its system prompt alone.
    pub(super) fn persona(&self, at: usize) -> Option<&Node> {
        match self.get("persona") {
            Some(one) => Some(one).filter(|_| at == 0),
            None => one_or_many(self.get("personas")?).get(at),
        }
    }
}

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a node takes, nearly: itself, and its text with two counts.
fn size(node: &Node) -> usize {
    let inner = match &node.value {
        Value::Null => 0,
        Value::Scalar(_, text) => 16 + text.len(),
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|(key, value)| size(key) + size(value)).sum(),
    };
    size_of::<Node>() + inner
}

/// What was looked at last, the newest at the end.
struct Held {
    trees: VecDeque<Tree>,
    bytes: usize,
}

impl Held {
    /// The tree of a file, which is the newest then.
    fn tree(&mut self, source: &Arc<SourceFile>) -> Option<Tree> {
        let at = self.trees.iter().rposition(|tree| Arc::ptr_eq(&tree.source, source))?;
        let tree = self.trees.remove(at)?;
        self.trees.push_back(tree.clone());
        Some(tree)
    }

    /// Adds a tree, and gives those that are let go for it.
    fn add(&mut self, tree: Tree) -> Vec<Tree> {
        if self.tree(&tree.source).is_some() {
            // Another thread read the file meanwhile.
            return vec![tree];
        }
        self.bytes += tree.bytes;
        self.trees.push_back(tree);
        let mut let_go = Vec::new();
        while self.bytes > HELD_BYTES {
            let_go.extend(self.trees.pop_front().inspect(|oldest| self.bytes -= oldest.bytes));
        }
        let_go
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(bytes: usize) -> Tree {
        let source = SourceFile { path: "a.yaml".into(), text: String::new() };
        Tree { source: Arc::new(source), entries: Arc::new([]), bytes }
    }

    #[test]
    fn those_that_were_looked_at_last_are_held() {
        let mut held = Held { trees: VecDeque::new(), bytes: 0 };
        let trees: Vec<Tree> = (0..4).map(|_| tree(HELD_BYTES / 4)).collect();
        for tree in &trees {
            assert_eq!(held.add(tree.clone()).len(), 0, "all of them fit");
        }
        assert!((0..4).rev().all(|at| held.tree(&trees[at].source).is_some()));
        assert_eq!(held.add(trees[2].clone()).len(), 1, "none is there twice");
        held.add(tree(1));
        let is_held: Vec<bool> = trees.iter().map(|tree| held.tree(&tree.source).is_some()).collect();
        assert_eq!(is_held, [true, true, true, false], "the last was looked at first");
        assert_eq!(held.add(tree(HELD_BYTES)).len(), 4);
        assert_eq!((held.trees.len(), held.bytes), (1, HELD_BYTES));
    }

    #[test]
    fn what_aliases_unfold_to_counts_and_what_no_script_is_made_of_does_not() {
        let bytes = |text: String| {
            let (tree, _) = Tree::read(&Arc::new(SourceFile { path: "a.yaml".into(), text })).unwrap();
            tree.bytes
        };
        let small = bytes("turns: [{user: Hello}]\n".to_owned());
        assert_eq!(bytes(format!("cases: [{}]\nturns: [{{user: Hello}}]\n", "{id: a}, ".repeat(99))), small);
        let anchored = bytes(format!("facts: &a [{}]\nturns: [*a, *a, *a]\n", "b, ".repeat(99)));
        assert!(anchored > 4 * 99 * size_of::<Node>(), "{anchored}");
    }
}
