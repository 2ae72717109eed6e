//! The shaders: embedded texts, their entries with the bindings each one uses, and pipelines made from them.
//!
//! A file may begin with others that it builds on (`samples.wgsl`, `tile.wgsl`): WGSL has no import, so the texts are
//! joined; `gemm_direct` is written by the program. A rule's text is `rules.wgsl` and what is made of the rule, and is parsed
//! when the rule is first launched. Bindings are known by their names in the text: whoever launches an entry names buffers,
//! not numbers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::LazyLock;

use ::wgpu::naga;
use naga::front::wgsl;
use naga::valid::{Capabilities, ValidationFlags, Validator};

use super::direct;
use super::pass::Constants;
use crate::error::{Error, Result};
use crate::kernel::Rule;
use crate::rule;

/// The texts, by stem.
static SOURCES: LazyLock<Vec<(&str, Cow<str>)>> = LazyLock::new(|| {
    let files = [
        ("stream", include_str!("../../../shaders/stream.wgsl")),
        (
            "product",
            concat!(
                include_str!("../../../shaders/samples.wgsl"),
                include_str!("../../../shaders/tile.wgsl"),
                include_str!("../../../shaders/product.wgsl")
            ),
        ),
        (
            "gram",
            concat!(
                include_str!("../../../shaders/samples.wgsl"),
                include_str!("../../../shaders/tile.wgsl"),
                include_str!("../../../shaders/gram.wgsl")
            ),
        ),
        (
            "network",
            concat!(
                include_str!("../../../shaders/samples.wgsl"),
                include_str!("../../../shaders/network.wgsl")
            ),
        ),
        ("block", include_str!("../../../shaders/block.wgsl")),
        ("control", include_str!("../../../shaders/control.wgsl")),
        (
            "gemm",
            concat!(
                include_str!("../../../shaders/tile.wgsl"),
                include_str!("../../../shaders/gemm.wgsl")
            ),
        ),
    ];
    let files = files.map(|(stem, text)| (stem, Cow::Borrowed(text)));
    let direct = ("gemm_direct", Cow::Owned(direct::text()));
    files.into_iter().chain([direct]).collect()
});

/// What the rules' texts begin with.
const RULES: &str = include_str!("../../../shaders/rules.wgsl");

/// The text of a rule.
fn text_of(rule: Rule) -> String {
    RULES.to_string() + &rule::wgsl(rule.program())
}

/// Every text by its stem, and those of the rules that come with the program by their names.
#[cfg(test)]
fn texts() -> Vec<(&'static str, Cow<'static, str>)> {
    let rules = Rule::shipped().iter();
    let rules = rules.map(|rule| (rule.name(), Cow::Owned(text_of(*rule))));
    SOURCES.iter().cloned().chain(rules).collect()
}

/// The text of a stem.
#[cfg(test)]
pub(super) fn text(stem: &str) -> &'static str {
    let mut texts = SOURCES.iter();
    let found = texts.find(|(of_text, _)| *of_text == stem);
    found.map(|(_, text)| &**text).expect("a text of shaders/")
}

/// Variables that an entry binds, its uniform left out.
#[cfg(test)]
pub(super) fn variables(entry: &str) -> Vec<String> {
    let texts = texts();
    let entries = texts
        .iter()
        .flat_map(|(stem, text)| parse(stem, text).expect("it is valid").1);
    let mut named = entries.filter(|(name, _)| name == entry);
    let bindings = named.next().expect("an entry of shaders/").1;
    let variables = bindings.into_iter().map(|(_, variable)| variable);
    variables
        .filter(|variable| !UNIFORMS.contains(&variable.as_str()))
        .collect()
}

/// An entry: the module that contains it, and the bindings that it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    module: usize,
    bindings: Used,
}

/// Names of the uniforms.
pub(super) const UNIFORMS: [&str; 2] = ["params", "epoch"];

/// Bindings that an entry uses, by number and name.
type Used = Vec<(u32, String)>;

/// Parses and validates one text, and lists its entries.
fn parse(stem: &str, text: &str) -> Result<(naga::Module, Vec<(String, Used)>)> {
    let wrong = |what: String| Error::failed(format!("shader {stem}: {what}"));
    let module = wgsl::parse_str(text).map_err(|e| wrong(e.emit_to_string(text)))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::default())
        .validate(&module)
        .map_err(|e| wrong(e.emit_to_string(text)))?;
    let mut entries = Vec::new();
    for (index, entry) in module.entry_points.iter().enumerate() {
        let used = info.get_entry_point(index);
        let mut bindings = Vec::new();
        for (handle, variable) in module.global_variables.iter() {
            if let (Some(binding), Some(name)) = (&variable.binding, &variable.name)
                && !used[handle].is_empty()
            {
                bindings.push((binding.binding, name.clone()));
            }
        }
        entries.push((entry.name.clone(), bindings));
    }
    Ok((module, entries))
}

