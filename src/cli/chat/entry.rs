//! What a person types: a message, or a command. Pure.
//!
//! A line that begins with `/` is a command, with `//` a message that begins with `/`. A line that ends in a backslash goes on in
//! the next one, and between `"""` and `"""` stands a message of as many lines as one likes, in which nothing else has a meaning.

use std::path::PathBuf;

use crate::model::Window;
use crate::text::nearest::nearest;

/// What stands around a message of several lines.
const FENCE: &str = "\"\"\"";

/// Every command, with what it takes and what it does.
pub const COMMANDS: [(&str, &str, &str); 13] = [
    ("/window", "[WINDOW]", "which messages go along: full, none, 2, past-2, …"),
    ("/persona", "[NAME|TEXT]", "one of the scenario's, or a system prompt"),
    ("/model", "[NAME]", "another model, by its name in the config"),
    ("/facts", "", "values, where visible now, when last recalled"),
    ("/fact", "NAME=VALUE", "a fact to be looked for, or another value of one"),
    ("/sent", "", "what the last request held, what the window cut"),
    ("/script", "", "the scenario's next user message, as Tab does"),
    ("/undo", "", "takes the last exchange out of the history"),
    ("/reset", "", "takes all of them out; with a bot a new session"),
    ("/save", "FILE [--force]", "writes the talk as a scenario"),
    ("/help", "", "this list"),
    ("/quit", "", "ends the talk; Ctrl-D does so too"),
    ("//…", "", "a message that begins with a slash"),
];

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Nothing but blanks.
    Nothing,
    /// A message, exactly as it is to be sent.
    Say(String),
    /// A command.
    Command(Command),
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Lists the commands.
    Help,
    /// Another window; without one, the present one is shown.
    Window(Option<Window>),
    /// Another persona; without one, the present one is shown.
    Persona(Option<String>),
    /// Another model; without one, the present one is shown.
    Model(Option<String>),
    /// Shows the facts.
    Facts,
    /// A fact and its value.
    Fact(String, String),
    /// Shows the last request.
    Sent,
    /// The next user message of the script.
    Script,
    /// Takes the last exchange back.
    Undo,
    /// Takes all exchanges back.
    Reset,
    /// Writes the talk as a scenario.
    Save {
        /// The file.
        file: PathBuf,
        /// Whether a file that is there is replaced.
        force: bool,
    },
    /// Ends the talk.
    Quit,
}

/// What cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub message: String,
    /// Something to do about it.
    pub help: String,
}

/// Whether more lines belong to what was typed so far.
pub fn is_open(text: &str) -> bool {
    match text.trim_start().strip_prefix(FENCE) {
        Some(body) => !body.trim_end().ends_with(FENCE),
        None => goes_on(text),
    }
}

/// Whether the last line ends in a backslash that is not escaped by another.
fn goes_on(text: &str) -> bool {
    let line = text.rsplit('\n').next().unwrap_or_default();
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    backslashes % 2 == 1
}

/// Reads what was typed, all its lines together.
///
/// # Errors
/// When it is a command that cannot be understood.
pub fn read(text: &str) -> Result<Entry, Wrong> {
    if let Some(body) = text.trim_start().strip_prefix(FENCE) {
        let body = body.trim_end();
        let body = body.strip_suffix(FENCE).unwrap_or(body);
        let body = body.strip_prefix('\n').unwrap_or(body);
        return Ok(said(body.strip_suffix('\n').unwrap_or(body)));
    }
    let lines = text.split('\n').map(|line| if goes_on(line) { &line[..line.len() - 1] } else { line });
    let text = lines.collect::<Vec<_>>().join("\n");
    match text.strip_prefix('/') {
        Some(message) if message.starts_with('/') => Ok(said(message)),
        Some(command) => read_command(command).map(Entry::Command),
        None => Ok(said(&text)),
    }
}

