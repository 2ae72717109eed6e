//! Holds that no circle of imports in `src/` has more than two files: a module may be read with its neighbour, not only with
//! half of the house.
//!
//! A file depends on another when its code names something that the other defines; a name that a module passes on
//! (`pub use`) belongs to the file that defines it. Tests are left out: they may look at everything. Not seen: what a method call
//! reaches without naming it, and items of the same name in two files that one module passes on by `*`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path of names, or a module's place under the crate's root.
type Names = Vec<String>;

/// What one file names.
#[derive(Debug, Default)]
struct Source {
    /// What `use` brings in: its name here (`*` too), and its paths.
    uses: BTreeMap<String, Vec<Names>>,
    /// Paths of more than one name outside `use`.
    paths: BTreeSet<Names>,
    /// Every word outside `use`.
    words: BTreeSet<String>,
}

impl Source {
    fn of(text: &str) -> Self {
        let mut source = Self::default();
        source.add(text.parse().expect("the source is Rust"), 0);
        source
    }

    /// Adds what `tokens` name, which stand `depth` modules deep in the file.
    fn add(&mut self, tokens: TokenStream, depth: usize) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        while let Some(first) = rest.first() {
            let at = tokens.len() - rest.len();
            if is_test(rest) {
                let end = rest.iter().skip(2).position(ends_item);
                rest = &rest[end.map_or(rest.len(), |end| end + 3)..];
                continue;
            }
            match first {
                TokenTree::Ident(word) if word == "use" => {
                    let end = rest.iter().position(|token| is_mark(token, ';'));
                    let end = end.unwrap_or(rest.len());
                    for (path, name) in leaves(&rest[1..end]) {
                        let path = of_file(path, depth);
                        self.uses.entry(name).or_default().push(path);
                    }
                    rest = &rest[end..];
                }
                TokenTree::Ident(word) => {
                    let (path, used) = path(rest);
                    self.words.insert(word.to_string());
                    if path.len() > 1 {
                        self.paths.insert(of_file(path, depth));
                    }
                    rest = &rest[used..];
                }
                TokenTree::Group(group) => {
                    let module = at >= 2 && is_word(&tokens[at - 2], "mod");
                    self.add(group.stream(), depth + usize::from(module));
                    rest = &rest[1..];
                }
                _ => rest = &rest[1..],
            }
        }
    }
}

