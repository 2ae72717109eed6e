//! Tells the program what built it: the compiler's version and the commit, `abc1234`, `abc1234-dirty` or `unknown`.

use std::path::Path;
use std::process::Command;

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
