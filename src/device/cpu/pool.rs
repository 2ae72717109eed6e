//! A pool of threads that share the work of a launch.
//!
//! A launch lasts from one microsecond to a few milliseconds, so workers spin for a while before they sleep: a sleeping
//! thread takes tens of microseconds to wake, several times what a product on a 784 x 784 covariance takes. A pool that is
//! not used sleeps, so that another pool may own the cores.
//!
//! The parts of a job are claimed, not dealt out: the calling thread does part 0 and then every part that no worker has begun.
//! So a worker that has lost its core to another program delays only what it had begun, and a job too short for a worker to
//! wake for is done without it. Which thread does a part changes no bit of the result. Whoever waits spins for a bounded time
//! and then sleeps, and never yields: a yield hands the core to a busy neighbour for milliseconds. A worker that finds
//! itself on the core of the calling thread moves off it.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crate::machine::Placement;

/// Spins before a thread sleeps: about 50 microseconds.
const SPINS: u32 = 3000;
/// Spins between two looks at which core a worker is on.
const SPINS_PER_LOOK: u32 = 512;
/// Jobs between two looks at which core the calling thread is on.
const RUNS_PER_LOOK: u32 = 64;
/// A thread that sleeps looks again after this time, whatever woke it or did not.
const NAP: Duration = Duration::from_millis(1);

type Job = *const (dyn Fn(usize) + Sync);

struct Shared {
    /// The number of the job, in the upper half, and its next part that nobody has begun.
    claims: AtomicU64,
    /// Number of parts of every job.
    parts: usize,
    /// Parts that are not finished.
    left: AtomicUsize,
    job: UnsafeCell<Option<Job>>,
    /// Core of the calling thread.
    core: AtomicI32,
    /// The calling thread, when it sleeps.
    sleeper: Mutex<Option<Thread>>,
    asleep: AtomicBool,
    /// What the first part that panicked said.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    panicked: AtomicBool,
    closing: AtomicBool,
}

// SAFETY: `job` is written by the owner only while `left` is 0, and read only by who has claimed a part of that job and not
// yet counted it off `left`; the pointer is alive for that span because `run` waits for `left` to be 0.
unsafe impl Sync for Shared {}
// SAFETY: as above; the raw pointer is never used outside that protocol.
unsafe impl Send for Shared {}

impl Shared {
    /// Begins the next part of job number `job`, if one is left.
    fn claim(&self, job: u32) -> Option<usize> {
        let mut claims = self.claims.load(Ordering::Acquire);
        loop {
            let part = (claims & u64::from(u32::MAX)) as usize;
            if (claims >> 32) as u32 != job || part >= self.parts {
                return None;
            }
            let next = claims + 1;
            match self.claims.compare_exchange_weak(
                claims,
                next,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(part),
                Err(now) => claims = now,
            }
        }
    }

    /// Does a part that was claimed.
    fn work(&self, part: usize) {
        // SAFETY: the part is claimed and not counted off.
        let job = unsafe { (*self.job.get()).map(|job| &*job) };
        if let Some(job) = job
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(part)))
        {
            self.panic().get_or_insert(panic);
            self.panicked.store(true, Ordering::Relaxed);
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 && self.asleep.load(Ordering::SeqCst) {
            let sleeper = self.sleeper.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(thread) = &*sleeper {
                thread.unpark();
            }
        }
    }

    fn panic(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.panic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of the last job.
    fn posted(&self) -> u32 {
        (self.claims.load(Ordering::Acquire) >> 32) as u32
    }
}

