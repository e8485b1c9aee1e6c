//! What the package itself brings: no unsafe code, no build script, nothing from anywhere but the registry.

use std::path::Path;

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn unsafe_code_is_forbidden_and_nothing_allows_it_again() {
    assert!(file("Cargo.toml").contains("unsafe_code = \"forbid\""));
    let word = ["unsafe", "_code"].concat();
    for folder in ["src", "tests", "fuzz", "bench"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in ignore::WalkBuilder::new(root).build().map(|entry| entry.expect("an entry")) {
            if entry.path().extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(entry.path()).expect("a source");
                assert!(!text.contains(&format!("allow({word}")), "{}", entry.path().display());
            }
        }
    }
}

#[test]
fn the_package_has_no_build_script() {
    let manifest = file("Cargo.toml");
    assert!(!Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs").exists());
    assert!(manifest.lines().all(|line| !line.starts_with("build =") && !line.starts_with("[build-dependencies")));
}

#[test]
fn every_crate_comes_from_the_registry_with_a_checksum() {
    let lock = file("Cargo.lock");
    let mut crates = 0;
    for package in lock.split("[[package]]").skip(1).filter(|package| !package.contains("\nname = \"chat-eval\"\n")) {
        assert!(package.contains("\nsource = \"registry+https://"), "{package}");
        assert!(package.contains("\nchecksum = \""), "{package}");
        crates += 1;
    }
    assert!(crates > 100, "{crates} crates");
    let deny = file("deny.toml");
    for rule in ["unknown-registry = \"deny\"", "unknown-git = \"deny\"", "wildcards = \"deny\""] {
        assert!(deny.contains(rule), "{rule}");
    }
}

/// A promise whose test is gone is none.
#[test]
fn every_test_that_the_page_on_security_names_is_there() {
    let page = file("docs/security.md");
    let named = regex::Regex::new("`((?:tests|src|fuzz)/[a-z_/.]*)`").unwrap();
    let mut found = 0;
    for path in named.captures_iter(&page).map(|found| found.get(1).unwrap().as_str()) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path}");
        found += 1;
    }
    assert!(found > 20, "{found}");
}
