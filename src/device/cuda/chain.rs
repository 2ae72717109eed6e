//! Chains: passes of one block each that follow one another in a recording become one launch, one node of the graph.
//!
//! A step on vectors of a few hundred numbers is a handful of such passes, each of which takes about as long as the gap
//! before the next one. One block runs them in their order with a barrier between, after which it sees what it wrote before.
//! A pass with fewer threads takes the first ones of the block, so that its sums keep their order: a chain leaves the bits
//! that its passes would, as far as a compiler fuses the same products with the same sums in both. A pass that returns early,
//! or sets STOP, does so for itself, and the next one looks again.
//!
//! Sizes and scalars stay arguments: a chain is compiled once for its entries and their threads (see `text`).

use std::rc::Rc;

use super::pass::{
    Argument, CHAIN_ENTRY, MAX_THREADS, Origin, Part, Pass, TEAM_THREADS, Tuning, Unit,
};
use crate::kernel::Family;
#[cfg(test)]
use {
    super::geometry,
    super::pass::CHAINED,
    crate::kernel::{Block, Control, Kernel, Product, Rule},
};

impl Part {
    /// Most threads that a chain with this part may have, for its registers, and bytes of its static shared memory at most;
    /// `None` for what no step launches in one block.
    fn limits(&self) -> Option<(usize, usize)> {
        match self.origin.family() {
            Family::Control => Some((MAX_THREADS, 0)),
            // Sums of norms: a float a warp for each, and the norms themselves.
            Family::Rules if self.has_norms() => Some((MAX_THREADS, 1024)),
            Family::Rules => Some((MAX_THREADS, 0)),
            Family::Block | Family::Network => Some((MAX_THREADS, 1024)),
            // A thread of `one_row` has up to 255 registers.
            Family::Product => Some((TEAM_THREADS, 4096)),
            Family::Stream | Family::Gram => None,
        }
    }

    fn has_norms(&self) -> bool {
        matches!(self.origin, Origin::Rule(rule) if rule.norms_entry().is_some())
    }

    /// As a part of a chain: a pass of one block of a file.
    fn of(pass: &Pass) -> Option<Self> {
        let origin = match pass.unit {
            Unit::File(family) | Unit::Entries(family, _) => Origin::File(family),
            Unit::Rule(rule) => Origin::Rule(rule),
            Unit::Chain(_) => return None,
        };
        (pass.grid == [1; 3]).then_some(Self {
            origin,
            entry: pass.entry,
            threads: pass.block,
        })
    }
}

/// Whether these passes may become one launch.
fn fits(tuning: &Tuning, passes: &[&Pass]) -> bool {
    let parts: Option<Vec<Part>> = passes.iter().map(|pass| Part::of(pass)).collect();
    let limits = parts.and_then(|parts| parts.iter().map(Part::limits).collect());
    let limits: Vec<(usize, usize)> = match limits {
        Some(limits) if passes.len() <= tuning.chained => limits,
        _ => return false,
    };
    let most = limits.iter().map(|(threads, _)| *threads).min();
    let fixed: usize = limits.iter().map(|(_, bytes)| bytes).sum();
    let threads = passes.iter().map(|pass| pass.block as usize).max();
    let shared = passes.iter().map(|pass| pass.shared as usize).max();
    threads <= most && shared.is_some_and(|shared| shared + fixed <= tuning.shared_bytes)
}

/// Bytes of static shared memory that these parts have at most.
#[cfg(test)]
pub(super) fn fixed_bytes(parts: &[Part]) -> usize {
    let limits = parts.iter().filter_map(Part::limits);
    limits.map(|(_, bytes)| bytes).sum()
}

/// Passes in order, with the buffers that their arguments count.
pub(super) type Launches<B> = Vec<(Rc<[Pass]>, Vec<B>)>;

