//! Pieces of a file that lie scattered, read through blocks that are kept for a while.
//!
//! The lines of conversations that were played together lie between one another. Whoever reads one conversation after the
//! other comes by the same places again soon, and a question to the system for each line would take longer than to read it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// The size of a block, in bytes.
const BLOCK: usize = 64 * 1024;
/// How many are kept: enough for a thousand conversations at once.
const KEPT: usize = 128;

/// A file and the blocks of it that were used last.
#[derive(Debug)]
pub(super) struct Blocks {
    file: File,
    kept: HashMap<u64, Block>,
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
        Self { file, kept: HashMap::new(), asked: 0 }
    }

    /// So many bytes from an offset on.
    ///
    /// # Errors
    /// When the file cannot be read, or ends before.
    pub(super) fn read(&mut self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        let number = offset / BLOCK as u64;
        let from = usize::try_from(offset % BLOCK as u64).unwrap_or_default();
        if from + length <= BLOCK {
            let block = self.block(number, from + length)?;
            return Ok(Cow::Borrowed(&block[from..from + length]));
        }
        let mut bytes = self.block(number, BLOCK)?[from..].to_vec();
        for number in number + 1.. {
            let rest = (length - bytes.len()).min(BLOCK);
            if rest == 0 {
                break;
            }
            bytes.extend_from_slice(&self.block(number, rest)?[..rest]);
        }
        Ok(Cow::Owned(bytes))
    }

    /// The block of this number, with so many bytes at least. One that the end of the file cut short is read anew when more
    /// of it is asked for: the file may have grown.
    fn block(&mut self, number: u64, least: usize) -> io::Result<&[u8]> {
        self.asked += 1;
        let has_room = self.kept.len() < KEPT || self.kept.contains_key(&number);
        let mut spare = Block::default();
        if !has_room
            && let Some(oldest) = self.kept.iter().min_by_key(|(_, block)| block.used).map(|(number, _)| *number)
        {
            spare = self.kept.remove(&oldest).unwrap_or_default();
        }
        let block = self.kept.entry(number).or_insert_with(|| Block { used: 0, bytes: cleared(spare.bytes) });
        block.used = self.asked;
        if block.bytes.len() < least {
            block.bytes.clear();
            self.file.seek(SeekFrom::Start(number * BLOCK as u64))?;
            (&self.file).take(BLOCK as u64).read_to_end(&mut block.bytes)?;
        }
        if block.bytes.len() < least { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(&block.bytes) }
    }
}

fn cleared(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.clear();
    bytes.reserve_exact(BLOCK);
    bytes
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

    #[expect(clippy::cast_possible_truncation, reason = "a pattern of bytes")]
    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8 ^ (at / BLOCK) as u8).collect()
    }

    #[test]
    fn pieces_come_whole_wherever_they_lie_and_however_many_blocks_there_are() {
        let bytes = pattern((KEPT + 3) * BLOCK + 17);
        let (_file, mut blocks) = file(&bytes);
        for round in 0..2 {
            for start in (0..bytes.len() - 2 * BLOCK - 9).step_by(BLOCK / 3 + round) {
                for length in [0, 1, 700, BLOCK, 2 * BLOCK + 9] {
                    let read = blocks.read(start as u64, length).unwrap();
                    assert!(*read == bytes[start..start + length], "{length} from {start}");
                }
            }
            assert!(blocks.kept.len() <= KEPT);
        }
    }

    #[test]
    fn what_was_appended_meanwhile_is_read_and_what_is_not_there_is_an_error() {
        let (mut file, mut blocks) = file(b"one\n");
        assert_eq!(*blocks.read(0, 4).unwrap(), *b"one\n");
        assert_eq!(blocks.read(0, 8).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        file.write_all(b"two\n").unwrap();
        assert_eq!(*blocks.read(2, 6).unwrap(), *b"e\ntwo\n");
    }

    proptest! {
        #[test]
        fn any_pieces_in_any_order(pieces in prop::collection::vec((0..3 * BLOCK, 0..BLOCK * 2), 1..20)) {
            let bytes = pattern(5 * BLOCK);
            let (_file, mut blocks) = file(&bytes);
            for (start, length) in pieces {
                let read = blocks.read(start as u64, length).unwrap();
                prop_assert!(*read == bytes[start..start + length]);
            }
        }
    }
}
