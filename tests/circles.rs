//! Files that import each other are few: no circle of imports in these modules has more than two files.
//!
//! An edge is a path in a file, in a `use` or elsewhere, that leads into another file. Tests inside a module do not count:
//! they may look at what is built on it. Declaring a module is no import, taking something from it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Top-level modules that are held to it.
const HELD: [&str; 2] = ["record", "report"];
/// Files in a circle at the most.
const MOST: usize = 2;

/// A module as its path from the crate's root.
type Module = Vec<String>;

/// The modules that are files, each with its file's name.
type Files = BTreeMap<Module, String>;

/// What one file names.
#[derive(Default)]
struct Names {
    /// Paths in `use`, each with the name that it brings in.
    used: Vec<(Module, String)>,
    /// Other paths, as they are written.
    written: Vec<Module>,
}

fn is(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

fn colons(tokens: &[TokenTree]) -> bool {
    let colon = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ':');
    tokens.len() > 1 && tokens[..2].iter().all(colon)
}

/// The paths that begin here, each with the name of its last part or the one after `as`; a list in braces has several.
fn paths(tokens: &[TokenTree], before: &[String]) -> Vec<(Module, String)> {
    match tokens.first() {
        Some(TokenTree::Ident(word)) => {
            let path = [before, &[word.to_string()]].concat();
            if colons(&tokens[1..]) {
                return paths(&tokens[3..], &path);
            }
            let name = match (is(tokens.get(1), "as"), tokens.get(2)) {
                (true, Some(name)) => name.to_string(),
                _ => word.to_string(),
            };
            vec![(path, name)]
        }
        Some(TokenTree::Group(list)) if list.delimiter() == Delimiter::Brace => {
            let inner: Vec<TokenTree> = list.stream().into_iter().collect();
            let comma = |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.as_char() == ',');
            inner
                .split(comma)
                .flat_map(|tree| paths(tree, before))
                .collect()
        }
        // A glob takes from the module itself.
        _ => vec![(before.to_vec(), String::new())],
    }
}

impl Names {
    /// Adds what `tokens` name, which stand `depth` inline modules deep in their file.
    fn add(&mut self, tokens: TokenStream, depth: usize) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) if group.to_string() == "[cfg (test)]" => {
                    // What it stands before ends with a semicolon or a body.
                    let ends = |token: &TokenTree| match token {
                        TokenTree::Punct(mark) => mark.as_char() == ';',
                        TokenTree::Group(body) => body.delimiter() == Delimiter::Brace,
                        _ => false,
                    };
                    at += tokens[at..].iter().position(ends).unwrap_or_default();
                }
                TokenTree::Group(group) => {
                    let inline = at >= 2 && is(tokens.get(at - 2), "mod");
                    self.add(group.stream(), depth + usize::from(inline));
                }
                TokenTree::Ident(word) if word == "use" => {
                    let outer = |path: Module| strip(path, depth);
                    let found = paths(&tokens[at + 1..], &[]).into_iter();
                    self.used
                        .extend(found.map(|(path, name)| (outer(path), name)));
                    let end =
                        |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.as_char() == ';');
                    at += tokens[at..].iter().position(end).unwrap_or_default();
                }
                TokenTree::Ident(_) if at < 2 || !colons(&tokens[at - 2..]) => {
                    let found = paths(&tokens[at..], &[]).into_iter();
                    let found = found.filter(|(path, _)| path.len() > 1);
                    self.written
                        .extend(found.map(|(path, _)| strip(path, depth)));
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// A path as it would stand outside of so many inline modules.
fn strip(mut path: Module, depth: usize) -> Module {
    for _ in 0..depth {
        if path.first().is_some_and(|part| part == "super") {
            path.remove(0);
        }
    }
    path
}

/// A path from the crate's root; `None` where it begins with a name from elsewhere.
fn resolved(path: &Module, here: &Module, files: &Files) -> Option<Module> {
    let mut base = here.clone();
    let mut rest = path.as_slice();
    match rest.first()?.as_str() {
        "crate" => (base, rest) = (vec![], &rest[1..]),
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        child => {
            let child = [here.as_slice(), &[child.to_string()]].concat();
            files.get(&child)?;
        }
    }
    Some([base.as_slice(), rest].concat())
}

/// The file that a path from the root leads into.
fn owner<'a>(path: &[String], files: &'a Files) -> Option<&'a Module> {
    let longest = (0..=path.len()).rev();
    let found = longest.filter_map(|n| files.get_key_value(&path[..n]));
    found.map(|(module, _)| module).next()
}

