//! Neutral exchanges that fill a conversation up: small talk that plants nothing and asks for nothing.

use std::sync::LazyLock;

use super::read_turns::Exchange;

/// Small talk without names, numbers or anything that a fact could be. Its order is part of what a scenario means.
pub const FILLERS: &[(&str, &str)] = &[
    ("The weather has turned mild again.", "That sounds pleasant."),
    ("I watered the plants on the balcony.", "They will be glad of it."),
    ("The bus was late this morning.", "That happens."),
    ("I am having a cup of tea.", "Enjoy it."),
    ("There is some music playing next door.", "I hope that it is to your taste."),
    ("I tidied the kitchen a little.", "A tidy kitchen is a good start."),
    ("The light in the hallway flickers.", "Perhaps the bulb wants changing."),
    ("I went for a short walk.", "A walk does one good."),
    ("The bakery had fresh bread.", "Fresh bread is hard to beat."),
    ("It has become quiet outside.", "A quiet hour is welcome."),
    ("I opened the window for a while.", "Some fresh air helps."),
    ("The neighbours are painting their fence.", "It will look new again."),
    ("I sorted some old letters.", "That can take a while."),
    ("The clouds are moving fast.", "The wind must be up."),
    ("I swept the leaves from the path.", "They will be back soon enough."),
    ("The cat from across the street came by.", "Cats go where they please."),
    ("I found a pen behind the sofa.", "Things turn up in the end."),
    ("The soup is simmering on the stove.", "It will be ready in good time."),
    ("I folded the laundry.", "One thing less to do."),
    ("The train station was crowded.", "It often is."),
    ("I listened to the rain for a bit.", "Rain has a calming sound."),
    ("The market was lively today.", "Markets are good places to look around."),
    ("I polished my shoes.", "They will last longer for it."),
    ("The evening light is lovely.", "A good moment to look up."),
];

/// The built-in exchanges, ready to be shared by all turns that use them.
static SHARED: LazyLock<Vec<Exchange>> =
    LazyLock::new(|| FILLERS.iter().map(|(user, reply)| ((*user).into(), (*reply).into())).collect());

/// One exchange after the other, over and over.
#[derive(Debug)]
pub struct FillerSource<'f> {
    exchanges: &'f [Exchange],
    next: usize,
}

impl<'f> FillerSource<'f> {
    /// The exchanges of a file, or with none the built-in ones.
    #[must_use]
    pub fn new(exchanges: &'f [Exchange]) -> Self {
        Self { exchanges: if exchanges.is_empty() { &SHARED } else { exchanges }, next: 0 }
    }

    /// The next exchange: user message and reply.
    pub fn next_exchange(&mut self) -> Exchange {
        let at = self.next % self.exchanges.len();
        self.next += 1;
        self.exchanges[at].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_fillers_ask_nothing_and_name_nobody() {
        for (user, reply) in FILLERS {
            for text in [user, reply] {
                assert!(!text.contains('?') && !text.chars().any(|c| c.is_ascii_digit()), "{text}");
                let capitals =
                    text.split(' ').skip(1).filter(|word| *word != "I" && word.starts_with(char::is_uppercase));
                assert_eq!(capitals.count(), 0, "{text}");
            }
        }
    }

    #[test]
    fn the_list_starts_over_when_it_is_used_up() {
        let mut source = FillerSource::new(&[]);
        let first = source.next_exchange().0;
        for _ in 1..FILLERS.len() {
            assert_ne!(source.next_exchange().0, first);
        }
        assert_eq!(source.next_exchange().0, first);
    }
}
