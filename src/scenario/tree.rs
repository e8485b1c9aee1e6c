//! The tree of a scenario's file, and where in it stands what scripts are made of.
//!
//! A tree is several times its text, and there may be thousands of files: so it is held for those that were looked at last, and
//! made anew of the text for the others.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::decode::one_or_many;
use super::yaml::{self, Node, Value};
use crate::diagnostic::{Diagnostic, SourceFile};

/// What scripts are made of. Cases, of which there may be a great many, are not: each becomes variables.
const KEYS: [&str; 8] = ["persona", "personas", "facts", "history", "turns", "probes", "each_reply", "expect"];
/// The trees of so many bytes of text are held, and that of one file in any case.
const HELD_BYTES: usize = 256 << 10;

static HELD: Mutex<Held> = Mutex::new(Held(VecDeque::new()));

/// What of a file scripts are made of. A copy shares it.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    source: Arc<SourceFile>,
    entries: Arc<[(Node, Node)]>,
}

impl Tree {
    /// Of a file, with the root of all that it says.
    ///
    /// # Errors
    /// Why it is no tree.
    pub(super) fn read(source: &Arc<SourceFile>) -> Result<(Self, Node), Box<Diagnostic>> {
        let root = yaml::parse(source)?;
        let entries: &[_] = if let Value::Map(entries) = &root.value { entries } else { &[] };
        let is_held = |(key, value): &&(Node, Node)| {
            key.scalar_text().is_some_and(|key| KEYS.contains(&key)) && !matches!(value.value, Value::Null)
        };
        let entries = entries.iter().filter(is_held).cloned().collect();
        let tree = Self { source: Arc::clone(source), entries };
        held().add(tree.clone());
        Ok((tree, root))
    }

    /// Of a file that was read before.
    ///
    /// # Errors
    /// Why it is no tree: none, since it was one then.
    pub(super) fn of(source: &Arc<SourceFile>) -> Result<Self, Box<Diagnostic>> {
        let known = held().tree(source);
        known.map_or_else(|| Self::read(source).map(|(tree, _)| tree), Ok)
    }

    /// The value of a key of the scenario, one of those that scripts are made of. A key without a value counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        debug_assert!(KEYS.contains(&key), "`{key}` is not held");
        self.entries.iter().find(|(name, _)| name.scalar_text() == Some(key)).map(|(_, value)| value)
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

/// What was looked at last, the newest at the end.
struct Held(VecDeque<Tree>);

impl Held {
    /// The tree of a file, which is the newest then.
    fn tree(&mut self, source: &Arc<SourceFile>) -> Option<Tree> {
        let at = self.0.iter().rposition(|tree| Arc::ptr_eq(&tree.source, source))?;
        let tree = self.0.remove(at)?;
        self.0.push_back(tree.clone());
        Some(tree)
    }

    fn add(&mut self, tree: Tree) {
        self.0.push_back(tree);
        let mut bytes: usize = self.0.iter().map(|tree| tree.source.text.len()).sum();
        while bytes > HELD_BYTES && self.0.len() > 1 {
            bytes -= self.0.pop_front().map_or(0, |tree| tree.source.text.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(bytes: usize) -> Tree {
        let source = SourceFile { path: "a.yaml".into(), text: "#".repeat(bytes) };
        Tree { source: Arc::new(source), entries: Arc::new([]) }
    }

    #[test]
    fn those_that_were_looked_at_last_are_held() {
        let mut held = Held(VecDeque::new());
        let trees: Vec<Tree> = (0..4).map(|_| tree(HELD_BYTES / 4)).collect();
        for tree in &trees {
            held.add(tree.clone());
        }
        let mut has = |at: usize| held.tree(&trees[at].source).is_some();
        assert!((0..4).rev().all(&mut has), "all of them fit");
        held.add(tree(1));
        let is_held: Vec<bool> = trees.iter().map(|tree| held.tree(&tree.source).is_some()).collect();
        assert_eq!(is_held, [true, true, true, false], "the last was looked at first");
        let large = tree(HELD_BYTES * 2);
        held.add(large.clone());
        assert!(held.tree(&large.source).is_some(), "one is held, however large it is");
        assert_eq!(held.0.len(), 1);
    }
}
