//! Drives a target: the seeds as they are, then changed ones, so many or so long as is asked for; what breaks is made small and
//! is written down.
//!
//! Written here because the crates for it do not fit: bolero pins an `indexmap` that no tree with quick-junit can have, and
//! cargo-fuzz needs a nightly compiler. A target is a function of bytes, so that either can call it one day.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::changes::Changes;

/// How many changed seeds an ordinary test run tries of each target.
const FEW: u32 = 150;
/// Nothing that is read here is larger.
const LONGEST_INPUT: usize = 1 << 16;
/// How long one input may take: far more than any does, on a machine that is busy with other things.
const LONGEST: Duration = Duration::from_secs(60);
/// How much memory the process may have had, in KiB, with all targets at once.
const MOST_MEMORY: u64 = 2 << 20;
/// How long is tried to make an input smaller.
const SHRINKING: Duration = Duration::from_secs(20);

/// A target with its seeds.
pub struct Target {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

impl Target {
    /// The target of this name, with the seeds in `fuzz/seeds/NAME`.
    pub fn new(name: &'static str) -> Self {
        let target = Self { name, seeds: Vec::new(), words: Vec::new() };
        target.with(&format!("fuzz/seeds/{name}"), "")
    }

    /// With all files of a folder of the repository, not below it, whose names end so.
    pub fn with(mut self, folder: &str, end: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        // Those that reach a limit on purpose take their time, and so does all that is made of them.
        let is_large = |file: &Path| file.to_string_lossy().contains("too-many");
        files.retain(|file| file.is_file() && file.to_string_lossy().ends_with(end) && !is_large(file));
        files.sort();
        self.seeds.extend(files.iter().map(|file| std::fs::read(file).expect("a seed")));
        self
    }

    /// With words that are put into inputs.
    pub fn words(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| word.as_bytes().to_vec()));
        self
    }

    /// Runs it. `check` panics where something does not hold.
    pub fn run(self, check: impl Fn(&[u8]) + Send + Sync) {
        // As much as the main thread has, in which the program reads.
        let thread = std::thread::Builder::new().stack_size(8 << 20);
        std::thread::scope(|scope| {
            let run = thread.spawn_scoped(scope, || self.run_here(check)).expect("a thread");
            run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    }

    fn run_here(&self, check: impl Fn(&[u8])) {
        quiet();
        assert!(!self.seeds.is_empty(), "{} has no seeds", self.name);
        for seed in &self.seeds {
            self.try_one(&check, seed);
        }
        // The same inputs in every test run; others, and as many as there is time for, where a time is given.
        let seconds = std::env::var("CHAT_EVAL_FUZZ_SECONDS").ok().map(|text| text.parse().expect("seconds"));
        let number = std::env::var("CHAT_EVAL_FUZZ_SEED").ok().map(|text| text.parse().expect("a number"));
        let number = number.unwrap_or_else(|| if seconds.is_some() { fastrand::u64(..) } else { 1 });
        let started = Instant::now();
        let (mut rng, changes) = (Rng::with_seed(number), Changes::new(&self.seeds, &self.words));
        let mut tried = 0;
        let goes_on = |tried: u32| match seconds {
            Some(seconds) => started.elapsed() < Duration::from_secs(seconds),
            None => tried < FEW,
        };
        while goes_on(tried) {
            let mut input = changes.changed(&mut rng);
            input.truncate(LONGEST_INPUT);
            self.try_one(&check, &input);
            tried += 1;
        }
        println!("{}: {} seeds, {tried} changed ones from CHAT_EVAL_FUZZ_SEED={number}", self.name, self.seeds.len());
        assert!(peak_memory() < MOST_MEMORY, "{} KiB of memory", peak_memory());
    }

    fn try_one(&self, check: &impl Fn(&[u8]), input: &[u8]) {
        // A stack that overflows or a memory that is full ends the process: then this is left to look at.
        self.kept("last", input);
        let started = Instant::now();
        let Err(why) = failure(check, input) else {
            assert!(
                started.elapsed() < LONGEST,
                "{} took {:?} for {}",
                self.name,
                started.elapsed(),
                self.kept("slow", input)
            );
            return;
        };
        let small = shrunk(check, input);
        let why = failure(check, &small).err().unwrap_or(why);
        // The hook for panics is quiet.
        println!(
            "{} broke, with {}; as a test it belongs into fuzz/seeds/{}: {why}",
            self.name,
            self.kept("broken", &small),
            self.name
        );
        panic!("broken");
    }

    /// Writes an input where it can be looked at.
    fn kept(&self, end: &str, input: &[u8]) -> String {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(format!("{}.{end}", self.name));
        std::fs::write(&path, input).expect("a file");
        path.display().to_string()
    }
}

/// Why a target does not hold for an input.
fn failure(check: &impl Fn(&[u8]), input: &[u8]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| check(input))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("a panic").to_owned()
    })
}

/// The smallest input that breaks it too, as far as is found by leaving parts out.
fn shrunk(check: &impl Fn(&[u8]), input: &[u8]) -> Vec<u8> {
    let started = Instant::now();
    let mut small = input.to_vec();
    let mut piece = small.len().div_ceil(2);
    while piece > 0 && started.elapsed() < SHRINKING {
        let before = small.len();
        let mut at = 0;
        while at < small.len() && started.elapsed() < SHRINKING {
            let mut shorter = small.clone();
            shorter.drain(at..(at + piece).min(small.len()));
            if failure(check, &shorter).is_err() { small = shorter } else { at += piece }
        }
        if small.len() == before || piece > small.len() {
            piece /= 2;
        }
    }
    small
}

/// Panics of the code that is tried are caught, and told once.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::env::var_os("CHAT_EVAL_FUZZ_PANICS").is_some() {
                told(info);
            }
        }));
    });
}

/// The most memory that this process has had, in KiB; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
