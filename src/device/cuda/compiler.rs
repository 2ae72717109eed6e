//! NVRTC: the text of a kernel file becomes machine code for one architecture, or PTX, which the driver compiles itself.
//!
//! Machine code for the card at hand starts at once and asks nothing of the driver's own compiler, which may be older than
//! NVRTC and refuse its PTX. PTX serves cards that are newer than the NVRTC that is here.

use std::ffi::{CStr, CString, c_char};

use cudarc::nvrtc::{result, sys};

/// What the compiler is asked for: an architecture in tens, 90 for compute capability 9.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Machine code for exactly this architecture.
    Cubin(u32),
    /// PTX for this architecture and newer ones.
    Ptx(u32),
}

impl Target {
    /// The option that asks for it. `compute_` gives no machine code, and no error about that.
    pub fn option(self) -> String {
        match self {
            Target::Cubin(architecture) => format!("--gpu-architecture=sm_{architecture}"),
            Target::Ptx(architecture) => format!("--gpu-architecture=compute_{architecture}"),
        }
    }

    /// What suits a card, of the architectures that the compiler knows; `None` for a card that is too old for it.
    pub fn of(card: u32, known: &[u32]) -> Option<Self> {
        if known.contains(&card) {
            return Some(Target::Cubin(card));
        }
        let newest = known.iter().filter(|&&known| known < card).max();
        newest.map(|&newest| Target::Ptx(newest))
    }
}

/// Options beside the target. Products and sums fuse, as on the CPU; nothing is approximated.
pub(super) const OPTIONS: [&str; 2] = ["--std=c++17", "--generate-line-info"];

/// Version of NVRTC, `13.0`, and the architectures that it knows.
///
/// # Errors
/// What NVRTC says.
pub(super) fn facts() -> Result<(String, Vec<u32>), String> {
    let told = |error: result::NvrtcError| format!("NVRTC does not answer: {error}");
    let (mut major, mut minor, mut count) = (0, 0, 0);
    // SAFETY: the pointers are to live integers, which the calls fill.
    unsafe {
        sys::nvrtcVersion(&raw mut major, &raw mut minor)
            .result()
            .map_err(told)?;
        sys::nvrtcGetNumSupportedArchs(&raw mut count)
            .result()
            .map_err(told)?;
    }
    let mut known = vec![0; usize::try_from(count).unwrap_or(0)];
    // SAFETY: the array is as long as the call before said.
    unsafe { sys::nvrtcGetSupportedArchs(known.as_mut_ptr()) }
        .result()
        .map_err(told)?;
    let known = known.iter().filter_map(|&x| u32::try_from(x).ok());
    Ok((format!("{major}.{minor}"), known.collect()))
}

/// A program of NVRTC's, destroyed with this.
struct Program(sys::nvrtcProgram);

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: made by `create_program` and destroyed here alone. A failure leaves memory behind, and nothing else.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

impl Program {
    /// All that the compiler said.
    fn said(&self) -> String {
        // SAFETY: the program is alive.
        let log = unsafe { result::get_program_log(self.0) }.unwrap_or_default();
        let bytes: Vec<u8> = log.iter().map(|&c| c as u8).collect();
        let text = CStr::from_bytes_until_nul(&bytes).map(CStr::to_string_lossy);
        text.unwrap_or_default().into_owned()
    }

    fn log(&self) -> String {
        let text = self.said();
        // An error is one line here: the first errors are what matters.
        let errors = text.lines().filter(|line| line.contains("error"));
        match errors.take(3).collect::<Vec<_>>().join("; ") {
            none if none.is_empty() => text.split_whitespace().collect::<Vec<_>>().join(" "),
            errors => errors,
        }
    }
}

/// A unit compiled with these options beside [`OPTIONS`].
fn compiled(unit: &str, options: Vec<String>) -> Result<Program, String> {
    let text = CString::new(unit).map_err(|_| "the text holds a zero".to_string())?;
    // Every line of a unit tells the file that it comes from.
    let program = result::create_program(&text, None).map_err(|e| e.to_string())?;
    let program = Program(program);
    let options: Vec<String> = OPTIONS
        .iter()
        .map(ToString::to_string)
        .chain(options)
        .collect();
    // SAFETY: the program is alive, and so are the texts it refers to.
    unsafe { result::compile_program(program.0, &options) }
        .map_err(|e| format!("{e}: {}", program.log()))?;
    Ok(program)
}

