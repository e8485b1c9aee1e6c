//! `init`: what a project needs to begin with; `init --insta`: the stub manifest for `cargo insta`.

mod project;

use std::io::Write;
use std::path::Path;

use super::super::args::InitArgs;
use super::super::console::{Console, shown};
use super::super::exit::Exit;
use crate::disk;
use crate::snapshot::{STUB_MANIFEST, stub_manifest};

/// Writes what is asked for; a file that is there already stays as it is.
pub fn init(args: &InitArgs, console: &Console) -> Exit {
    let folder = args.folder.as_deref();
    if args.insta {
        return insta(folder.unwrap_or(Path::new("scenarios")), console);
    }
    project::begin(folder.unwrap_or(Path::new(".")), console)
}

fn insta(folder: &Path, console: &Console) -> Exit {
    if !folder.is_dir() {
        console.fatal(format!("`{}` is no folder", folder.display()));
        console.error("help: name the folder of your scenarios: `chat-eval init --insta DIR`");
        return Exit::BadInput;
    }
    if folder.is_absolute() {
        console.fatal(format!("`{}` must be relative to the working directory", folder.display()));
        return Exit::BadInput;
    }
    let path = Path::new(STUB_MANIFEST);
    if let Some(link) = disk::link_above(Path::new(""), path) {
        return linked(&link, console);
    }
    let text = stub_manifest(folder);
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
        let mut file = std::fs::File::create_new(path)?;
        file.write_all(text.as_bytes())
    });
    match written {
        Ok(()) => {
            console.line(&format!("wrote {STUB_MANIFEST}\n\n  cargo insta review --manifest-path {STUB_MANIFEST}"));
            Exit::Passed
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            if disk::read(path).is_ok_and(|old| old == text.as_bytes()) {
                console.line(&format!("{STUB_MANIFEST} is there already"));
                return Exit::Passed;
            }
            console.fatal(format!("`{STUB_MANIFEST}` is there already and says something else; nothing was changed"));
            Exit::BadInput
        }
        Err(error) => {
            console.fatal(format!("cannot write `{STUB_MANIFEST}`: {error}"));
            Exit::NotWritten
        }
    }
}

/// What is written into a folder that is a link is written elsewhere: nothing is.
fn linked(link: &Path, console: &Console) -> Exit {
    console.fatal(format!("`{}` is a link, and `init` writes into no folder that lies elsewhere", shown(link)));
    console.error("help: nothing was written; make a folder of it, or run `init` where it leads to");
    Exit::BadInput
}