/// A compiled entry.
pub(super) struct Pipeline {
    pub raw: ::wgpu::ComputePipeline,
    /// Bindings by number and name.
    pub bindings: Vec<(u32, String)>,
}

/// Modules of every text and the pipelines made so far.
pub(super) struct Shaders {
    modules: Vec<::wgpu::ShaderModule>,
    entries: HashMap<String, Entry>,
    pipelines: HashMap<(&'static str, Constants), Rc<Pipeline>>,
}

impl Shaders {
    /// Parses every text.
    ///
    /// # Errors
    /// `Failed` when one is not valid: a fault of this program.
    pub fn new(device: &::wgpu::Device) -> Result<Self> {
        let mut shaders = Self {
            modules: Vec::new(),
            entries: HashMap::new(),
            pipelines: HashMap::new(),
        };
        for (stem, text) in SOURCES.iter() {
            shaders.add(device, stem, text)?;
        }
        Ok(shaders)
    }

    /// Parses what is made of a rule, where that is still to be done.
    ///
    /// # Errors
    /// As [`Shaders::new`].
    pub fn add_rule(&mut self, device: &::wgpu::Device, rule: Rule) -> Result<()> {
        if self.entries.contains_key(rule.row().name) {
            return Ok(());
        }
        self.add(device, rule.name(), &text_of(rule))
    }

    fn add(&mut self, device: &::wgpu::Device, stem: &str, text: &str) -> Result<()> {
        let (module, found) = parse(stem, text)?;
        let place = self.modules.len();
        let entries = found.into_iter();
        self.entries.extend(entries.map(|(name, bindings)| {
            let module = place;
            (name, Entry { module, bindings })
        }));
        let descriptor = ::wgpu::ShaderModuleDescriptor {
            label: Some(stem),
            source: ::wgpu::ShaderSource::Naga(Cow::Owned(module)),
        };
        // SAFETY: every index in shaders/ and in what is made of a rule is checked there against the sizes of the launch,
        // which `Launch::check` holds against the buffers, and every loop counts up to a size: the checks that are left out
        // would never act.
        self.modules.push(unsafe {
            device
                .create_shader_module_trusted(descriptor, ::wgpu::ShaderRuntimeChecks::unchecked())
        });
        Ok(())
    }

    /// The pipeline of an entry under these constants, and whether it was made just now.
    pub fn pipeline(
        &mut self,
        device: &::wgpu::Device,
        entry: &'static str,
        constants: &Constants,
    ) -> (Rc<Pipeline>, bool) {
        let key = (entry, constants.clone());
        if let Some(pipeline) = self.pipelines.get(&key) {
            return (Rc::clone(pipeline), false);
        }
        let Entry { module, bindings } = &self.entries[entry];
        let values: Vec<(&str, f64)> = constants
            .iter()
            .map(|(name, value)| (*name, f64::from(*value)))
            .collect();
        let raw = device.create_compute_pipeline(&::wgpu::ComputePipelineDescriptor {
            label: Some(entry),
            layout: None,
            module: &self.modules[*module],
            entry_point: Some(entry),
            compilation_options: ::wgpu::PipelineCompilationOptions {
                constants: &values,
                // Nothing reads workgroup memory that it has not written.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        let pipeline = Rc::new(Pipeline {
            raw,
            bindings: bindings.clone(),
        });
        self.pipelines.insert(key, Rc::clone(&pipeline));
        (pipeline, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::constants;
    use crate::kernel::table;

    fn entries() -> Vec<(String, Used)> {
        let texts = texts();
        let parsed = texts.iter().map(|(stem, text)| parse(stem, text));
        parsed
            .flat_map(|parsed| parsed.unwrap_or_else(|e| panic!("{e}")).1)
            .collect()
    }

    #[test]
    fn every_shader_is_valid_and_every_row_of_the_table_has_one_entry() {
        let entries = entries();
        for row in table() {
            let count = entries.iter().filter(|(name, _)| name == row.name).count();
            assert_eq!(count, 1, "{} occurs {count} times in shaders/", row.name);
        }
    }

    #[test]
    fn no_entry_binds_more_than_the_eight_storage_buffers_that_every_adapter_allows() {
        for (name, bindings) in entries() {
            let storage = bindings.iter().filter(|(_, name)| {
                // The uniform of an entry.
                !UNIFORMS.contains(&name.as_str())
            });
            assert!(storage.count() <= 8, "{name}: {bindings:?}");
        }
    }

    #[test]
    fn the_control_buffer_is_laid_out_as_the_kernel_table_says() {
        constants::assert_repeated(&texts());
    }

    #[test]
    fn numbers_with_an_exponent_are_constants_with_a_name() {
        for (stem, text) in texts() {
            constants::assert_named(stem, &text);
        }
    }
}