/// Compiles a unit: machine code, or PTX ended by a zero.
///
/// # Errors
/// What the compiler says.
pub(super) fn compile(unit: &str, target: Target) -> Result<Vec<u8>, String> {
    let program = compiled(unit, vec![target.option()])?;
    let image = match target {
        Target::Cubin(_) => {
            let mut size = 0;
            // SAFETY: the program is alive and compiled; the pointer is to a live integer.
            unsafe { sys::nvrtcGetCUBINSize(program.0, &raw mut size) }
                .result()
                .map_err(|e| e.to_string())?;
            let mut image = vec![0u8; size];
            // SAFETY: the memory is as large as the call before said.
            unsafe { sys::nvrtcGetCUBIN(program.0, image.as_mut_ptr().cast::<c_char>()) }
                .result()
                .map_err(|e| e.to_string())?;
            image
        }
        Target::Ptx(_) => {
            // SAFETY: the program is alive and compiled.
            let ptx = unsafe { result::get_ptx(program.0) }.map_err(|e| e.to_string())?;
            ptx.iter().map(|&c| c as u8).collect()
        }
    };
    if image.is_empty() {
        return Err(format!("nothing came of {}", target.option()));
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_gets_machine_code_or_the_ptx_of_an_older_one() {
        let known = [75, 80, 90];
        assert_eq!(Target::of(80, &known), Some(Target::Cubin(80)));
        assert_eq!(Target::of(89, &known), Some(Target::Ptx(80)));
        assert_eq!(Target::of(120, &known), Some(Target::Ptx(90)));
        assert_eq!(Target::of(70, &known), None);
        assert_eq!(Target::Cubin(90).option(), "--gpu-architecture=sm_90");
    }
}

#[cfg(test)]
mod needs_nvrtc {
    use std::collections::HashSet;

    use super::super::pass::Unit;
    use super::super::{chain, geometry};
    use super::*;
    use crate::kernel::{Family, table};

    #[test]
    #[ignore = "needs nvrtc: scripts/test fetches it"]
    fn every_kernel_compiles() {
        // The oldest, the newest and one between; scripts/test-full sets GRADRACE_ARCHS to compile for the others too.
        let mut architectures = vec![75, 90, 120];
        if std::env::var("GRADRACE_ARCHS").is_ok_and(|which| which == "all") {
            architectures.extend([80, 86, 89, 100]);
        }
        let mut targets: Vec<Target> = architectures.into_iter().map(Target::Cubin).collect();
        targets.push(Target::Ptx(75));
        let named = |unit: Unit| [format!("{unit:?}"), unit.text()];
        let files = Family::ALL.map(Unit::File).into_iter();
        let whole: Vec<[String; 2]> = files.chain(chain::examples()).map(named).collect();
        // Some entries of a file are its own text again: one target shows that they stand alone.
        let rows = table().flat_map(|row| {
            let (sizes, scalars) = row.benchmark;
            let passes = geometry::passes(&chain::CARD, row.kernel, sizes, scalars);
            passes.expect("it fits").into_iter().map(|pass| pass.unit)
        });
        let some = rows.filter(|unit| matches!(unit, Unit::Entries(..)));
        let some: Vec<[String; 2]> = some
            .collect::<HashSet<Unit>>()
            .into_iter()
            .map(named)
            .collect();
        let part = |targets: &[Target]| -> Vec<String> {
            let all = targets.iter().flat_map(|&target| {
                let units = match target {
                    Target::Cubin(_) => &whole,
                    Target::Ptx(_) => &some,
                };
                units.iter().map(move |unit| (unit, target))
            });
            all.filter_map(|([name, text], target)| {
                let image = compile(text, target);
                image.err().map(|why| format!("{name}, {target:?}: {why}"))
            })
            .collect()
        };
        // Several at once: optimising the largest takes seconds.
        let threads = crate::machine::cores();
        let failures: Vec<String> = std::thread::scope(|scope| {
            let parts = targets.chunks(targets.len().div_ceil(threads));
            let running: Vec<_> = parts.map(|part_of| scope.spawn(|| part(part_of))).collect();
            let ended = running
                .into_iter()
                .map(|part| part.join().expect("no panic"));
            ended.flatten().collect()
        });
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    #[ignore = "needs nvrtc: scripts/test fetches it"]
    fn no_rule_spills_registers_to_memory() {
        let unit = Unit::File(Family::Rules).text();
        for architecture in [75, 90, 120] {
            let options = vec![
                Target::Cubin(architecture).option(),
                "--ptxas-options=-v".to_string(),
            ];
            let said = compiled(&unit, options).expect("it compiles").said();
            let stacks = said.lines().filter(|line| line.contains("stack frame"));
            let mut entries = 0;
            for stack in stacks {
                assert!(
                    stack.contains("0 bytes spill stores, 0 bytes spill loads"),
                    "sm_{architecture}: {said}"
                );
                entries += 1;
            }
            assert!(entries >= crate::kernel::Rule::shipped().len(), "{said}");
        }
    }

    #[test]
    #[ignore = "needs nvrtc: scripts/test fetches it"]
    fn a_chain_reads_through_no_cache_that_misses_what_it_wrote_and_shares_as_much_as_is_counted() {
        let ptx = |unit: &Unit| -> String {
            let image = compile(&unit.text(), Target::Ptx(75)).expect("it compiles");
            String::from_utf8_lossy(&image).into_owned()
        };
        let past_caches = "ld.global.nc";
        assert!(ptx(&Unit::File(Family::Rules)).contains("ld.global"));
        assert!(ptx(&Unit::File(Family::Stream)).contains(past_caches));
        for unit in chain::examples() {
            let ptx = ptx(&unit);
            assert!(!ptx.contains(past_caches), "{unit}");
            // `.shared .align 16 .b8 name[1024];`; dynamic memory is `.extern`.
            let arrays = ptx.lines().map(str::trim_start);
            let arrays = arrays.filter(|line| line.starts_with(".shared"));
            let bytes = arrays.map(|line| -> usize {
                let size = line
                    .split_once('[')
                    .and_then(|(_, rest)| rest.split_once(']'));
                size.expect(line).0.parse().expect(line)
            });
            let Unit::Chain(parts) = &unit else {
                panic!("{unit} is no chain");
            };
            let (found, counted) = (bytes.sum::<usize>(), chain::fixed_bytes(parts));
            assert!(
                found > 0 && found <= counted,
                "{unit}: {found} of {counted} bytes"
            );
        }
    }

    #[test]
    #[ignore = "needs nvrtc: scripts/test fetches it"]
    fn the_compiler_tells_its_version_what_it_knows_and_where_an_error_is() {
        let (version, known) = facts().unwrap();
        assert!(version.contains('.'), "{version}");
        assert!(known.contains(&90), "{known:?}");
        let broken = compile(
            "#line 1 \"broken.cu\"\nextern \"C\" __global__ void f(",
            Target::Cubin(90),
        );
        let why = broken.unwrap_err();
        assert!(why.contains("broken.cu") && !why.contains('\n'), "{why}");
    }
}
