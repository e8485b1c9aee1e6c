//! Which names make trouble as files on one system or another.

/// Whether Windows takes a file of this name for a device, whatever stands behind its first `.`: what is written to `nul.jsonl`
/// is gone, and `con.jsonl` cannot be checked out.
#[must_use]
pub fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered =
        |port: &str| stem.strip_prefix(port).is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit());
    ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_told_by_what_stands_before_the_first_full_stop() {
        for name in ["con", "NUL", "aux.txt", "prn.a.b", "com1", "lpt9.yaml", "Con .x", "com0"] {
            assert!(is_device(name), "{name}");
        }
        for name in ["", ".", "cons", "con-1", "a.con", "com", "com10", "comx", "lpt", "null", ".con"] {
            assert!(!is_device(name), "{name}");
        }
    }
}
