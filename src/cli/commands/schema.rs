//! `schema`: the JSON Schema of the scenario file, or of the config file.

use super::super::config_schema;
use super::super::console::Console;
use super::super::exit::Exit;
use super::super::shell_args::SchemaArgs;
use crate::scenario;

/// Prints the schema that is asked for.
pub fn schema(args: &SchemaArgs, console: &Console) -> Exit {
    console.print(&text(args.is_of_config()));
    Exit::Passed
}

/// The schema of the scenario file, or of the config file, as `schemas/` has it and `init` writes it.
pub(super) fn text(is_of_config: bool) -> String {
    let schema = if is_of_config { config_schema::schema() } else { scenario::schema::schema() };
    format!("{schema:#}\n")
}
