//! Where each line of a journal stands, by conversation: 8 bytes an event, and up to twice that while it is made.
//!
//! It is many short lists. One long list is there twice while it grows, and finds no room in memory that was given back in pieces, as
//! that of the calls is when a run has ended.

/// So many conversations of a plan, one behind the other, have a list together.
const TOGETHER: u32 = 512;

/// Where the line of an event stands, in as few bytes as will do: there is one for each event of a run. The place in the plan is in
/// the upper bits, so that lines are ordered by conversation, and within one as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line(u64);

const OFFSET_BITS: u32 = 38;
/// The most bytes that a journal may have for all of it to be read: 256 GiB.
pub(super) const MOST_BYTES: u64 = 1 << OFFSET_BITS;
/// The most conversations that a plan may have for its journal to be read.
pub const MOST_CONVERSATIONS: usize = 1 << (u64::BITS - OFFSET_BITS);

impl Line {
    /// Of a place below [`MOST_CONVERSATIONS`] and an offset below [`MOST_BYTES`].
    const fn new(plan: u32, offset: u64) -> Self {
        Self((plan as u64) << OFFSET_BITS | offset)
    }

    /// The place of its conversation in the plan.
    pub(super) const fn plan(self) -> u32 {
        (self.0 >> OFFSET_BITS) as u32
    }

    /// Where it begins in the journal.
    pub(super) const fn offset(self) -> u64 {
        self.0 & ((1 << OFFSET_BITS) - 1)
    }
}

/// The lines of a journal.
#[derive(Debug, Default)]
pub(super) struct Index(Vec<Vec<Line>>);

impl Index {
    /// Adds the line at an offset, of the conversation at a place below [`MOST_CONVERSATIONS`].
    pub(super) fn add(&mut self, plan: u32, offset: u64) {
        let at = (plan / TOGETHER) as usize;
        if at >= self.0.len() {
            self.0.resize_with(at + 1, Vec::new);
        }
        self.0[at].push(Line::new(plan, offset));
    }

    /// The same when all of them were added: by conversation, and within one as written.
    pub(super) fn sorted(mut self) -> Self {
        for lines in &mut self.0 {
            lines.sort_unstable();
            lines.shrink_to_fit();
        }
        self
    }

    /// The lines of the conversation at a place of the plan.
    pub(super) fn of(&self, plan: u32) -> &[Line] {
        let lines = self.0.get((plan / TOGETHER) as usize).map_or(&[][..], Vec::as_slice);
        let from = lines.partition_point(|line| line.plan() < plan);
        let to = lines.partition_point(|line| line.plan() <= plan);
        &lines[from..to]
    }

    /// The lines of each conversation that has any, in plan order.
    pub(super) fn conversations(&self) -> impl Iterator<Item = &[Line]> {
        self.0.iter().flat_map(|lines| lines.chunk_by(|line, next| line.plan() == next.plan()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_lines_of_a_conversation_are_told_by_its_place_in_the_order_of_their_offsets(
            lines in prop::collection::btree_set((prop_oneof![0..3_u32, 0..2000_u32, 0..1_u32 << 26], 0..1_u64 << 38), 0..40)
                .prop_map(|lines| lines.into_iter().collect::<Vec<_>>()),
            shuffled in any::<u64>(),
        ) {
            let mut mixed = lines.clone();
            mixed.sort_by_key(|(plan, offset)| (u64::from(*plan) ^ offset).wrapping_mul(shuffled | 1));
            let mut index = Index::default();
            for (plan, offset) in mixed {
                index.add(plan, offset);
            }
            let index = index.sorted();
            let pair = |line: &Line| (line.plan(), line.offset());
            for conversation in lines.chunk_by(|line, next| line.0 == next.0) {
                prop_assert!(index.of(conversation[0].0).iter().map(pair).eq(conversation.iter().copied()));
            }
            let own = |own: &[Line]| own.iter().map(pair).collect::<Vec<_>>();
            prop_assert!(index.conversations().map(own).eq(lines.chunk_by(|line, next| line.0 == next.0).map(<[_]>::to_vec)));
            let lacks = |plan: u32| lines.iter().all(|line| line.0 != plan);
            prop_assert!((0..5).chain([1 << 25]).filter(|plan| lacks(*plan)).all(|plan| index.of(plan).is_empty()));
        }
    }
}
