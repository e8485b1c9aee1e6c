//! `import`: scenarios of conversations that another tool has. All of a file, or nothing.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::super::console::{Console, shown};
use super::super::exit::Exit;
use super::super::import_args::{ImportArgs, ImportFormat, Recorded};
use super::super::sources;
use super::super::staged::{NotStaged, Staged};
use super::check::plural;
use crate::diagnostic;
use crate::disk;
use crate::scenario::import::{self, Format, LeftOut, Made, Outcome, Replies, Settings, slug};
use crate::text::escape::{no_command, visible};

/// So many files are named; a folder of thousands is not read out.
const MAX_NAMED: usize = 20;
/// So many kinds of what was left out are listed; the files have all of them.
const MAX_LISTED: usize = 30;
/// The longest beginning that the scenarios' names have in common.
const MAX_STEM: usize = 40;

/// Makes the scenarios and says what is not in them.
pub fn import(args: &ImportArgs, console: &Console) -> Exit {
    let is_input = args.file == Path::new("-");
    let mut input: Box<dyn BufRead> = if is_input {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        match disk::open(&args.file) {
            Ok(file) => Box::new(BufReader::<File>::new(file)),
            Err(error) => {
                console.fatal(format!("`{}` cannot be read: {error}", args.file.display()));
                if fs::metadata(&args.file).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
                    let format = settings(args, true).format.as_str();
                    console.error(&format!("help: use `-` for standard input: `… | chat-eval import {format} -`"));
                }
                return Exit::BadInput;
            }
        }
    };
    let settings = settings(args, is_input);
    let beside = if is_input { PathBuf::new() } else { args.file.parent().map(Path::to_owned).unwrap_or_default() };
    let mut staged = Staged::new(&args.folder);
    let mut left_out = Tally::default();
    let (mut failed, mut needs) = (None, BTreeSet::new());
    let outcome = import::import(&settings, &mut input, &sources::beside(&beside), &mut |made: Made| {
        left_out.add(&made);
        needs.extend(made.needs.iter().copied());
        match staged.write(&format!("{}.yaml", made.name), &made.text) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(error) = failed {
        return not_written(error, console);
    }
    if !outcome.diagnostics.is_empty() {
        return wrong(&outcome, console);
    }
    for of_file in &outcome.left_out {
        left_out.note(of_file, None);
    }
    left_out.show(console);
    if outcome.made == 0 {
        console.fatal(format!("`{}` has no conversations", settings.file));
        return Exit::NothingToDo;
    }
    if args.strict && !left_out.is_empty() {
        console.fatal("not everything can be carried over, and `--strict` is given; nothing was written");
        return Exit::Failed;
    }
    match staged.publish(args.force) {
        Ok(files) => {
            say(&files, &args.folder, &needs, console);
            Exit::Passed
        }
        Err(error) => not_written(error, console),
    }
}

fn settings(args: &ImportArgs, is_input: bool) -> Settings {
    let format = match args.format {
        ImportFormat::OpenaiChat => Format::OpenaiChat,
        ImportFormat::Sharegpt => Format::Sharegpt,
        ImportFormat::Promptfoo => Format::Promptfoo,
        ImportFormat::Transcripts => Format::Transcripts,
    };
    let stem = args.file.file_stem().filter(|_| !is_input).map(|stem| slug(&stem.to_string_lossy()));
    // What tells the scenarios apart stands behind it.
    let stem = stem.map(|stem| stem.chars().take(MAX_STEM).collect::<String>());
    let name = args.file.file_name().filter(|_| !is_input).map(|name| name.to_string_lossy().into_owned());
    Settings {
        format,
        replies: match args.replies {
            Recorded::Live => Replies::Live,
            Recorded::Canned => Replies::Canned,
        },
        file: name.unwrap_or_else(|| "standard input".to_owned()),
        stem: stem.filter(|stem| !stem.is_empty()).unwrap_or_else(|| format.as_str().to_owned()),
        limit: args.limit,
    }
}

fn wrong(outcome: &Outcome, console: &Console) -> Exit {
    console.error(&diagnostic::render(&outcome.diagnostics, console.is_error_coloured()));
    let count = outcome.diagnostics.len();
    let more = if count >= import::MAX_ERRORS { "; what follows was not looked at" } else { "" };
    console.error(&format!("\n{}; nothing was written{more}", plural(count, "error")));
    Exit::BadInput
}

fn not_written(error: NotStaged, console: &Console) -> Exit {
    match error {
        NotStaged::Taken(places) => {
            for place in places.iter().take(MAX_NAMED) {
                console.fatal(format!("`{}` is there already", place.display()));
            }
            if places.len() > MAX_NAMED {
                console.error(&format!("and {} more", places.len() - MAX_NAMED));
            }
            console
                .error("help: nothing was written; `-o DIR` takes another folder, and `--force` replaces such files");
            Exit::BadInput
        }
        NotStaged::Failed(place, error) => {
            console.fatal(format!("cannot write `{}`: {error}; nothing was written", place.display()));
            Exit::NotWritten
        }
    }
}

fn say(files: &[PathBuf], folder: &Path, needs: &BTreeSet<&str>, console: &Console) {
    for file in files.iter().take(MAX_NAMED) {
        console.line(&format!("made  {}", shown(file)));
    }
    if files.len() > MAX_NAMED {
        console.line(&format!("and {} more", files.len() - MAX_NAMED));
    }
    let folder = shown(folder);
    let count = plural(files.len(), "scenario");
    console.line(&format!("\n{count}; next:"));
    for line in needs {
        console.line(&format!("  add to chat-eval.yaml, with a model that you have: {line}"));
    }
    console.print(&format!(
        "  read them, and add `expect:` to the turns whose replies matter\n  chat-eval check {folder}\n  chat-eval run {folder}\n"
    ));
}

/// What was left out, told once for each kind of place.
#[derive(Default)]
struct Tally {
    kinds: Vec<Kind>,
    known: HashMap<(String, String), usize>,
}

struct Kind {
    place: String,
    what: String,
    times: usize,
    first: Option<String>,
}

impl Tally {
    fn add(&mut self, made: &Made) {
        for left_out in &made.left_out {
            self.note(left_out, Some(&made.name));
        }
    }

    fn note(&mut self, left_out: &LeftOut, file: Option<&str>) {
        let key = (without_numbers(&left_out.path), without_quotes(&left_out.what));
        if let Some(at) = self.known.get(&key) {
            self.kinds[*at].times += 1;
            return;
        }
        self.known.insert(key, self.kinds.len());
        let (place, what) = (left_out.path.clone(), left_out.what.clone());
        self.kinds.push(Kind { place, what, times: 1, first: file.map(str::to_owned) });
    }

    fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    fn show(&self, console: &Console) {
        if self.is_empty() {
            return;
        }
        console.error("not carried over, or not as it was:");
        for Kind { place, what, times, first } in self.kinds.iter().take(MAX_LISTED) {
            let file = first.as_ref().map_or_else(String::new, |file| format!("{file}: "));
            let more = if *times > 1 { format!(" (and {} more such)", times - 1) } else { String::new() };
            // It quotes what strangers wrote.
            let line = visible(&format!("  {file}{place}: {what}{more}")).replace('\n', " ");
            console.error(&no_command(&line));
        }
        if self.kinds.len() > MAX_LISTED {
            console.error(&format!("  and {} more kinds; each file lists its own", self.kinds.len() - MAX_LISTED));
        }
    }
}

/// A place without the numbers in it: `messages[].tool_calls`.
fn without_numbers(path: &str) -> String {
    path.chars().filter(|character| !character.is_ascii_digit()).collect()
}

/// A reason without what it quotes of one message.
fn without_quotes(what: &str) -> String {
    what.split('"').step_by(2).collect()
}
