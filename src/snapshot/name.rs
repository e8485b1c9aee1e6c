//! What a snapshot's file is called and where it lies. Pure: no folder is read.
//!
//! A name is made of the variant's names alone, so it is the same whatever else a run holds. Every part is encoded so
//! that it cannot hold a separator; `@` behind the first part keeps every name off the reserved names of Windows.

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::model::VariantKey;
use crate::text::escape::file_name_part;

/// The longest file name, in bytes; `.new` behind it and a temporary name still fit into what file systems allow.
const LONGEST: usize = 200;
/// The most bytes of a scenario's name in a name that was cut.
const LONGEST_SCENARIO: usize = 150;
/// Bytes of the hash in a name that was cut, two digits each.
const HASH_BYTES: usize = 8;

/// The file of this variant's snapshot: in `snapshots/` beside its scenario.
#[must_use]
pub fn path(scenario_file: &Path, variant: &VariantKey) -> PathBuf {
    let folder = scenario_file.parent().unwrap_or(Path::new(""));
    folder.join("snapshots").join(file_name(variant))
}

/// `<scenario>@<persona>.<model>.<window>[.<case>][.<vars>].snap`, in ASCII, at most 200 bytes.
///
/// A name that would be longer is cut and ends in `~` and a hash of the whole; `~` stands in no other name. The `@`, by which
/// our files are told from others, stays whatever the scenario is called.
#[must_use]
pub fn file_name(variant: &VariantKey) -> String {
    let mut name = format!("{}@{}", file_name_part(&variant.scenario), file_name_part(&variant.persona));
    let optional = [&variant.case, &variant.vars].into_iter().filter(|part| !part.is_empty());
    for part in [&variant.model, &variant.window].into_iter().chain(optional) {
        name.push('.');
        name.push_str(&file_name_part(part));
    }
    if name.len() + ".snap".len() > LONGEST {
        let hash = Sha256::digest(&name);
        if let Some((scenario, rest)) = name.split_once('@') {
            let mut scenario = scenario.to_owned();
            cut(&mut scenario, LONGEST_SCENARIO);
            name = format!("{scenario}@{rest}");
        }
        cut(&mut name, LONGEST - ".snap".len() - 1 - 2 * HASH_BYTES);
        name.push('~');
        for byte in &hash[..HASH_BYTES] {
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
    }
    name + ".snap"
}

/// Cuts an encoded name without leaving half an escape at its end.
fn cut(name: &mut String, length: usize) {
    name.truncate(length);
    if let Some(percent) = name.rfind('%').filter(|percent| percent + 3 > name.len()) {
        name.truncate(percent);
    }
}

/// Variants of one folder whose files could not lie side by side on a file system that does not tell upper from lower
/// case (macOS, Windows): each with an earlier one that has the same name but for case. The caller refuses such a
/// plan, whatever the file system at hand, because snapshots are committed and checked out elsewhere.
///
/// There may be a great many of them, so that of each name only a hash is held; `variant` gives each by its number.
pub fn clashes(variants: usize, variant: impl Fn(usize) -> VariantKey) -> Vec<(VariantKey, VariantKey)> {
    let folded = |variant: &VariantKey| file_name(variant).to_ascii_lowercase();
    let hasher = RandomState::new();
    let mut seen: HashMap<u64, usize> = HashMap::new();
    let mut clashes = Vec::new();
    for number in 0..variants {
        let own = variant(number);
        let name = folded(&own);
        let first = *seen.entry(hasher.hash_one(&name)).or_insert(number);
        let first = (first != number).then(|| variant(first));
        if let Some(first) = first.filter(|first| *first != own && folded(first) == name) {
            clashes.push((first, own));
        }
    }
    clashes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variant(scenario: &str, persona: &str, model: &str, window: &str, case: &str, vars: &str) -> VariantKey {
        let [scenario, case, persona, model, window, vars] =
            [scenario, case, persona, model, window, vars].map(str::to_owned);
        VariantKey { scenario, case, persona, model, window, vars }
    }

    #[test]
    fn a_name_has_the_parts_that_the_variant_has() {
        let table = [
            (variant("whats-my-name", "default", "builtin", "2", "", ""), "whats-my-name@default.builtin.2.snap"),
            (variant("s", "p", "gpt-4.1", "past-2", "", ""), "s@p.gpt-4%2E1.past-2.snap"),
            (variant("s", "p", "org/model", "2", "row 1", ""), "s@p.org%2Fmodel.2.row%201.snap"),
            (variant("a.b", "p", "m", "full", "", r#"{"gap":1}"#), "a%2Eb@p.m.full.%7B%22gap%22%3A1%7D.snap"),
            (variant("s", "p", "m", "full", "c", "{}"), "s@p.m.full.c.%7B%7D.snap"),
            (variant("con", "..", "m", "full", "", ""), "con@%2E%2E.m.full.snap"),
        ];
        for (variant, name) in table {
            assert_eq!(file_name(&variant), name);
        }
    }

    #[test]
    fn the_file_lies_in_snapshots_beside_its_scenario() {
        let variant = variant("s", "p", "m", "2", "", "");
        for (scenario, expected) in [
            ("scenarios/deep/s.yaml", "scenarios/deep/snapshots/s@p.m.2.snap"),
            ("s.yaml", "snapshots/s@p.m.2.snap"),
            ("/s.yaml", "/snapshots/s@p.m.2.snap"),
        ] {
            assert_eq!(path(Path::new(scenario), &variant), Path::new(expected));
        }
    }

    #[test]
    fn a_long_name_ends_in_a_hash_and_stays_apart_from_its_neighbours() {
        let long = |last: &str| file_name(&variant("s", "p", "m", "2", &("ü".repeat(300) + last), ""));
        let (a, b) = (long("a"), long("b"));
        assert_ne!(a, b);
        for name in [a, b] {
            assert!(name.len() <= LONGEST, "{name}");
            let (kept, hash) = name.strip_suffix(".snap").unwrap().split_once('~').unwrap();
            assert_eq!(hash.len(), 2 * HASH_BYTES);
            assert!(kept.ends_with("%BC") || kept.ends_with("%C3"), "half an escape in {kept}");
        }
    }

    #[test]
    fn a_long_scenario_leaves_the_name_its_at_sign() {
        // Each `.` takes three bytes.
        let name = file_name(&variant(&"a.".repeat(50), "p", "m", "2", "", ""));
        assert!(name.len() <= LONGEST && name.contains("@p.m.2~"), "{name}");
        assert_ne!(name, file_name(&variant(&(".a".repeat(49) + ".b"), "p", "m", "2", "", "")));
    }

    #[test]
    fn a_name_of_just_two_hundred_bytes_is_kept_whole() {
        let fitting = LONGEST - "s@p.m.2..snap".len();
        let name = file_name(&variant("s", "p", "m", "2", &"x".repeat(fitting), ""));
        assert_eq!((name.len(), name.contains('~')), (LONGEST, false));
        assert!(file_name(&variant("s", "p", "m", "2", &"x".repeat(fitting + 1), "")).contains('~'));
    }

    #[test]
    fn names_that_differ_by_case_alone_clash_and_no_others_do() {
        let variants = ["tutor", "Tutor", "reviewer", "TUTOR"].map(|persona| variant("s", persona, "m", "2", "", ""));
        let found = clashes(variants.len(), |number| variants[number].clone());
        let found: Vec<_> = found.iter().map(|(a, b)| (a.persona.clone(), b.persona.clone())).collect();
        assert_eq!(found, [("tutor".into(), "Tutor".into()), ("tutor".into(), "TUTOR".into())]);
        // The trials of one variant share its snapshot.
        assert_eq!(clashes(2, |_| variants[0].clone()), []);
    }

    proptest! {
        #[test]
        fn a_name_is_short_ascii_and_one_plain_file_name(parts in prop::array::uniform6(any::<String>())) {
            let [scenario, persona, model, window, case, vars] = &parts;
            let name = file_name(&variant(scenario, persona, model, window, case, vars));
            prop_assert!(name.len() <= LONGEST);
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_-%@.~".contains(c)));
            prop_assert_eq!(Path::new(&name).components().count(), 1);
            prop_assert!(name.strip_suffix(".snap").is_some_and(|stem| stem.len() > 2));
        }
    }
}
