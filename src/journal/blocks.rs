//! Pieces of a file that lie scattered, read through blocks that are kept for a while.
//!
//! The lines of conversations that were played together lie between one another. Whoever reads one conversation after the
//! other comes by the same places again soon, and a question to the system for each line would take longer than to read it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use memchr::memchr;

/// The size of a block, in bytes.
const BLOCK: usize = 64 * 1024;
/// How many are kept: enough for a thousand conversations at once.
const KEPT: usize = 128;
/// The room of a block that was not asked for in so many questions is taken for the next one, before there are so many: where
/// few conversations were played at once, few blocks are in use, and new memory costs more than to read what lies in it.
const STALE: u64 = 4096;

/// A file and the blocks of it that were used last.
#[derive(Debug)]
pub(super) struct Blocks {
    file: File,
    kept: BTreeMap<u64, Block>,
    /// How often a block was asked for.
    asked: u64,
}

#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    /// When it was asked for last.
    used: u64,
}

impl Blocks {
    pub(super) fn new(file: File) -> Self {
        Self { file, kept: BTreeMap::new(), asked: 0 }
    }

    /// The line that begins at an offset, with its line feed.
    ///
    /// # Errors
    /// When the file cannot be read, or ends before the line does.
    pub(super) fn line(&mut self, offset: u64) -> io::Result<Cow<'_, [u8]>> {
        let (first, from) = (offset / BLOCK as u64, usize::try_from(offset % BLOCK as u64).unwrap_or_default());
        let block = self.block(first)?.get(from..).unwrap_or_default();
        if let Some(length) = memchr(b'\n', block) {
            return Ok(Cow::Borrowed(&self.kept[&first].bytes[from..=from + length]));
        }
        let mut line = block.to_vec();
        for number in first + 1.. {
            let block = self.block(number)?;
            let end = memchr(b'\n', block);
            line.extend_from_slice(end.map_or(block, |end| &block[..=end]));
            if end.is_some() {
                break;
            }
            if block.len() < BLOCK {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Cow::Owned(line))
    }

    /// The block of this number; shorter than the others where the file ends in it.
    fn block(&mut self, number: u64) -> io::Result<&[u8]> {
        self.asked += 1;
        if !self.kept.contains_key(&number) {
            let mut bytes = self.spare();
            self.file.seek(SeekFrom::Start(number * BLOCK as u64))?;
            (&self.file).take(BLOCK as u64).read_to_end(&mut bytes)?;
            self.kept.insert(number, Block { bytes, used: 0 });
        }
        let asked = self.asked;
        let block = self.kept.entry(number).or_default();
        block.used = asked;
        Ok(&block.bytes)
    }

    /// Room for a block: that of the one that was used the longest ago, once that is stale or there are enough.
    fn spare(&mut self) -> Vec<u8> {
        let oldest = self.kept.iter().map(|(number, block)| (block.used, *number)).min();
        let oldest = oldest.filter(|(used, _)| self.kept.len() >= KEPT || self.asked - used > STALE);
        let oldest = oldest.and_then(|(_, number)| self.kept.remove(&number));
        let mut bytes = oldest.map_or_else(|| Vec::with_capacity(BLOCK), |block| block.bytes);
        bytes.clear();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn file(bytes: &[u8]) -> (tempfile::NamedTempFile, Blocks) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let blocks = Blocks::new(file.reopen().unwrap());
        (file, blocks)
    }

    /// Lines of these lengths, each of other letters, with the offsets at which they begin.
    fn lines(lengths: &[usize]) -> (Vec<u8>, Vec<(usize, Vec<u8>)>) {
        let mut bytes = Vec::new();
        let lines = (b'a'..=b'z').cycle().zip(lengths).map(|(letter, length)| {
            let line = [vec![letter; *length], b"\n".to_vec()].concat();
            let offset = bytes.len();
            bytes.extend_from_slice(&line);
            (offset, line)
        });
        let lines = lines.collect();
        (bytes, lines)
    }

    #[test]
    fn a_line_comes_whole_where_a_block_ends_and_where_it_is_longer_than_a_block() {
        let lengths = [0, BLOCK - 2, 0, 1, BLOCK - 3, BLOCK, 3 * BLOCK + 5, BLOCK - 1, BLOCK - 1, 700];
        let (bytes, lines) = lines(&lengths);
        let (_file, mut blocks) = file(&bytes);
        for (offset, line) in lines.iter().chain(lines.iter().rev()) {
            assert!(*blocks.line(*offset as u64).unwrap() == **line, "at {offset}");
        }
    }

    #[test]
    fn a_file_of_more_blocks_than_are_kept_is_read_too() {
        let (bytes, lines) = lines(&vec![BLOCK / 3; 4 * KEPT]);
        let (_file, mut blocks) = file(&bytes);
        for (offset, line) in lines.iter().chain(lines.iter().rev()) {
            assert!(*blocks.line(*offset as u64).unwrap() == **line, "at {offset}");
        }
        assert!(blocks.kept.len() <= KEPT);
    }

    #[test]
    fn a_line_without_its_end_is_an_error() {
        for text in [b"one\ntwo".to_vec(), vec![b'x'; BLOCK], vec![b'x'; BLOCK + 1]] {
            let (_file, mut blocks) = file(&text);
            let start = text.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            assert_eq!(blocks.line(start as u64).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            assert!(blocks.line(5 * BLOCK as u64).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_lines_in_any_order(
            lengths in prop::collection::vec(prop_oneof![0..9_usize, 0..3 * BLOCK], 1..20),
            order in prop::collection::vec(any::<prop::sample::Index>(), 1..40),
        ) {
            let (bytes, lines) = lines(&lengths);
            let (_file, mut blocks) = file(&bytes);
            for index in order {
                let (offset, line) = index.get(&lines);
                prop_assert!(*blocks.line(*offset as u64).unwrap() == **line);
            }
        }
    }
}
