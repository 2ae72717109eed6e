//! Holds the layers of `src/lib.rs`: imports go one way, the device generic and the clock stay where they belong. Also holds that
//! no source is too long, and that no file names a path of somebody's machine.
//!
//! Sources are read as tokens, so that comments and strings import nothing, and what stands in a macro's arguments
//! does. Tests inside a module are held like the rest of it. Not seen: a root under another name (`use crate as x`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What a top-level module may name besides itself. `report` sees records alone, whatever stands below it.
const LAYERS: [(&str, &[&str]); 15] = [
    ("error", &[]),
    ("rule", &[]),
    ("record", &["error"]),
    ("machine", &["error", "record"]),
    ("data", &["error", "machine"]),
    ("kernel", &["error", "rule"]),
    ("device", &["error", "rule", "machine", "data", "kernel"]),
    (
        "optimizer",
        &[
            "error", "rule", "record", "machine", "data", "kernel", "device",
        ],
    ),
    ("pca", BELOW_PROBLEMS),
    ("mlp", BELOW_PROBLEMS),
    ("race", BELOW_RACE),
    ("conformance", BELOW_RACE),
    ("report", &["error", "record"]),
    ("cli", &["*"]),
    ("main", &["cli", "error"]),
];

const BELOW_PROBLEMS: &[&str] = &[
    "error",
    "rule",
    "record",
    "machine",
    "data",
    "kernel",
    "device",
    "optimizer",
];
const BELOW_RACE: &[&str] = &[
    "error",
    "rule",
    "record",
    "machine",
    "data",
    "kernel",
    "device",
    "optimizer",
    "pca",
    "mlp",
];

/// Modules in which `D: Device` and `impl Device` may stand; elsewhere devices are enums, or are not known.
const GENERIC_OVER_DEVICE: [&str; 6] = ["device", "optimizer", "pca", "mlp", "race", "conformance"];

/// Modules that own a clock.
const CLOCKED: [&str; 2] = ["device", "race"];

/// What one file names.
#[derive(Debug, Default)]
struct Names {
    /// Top-level modules, or `*`.
    modules: BTreeSet<String>,
    device_bound: bool,
    instant: bool,
}

impl Names {
    /// Adds what `tokens` name, which stand `depth` modules under the crate's root.
    fn add(&mut self, tokens: TokenStream, depth: usize) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => {
                    let inline_module = at >= 2 && is(&tokens[at - 2], "mod");
                    self.add(group.stream(), depth + usize::from(inline_module));
                }
                TokenTree::Ident(word) => {
                    self.instant |= word == "Instant";
                    self.device_bound |= word == "Device" && is_bound(&tokens[..at]);
                    if let Some(rest) = from_root(&tokens[at..], depth) {
                        self.modules.extend(heads(rest));
                    }
                }
                _ => {}
            }
        }
    }
}

