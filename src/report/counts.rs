//! How many there are of each word: verdicts, outcomes, ends, sources.

use serde::Serialize;

use crate::model::{End, Outcome, Source, Verdict};

macro_rules! counts {
    ($(#[$doc:meta])* $name:ident of $word:ident { $($(#[$field_doc:meta])* $field:ident = $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct $name { $($(#[$field_doc])* pub $field: u64,)* }

        impl $name {
            /// Counts one.
            pub fn count(&mut self, word: $word) {
                match word { $($word::$variant => self.$field += 1,)* }
            }

            /// Adds the numbers of another count.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            /// How many there are of all together.
            #[must_use]
            pub fn total(&self) -> u64 {
                0 $(+ self.$field)*
            }

            /// Each word with its number, in the order in which they are shown.
            #[must_use]
            pub fn each(&self) -> [($word, u64); [$(stringify!($field)),*].len()] {
                [$(($word::$variant, self.$field)),*]
            }
        }
    };
}

counts! {
    /// Checks by verdict.
    VerdictCounts of Verdict {
        /// Right answers.
        pass = Pass,
        /// Wrong answers.
        fail = Fail,
        /// No answer to judge.
        unknown = Unknown,
        /// Not asked.
        skip = Skip,
        /// Failed as marked.
        known_failure = KnownFailure,
    }
}

counts! {
    /// Retention checks by outcome.
    OutcomeCounts of Outcome {
        /// Visible and recalled.
        retained = Retained,
        /// Visible and not recalled.
        missed = Missed,
        /// Neither.
        forgotten = Forgotten,
        /// Not visible and recalled.
        leaked = Leaked,
        /// An outdated value.
        stale = Stale,
    }
}

counts! {
    /// Conversations, or variants, by their end.
    EndCounts of End {
        /// Every decided check passed.
        passed = Passed,
        /// A check failed.
        failed = Failed,
        /// Not carried through, or a check stayed unknown.
        errored = Errored,
        /// Cut short: the budget was spent.
        skipped = Skipped,
        /// Cut short.
        interrupted = Interrupted,
    }
}

counts! {
    /// Replies by where they came from.
    SourceCounts of Source {
        /// From a provider.
        live = Live,
        /// From calls of the same run that sent the same.
        shared = Shared,
        /// From recordings.
        cassette = Cassette,
        /// From the embedded model.
        builtin = Builtin,
        /// From the script.
        canned = Canned,
    }
}
