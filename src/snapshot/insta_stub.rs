//! The manifest that lets `cargo insta` find snapshots in a folder that is no Cargo project.
//!
//! `cargo insta` looks into the folder of each target of a package. The target's file need not exist, and nothing is
//! ever built.

use std::fmt::Write;
use std::path::{Component, Path};

/// Where the manifest lies, relative to the project's folder.
pub const STUB_MANIFEST: &str = ".chat-eval/insta/Cargo.toml";

/// The manifest's text. `scenario_folder` is relative to the project's folder.
#[must_use]
pub fn stub_manifest(scenario_folder: &Path) -> String {
    format!(
        r#"# Lets `cargo insta` review the snapshots of chat-eval:
#   cargo insta review --manifest-path {STUB_MANIFEST}
# Nothing is built: `path` only says in which folder to look, and its file need not exist.
[package]
name = "chat-eval-snapshots"
version = "0.0.0"
edition = "2021"
publish = false

[lib]
path = "{}"

[workspace]
"#,
        toml_escaped(&target_path(scenario_folder))
    )
}

/// From the manifest's folder up to the project's and down into the scenarios'.
fn target_path(scenario_folder: &Path) -> String {
    let mut path = String::from("../../");
    for component in scenario_folder.components() {
        match component {
            Component::ParentDir => path.push_str("../"),
            Component::Normal(name) => {
                path.push_str(&name.to_string_lossy());
                path.push('/');
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path + "snapshots.rs"
}

/// As the inside of a TOML basic string.
fn toml_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\u{:04X}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_points_into_the_scenarios_folder() {
        for (folder, path) in [
            ("scenarios", "path = \"../../scenarios/snapshots.rs\""),
            ("./tests/chat/", "path = \"../../tests/chat/snapshots.rs\""),
            (".", "path = \"../../snapshots.rs\""),
            ("", "path = \"../../snapshots.rs\""),
            ("../bots", "path = \"../../../bots/snapshots.rs\""),
            ("a \"b\"", r#"path = "../../a \"b\"/snapshots.rs""#),
        ] {
            let manifest = stub_manifest(Path::new(folder));
            assert!(manifest.contains(path), "{folder}: {manifest}");
            assert!(manifest.ends_with("[workspace]\n"));
        }
    }
}