fn said(text: &str) -> Entry {
    if text.trim().is_empty() { Entry::Nothing } else { Entry::Say(text.to_owned()) }
}

fn read_command(text: &str) -> Result<Command, Wrong> {
    let (name, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let argument = argument.trim();
    let given = (!argument.is_empty()).then(|| argument.to_owned());
    let command = match name {
        "help" => Command::Help,
        "facts" => Command::Facts,
        "sent" => Command::Sent,
        "script" => Command::Script,
        "undo" => Command::Undo,
        "reset" => Command::Reset,
        "quit" => Command::Quit,
        "persona" => return Ok(Command::Persona(given)),
        "model" => return Ok(Command::Model(given)),
        "window" => return read_window(given),
        "fact" => return read_fact(argument),
        "save" => return read_save(argument),
        _ => return Err(unknown(name)),
    };
    match given {
        None => Ok(command),
        Some(more) => Err(Wrong {
            message: format!("`/{name}` takes nothing, and `{more}` stands behind it"),
            help: slash_help(),
        }),
    }
}

fn read_window(label: Option<String>) -> Result<Command, Wrong> {
    let Some(label) = label else { return Ok(Command::Window(None)) };
    let wrong = |error| Wrong {
        message: format!("`{label}`: {error}"),
        help: "`/window 2` sends the last two exchanges, `/window full` all of them".to_owned(),
    };
    label.parse().map(|window| Command::Window(Some(window))).map_err(wrong)
}

fn read_fact(argument: &str) -> Result<Command, Wrong> {
    let wrong = |message: String| Wrong { message, help: "write it like `/fact name=Priya`".to_owned() };
    let (name, value) = argument.split_once('=').ok_or_else(|| wrong("`/fact` takes a name and a value".to_owned()))?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
        let message = format!("`{name}` is no name for a fact; names have letters, digits, `_` and `-`");
        return Err(wrong(message));
    }
    if value.is_empty() {
        return Err(wrong(format!("the fact `{name}` has no value")));
    }
    Ok(Command::Fact(name.to_owned(), value.to_owned()))
}

fn read_save(argument: &str) -> Result<Command, Wrong> {
    let help = "write it like `/save talk.yaml`; `--force` behind it replaces a file".to_owned();
    let words: Vec<&str> = argument.split_whitespace().collect();
    if let Some(flag) = words.iter().find(|word| word.starts_with("--") && **word != "--force") {
        return Err(Wrong { message: format!("`/save` knows no `{flag}`"), help });
    }
    let force = words.first() == Some(&"--force") || words.last() == Some(&"--force");
    // Blanks inside of the name are its own.
    let file = argument.strip_prefix("--force").unwrap_or(argument);
    let file = file.strip_suffix("--force").unwrap_or(file).trim();
    if file.is_empty() {
        return Err(Wrong { message: "`/save` takes a file".to_owned(), help });
    }
    Ok(Command::Save { file: PathBuf::from(file), force })
}

