//! How a seed is changed: as somebody does who edits it, copies from another, or means ill.

use fastrand::Rng;

/// What no reader expects.
const ODD: [&[u8]; 34] = [
    b"\0",
    b"\x1b[2J",
    b"\r",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98",
    b"\"",
    b"'",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"-1",
    b"1e309",
    b"18446744073709551616",
    b"null",
    b"true",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\xe2\x80\xa8",
    b"\xf0\x9f\x98\x80",
    b"\xcc\x81",
    b"A\xcc\x8a",
    b"\xc4\xb0",
];

/// Makes inputs of seeds and words.
pub struct Changes<'s> {
    seeds: &'s [Vec<u8>],
    words: &'s [Vec<u8>],
}

impl<'s> Changes<'s> {
    /// Of these.
    pub const fn new(seeds: &'s [Vec<u8>], words: &'s [Vec<u8>]) -> Self {
        Self { seeds, words }
    }

    /// A seed with a few changes.
    pub fn changed(&self, rng: &mut Rng) -> Vec<u8> {
        let mut input = self.seed(rng).to_vec();
        for _ in 0..=rng.usize(..6) {
            self.change(&mut input, rng);
        }
        input
    }

    fn seed(&self, rng: &mut Rng) -> &[u8] {
        &self.seeds[rng.usize(..self.seeds.len())]
    }

    fn change(&self, input: &mut Vec<u8>, rng: &mut Rng) {
        let at = rng.usize(..=input.len());
        let longest = if rng.bool() { 8 } else { 200 };
        let end = (at + rng.usize(..=longest)).min(input.len());
        match rng.u8(..11) {
            0 => drop(input.drain(at..end)),
            1 => drop(input.splice(at..end, self.word(rng))),
            2 | 3 => drop(input.splice(at..at, self.word(rng))),
            // A part of another seed, or of this one, or many times the same.
            4 => {
                let other = self.seed(rng);
                let from = rng.usize(..=other.len());
                let to = (from + rng.usize(..200)).min(other.len());
                input.splice(at..end, other[from..to].to_vec());
            }
            5 => {
                let part = input[at..end].to_vec();
                let times = if rng.u8(..8) == 0 { 400 } else { rng.usize(1..4) };
                input.splice(at..at, part.repeat(times));
            }
            6 => input.truncate(at),
            7 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
            8 => swap_lines(input, rng),
            9 => line_twice(input, rng),
            _ => number(input, rng),
        }
    }

    fn word(&self, rng: &mut Rng) -> Vec<u8> {
        let at = rng.usize(..ODD.len() + self.words.len());
        let word = if at < ODD.len() { ODD[at] } else { &self.words[at - ODD.len()] };
        word.repeat(if rng.u8(..16) == 0 { 300 } else { 1 })
    }
}

fn lines(input: &[u8]) -> Vec<Vec<u8>> {
    input.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

fn swap_lines(input: &mut Vec<u8>, rng: &mut Rng) {
    let mut lines = lines(input);
    if lines.len() > 1 {
        let (one, other) = (rng.usize(..lines.len()), rng.usize(..lines.len()));
        lines.swap(one, other);
        *input = lines.concat();
    }
}

fn line_twice(input: &mut Vec<u8>, rng: &mut Rng) {
    let mut lines = lines(input);
    if !lines.is_empty() {
        let line = lines[rng.usize(..lines.len())].clone();
        lines.insert(rng.usize(..=lines.len()), line);
        *input = lines.concat();
    }
}

/// Another number in the place of one.
fn number(input: &mut Vec<u8>, rng: &mut Rng) {
    let numbers: Vec<usize> = (0..input.len()).filter(|at| input[*at].is_ascii_digit()).collect();
    if numbers.is_empty() {
        return;
    }
    let at = numbers[rng.usize(..numbers.len())];
    let other: &[&[u8]] =
        &[b"0", b"-1", b"1", b"4294967295", b"4294967296", b"18446744073709551615", b"0.5", b"1e308", b"NaN", b""];
    input.splice(at..=at, other[rng.usize(..other.len())].to_vec());
}
