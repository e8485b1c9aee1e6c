//! What a talk has of its scenario: its personas, and what its turns and probes say.

use std::sync::Arc;

use super::entry::{self, Entry};
use super::save::DEFAULT_PERSONA;
use crate::model::Persona;
use crate::text::escape::visible;
use crate::text::nearest::nearest;

/// What a talk has of its scenario.
pub struct Scripted {
    /// Its name.
    pub name: String,
    /// Whether it says that replies are streamed.
    pub stream: bool,
    /// How many variants it has.
    pub variants: usize,
    /// Its personas.
    pub personas: Vec<Persona>,
    /// What its turns and probes say.
    pub lines: Vec<Line>,
}

/// A user message of a scenario.
pub struct Line {
    /// The text.
    pub user: Arc<str>,
    /// The reply, where it is canned.
    pub reply: Option<Arc<str>>,
    /// Whether it has what an earlier turn captures: it is not known here then.
    pub is_open: bool,
}

impl Line {
    /// Whether it can stand on the line to be edited: the editor would show it as it is, and the terminal obey it; and what it
    /// begins with must not make a command of it.
    pub fn is_typed(&self) -> bool {
        let is_itself = entry::read(&self.user) == Ok(Entry::Say(self.user.to_string())) && !entry::is_open(&self.user);
        !self.is_open && self.reply.is_none() && is_itself && visible(&self.user) == *self.user
    }
}

/// A persona by its name, or a text that is one: name and system prompt.
///
/// # Errors
/// When it is one word, which is hardly a system prompt, and no name.
pub fn persona(known: &[Persona], asked: &str) -> Result<(String, Arc<str>), String> {
    if let Some(persona) = known.iter().find(|persona| persona.name == asked) {
        return Ok((persona.name.clone(), Arc::clone(&persona.system)));
    }
    if known.is_empty() || asked.is_empty() || asked.contains(char::is_whitespace) {
        return Ok((DEFAULT_PERSONA.to_owned(), asked.trim_end().into()));
    }
    let names: Vec<&str> = known.iter().map(|persona| persona.name.as_str()).collect();
    let near = nearest(asked, names.iter().copied());
    let near =
        near.map_or_else(|| format!(": it has {}", names.join(", ")), |near| format!("; did you mean `{near}`?"));
    Err(format!("the scenario has no persona `{asked}`{near}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_persona_is_a_name_of_the_scenario_or_a_text_of_several_words() {
        let tutor = Persona { name: "tutor".to_owned(), system: "You teach.".into(), checks: Vec::new() };
        let known = [tutor];
        let found =
            |known: &[Persona], asked: &str| persona(known, asked).map(|(name, text)| format!("{name}: {text}"));
        assert_eq!(found(&known, "tutor").as_deref(), Ok("tutor: You teach."));
        assert_eq!(found(&known, "You cook. ").as_deref(), Ok("default: You cook."));
        assert_eq!(found(&known, "").as_deref(), Ok("default: "));
        assert_eq!(found(&[], "Cook").as_deref(), Ok("default: Cook"));
        let near = "the scenario has no persona `tutr`; did you mean `tutor`?";
        assert_eq!(found(&known, "tutr"), Err(near.to_owned()));
        assert_eq!(found(&known, "cook"), Err("the scenario has no persona `cook`: it has tutor".to_owned()));
    }

    #[test]
    fn only_what_is_sent_as_it_is_shown_stands_on_the_line_to_be_edited() {
        let line = |user: &str| Line { user: user.into(), reply: None, is_open: false };
        for (user, is_typed) in [
            ("Hi", true),
            ("two\nlines", true),
            ("/quit", false),
            ("a\\", false),
            ("\u{1b}[2J", false),
            ("\"\"\"", false),
        ] {
            assert_eq!(line(user).is_typed(), is_typed, "{user:?}");
        }
        assert!(!Line { reply: Some("Canned".into()), ..line("Hi") }.is_typed());
        assert!(!Line { is_open: true, ..line("Hi") }.is_typed());
    }
}
