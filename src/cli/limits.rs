//! What the system lets this process do.

/// Open files that the program needs beside those of its calls: journal, reports, standard streams, the runtime's own.
const OTHER_FILES: u64 = 64;

/// How many of `wanted` calls can be in flight: each has a connection, and so an open file. The process's own limit is
/// raised as far as the system lets it.
#[must_use]
pub fn calls_in_flight(wanted: usize) -> usize {
    // Where the limit cannot even be read, the calls themselves find out.
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX).clamp(1, wanted.max(1))
}
