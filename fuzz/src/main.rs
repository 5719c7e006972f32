//! The fuzzer: `FUZZ_TARGET=token fuzz CORPUS…`, with libFuzzer's options. `fuzz/run.sh` builds and runs it.

#![no_main]

use std::sync::LazyLock;

use fuzz::Target;

#[expect(clippy::disallowed_methods, reason = "the arguments are libFuzzer's, so that the target is told beside them")]
static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    fuzz::target(&name).unwrap_or_else(|| panic!("FUZZ_TARGET: there is no target {name}"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