fn is(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// What follows the crate's root in a path that begins there: after `crate::`, after the library's name (in the
/// program), or after as many `super::` as the module stands deep.
fn from_root(tokens: &[TokenTree], depth: usize) -> Option<&[TokenTree]> {
    let after = |word: &str, tokens: &[TokenTree]| match tokens {
        [first, a, b, ..] => is(first, word) && is_mark(a, ':') && is_mark(b, ':'),
        _ => false,
    };
    if after("crate", tokens) || after("gradrace", tokens) {
        return Some(&tokens[3..]);
    }
    let mut rest = tokens;
    for _ in 0..depth {
        if !after("super", rest) {
            return None;
        }
        rest = &rest[3..];
    }
    (depth > 0).then_some(rest)
}

/// First segments of a path: one name, each name of a `{...}` list, or `*`.
fn heads(path: &[TokenTree]) -> Vec<String> {
    match path.first() {
        Some(TokenTree::Ident(name)) => vec![name.to_string()],
        Some(TokenTree::Group(list)) if list.delimiter() == Delimiter::Brace => {
            let tokens: Vec<TokenTree> = list.stream().into_iter().collect();
            tokens
                .split(|token| is_mark(token, ','))
                .flat_map(heads)
                .collect()
        }
        Some(token) if is_mark(token, '*') => vec!["*".into()],
        _ => vec![],
    }
}

/// Whether the tokens before `Device` make it a bound: `D: Device`, `T + Device`, `impl Device`, `dyn Device` or
/// `<D as Device>`, with a path before it or none.
fn is_bound(mut before: &[TokenTree]) -> bool {
    while let [rest @ .., TokenTree::Ident(_), a, b] = before
        && is_mark(a, ':')
        && is_mark(b, ':')
    {
        before = rest;
    }
    before.last().is_some_and(|last| {
        ["impl", "dyn", "as"].iter().any(|word| is(last, word))
            || [':', '+'].iter().any(|&mark| is_mark(last, mark))
    })
}

/// What is wrong with one source file; `path` is relative to `src`.
fn violations(path: &str, text: &str) -> Vec<String> {
    let parts: Vec<&str> = path.split('/').collect();
    let module = parts[0].trim_end_matches(".rs");
    if module == "lib" {
        return vec![]; // Declares the modules and names none.
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
        return vec![format!(
            "{path}: {module} has no layer; give it one in tests/layers.rs"
        )];
    };
    let depth = match parts.as_slice() {
        ["main.rs"] => 0,
        [folders @ .., "mod.rs"] => folders.len(),
        all => all.len(),
    };
    let mut names = Names::default();
    match text.parse() {
        Ok(tokens) => names.add(tokens, depth),
        Err(error) => return vec![format!("{path}: {error}")],
    }
    let mut found = Vec::new();
    for name in names.modules.iter().filter(|name| *name != module) {
        if !allowed.contains(&"*") && !allowed.contains(&name.as_str()) {
            found.push(format!("{path}: {module} may not name {name}"));
        }
    }
    if names.device_bound && !GENERIC_OVER_DEVICE.contains(&module) {
        found.push(format!("{path}: {module} may not be generic over Device"));
    }
    if names.instant && !CLOCKED.contains(&module) {
        found.push(format!("{path}: {module} may not hold a clock (Instant)"));
    }
    found
}

/// Lines that name a folder of somebody's machine; the placeholder user `me` is nobody.
fn machine_paths(path: &str, text: &str) -> Vec<String> {
    // The names are put together here, or this file would hold them.
    let folders = ["home", "root", "work", "Users"].map(|name| format!("/{name}/"));
    let names_one = |line: &str| {
        folders.iter().any(|folder| {
            line.match_indices(folder.as_str()).any(|(at, _)| {
                let inside_longer =
                    line[..at].ends_with(|c: char| c.is_alphanumeric() || ".}_-".contains(c));
                let placeholder = line[at + folder.len()..].starts_with("me/");
                !inside_longer && !placeholder
            })
        })
    };
    let lines = text.lines().enumerate().filter(|(_, line)| names_one(line));
    lines
        .map(|(at, line)| format!("{path}:{}: {}", at + 1, line.trim()))
        .collect()
}

/// The project's files under `folder`, as (path relative to `folder`, text); what is not UTF-8 text is left out.
fn texts_under(folder: &Path) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                texts.push((name.replace('\\', "/"), text));
            }
        }
    }
    texts
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_source_keeps_to_its_layer() {
    let sources = texts_under(&project().join("src"));
    let sources = sources.iter().filter(|(path, _)| path.ends_with(".rs"));
    let found: Vec<String> = sources
        .flat_map(|(path, text)| violations(path, text))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The chain of `src/lib.rs`: modules from left to right, those of one step together.
fn chain() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(project().join("src/lib.rs")).unwrap();
    let page: Vec<&str> = page
        .lines()
        .map(|line| line.trim_start_matches("//!").trim())
        .collect();
    let begin = page
        .iter()
        .position(|line| line.starts_with("`error` -> "))
        .expect("a chain");
    let lines = page[begin..].iter().take_while(|line| !line.is_empty());
    let text = lines.copied().collect::<Vec<_>>().join(" ");
    let modules = |step: &str| {
        step.split(',')
            .map(|m| m.trim().trim_matches('`').into())
            .collect()
    };
    text.split("->").map(modules).collect()
}

#[test]
fn the_page_of_the_crate_says_the_same_chain() {
    let chain = chain();
    let step = |module: &str| {
        chain
            .iter()
            .position(|step| step.iter().any(|m| m == module))
    };
    for (module, allowed) in LAYERS.iter().filter(|(module, _)| *module != "main") {
        let own = step(module).unwrap_or_else(|| panic!("{module} is not in the chain of lib.rs"));
        for other in allowed.iter().filter(|other| **other != "*") {
            assert!(
                step(other).unwrap() < own,
                "{module} may name {other}, which is not to its left"
            );
        }
    }
    assert_eq!(chain.concat().len() + 1, LAYERS.len(), "{chain:?}");
}

/// The most lines of a source file, its tests left out.
const LONGEST: usize = 450;

/// Lines of a source before the tests at its end.
fn code_lines(text: &str) -> usize {
    let code = text.lines().scan("", |before, line| {
        let tests = *before == "#[cfg(test)]" && line.starts_with("mod ") && line.ends_with('{');
        *before = line;
        (!tests).then_some(())
    });
    code.count()
}

