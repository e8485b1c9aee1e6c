//! `review --prune`: removes snapshots whose scenario or variant is gone.
//!
//! Which those are is told from the scenarios beside them, as they and the config say it now; a scenario that cannot be
//! read leaves everything as it is.

use std::path::{Path, PathBuf};

use super::super::args::{Global, ReviewArgs};
use super::super::config::{self, Config};
use super::super::console::{Console, shown};
use super::super::exit::Exit;
use super::super::sources::CONFIG_FILE;
use super::super::{show_diagnostics, sources};
use super::check::plural;
use crate::model::SnapshotMode;
use crate::run::plan::{Overrides, Plan};
use crate::snapshot::{self, Known, Unreferenced};

/// The most conversations of one folder: more than any run plays, and bounded before anything is expanded.
const MAX_CONVERSATIONS: usize = 1_000_000;

/// Lists what is unreferenced, and removes it unless only a list is wanted.
pub fn prune(args: &ReviewArgs, global: &Global, console: &Console) -> Exit {
    let found = match find(&args.folder, global, console) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let mut failed = 0;
    for unreferenced in &found {
        let removed = if args.list { Ok(()) } else { unreferenced.remove() };
        match removed {
            Ok(()) => console.line(&line(unreferenced, args.list)),
            Err(error) => {
                console.fatal(error);
                failed += 1;
            }
        }
    }
    let count = plural(found.len() - failed, "snapshot");
    console.line(&match (found.is_empty(), args.list) {
        (true, _) => "no snapshot is unreferenced".to_owned(),
        (false, true) => format!("{count} unreferenced"),
        (false, false) => format!("{count} removed"),
    });
    if failed > 0 { Exit::NotWritten } else { Exit::Passed }
}

fn line(unreferenced: &Unreferenced, is_list: bool) -> String {
    let sign = if is_list { "" } else { "✗ " };
    format!("{sign}{}: {}", shown(&unreferenced.path), unreferenced.gone)
}

/// All that is unreferenced below a folder. Nothing is removed before everything is known.
fn find(root: &Path, global: &Global, console: &Console) -> Result<Vec<Unreferenced>, Exit> {
    let config = config::load(global.config.as_deref()).map_err(|diagnostics| {
        show_diagnostics(console, &diagnostics);
        nothing_removed(console)
    })?;
    let unreadable = |error: &dyn std::fmt::Display| {
        console.fatal(error);
        nothing_removed(console)
    };
    let mut found = Vec::new();
    for folder in snapshot::scenario_folders(root, "snapshots").map_err(|error| unreadable(&error))? {
        if let Some(own) = another_config(&folder, &config).filter(|_| global.config.is_none()) {
            let (folder, own) = (folder.display(), own.display());
            console.error(&format!(
                "`{folder}` was left alone: its config is `{own}`, and only from there is it known what it makes"
            ));
            continue;
        }
        let known = known(&folder, root, &config, console)?;
        found.extend(snapshot::unreferenced(&folder, &known).map_err(|error| unreadable(&error))?);
    }
    Ok(found)
}

/// The config nearest to a folder, where that is another than the one that was found from here.
fn another_config(folder: &Path, config: &Config) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let nearest = folder.ancestors().map(|above| above.join(CONFIG_FILE)).find(|path| path.is_file())?;
    let own = config.path.as_ref().and_then(|path| path.canonicalize().ok());
    (own.as_ref() != Some(&nearest)).then_some(nearest)
}

/// What the scenarios of one folder refer to.
fn known(folder: &Path, root: &Path, config: &Config, console: &Console) -> Result<Known, Exit> {
    let loaded = sources::load_beside(folder, root);
    if !loaded.diagnostics.is_empty() {
        show_diagnostics(console, &loaded.diagnostics);
        return Err(nothing_removed(console));
    }
    let default_model = config.model.clone().unwrap_or_else(|| "builtin".to_owned());
    let overrides =
        Overrides { default_model, trials: Some(1), max_conversations: MAX_CONVERSATIONS, ..Overrides::default() };
    let plan = Plan::new(loaded.scenarios, &overrides).map_err(|error| {
        console.fatal(format!("the scenarios of `{}`: {error}", folder.display()));
        nothing_removed(console)
    })?;
    let mut known = Known::default();
    for planned in plan.conversations.iter() {
        let has_snapshot = plan.scenario(&planned).snapshot.mode != SnapshotMode::Off;
        known.add(&plan.key(&planned), has_snapshot);
    }
    Ok(known.whole())
}

fn nothing_removed(console: &Console) -> Exit {
    console.error("no snapshot was removed");
    Exit::BadInput
}
