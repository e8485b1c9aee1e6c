//! `--filter`: which conversations of a plan are played.

use globset::{Glob, GlobMatcher};

use crate::model::VariantKey;

/// One filter expression: a glob over scenario names, or over another name with `persona=`, `model=`, `window=` or
/// `case=` in front; `!` before it leaves out what it matches.
#[derive(Debug, Clone)]
pub struct Filter {
    field: Field,
    glob: GlobMatcher,
    is_negative: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Scenario,
    Persona,
    Model,
    Window,
    Case,
}

const FIELDS: [(&str, Field); 5] = [
    ("scenario", Field::Scenario),
    ("persona", Field::Persona),
    ("model", Field::Model),
    ("window", Field::Window),
    ("case", Field::Case),
];

/// A text that is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The name before `=` is none of ours.
    #[error("`{0}=` filters nothing; filters are `GLOB`, `persona=GLOB`, `model=GLOB`, `window=GLOB` and `case=GLOB`")]
    Field(String),
    /// The glob is none.
    #[error("`{0}` is no glob: {1}")]
    Glob(String, String),
}

impl std::str::FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let (is_negative, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (field, glob) = match rest.split_once('=') {
            Some((name, glob)) => match FIELDS.iter().find(|(known, _)| *known == name) {
                Some((_, field)) => (*field, glob),
                None => return Err(FilterError::Field(name.to_owned())),
            },
            None => (Field::Scenario, rest),
        };
        let glob = Glob::new(glob).map_err(|error| FilterError::Glob(glob.to_owned(), error.kind().to_string()))?;
        Ok(Self { field, glob: glob.compile_matcher(), is_negative })
    }
}

impl Filter {
    fn matches(&self, key: &VariantKey) -> bool {
        let text = match self.field {
            Field::Scenario => &key.scenario,
            Field::Persona => &key.persona,
            Field::Model => &key.model,
            Field::Window => &key.window,
            Field::Case => &key.case,
        };
        self.glob.is_match(text)
    }
}

/// Whether a variant is played: nothing leaves it out, and of each kind of name that filters ask for, one matches.
#[must_use]
pub fn is_selected(filters: &[Filter], key: &VariantKey) -> bool {
    let wanted = |field: Field| {
        let mut asked = filters.iter().filter(|filter| !filter.is_negative && filter.field == field).peekable();
        asked.peek().is_none() || asked.any(|filter| filter.matches(key))
    };
    !filters.iter().any(|filter| filter.is_negative && filter.matches(key))
        && FIELDS.iter().all(|(_, field)| wanted(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(filters: &[&str]) -> bool {
        let key = VariantKey {
            scenario: "whats-my-name".into(),
            case: "7".into(),
            persona: "tutor".into(),
            model: "gpt-4o".into(),
            window: "2".into(),
            vars: String::new(),
        };
        let filters: Vec<Filter> = filters.iter().map(|text| text.parse().unwrap()).collect();
        is_selected(&filters, &key)
    }

    #[test]
    fn filters_of_one_kind_are_alternatives_and_of_two_kinds_both_needed() {
        assert!(selected(&[]));
        assert!(selected(&["whats-*"]));
        assert!(!selected(&["other"]));
        assert!(selected(&["other", "whats-my-name"]));
        assert!(selected(&["whats-*", "persona=tutor", "window=2", "case=7", "model=gpt*"]));
        assert!(!selected(&["whats-*", "persona=reviewer"]));
    }

    #[test]
    fn a_negative_filter_leaves_out_whatever_else_asks() {
        assert!(!selected(&["!whats-*"]));
        assert!(!selected(&["whats-*", "!window=2"]));
        assert!(selected(&["!window=full"]));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        assert_eq!("colour=red".parse::<Filter>().unwrap_err(), FilterError::Field("colour".into()));
        assert!(matches!("[".parse::<Filter>().unwrap_err(), FilterError::Glob(..)));
    }
}
