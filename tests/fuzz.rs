//! The parsers over the kept corpus and over mutations of it, drawn from a seed: the same inputs in every run. `scripts/fuzz`
//! searches further, led by what the inputs reach.

#[path = "fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use targets::TARGETS;

/// Mutations of a target's corpus. All targets together take a few seconds.
const MUTATIONS: usize = 3000;

/// What is put in: numbers at the edge of what a field holds, words that a format gives a meaning, brackets.
const PIECES: [&[u8]; 22] = [
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\0",
    b"-1",
    b"0",
    b"1e400",
    b"1e-400",
    b"nan",
    b"inf",
    b"18446744073709551616",
    b"9223372036854775807",
    b"null",
    b"{}",
    b"[",
    b"((((((((((",
    b"\"",
    b",",
    b"\n",
    b"=",
    b":",
    b"\xc3\x28",
    b"\x1f\x8b",
];

/// The corpus of a target, in the order of its names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let entries = std::fs::read_dir(folder.join(name)).expect("a corpus");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let inputs = paths
        .iter()
        .map(|path| std::fs::read(path).expect("an input"));
    inputs.collect()
}

/// One of the corpus, changed in one to four places.
fn mutation(corpus: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = corpus[random.random_range(0..corpus.len())].clone();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=bytes.len());
        let end = random.random_range(at..=bytes.len().min(at + 16));
        match random.random_range(0..7) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            3 if at < bytes.len() => bytes[at] = random.next_u32() as u8,
            4 => {
                let again = bytes[at..end].repeat(random.random_range(1..4));
                bytes.splice(at..at, again);
            }
            5 => {
                let other = &corpus[random.random_range(0..corpus.len())];
                let from = random.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let piece = PIECES[random.random_range(0..PIECES.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
        }
    }
    bytes
}

/// The first input on which a target fails, in words.
fn failure(name: &str, target: targets::Target) -> Option<String> {
    let corpus = corpus(name);
    assert!(corpus.len() >= 3, "{name}: {} inputs", corpus.len());
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mutations = (0..MUTATIONS).map(|_| mutation(&corpus, &mut random));
    let mut inputs = corpus.iter().cloned().chain(mutations);
    let fails = |bytes: &Vec<u8>| catch_unwind(AssertUnwindSafe(|| target(bytes))).is_err();
    let bytes = inputs.find(fails)?;
    Some(format!(
        "{name} fails on these bytes; mend the parser, and keep them in tests/fuzz/corpus/{name}/: b\"{}\"",
        bytes.escape_ascii()
    ))
}

#[test]
fn no_parser_panics_whatever_it_is_given() {
    let failures = TARGETS
        .iter()
        .filter_map(|(name, target)| failure(name, *target));
    let failures: Vec<String> = failures.collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_corpus_has_a_folder_for_each_target_and_no_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let entries = std::fs::read_dir(folder).expect("the corpus");
    let mut found: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("a folder")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    found.sort();
    let mut names = TARGETS.map(|(name, _)| name);
    names.sort();
    assert_eq!(found, names);
}