/// A path that stands `depth` modules deep in a file, as the file's own module would write it.
fn of_file(path: Names, depth: usize) -> Names {
    let up = path.iter().take_while(|name| *name == "super").count();
    let inside = up.min(depth);
    match (inside, up) {
        (0, _) => path,
        (inside, up) if inside < up => path[inside..].to_vec(),
        _ => [&["self".to_string()], &path[inside..]].concat(),
    }
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// Whether an attribute begins that leaves its item to tests.
fn is_test(tokens: &[TokenTree]) -> bool {
    match tokens {
        [hash, TokenTree::Group(group), ..] if is_mark(hash, '#') => {
            let text = group.stream().to_string();
            text.starts_with("cfg") && text.contains("test")
        }
        _ => false,
    }
}

/// Whether an item ends here: at its braces, or at a semicolon.
fn ends_item(token: &TokenTree) -> bool {
    is_mark(token, ';')
        || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// The path at the beginning of some tokens, and how many tokens it takes.
fn path(tokens: &[TokenTree]) -> (Names, usize) {
    let mut names = Names::new();
    let mut at = 0;
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        names.push(word.to_string());
        at += 1;
        match tokens.get(at..at + 2) {
            Some([a, b]) if is_mark(a, ':') && is_mark(b, ':') => at += 2,
            _ => break,
        }
    }
    (names, at)
}

/// The names that a tree of `use` brings in, each with its path.
fn leaves(tree: &[TokenTree]) -> Vec<(Names, String)> {
    let (head, used) = path(tree);
    match &tree[used..] {
        [TokenTree::Group(list)] => {
            let tokens: Vec<TokenTree> = list.stream().into_iter().collect();
            let parts = tokens.split(|token| is_mark(token, ','));
            let inner = parts.filter(|part| !part.is_empty()).flat_map(leaves);
            let whole = |(path, name): (Names, String)| match path.as_slice() {
                [own] if own == "self" => (head.clone(), head.last().cloned().unwrap_or_default()),
                _ => ([head.clone(), path].concat(), name),
            };
            inner.map(whole).collect()
        }
        [star] if is_mark(star, '*') => vec![(head, "*".into())],
        [TokenTree::Ident(_), TokenTree::Ident(name)] => vec![(head, name.to_string())],
        _ => {
            let name = head.last().cloned().unwrap_or_default();
            vec![(head, name)]
        }
    }
}

/// The crate's files by their place, `["data", "csv"]`; the root has none.
struct Crate(BTreeMap<Names, Source>);

impl Crate {
    fn of<'a>(files: impl Iterator<Item = (&'a str, String)>) -> Self {
        let mut sources = BTreeMap::new();
        for (path, text) in files {
            let mut place: Names = path.split('/').map(String::from).collect();
            match place.pop().as_deref() {
                Some("main.rs" | "tests.rs") => continue,
                Some(file) if file.starts_with("needs_") => continue,
                Some("mod.rs" | "lib.rs") => {}
                Some(file) => place.push(file.trim_end_matches(".rs").into()),
                None => {}
            }
            sources.insert(place, Source::of(&text));
        }
        Self(sources)
    }

    /// Where a path begins that stands in the file at `place`, and what is left of it; `None` outside the crate.
    fn start<'a>(&self, place: &[String], path: &'a [String]) -> Option<(Names, &'a [String])> {
        match path.first()?.as_str() {
            "crate" => return Some((Names::new(), &path[1..])),
            "self" => return Some((place.to_vec(), &path[1..])),
            _ => {}
        }
        let up = path.iter().take_while(|name| *name == "super").count();
        let base = place[..place.len().checked_sub(up)?].to_vec();
        let child = [place, &path[..1]].concat();
        (up > 0 || self.0.contains_key(&child)).then_some((base, &path[up..]))
    }

    /// The file that defines what a path names.
    fn definer(&self, place: &[String], path: &[String], depth: usize) -> Option<Names> {
        let (mut at, mut rest) = self.start(place, path)?;
        while let Some((name, further)) = rest.split_first() {
            let child = [at.as_slice(), std::slice::from_ref(name)].concat();
            if !self.0.contains_key(&child) {
                break;
            }
            (at, rest) = (child, further);
        }
        let source = self.0.get(&at)?;
        // Names are passed on a few times at most; the limit ends a circle of `use`.
        if let Some(name) = rest.first().filter(|_| depth < 8) {
            let passed = source.uses.get(name).into_iter().flatten();
            let further = passed.filter_map(|path| self.definer(&at, path, depth + 1));
            if let Some(other) = further.into_iter().find(|other| *other != at) {
                return Some(other);
            }
        }
        Some(at)
    }

    /// The files that each file depends on.
    fn dependencies(&self) -> BTreeMap<&Names, BTreeSet<Names>> {
        let of = |place: &Names, source: &Source| {
            let used = source.uses.iter();
            let used = used.filter(|(name, _)| *name == "*" || source.words.contains(*name));
            let mut paths: Vec<Names> = used.flat_map(|(_, paths)| paths.clone()).collect();
            for path in &source.paths {
                match source.uses.get(&path[0]) {
                    Some(begun) => paths.push([begun[0].as_slice(), &path[1..]].concat()),
                    None => paths.push(path.clone()),
                }
            }
            let found = paths.iter().filter_map(|path| self.definer(place, path, 0));
            found.filter(|other| other != place).collect()
        };
        let files = self.0.iter();
        files
            .map(|(place, source)| (place, of(place, source)))
            .collect()
    }

    /// A shortest circle of more than two files through every dependency that has one, each circle once.
    fn circles(&self) -> BTreeSet<Names> {
        let dependencies = self.dependencies();
        let mut circles = BTreeSet::new();
        for (from, tos) in &dependencies {
            for to in tos {
                if let Some(circle) = way(&dependencies, to, from) {
                    let names: Names = circle.iter().map(|place| place.join("/")).collect();
                    let first = (0..names.len()).min_by_key(|i| &names[*i]).unwrap_or(0);
                    circles.insert([&names[first..], &names[..first]].concat());
                }
            }
        }
        circles
    }
}