/// The same work in fewer launches: as long a chain as may be, from the first pass on.
pub(super) fn fused<B: Clone>(tuning: &Tuning, launches: &Launches<B>) -> Launches<B> {
    let passes = launches
        .iter()
        .flat_map(|(passes, buffers)| passes.iter().map(move |pass| (pass, buffers.as_slice())));
    let mut fused = Launches::new();
    let mut chain: Vec<(&Pass, &[B])> = Vec::new();
    for next in passes {
        let mut longer: Vec<&Pass> = chain.iter().map(|(pass, _)| *pass).collect();
        longer.push(next.0);
        if longer.len() > 1 && !fits(tuning, &longer) {
            fused.push(joined(&std::mem::take(&mut chain)));
        }
        chain.push(next);
    }
    if !chain.is_empty() {
        fused.push(joined(&chain));
    }
    fused
}

/// One launch of these passes.
fn joined<B: Clone>(passes: &[(&Pass, &[B])]) -> (Rc<[Pass]>, Vec<B>) {
    if let [(pass, buffers)] = passes {
        return ([(*pass).clone()].into(), buffers.to_vec());
    }
    let mut arguments = Vec::new();
    let mut all = Vec::new();
    for (pass, buffers) in passes {
        arguments.extend(pass.arguments.iter().map(|argument| match *argument {
            Argument::Buffer(place) => Argument::Buffer(all.len() + place),
            other => other,
        }));
        all.extend_from_slice(buffers);
    }
    let parts = passes.iter().filter_map(|(pass, _)| Part::of(pass));
    let most = |of: fn(&Pass) -> u32| passes.iter().map(|(pass, _)| of(pass)).max();
    let chain = Pass {
        unit: Unit::Chain(parts.collect()),
        entry: CHAIN_ENTRY,
        grid: [1; 3],
        block: most(|pass| pass.block).unwrap_or_default(),
        shared: most(|pass| pass.shared).unwrap_or_default(),
        arguments,
    };
    ([chain].into(), all)
}

/// A card of the data centre.
#[cfg(test)]
pub(super) const CARD: Tuning = Tuning {
    multiprocessors: 132,
    shared_bytes: 48 << 10,
    chained: CHAINED,
};

/// The launches that these rows become, in as few as may be.
#[cfg(test)]
fn launches(rows: &[(Kernel, &[usize])]) -> Vec<Pass> {
    let apart = rows.iter().map(|(kernel, sizes)| {
        let scalars = kernel.row().benchmark.1;
        let passes = geometry::passes(&CARD, *kernel, sizes, scalars);
        let buffers = vec![(); kernel.row().buffers.len()];
        (passes.expect("it fits").into(), buffers)
    });
    let fused = fused(&CARD, &apart.collect());
    fused.iter().map(|(passes, _)| passes[0].clone()).collect()
}