fn unknown(name: &str) -> Wrong {
    let typed = format!("/{name}");
    let known = COMMANDS.iter().map(|(command, ..)| *command).filter(|command| *command != "//…");
    let near = nearest(&typed, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    Wrong { message: format!("`{typed}` is no command{near}"), help: slash_help() }
}

fn slash_help() -> String {
    "`/help` lists the commands; `//` begins a message with a slash".to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn say(text: &str) -> Entry {
        Entry::Say(text.to_owned())
    }

    #[test]
    fn what_is_no_command_is_a_message_as_it_stands() {
        for (typed, message) in [
            ("Hi", "Hi"),
            ("  two  blanks ", "  two  blanks "),
            ("//etc is a folder", "/etc is a folder"),
            ("///", "//"),
            ("one\\\ntwo", "one\ntwo"),
            ("one\\\n/two", "one\n/two"),
            ("C:\\\\", "C:\\\\"),
            ("pasted\nlines", "pasted\nlines"),
            ("\"\"\"\n/one \\\ntwo\n\"\"\"", "/one \\\ntwo"),
            ("\"\"\"one\"\"\"  ", "one"),
            ("\"\"\"\n\none\n\n\"\"\"", "\none\n"),
            ("\"quoted\"", "\"quoted\""),
        ] {
            assert!(!is_open(typed), "{typed:?}");
            assert_eq!(read(typed), Ok(say(message)), "{typed:?}");
        }
        for typed in ["", "  ", "\t\n", "\"\"\" \n\"\"\""] {
            assert_eq!(read(typed), Ok(Entry::Nothing), "{typed:?}");
        }
        for typed in ["one\\", "one\\\ntwo\\", "\"\"\"", "\"\"\"one\n/two", "/persona a\\", "\"\"\"one\"\"\" two"] {
            assert!(is_open(typed), "{typed:?}");
        }
    }

    #[test]
    fn a_command_is_read_with_what_it_takes() {
        let save = |file: &str, force| Command::Save { file: file.into(), force };
        for (typed, command) in [
            ("/help", Command::Help),
            ("/facts ", Command::Facts),
            ("/sent", Command::Sent),
            ("/script", Command::Script),
            ("/undo", Command::Undo),
            ("/reset", Command::Reset),
            ("/quit", Command::Quit),
            ("/window", Command::Window(None)),
            ("/window 2-drop", Command::Window("2-drop".parse().ok())),
            ("/persona", Command::Persona(None)),
            ("/persona You are kind.\\\nBe brief.", Command::Persona(Some("You are kind.\nBe brief.".into()))),
            ("/model gpt-4o-mini", Command::Model(Some("gpt-4o-mini".into()))),
            ("/fact name = Priya = x", Command::Fact("name".into(), "Priya = x".into())),
            ("/save a.yaml", save("a.yaml", false)),
            ("/save my talk.yaml --force", save("my talk.yaml", true)),
            ("/save --force a.yaml", save("a.yaml", true)),
        ] {
            assert_eq!(read(typed), Ok(Entry::Command(command)), "{typed:?}");
        }
        for (typed, said) in [
            ("/widnow 2", "`/widnow` is no command; did you mean `/window`?"),
            ("/", "`/` is no command"),
            ("/HELP", "`/HELP` is no command; did you mean `/help`?"),
            ("/undo 2", "`/undo` takes nothing, and `2` stands behind it"),
            ("/window 0", "`0`: a window of 0 is not possible; `none` sends no history"),
            ("/window many", "`many`: not a window;"),
            ("/fact name", "`/fact` takes a name and a value"),
            ("/fact my name=Priya", "`my name` is no name for a fact"),
            ("/fact name=", "the fact `name` has no value"),
            ("/save", "`/save` takes a file"),
            ("/save --force", "`/save` takes a file"),
            ("/save a --all", "`/save` knows no `--all`"),
        ] {
            let wrong = read(typed).unwrap_err();
            assert!(wrong.message.starts_with(said), "{typed:?}: {}", wrong.message);
            assert!(!wrong.help.is_empty());
        }
    }

    #[test]
    fn every_command_of_the_list_is_known() {
        for (name, takes, _) in COMMANDS.iter().filter(|(name, ..)| *name != "//…") {
            let argument = match *takes {
                "NAME=VALUE" => "a=b",
                "FILE [--force]" => "a",
                _ => "",
            };
            assert!(matches!(read(&format!("{name} {argument}")), Ok(Entry::Command(_))), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_said_between_fences(text in "\\PC{0,40}(\n\\PC{0,20}){0,3}") {
            prop_assume!(!text.trim().is_empty() && !text.contains(FENCE));
            prop_assert_eq!(read(&format!("{FENCE}\n{text}\n{FENCE}")), Ok(say(&text)));
        }

        #[test]
        fn nothing_that_is_typed_ends_it(text in any::<String>()) {
            let _ = (is_open(&text), read(&text));
        }
    }
}
