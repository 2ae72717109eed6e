//! How gradrace measures: what is timed, how noise is met, what a share and a verdict mean, and what is known to be biased.
//!
//! This page holds no code. The rules are those of [`crate::race`] (times, noise, roofs) and [`crate::report::verdict`]
//! (comparisons). The constants and their reasons are there.
//!
//! # What is timed
//!
//! A record keeps three times apart, and never adds them up unless it says so:
//!
//! * **setup**: opening the device, compiling kernels, planning, recording the steps, and the statistics of the samples;
//! * **upload**: bringing the samples to the device;
//! * **solve**: from the first step to the synchronised last one, with the samples on the device. For PCA that includes the
//!   Rayleigh-Ritz step at the end; for a network it is training alone.
//!
//! The clock is the host's monotonic clock. It stands while the host looks at the state: errors are evaluated on a snapshot,
//! off the clock, and so is reading the answer back. Where a device has a clock of its own, its seconds are a second column and
//! decide nothing.
//!
//! **Time to target** is read off the curve: the time of the first point whose error is at or under the target. Points are
//! spaced geometrically (12 % apart in steps), so that it is late by 6 % on average and by 12 % at most. The target never stops
//! a run.
//!
//! # What is not timed
//!
//! Reading files, fetching and decompressing data, computing the reference answer, checking the answer, drawing the report.
//! They are done once, on the host, and are the same for all competitors.
//!
//! # Repeats
//!
//! The first solve draws the curve and warms up; a short one is followed by more solves until 0.1 s are spent. The repeats that
//! count run on the same path, interleaved over the devices of the case in an order drawn from the seed, so that a machine that
//! slows down slows all alike. Repeating stops when the interquartile range is under 2 % of the median, when more
//! repeats no longer change it, or after 1.5 s; the record says which. A solve longer than that is timed once, cold, and says so.
//! A solve gives the same bits each time; a repeat that does not fails the case.
//!
//! Numbers are medians with quartiles. All raw samples are in the record. A curve is that of the median repeat by time to
//! target, with the band of all repeats, so that its point at the target and the number in the table are the same.
//!
//! # Noise
//!
//! Around each repeat the system's counters are read: seconds for which the program's threads were ready and waited for a
//! core, seconds stolen by the host of a virtual machine, involuntary switches, and the clock of the cores where the system
//! reports it. On a CPU a short matrix product shows the pace of the cores as well: two cores of a virtual machine that are
//! halves of one go at half pace, and no counter moves ([`crate::race::roofs::probe`]).
//!
//! A repeat that lost more than 2 % of the time of its cores, or ran at less than 70 % of their usual pace, is *disturbed*: it
//! is set aside and made again, ten times at most (as often as repeats were asked for, where they were). When too few clean
//! repeats are left, the disturbed ones count, each marked, and the table says so in a line.
//!
//! Worker threads are spread over the cores, spin for some 50 microseconds and then sleep. The parts of a launch are claimed,
//! so that a worker that lost its core holds up only what it had begun.
//!
//! # Roofs and shares
//!
//! For every device the program measures the pace of reading and of updating buffers from the size of the first cache to memory,
//! and of matrix products in f32, in f64, and (on a CPU) of bytes. A pass that writes is held against the pace of updating:
//! caches and memory take writes while they are read, so that it may move half as much again. All this is measured before
//! the first heat, between long ones, and at the end, and the best of each is kept. What earlier runs reached since the same start of the machine counts too, so that a
//! measurement on a busy machine never becomes the roof: it is noticed, and the run says so.
//!
//! The share of a solve is the least time that these roofs allow for its work, over the time it took. Every kernel's part of
//! the work takes at least the time of its bytes or that of its operations, whichever is longer, and the parts add up
//! ([`crate::race::roofs::floor`]). Work is what was done: operations that zeros in the samples saved are not counted; the
//! rate of a dense way that took as long is a number of its own. A share above 103 % is a mistake, of a roof or of a count;
//! the record says so, and a test refuses it in everything under `results/`.
//!
//! # Verdicts
//!
//! `gradrace compare` states the ratio of the medians with a 95 % interval, from a bootstrap over rounds and then over the
//! repeats within them. FASTER and SLOWER need the whole interval beyond the threshold (3 % unless asked otherwise),
//! SAME needs the whole interval within it; all else is AMBIGUOUS. A round is one run of each program. Rounds made in turn
//! are paired, so that a drift of the machine that both see cancels, and a pair of which one was disturbed in every repeat is
//! left out while four others remain; `gradrace compare --run` makes them, looks after 8,
//! 16, 32 and 64 of them, and divides the error of 5 % among these looks; under four rounds it gives no verdict. `scripts/compare-check` shows on a machine that a
//! program compared with itself gets no verdict, and that one slowed by 10 % gets its own.
//!
//! # Identity
//!
//! A competitor is method, operator, rule with its parameters, batch, precision, device and program. Limits, targets,
//! tolerances and repeats are conditions, and seeds are samples of one competitor.
//!
//! # Known biases
//!
//! * The floor of a share holds the bytes of a launch against a buffer of that size: what a launch of a few kilobytes reads may
//!   well come from memory. Shares of mini-batches and of short vectors are therefore too low, never too high.
//! * Integer products are held against the program's own best kernel, since no library has one; f32 and f64 against BLAS.
//! * Stolen time is counted by the system in ticks of some milliseconds and for the whole machine: a short repeat may be
//!   marked for what its neighbour lost, or not marked at all.
//! * A neighbour on another core takes memory bandwidth and cache without any thread waiting. Neither the counters nor the
//!   probe of the pace, which runs from the cache, see that; the roofs that are measured next do.
//! * The probe and the counters are read between repeats and leave the caches a little colder: some 3 % of a solve of 300
//!   microseconds.
//! * The warm-up is short. A processor that lowers its clock after minutes of load favours short runs.
//! * Adaptive repeating stops early when the first repeats happen to agree.
//! * The 5 % drift that `compare` allows for a single round is what was seen on shared virtual machines; yours may drift more.
