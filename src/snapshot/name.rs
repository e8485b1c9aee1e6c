//! What a snapshot's file is called and where it lies. Pure: no folder is read.
//!
//! A name is made of the variant's names alone, so it is the same whatever else a run holds. Every part is encoded so
//! that it cannot hold a separator; `@` behind the first part keeps every name off the reserved names of Windows.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use serde_json::{Map, Value};

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

/// The variant that a file name was made of: [`file_name`] the other way round, with `.new` behind it or without.
///
/// `None` for a name that this tool does not give, and for one that was cut. A case whose name begins with `{` is taken
/// for the values of a matrix where it stands alone.
pub(super) fn variant(file_name: &str) -> Option<VariantKey> {
    let name = file_name.strip_suffix(".new").unwrap_or(file_name).strip_suffix(".snap")?;
    let (scenario, rest) = name.split_once('@')?;
    let decoded = |part: &str| percent_decode_str(part).decode_utf8().ok().map(String::from);
    let parts: Vec<String> = rest.split('.').map(decoded).collect::<Option<_>>()?;
    let (persona, model, window, optional) = match parts.as_slice() {
        _ if name.contains('~') => return None,
        [persona, model, window, optional @ ..] => (persona, model, window, optional),
        _ => return None,
    };
    let (case, vars) = match optional {
        [] => ("", ""),
        [vars] if vars.starts_with('{') => ("", vars.as_str()),
        [case] => (case.as_str(), ""),
        [case, vars] => (case.as_str(), vars.as_str()),
        _ => return None,
    };
    let [persona, model, window, case, vars] = [persona, model, window, case, vars].map(str::to_owned);
    Some(VariantKey { scenario: decoded(scenario)?, case, persona, model, window, vars })
}