#[test]
fn no_source_has_more_lines_than_the_limit() {
    let sources = texts_under(&project().join("src"));
    let is_code = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        name.ends_with(".rs") && name != "tests.rs" && !name.starts_with("needs_")
    };
    let long: Vec<String> = sources
        .iter()
        .filter(|(path, text)| is_code(path) && code_lines(text) > LONGEST)
        .map(|(path, text)| format!("{path}: {} lines", code_lines(text)))
        .collect();
    assert!(long.is_empty(), "over {LONGEST}: {}", long.join(", "));
    let tested =
        "fn f() {}\n#[cfg(test)]\nfn g() {}\n#[cfg(test)]\nmod tests {\n    fn h() {}\n}\n";
    assert_eq!(code_lines(tested), 4);
}

#[test]
fn no_file_names_a_path_of_this_machine() {
    let folders = ["src", "tests", "benches", "scripts", ".ci"].map(|name| project().join(name));
    let found: Vec<String> = folders
        .iter()
        .filter(|folder| folder.is_dir())
        .flat_map(|folder| texts_under(folder))
        .flat_map(|(path, text)| machine_paths(&path, &text))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_import_against_the_layers_is_seen_in_every_form() {
    for (path, text, named) in [
        ("record/mod.rs", "use crate::device::Info;", "device"),
        ("report/page.rs", "use crate::{error, pca::Solver};", "pca"),
        (
            "report/mod.rs",
            "use crate::{error::{Error, Result}, race};",
            "race",
        ),
        (
            "device/cpu/mod.rs",
            "fn f() { let x = crate::pca::solve(); }",
            "pca",
        ),
        (
            "device/mod.rs",
            "fn f() { assert!(crate::optimizer::ok()); }",
            "optimizer",
        ),
        ("kernel/mod.rs", "use super::device::Element;", "device"),
        (
            "kernel/rules.rs",
            "use super::super::device::Element;",
            "device",
        ),
        (
            "data/csv.rs",
            "mod tests { use super::super::super::race::Case; }",
            "race",
        ),
        (
            "pca/mod.rs",
            "macro_rules! m { () => { $crate::cli::go() } }",
            "cli",
        ),
        (
            "error.rs",
            "pub(crate) use crate::record::Record;",
            "record",
        ),
        ("record/file.rs", "use crate::*;", "*"),
        ("main.rs", "use gradrace::race::Race;", "race"),
    ] {
        let found = violations(path, text);
        assert_eq!(found.len(), 1, "{path}: {text}: {found:?}");
        assert!(
            found[0].ends_with(&format!("may not name {named}")),
            "{found:?}"
        );
    }
    assert!(violations("nobody/mod.rs", "")[0].contains("no layer"));
}

#[test]
fn what_the_layers_allow_is_no_violation() {
    for (path, text) in [
        (
            "record/mod.rs",
            "//! [`crate::device`] does not know this.\nuse crate::error::Error;",
        ),
        (
            "record/mod.rs",
            "const TEXT: &str = \"crate::device\"; // crate::device",
        ),
        ("data/csv.rs", "mod tests { use super::super::race; }"),
        ("data/csv.rs", "use super::matrix; pub(super) fn f() {}"),
        (
            "race/lane.rs",
            "use crate::{device, pca}; fn f<D: Device>(clock: Instant) {}",
        ),
        (
            "cli/run.rs",
            "use crate::report; use crate::device::Device; struct Device;",
        ),
        ("main.rs", "use gradrace::cli;"),
    ] {
        assert_eq!(
            violations(path, text),
            Vec::<String>::new(),
            "{path}: {text}"
        );
    }
}

#[test]
fn the_device_generic_and_the_clock_are_seen_outside_their_modules() {
    for text in [
        "fn f<D: Device>(d: D) {}",
        "fn f<D: Clone + Device>(d: D) {}",
        "fn f(d: impl Device) {}",
        "fn f(d: &dyn crate::device::Device) {}",
        "fn f<D>(b: <D as Device>::Buffer) where D: Sized {}",
    ] {
        let found = violations("cli/run.rs", text);
        assert!(
            found.len() == 1 && found[0].contains("generic"),
            "{text}: {found:?}"
        );
    }
    let found = violations("report/mod.rs", "use std::time::{Duration, Instant};");
    assert!(found.len() == 1 && found[0].contains("clock"), "{found:?}");
}

#[test]
fn a_path_of_a_machine_is_seen_and_a_placeholder_is_not() {
    let text = [
        "a = '/~/anna/x'",
        "/~/me/lib",
        "https://a.org/~/b",
        "src/~/x",
    ];
    let text = text.join("\n").replace('~', "home");
    assert_eq!(machine_paths("a", &text).len(), 1);
    assert!(machine_paths("a", &text)[0].starts_with("a:1: "));
    for folder in ["root", "work", "Users"] {
        assert_eq!(machine_paths("a", &format!("x /{folder}/y")).len(), 1);
    }
}
