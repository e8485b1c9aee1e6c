//! The one list of all kinds of diagnostics. Their words are stable: people search for them and suppress by them.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])+ $variant:ident = $word:literal,)+) => {
        /// The stable kind of a diagnostic.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])+ $variant,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its word, as it is shown.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

codes! {
    // Files.
    /// A path on the command line leads to nothing.
    MissingPath = "missing-path",
    /// A file that is named somewhere is not there.
    MissingFile = "missing-file",
    /// A file or folder is there and cannot be read.
    Unreadable = "unreadable",
    /// A file has more than 10 MiB.
    FileTooLarge = "file-too-large",
    /// A file is no text.
    NotUtf8 = "not-utf8",
    /// A scenario names a hidden file.
    HiddenFile = "hidden-file",
    /// A file lies outside of the folder that may be read.
    PathOutside = "path-outside",
    /// A scenario file without a scenario.
    EmptyFile = "empty-file",
    /// A file with more errors than anyone reads.
    TooManyErrors = "too-many-errors",

    // YAML.
    /// The text is no YAML.
    InvalidYaml = "invalid-yaml",
    /// YAML beyond the limits of size, depth or aliases.
    YamlLimit = "yaml-limit",
    /// More than one document in a file.
    SeveralDocuments = "several-documents",

    // Keys and values.
    /// A key that means nothing here.
    UnknownKey = "unknown-key",
    /// A key that is there twice.
    DuplicateKey = "duplicate-key",
    /// A key that must be there.
    MissingKey = "missing-key",
    /// Two keys of which only one can be meant.
    ExclusiveKeys = "exclusive-keys",
    /// A list where a text should be, and the like.
    WrongType = "wrong-type",
    /// A number that is too small or too large.
    OutOfRange = "out-of-range",
    /// A text without anything in it.
    EmptyText = "empty-text",
    /// A list without anything in it.
    EmptyList = "empty-list",
    /// A value that is there twice.
    DuplicateValue = "duplicate-value",
    /// A word that is none of the few that are known.
    UnknownWord = "unknown-word",
    /// A name with characters that no name may have.
    InvalidName = "invalid-name",

    // Scenarios.
    /// Two scenarios of one name.
    DuplicateScenario = "duplicate-scenario",
    /// Two personas of one name.
    DuplicatePersona = "duplicate-persona",
    /// Names that differ by upper and lower case alone.
    NameClash = "name-clash",
    /// A window that is none.
    UnknownWindow = "unknown-window",
    /// A window of 0 or less.
    WindowTooSmall = "window-too-small",
    /// A token window into which a turn can never fit.
    WindowOverflow = "window-overflow",
    /// A key under `params.extra` that belongs elsewhere.
    ReservedParam = "reserved-param",

    // Turns.
    /// A scenario without turns.
    NoTurns = "no-turns",
    /// A turn without a user message.
    TurnWithoutUser = "turn-without-user",
    /// Two turns of one id.
    DuplicateTurn = "duplicate-turn",
    /// More turns than a conversation, or all those of a scenario, may have.
    TooManyTurns = "too-many-turns",
    /// A turn that is named and not there.
    UnknownTurn = "unknown-turn",
    /// A stretch of turns that ends before it begins.
    EmptyStretch = "empty-stretch",
    /// Checks on a canned reply.
    ExpectOnCanned = "expect-on-canned",
    /// A role that is none.
    UnknownRole = "unknown-role",

    // Facts and checks.
    /// A fact that is named and not declared.
    UnknownFact = "unknown-fact",
    /// A value that the fact never has.
    UnknownValue = "unknown-value",
    /// A way to match that is none.
    UnknownMatch = "unknown-match",
    /// `match: regex` without an expression, or an expression without it.
    RegexWithoutMatch = "regex-without-match",
    /// A fact's expression that does not match its own value.
    RegexMissesValue = "regex-misses-value",
    /// A check that is none.
    UnknownCheck = "unknown-check",
    /// A check on a reply where one on the transcript belongs, or the other way round.
    MisplacedCheck = "misplaced-check",
    /// A check that asserts nothing.
    CheckWithoutKey = "check-without-key",
    /// Two checks where one should be.
    SeveralChecks = "several-checks",
    /// A text that is no regular expression.
    InvalidRegex = "invalid-regex",
    /// What is no JSON Schema, or one that cannot be held to here.
    InvalidSchema = "invalid-schema",
    /// A text that is no JSON path.
    InvalidPath = "invalid-path",
    /// A regular expression that finds nothing at all in every text.
    EmptyMatch = "empty-match",
    /// A check on a fact that cannot fail, whoever answers.
    CannotFail = "cannot-fail",
    /// More regular expressions than a scenario may have.
    TooManyRegexes = "too-many-regexes",
    /// A text that is no glob.
    InvalidGlob = "invalid-glob",

    // The memory lint: what can be told of facts before anything is sent.
    /// A retention check that no reply can pass.
    CanNeverPass = "can-never-pass",
    /// A `recalls` that passes only where a live reply repeats the fact.
    OnlyByReply = "only-by-reply",
    /// A question that gives its answer away.
    AnswerInQuestion = "answer-in-question",
    /// A check that hangs on a reply whose question the window has cut.
    OrphanReply = "orphan-reply",
    /// A fact that no scripted message states.
    NeverPlanted = "never-planted",
    /// A fact that no check asks for.
    UnusedFact = "unused-fact",

    // Variables, matrix and cases.
    /// A variable that is used and not declared.
    UnknownVariable = "unknown-variable",
    /// A variable that comes from two places.
    DuplicateVariable = "duplicate-variable",
    /// A template that cannot be read.
    TemplateSyntax = "template-syntax",
    /// A template that does more than templates here may.
    TemplateRefused = "template-refused",
    /// A template that cannot be filled in.
    TemplateError = "template-error",
    /// A matrix with more cells than allowed.
    TooManyCells = "too-many-cells",
    /// More cases than allowed.
    TooManyCases = "too-many-cases",
    /// A file of cases that is no CSV or JSON lines.
    InvalidCases = "invalid-cases",
    /// A file of probes has a line that is no JSON object.
    InvalidProbes = "invalid-probes",
    /// A file of cases without cases.
    NoCases = "no-cases",
    /// Two cases of one name.
    DuplicateCase = "duplicate-case",

    // What is made into scenarios.
    /// A file to import that is not of its format.
    InvalidImport = "invalid-import",

    // Models and the config.
    /// A model that may not be used here.
    UnknownModel = "unknown-model",
    /// A provider that is none.
    UnknownProvider = "unknown-provider",
    /// A tokenizer that is none.
    UnknownTokenizer = "unknown-tokenizer",
    /// A model under the embedded model's name.
    ReservedName = "reserved-name",
    /// A model whose key is not in the environment.
    MissingApiKey = "missing-api-key",
    /// A live model without a price, in a run with a budget.
    MissingPrice = "missing-price",
    /// A parameter that a model's service does not take.
    UnsupportedParam = "unsupported-param",
    /// A request in which user messages and replies do not alternate, for a model whose service wants that.
    RolesMustAlternate = "roles-must-alternate",
    /// A scenario for a live model without `max_tokens`, in a run with a budget.
    MissingMaxTokens = "missing-max-tokens",
    /// A criterion without a model that judges it.
    MissingJudge = "missing-judge",
    /// A check that needs embeddings, without a model that makes them.
    MissingEmbedding = "missing-embedding",
    /// A scenario or a flag that decides what a bot sees which keeps its history itself.
    KeepsHistory = "keeps-history",
    /// A bot that is not told which conversation a message belongs to.
    MissingSession = "missing-session",
    /// A key that is written out in the config.
    KeyInConfig = "key-in-config",
    /// The embedded model as a judge.
    BuiltinJudge = "builtin-judge",
    /// A check that starts a program, in a run that may not.
    ProgramNotAllowed = "program-not-allowed",
    /// Recordings that cannot be replayed, or not as asked.
    UnusableCassette = "unusable-cassette",
    /// A model that cannot be called as it is configured.
    UnusableModel = "unusable-model",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