/// The files that each file takes something from.
fn edges(sources: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let module = |path: &str| -> Module {
        let parts = path.trim_end_matches(".rs").split('/');
        let parts = parts.filter(|part| !["mod", "lib"].contains(part));
        parts.map(String::from).collect()
    };
    let files: Files = sources
        .iter()
        .map(|(path, _)| (module(path), path.clone()))
        .collect();
    let of_file = |(path, text): &(String, String)| {
        let here = module(path);
        let mut names = Names::default();
        names.add(text.parse().expect("Rust"), 0);
        let used: Vec<(Module, String)> = names
            .used
            .iter()
            .filter_map(|(path, name)| Some((resolved(path, &here, &files)?, name.clone())))
            .collect();
        let brought = |path: &Module| {
            let (module, _) = used.iter().find(|(_, name)| *name == path[0])?;
            Some([module.as_slice(), &path[1..]].concat())
        };
        let written = names
            .written
            .iter()
            .filter_map(|path| resolved(path, &here, &files).or_else(|| brought(path)));
        let all = used.iter().map(|(path, _)| path.clone()).chain(written);
        let owners = all.filter_map(|path| owner(&path, &files).cloned());
        let others: BTreeSet<String> = owners
            .filter(|other| *other != here)
            .map(|other| files[&other].clone())
            .collect();
        (path.clone(), others)
    };
    sources.iter().map(of_file).collect()
}

/// The files that a file leads to.
fn reached<'a>(from: &'a str, edges: &'a BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(next) = open.pop() {
        let to = edges.get(next).into_iter().flatten();
        open.extend(to.map(String::as_str).filter(|to| seen.insert(*to)));
    }
    seen
}

/// Sets of files of which each leads to each, largest first.
fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<&str>> {
    let all: BTreeMap<&str, BTreeSet<&str>> = edges
        .keys()
        .map(|file| (file.as_str(), reached(file, edges)))
        .collect();
    let mut found: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for (file, to) in &all {
        let back = |other: &&&str| all.get(**other).is_some_and(|from| from.contains(file));
        found.insert(to.iter().filter(back).copied().collect());
    }
    let mut found: Vec<_> = found.into_iter().filter(|all| all.len() > 1).collect();
    found.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    found
}

/// The sources under a folder: path relative to it, and text. Files that are tests and nothing else are left out.
fn sources(root: &Path) -> Vec<(String, String)> {
    let mut folders: Vec<PathBuf> = vec![root.to_path_buf()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).expect("inside").to_string_lossy();
            let name = name.replace('\\', "/");
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                found.push((name, std::fs::read_to_string(path).expect("text")));
            }
        }
    }
    found
}

#[test]
fn no_circle_of_imports_has_more_than_two_files() {
    let edges = edges(&sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")));
    assert!(edges.values().map(BTreeSet::len).sum::<usize>() > edges.len());
    let held = |circle: &&BTreeSet<&str>| {
        let top = |file: &&str| HELD.iter().any(|held| file.starts_with(held));
        circle.len() > MOST && circle.iter().any(top)
    };
    let found = circles(&edges);
    let found: Vec<_> = found.iter().filter(held).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn an_edge_is_seen_in_every_form_and_tests_make_none() {
    let seen = |text: &str| {
        let files = [
            ("lib.rs", ""),
            ("a/mod.rs", ""),
            ("a/b.rs", text),
            ("a/c.rs", ""),
            ("d.rs", ""),
        ];
        let files = files.map(|(path, text)| (path.to_string(), text.to_string()));
        let edges = edges(&files);
        edges["a/b.rs"]
            .iter()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (text, files) in [
        ("use super::c::X;", "a/c.rs"),
        ("use super::{Y, c::{X, Z}};", "a/c.rs a/mod.rs"),
        ("use super::c as e; fn f() { e::g() }", "a/c.rs"),
        ("use crate::d; fn f() { d::g() }", "d.rs"),
        ("fn f() { crate::d::g(super::h()) }", "a/mod.rs d.rs"),
        ("use super::*;", "a/mod.rs"),
        (
            "mod inner { use super::super::c::X; use super::own; }",
            "a/c.rs",
        ),
        ("fn f(c: u8) { std::d::g(c) }", ""),
        ("#[cfg(test)] mod tests { use super::super::c::X; }", ""),
        ("#[cfg(test)] use super::c::X;", ""),
    ] {
        assert_eq!(seen(text), files, "{text}");
    }
}

#[test]
fn files_that_lead_to_each_other_are_a_circle() {
    let edges = [
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
        ("d", "a"),
        ("e", "f"),
        ("f", "e"),
    ];
    let edges: BTreeMap<String, BTreeSet<String>> = edges
        .map(|(from, to)| (from.to_string(), BTreeSet::from([to.to_string()])))
        .into();
    let found = circles(&edges);
    assert_eq!(
        found,
        [BTreeSet::from(["a", "b", "c"]), BTreeSet::from(["e", "f"])]
    );
}
