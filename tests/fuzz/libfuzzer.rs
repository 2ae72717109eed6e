//! libFuzzer over one target, which the environment names: GRADRACE_FUZZ_TARGET=npy. See scripts/fuzz.
#![no_main]

mod targets;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let name = std::env::var("GRADRACE_FUZZ_TARGET").unwrap_or_default();
    let found = targets::TARGETS.iter().find(|(known, _)| *known == name);
    let known = targets::TARGETS.map(|(name, _)| name).join(", ");
    found
        .unwrap_or_else(|| panic!("GRADRACE_FUZZ_TARGET={name}: give one of {known}"))
        .1
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