/// Chains to be compiled for every architecture: a whole step, one of longer vectors after a product, one of several rows.
#[cfg(test)]
pub(super) fn examples() -> Vec<Unit> {
    let steps: [&[(Kernel, &[usize])]; 3] = [
        &[
            (Kernel::Product(Product::BatchU8), &[1000, 64, 1, 128, 0]),
            (Kernel::Control(Control::Advance), &[7]),
            (Kernel::Block(Block::Deflate), &[64, 10]),
            (Kernel::Block(Block::Ascent), &[64, 1]),
            (Kernel::Rules(Rule::named("adam")), &[64]),
            (Kernel::Block(Block::Retract), &[64, 1]),
        ],
        &[
            (Kernel::Control(Control::Advance), &[1]),
            (Kernel::Block(Block::Deflate), &[784, 10]),
            (Kernel::Block(Block::Ascent), &[784, 1]),
            (Kernel::Rules(Rule::named("momentum")), &[784]),
            (Kernel::Block(Block::Retract), &[784, 1]),
        ],
        &[
            (Kernel::Control(Control::Advance), &[1]),
            (Kernel::Block(Block::Ascent), &[64, 10]),
            (Kernel::Rules(Rule::named("rmsprop")), &[640]),
            (Kernel::Block(Block::Retract), &[64, 10]),
        ],
    ];
    let units = steps.iter().map(|step| {
        let launches = launches(step);
        assert_eq!(launches.len(), 1, "{step:?}");
        launches[0].unit.clone()
    });
    units.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each launch runs.
    fn entries(launches: &[Pass]) -> Vec<String> {
        let names = launches.iter().map(|pass| match &pass.unit {
            Unit::File(_) | Unit::Rule(_) | Unit::Entries(..) => pass.entry.to_string(),
            Unit::Chain(parts) => {
                let names: Vec<&str> = parts.iter().map(|part| part.entry).collect();
                names.join(" ")
            }
        });
        names.collect()
    }

    #[test]
    fn passes_of_one_block_follow_one_another_in_a_chain_and_others_stand_alone() {
        let mnist = launches(&[
            (Kernel::Product(Product::SamplesU8), &[60_000, 784, 1]),
            (Kernel::Control(Control::Advance), &[1]),
            (Kernel::Block(Block::Deflate), &[784, 10]),
            (Kernel::Block(Block::Ascent), &[784, 1]),
            (Kernel::Rules(Rule::named("sgd")), &[784]),
            (Kernel::Block(Block::Retract), &[784, 1]),
        ]);
        assert_eq!(
            entries(&mnist),
            [
                "samples_product_u8",
                "product_sum",
                "advance deflate ascent sgd retract"
            ]
        );
        assert_eq!((mnist[2].block, mnist[2].grid), (256, [1; 3]));
        let long = launches(&[
            (Kernel::Control(Control::Advance), &[1]),
            (Kernel::Block(Block::Ascent), &[30_000, 1]),
            (Kernel::Rules(Rule::named("sgd")), &[30_000]),
            (Kernel::Block(Block::Retract), &[30_000, 1]),
        ]);
        assert_eq!(entries(&long), ["advance ascent", "sgd", "retract"]);
        assert_eq!(long[0].block, 1024);
    }

    #[test]
    fn a_chain_keeps_within_registers_shared_memory_and_its_length() {
        // One block of 256 threads that may use every register, and vectors that take more threads.
        let registers = launches(&[
            (Kernel::Product(Product::SamplesU8), &[4, 4000, 1]),
            (Kernel::Block(Block::Ascent), &[4000, 1]),
        ]);
        assert_eq!(entries(&registers), ["samples_product_u8", "ascent"]);
        // The sums of eight teams of 784 columns, 25 KiB, beside 4 KiB for each part of this file.
        let product: (Kernel, &[usize]) = (Kernel::Product(Product::SamplesU8), &[100, 784, 1]);
        let shared = launches(&[product; 8]);
        assert_eq!(shared.len(), 2, "{:?}", entries(&shared));
        let advance: (Kernel, &[usize]) = (Kernel::Control(Control::Advance), &[1]);
        let many = launches(&[advance; CHAINED + 1]);
        assert_eq!(many.len(), 2, "{:?}", entries(&many));
        assert!(matches!(&many[1].unit, Unit::File(Family::Control)));
    }

    #[test]
    fn the_arguments_of_a_chain_are_those_of_its_passes_and_count_its_buffers() {
        let pass = |first: u32| {
            let arguments = vec![
                Argument::Buffer(0),
                Argument::Buffer(1),
                Argument::U32(first),
            ];
            let pass = Pass {
                unit: Unit::File(Family::Control),
                entry: "advance",
                grid: [1; 3],
                block: 32 * first,
                shared: 16 * first,
                arguments,
            };
            [pass].into()
        };
        let launches = vec![(pass(2), vec!["a", "b"]), (pass(1), vec!["c", "a"])];
        let fused = fused(&CARD, &launches);
        let [(passes, buffers)] = fused.as_slice() else {
            panic!("{} launches", fused.len());
        };
        assert_eq!(buffers, &["a", "b", "c", "a"]);
        let [
            Argument::Buffer(a),
            Argument::Buffer(b),
            Argument::U32(2),
            rest @ ..,
        ] = passes[0].arguments.as_slice()
        else {
            panic!("{passes:?}");
        };
        assert_eq!((*a, *b), (0, 1));
        let expected = [Argument::Buffer(2), Argument::Buffer(3), Argument::U32(1)];
        assert_eq!(rest, expected);
        assert_eq!((passes[0].block, passes[0].shared), (64, 32));
    }
}