/// The shortest way along dependencies from one file to another that is not a single step.
fn way(
    dependencies: &BTreeMap<&Names, BTreeSet<Names>>,
    from: &Names,
    to: &Names,
) -> Option<Vec<Names>> {
    let mut ways = VecDeque::from([vec![from.clone()]]);
    let mut seen = BTreeSet::from([from.clone()]);
    while let Some(way) = ways.pop_front() {
        let last = &way[way.len() - 1];
        for next in dependencies.get(last)? {
            if next == to && last != from {
                return Some([way, vec![to.clone()]].concat());
            }
            if next != to && seen.insert(next.clone()) {
                ways.push_back([way.clone(), vec![next.clone()]].concat());
            }
        }
    }
    None
}

/// Every Rust file under a folder, with its path relative to it.
fn rust_files(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((name.replace('\\', "/"), text));
            }
        }
    }
    files
}

#[test]
fn no_circle_of_imports_has_more_than_two_files() {
    let files = rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let files = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.clone()));
    let circles = Crate::of(files).circles();
    let lines: Vec<String> = circles.iter().map(|circle| circle.join(" -> ")).collect();
    assert!(
        lines.is_empty(),
        "{} circles:\n{}",
        lines.len(),
        lines.join("\n")
    );
}

fn circles(files: &[(&str, &str)]) -> Vec<Names> {
    let files = files.iter().map(|(path, text)| (*path, text.to_string()));
    Crate::of(files).circles().into_iter().collect()
}

#[test]
fn a_circle_of_three_is_found_in_every_form_of_import() {
    let three = [vec!["a", "b", "c"]];
    for c in [
        "use crate::a::A; type T = A;",
        "use super::{a::{A, B}}; type T = A;",
        "type T = super::a::A;",
        "use crate::a; type T = a::A;",
        "use crate::a::A as Other; type T = Other;",
        "fn f() { macro_of!(crate::a::A) }",
    ] {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "pub struct A; use crate::b::B; type T = B;"),
            ("b.rs", "pub struct B; use crate::c::C; type T = C;"),
            ("c.rs", c),
        ];
        assert_eq!(circles(&files), three, "{c}");
    }
}

#[test]
fn a_name_that_is_passed_on_belongs_to_the_file_that_defines_it() {
    let files = [
        ("lib.rs", "mod x;"),
        ("x/mod.rs", "mod a; mod b; pub use a::A; fn f() { b::g() }"),
        ("x/a.rs", "pub struct A;"),
        ("x/b.rs", "use super::A; pub fn g() -> A { A }"),
    ];
    assert!(circles(&files).is_empty());
}

#[test]
fn a_module_inside_a_file_is_that_file() {
    let files = [
        ("lib.rs", "mod x;"),
        ("x/mod.rs", "mod a; mod b; pub struct X; fn f() { a::g(); }"),
        ("x/a.rs", "pub fn g() { super::b::h(); }"),
        (
            "x/b.rs",
            "pub struct B; pub fn h() {} mod inner { use super::B; type T = B; }",
        ),
    ];
    assert!(circles(&files).is_empty());
}

#[test]
fn two_files_and_tests_may_name_each_other() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "use crate::{a::A, c::C}; pub struct B(A, C);"),
        (
            "c.rs",
            "pub struct C; #[cfg(test)] mod tests { use crate::a::A; type T = A; }",
        ),
    ];
    assert!(circles(&files).is_empty());
}