/// The variant that a snapshot's description names, for a file whose name was cut: `scenario / case / persona / model /
/// window 2 / vars`. Without a case, its name is empty.
pub(super) fn described_variant(description: &str) -> Option<VariantKey> {
    let parts: Vec<&str> = description.split(" / ").collect();
    let at = parts.iter().rposition(|part| part.starts_with("window "))?;
    let (before, behind) = parts.split_at(at);
    let (scenario, case, persona, model) = match before {
        [scenario, persona, model] => (*scenario, "", *persona, *model),
        [scenario, case, persona, model] => (*scenario, *case, *persona, *model),
        _ => return None,
    };
    let window = behind.first()?.strip_prefix("window ")?;
    let vars = behind[1..].join(" / ");
    let [scenario, case, persona, model, window] = [scenario, case, persona, model, window].map(str::to_owned);
    Some(VariantKey { scenario, case, persona, model, window, vars })
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
/// plan, whatever the file system at hand, because snapshots are committed and checked out elsewhere. Two names that clash
/// are told once for a scenario, whatever number of its variants has them.
///
/// There may be a great many of them, so that of each name only a hash is held; `variant` gives each by its number.
pub fn clashes(variants: usize, variant: impl Fn(usize) -> VariantKey) -> Vec<(VariantKey, VariantKey)> {
    let folded = |variant: &VariantKey| file_name(variant).to_ascii_lowercase();
    let hasher = RandomState::new();
    let mut seen: HashMap<u64, usize> = HashMap::new();
    let mut told: HashSet<[String; 3]> = HashSet::new();
    let mut clashes = Vec::new();
    for number in 0..variants {
        let own = variant(number);
        let name = folded(&own);
        let first = *seen.entry(hasher.hash_one(&name)).or_insert(number);
        let first = (first != number).then(|| variant(first));
        let Some(first) = first.filter(|first| *first != own && folded(first) == name) else { continue };
        let pairs = differing(&first, &own).into_iter().map(|(one, other)| [own.scenario.clone(), one, other]);
        // All of them are told by this pair.
        let new = pairs.filter(|pair| told.insert(pair.clone())).count();
        if new > 0 {
            clashes.push((first, own));
        }
    }
    clashes
}

/// The names in which two variants are not the same; of the values of a matrix those that are not.
fn differing(one: &VariantKey, other: &VariantKey) -> Vec<(String, String)> {
    let names = |variant: &VariantKey| {
        let VariantKey { scenario, case, persona, model, window, vars } = variant.clone();
        let values = serde_json::from_str::<Map<String, Value>>(&vars).unwrap_or_default();
        let values = values.into_iter().map(|value| format!("{value:?}"));
        [scenario, case, persona, model, window].into_iter().chain(values).collect::<Vec<_>>()
    };
    names(one).into_iter().zip(names(other)).filter(|(one, other)| one != other).collect()
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
        // Two personas of many variants clash once; the model that clashes too is another matter.
        let personas = ["tutor", "Tutor"].into_iter().flat_map(|persona| {
            let windows = ["1", "2", "full"].into_iter();
            windows.flat_map(move |window| ["m", "M"].map(|model| variant("s", persona, model, window, "", "")))
        });
        let variants: Vec<_> = personas.collect();
        let found = clashes(variants.len(), |number| variants[number].clone());
        let found: Vec<_> = found.iter().map(|(_, second)| (second.persona.as_str(), second.model.as_str())).collect();
        assert_eq!(found, [("tutor", "M"), ("Tutor", "m")]);
        // So do two values of a matrix, whatever the others are.
        let vars: Vec<String> = ["dry", "Dry"]
            .into_iter()
            .flat_map(|tone| [1, 2].map(|gap| format!(r#"{{"gap":{gap},"tone":"{tone}"}}"#)))
            .collect();
        assert_eq!(clashes(vars.len(), |number| variant("s", "p", "m", "2", "", &vars[number])).len(), 1);
        // The trials of one variant share its snapshot.
        assert_eq!(clashes(2, |_| variants[0].clone()), []);
    }

    #[test]
    fn a_name_that_is_not_ours_or_was_cut_names_no_variant() {
        for name in
            ["s@p.m.snap.new", "s@p.m.2.c.{}.x.snap", "s@p.m.2.txt", "s.snap", "s@p.m~0123.snap", "s@%FF.m.2.snap"]
        {
            assert_eq!(super::variant(name), None, "{name}");
        }
        assert!(super::variant("a%2Eb@p.m.full.%7B%22gap%22%3A1%7D.snap.new").is_some_and(|variant| {
            (variant.scenario.as_str(), variant.case.as_str(), variant.vars.as_str()) == ("a.b", "", r#"{"gap":1}"#)
        }));
    }

    #[test]
    fn a_description_names_the_variant_that_its_file_name_had_no_room_for() {
        for (description, expected) in [
            ("s / p / org/m / window 2", Some(variant("s", "p", "org/m", "2", "", ""))),
            ("s / row 1 / p / m / window 2-drop", Some(variant("s", "p", "m", "2-drop", "row 1", ""))),
            (r#"s / p / m / window full / {"a":" / "}"#, Some(variant("s", "p", "m", "full", "", r#"{"a":" / "}"#))),
            ("s / p / m", None),
            ("s / p / window 2", None),
            ("", None),
        ] {
            assert_eq!(described_variant(description), expected, "{description}");
        }
    }

    proptest! {
        #[test]
        fn a_name_that_was_not_cut_names_its_variant(parts in prop::array::uniform6("[^{\0-\u{1f}]{1,8}"), optional in 0..4) {
            let [scenario, persona, model, window, case, vars] = &parts;
            let case = if optional & 1 == 1 { case } else { "" };
            let vars = if optional & 2 == 2 { format!("{{{vars}}}") } else { String::new() };
            let variant = variant(scenario, persona, model, window, case, &vars);
            let name = file_name(&variant);
            prop_assume!(!name.contains('~'));
            prop_assert_eq!(super::variant(&format!("{name}.new")), Some(variant));
        }

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