/// Threads that run one job at a time, together.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    /// A pool of `threads` workers, the calling thread included.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            claims: AtomicU64::new(0),
            parts: threads,
            left: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            core: AtomicI32::new(-1),
            sleeper: Mutex::new(None),
            asleep: AtomicBool::new(false),
            panic: Mutex::new(None),
            panicked: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        });
        let mut pool = Self {
            shared,
            workers: Vec::new(),
        };
        let placement = Placement::of_process();
        for index in 1..threads {
            let (shared, placement) = (Arc::clone(&pool.shared), placement.clone());
            pool.workers.push(
                std::thread::Builder::new()
                    .name(format!("gradrace-{index}"))
                    .spawn(move || {
                        placement.begin_on(index);
                        serve(&shared, &placement);
                    })?,
            );
        }
        Ok(pool)
    }

    /// Number of workers, the calling thread included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `job(0)` to `job(threads - 1)` at once and returns when all are done.
    ///
    /// # Panics
    /// When one of them panics.
    pub fn run(&mut self, job: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() {
            return job(0);
        }
        let shared = &*self.shared;
        // SAFETY: no part is left (`&mut self`, and every `run` waits for that). The lifetime is erased, and this function does
        // not return before every claimed part is finished.
        unsafe {
            let erased: Job = std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), Job>(
                std::ptr::from_ref(job),
            );
            *shared.job.get() = Some(erased);
        }
        shared.left.store(shared.parts, Ordering::Relaxed);
        let number = shared.posted().wrapping_add(1);
        if number.is_multiple_of(RUNS_PER_LOOK) {
            shared.core.store(Placement::core(), Ordering::Relaxed);
        }
        // Part 0 is claimed with the posting.
        shared
            .claims
            .store((u64::from(number) << 32) + 1, Ordering::Release);
        for worker in &self.workers {
            worker.thread().unpark();
        }
        let mut part = Some(0);
        while let Some(claimed) = part {
            shared.work(claimed);
            part = shared.claim(number);
        }
        self.wait();
        if shared.panicked.load(Ordering::Relaxed) {
            shared.panicked.store(false, Ordering::Relaxed);
            let panic = shared.panic().take();
            resume_unwind(panic.unwrap_or_else(|| Box::new("a part of a job panicked")));
        }
    }

    /// Waits until no part is left.
    fn wait(&self) {
        let shared = &*self.shared;
        for _ in 0..SPINS {
            if shared.left.load(Ordering::Acquire) == 0 {
                return;
            }
            std::hint::spin_loop();
        }
        let set = |sleeper| {
            *shared
                .sleeper
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = sleeper;
        };
        set(Some(std::thread::current()));
        shared.asleep.store(true, Ordering::SeqCst);
        while shared.left.load(Ordering::SeqCst) != 0 {
            std::thread::park_timeout(NAP);
        }
        shared.asleep.store(false, Ordering::SeqCst);
        set(None);
    }

    /// Splits `0..len` into one contiguous range per worker, each a multiple of `grain` but for the last, and runs
    /// `job(worker, range)` on those that are not empty.
    pub fn split(
        &mut self,
        len: usize,
        grain: usize,
        job: &(dyn Fn(usize, std::ops::Range<usize>) + Sync),
    ) {
        let threads = self.threads();
        let grains = len.div_ceil(grain);
        self.run(&|worker| {
            let start = grains * worker / threads * grain;
            let end = (grains * (worker + 1) / threads * grain).min(len);
            if start < end {
                job(worker, start..end);
            }
        });
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches the panics of its jobs, so that joining it cannot fail.
            let _ = worker.join();
        }
    }
}

/// What a worker does until the pool is closed.
fn serve(shared: &Shared, placement: &Placement) {
    let mut seen = 0;
    loop {
        let mut spins = 0u32;
        loop {
            let posted = shared.posted();
            if posted != seen {
                seen = posted;
                break;
            }
            if shared.closing.load(Ordering::Acquire) {
                return;
            }
            spins += 1;
            if spins > SPINS {
                std::thread::park();
                spins = 0;
            } else {
                std::hint::spin_loop();
            }
            if spins.is_multiple_of(SPINS_PER_LOOK) {
                placement.leave(shared.core.load(Ordering::Relaxed));
            }
        }
        while let Some(part) = shared.claim(seen) {
            shared.work(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_runs_every_job_once() {
        for threads in [1, 2, 5] {
            let mut pool = Pool::new(threads).unwrap();
            let counts: Vec<AtomicUsize> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            for _ in 0..200 {
                pool.run(&|worker| {
                    counts[worker].fetch_add(1, Ordering::Relaxed);
                });
            }
            assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 200));
        }
    }

    #[test]
    fn split_covers_the_range_once_in_whole_grains() {
        let mut pool = Pool::new(3).unwrap();
        for len in [0, 1, 7, 8, 9, 100] {
            let hits: Vec<AtomicUsize> = (0..len).map(|_| AtomicUsize::new(0)).collect();
            pool.split(len, 4, &|_, range| {
                assert_eq!(range.start % 4, 0);
                for i in range {
                    hits[i].fetch_add(1, Ordering::Relaxed);
                }
            });
            assert!(hits.iter().all(|h| h.load(Ordering::Relaxed) == 1), "{len}");
        }
    }

    #[test]
    fn a_panic_in_a_worker_reaches_the_caller_and_the_pool_lives_on() {
        let mut pool = Pool::new(2).unwrap();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.run(&|worker| assert_eq!(worker, 0))
        }));
        assert!(caught.is_err());
        let sum = AtomicUsize::new(0);
        pool.run(&|worker| {
            sum.fetch_add(worker + 1, Ordering::Relaxed);
        });
        assert_eq!(sum.load(Ordering::Relaxed), 3);
    }
}
