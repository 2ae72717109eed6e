//! What workers own and share: memory that is kept between launches, and pointers into a launch's output.

use std::sync::{Mutex, MutexGuard};

/// The scratch of every worker of a pool.
pub struct Scratches(Vec<Mutex<Scratch>>);

impl Scratches {
    /// Empty ones, for so many workers.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Mutex::default()).collect())
    }

    /// That of this worker, for the length of a job.
    pub fn of(&self, worker: usize) -> MutexGuard<'_, Scratch> {
        self.0[worker].lock().expect("one worker, one scratch")
    }

    /// All of them, between two jobs.
    pub fn all(&self) -> impl Iterator<Item = MutexGuard<'_, Scratch>> {
        let lock =
            |scratch| Mutex::lock(scratch).expect("no worker panics while it holds its scratch");
        self.0.iter().map(lock)
    }
}

/// Memory of one worker, grown once and kept.
#[derive(Default)]
pub struct Scratch {
    /// Centred rows.
    pub tile: Vec<f32>,
    /// Projections.
    pub u: Vec<f32>,
    /// f32 sums.
    pub local: Vec<f32>,
    /// f64 sums.
    pub sum: Vec<f64>,
    /// Sum of the projections, per column.
    pub total: Vec<f64>,
    /// Pairs of i16.
    pub pairs: Vec<i16>,
    /// Exact sums.
    pub exact: Vec<i32>,
}

/// A pointer that workers may share: each writes where no other does.
#[derive(Clone, Copy)]
pub struct Shared<T>(*mut T);
// SAFETY: the users of a `Shared` write disjoint ranges, and the pool's `run` ends before the borrow that made it.
unsafe impl<T> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Shared<T> {}

impl<T> Shared<T> {
    pub fn new(slice: &mut [T]) -> Self {
        Self(slice.as_mut_ptr())
    }
    pub fn at(self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }
}
