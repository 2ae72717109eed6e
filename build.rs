//! Tells the program what built it (the compiler's version and the commit, `abc1234`, `abc1234-dirty` or `unknown`), and
//! makes Rust of the update rules in `src/optimizer/rules/`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The language of the rules, as the program has it.
#[path = "src/rule/mod.rs"]
#[allow(dead_code, unused_imports)] // The program uses the rest.
mod rule;

const RULES: &str = "src/optimizer/rules";
const SCHEDULES: &str = "src/optimizer/schedules";

/// What the program is made of; a change elsewhere (a result, a page of text) does not make the program another one.
const SOURCES: [&str; 7] = [
    "Cargo.toml",
    "Cargo.lock",
    "build.rs",
    "src",
    "benches",
    "kernels",
    "shaders",
];

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let rustc = output(&rustc, &["--version"]).unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=GRADRACE_RUSTC={rustc}");
    println!(
        "cargo::rustc-env=GRADRACE_COMMIT={}",
        commit().unwrap_or_else(|| "unknown".into())
    );
    for path in SOURCES {
        // A path that is not there would make every build run this again.
        if Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    if let Err(why) = write_rules() {
        // Cargo shows this, and ends the build.
        println!("cargo::error={why}");
    }
}

/// The TOML files of a folder with what `read` makes of them; each has the name that it states.
fn read_files<T>(
    folder: &str,
    read: fn(&str) -> Result<Vec<T>, rule::Fault>,
    name: fn(&T) -> &str,
) -> Result<Vec<(String, Vec<T>)>, String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| format!("{folder}: {e}"))? {
        let path = entry.map_err(|e| format!("{folder}: {e}"))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
            let text = std::fs::read_to_string(&path).map_err(|e| wrong(&e))?;
            let all = read(&text).map_err(|e| wrong(&e))?;
            let stated = name(&all[0]);
            if path.file_stem().and_then(|stem| stem.to_str()) != Some(stated) {
                return Err(wrong(&format!("names {stated}: give both one name")));
            }
            files.push((text, all));
        }
    }
    Ok(files)
}

/// Files as a constant of Rust.
fn texts<T>(constant: &str, files: &[(String, Vec<T>)]) -> String {
    let lines = files.iter().map(|(text, _)| format!("    {text:?},\n"));
    let lines: String = lines.collect();
    format!("const {constant}: &[&str] = &[\n{lines}];\n")
}

/// Writes `rules.rs` and `schedules.rs`, their files as texts, and `rules_cpu.rs`, the rules' functions, with rules of fewer
/// states first.
fn write_rules() -> Result<(), String> {
    let mut schedules = read_files(SCHEDULES, rule::read_schedules, rule::Formula::name)?;
    schedules.sort_by(|(_, a), (_, b)| a[0].name().cmp(b[0].name()));
    let mut files = read_files(RULES, rule::read, |rule| &rule.name)?;
    files.sort_by_key(|(_, rules)| (rules[0].states.len(), rules[0].name.clone()));
    let mut functions = String::new();
    let (mut arms, mut norms_arms) = (String::new(), String::new());
    let rules = files.iter().flat_map(|(_, rules)| rules);
    for (place, program) in rules.enumerate() {
        functions += &rule::rust(program);
        functions += "\n";
        let states: String = (0..program.states.len())
            .map(|i| format!(", s{i}"))
            .collect();
        let entry = &program.entry;
        let _ = writeln!(arms, "        {place} => {entry}(step, p, g{states}),");
        if !program.norms.is_empty() {
            let _ = writeln!(
                norms_arms,
                "        {place} => {entry}_norms(step, p, g{states}),"
            );
        }
    }
    let states: Vec<String> = (0..rule::MOST_STATES).map(|i| format!("s{i}")).collect();
    let (names, most) = (states.join(", "), rule::MOST_STATES);
    let _ = write!(
        functions,
        "/// Applies the shipped rule of this place.\n#[inline(always)]\npub fn shipped(place: usize, step: &Step<'_>, p: &mut [f32], g: \
         &[f32], [{names}]: [&mut [f32]; {most}]) {{\n    match place {{\n{arms}        _ => unreachable!(\"no rule has the place \
         {{place}}\"),\n    }}\n}}\n\n/// The sums of squares of the norms of the shipped rule of this place.\n#[inline(always)]\npub fn \
         shipped_norms(place: usize, step: &Step<'_>, p: &[f32], g: &[f32], [{names}]: [&[f32]; {most}]) -> [f64; {norms}] \
         {{\n    match place {{\n{norms_arms}        _ => unreachable!(\"no rule with norms has the place {{place}}\"),\n    \
         }}\n}}\n",
        norms = rule::MOST_NORMS
    );
    let folder = PathBuf::from(std::env::var("OUT_DIR").map_err(|e| e.to_string())?);
    for (name, text) in [
        ("rules.rs", texts("FILES", &files)),
        ("schedules.rs", texts("SCHEDULES", &schedules)),
        ("rules_cpu.rs", functions),
    ] {
        std::fs::write(folder.join(name), text).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}

/// The commit's short hash, with `-dirty` when a source differs from it; `None` outside a checkout of this very project
/// (a source archive inside another repository must not take that one's commit).
fn commit() -> Option<String> {
    let top = output("git", &["rev-parse", "--show-toplevel"])?;
    let here = std::env::current_dir().ok()?.canonicalize().ok()?;
    if Path::new(&top).canonicalize().ok()? != here {
        return None;
    }
    for name in ["HEAD", "logs/HEAD", "index"] {
        if let Some(path) = output("git", &["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let hash = output("git", &["rev-parse", "--short=7", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let clean = output("git", &status)?.is_empty();
    Some(if clean { hash } else { format!("{hash}-dirty") })
}

/// First lines of what a program prints, or `None` when it is missing or fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    if !output.status.success() {
        return None;
    }
    Some(String::from_utf8(output.stdout).ok()?.trim().to_string())
}
