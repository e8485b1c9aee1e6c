//! How checks, retention checks and conversations come out.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// The word used in every output.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// The verdict of one check.
    Verdict {
        /// There was an answer to judge, and it is right.
        Pass = "pass",
        /// There was an answer to judge, and it is wrong.
        Fail = "fail",
        /// There was no answer to judge.
        Unknown = "unknown",
        /// It was not asked.
        Skip = "skip",
        /// It failed as its mark says it would.
        KnownFailure = "known_failure",
    }
}

words! {
    /// What became of a fact: was it in the request, and is it in the reply?
    Outcome {
        /// Visible and recalled.
        Retained = "retained",
        /// Visible and not recalled: the model's fault.
        Missed = "missed",
        /// Not visible and not recalled: the window's doing.
        Forgotten = "forgotten",
        /// Not visible and recalled all the same: a guess, or another conversation's history.
        Leaked = "leaked",
        /// The reply has an outdated value and not the present one.
        Stale = "stale",
    }
}

words! {
    /// Where in a request a fact stands. The first of these that holds is the one named.
    Visibility {
        /// In an earlier user message.
        User = "user",
        /// In a reply of the bot, an orphan one included.
        Assistant = "assistant",
        /// In the system prompt.
        System = "system",
        /// Only in this turn's own user message.
        Question = "question",
        /// Nowhere.
        No = "no",
        /// Nobody knows: the bot keeps its history itself.
        Unknown = "unknown",
    }
}

impl Visibility {
    /// Whether the fact was in the request at all, as far as that is known.
    #[must_use]
    pub const fn is_visible(self) -> bool {
        !matches!(self, Self::No | Self::Unknown)
    }
}

words! {
    /// How a conversation ended.
    End {
        /// Every decided check passed.
        Passed = "passed",
        /// A check failed.
        Failed = "failed",
        /// It could not be carried through, or a check stayed unknown.
        Errored = "errored",
        /// Its next call could not be paid.
        Skipped = "skipped",
        /// It was cut short by Ctrl-C, a signal or a failed check elsewhere.
        Interrupted = "interrupted",
    }
}
