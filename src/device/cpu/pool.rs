//! A pool of threads that owns the cores while a device runs.
//!
//! A launch lasts from one microsecond to a few milliseconds, so workers spin for a while before they sleep: a sleeping
//! thread takes tens of microseconds to wake, several times what a product on a 784 x 784 covariance takes. The calling
//! thread is worker 0. A pool that is not used sleeps, so that another pool may own the cores.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// Spins before a worker sleeps: about 50 microseconds.
const SPINS: u32 = 3000;
/// Spins between two offers of the core to other threads, for machines whose cores are shared.
const SPINS_PER_YIELD: u32 = 512;

type Job = *const (dyn Fn(usize) + Sync);

struct Shared {
    /// Number of jobs posted; a worker runs when it has seen fewer.
    posted: AtomicUsize,
    /// Workers that have not finished the current job.
    running: AtomicUsize,
    job: UnsafeCell<Option<Job>>,
    panicked: AtomicBool,
    closing: AtomicBool,
}

// SAFETY: `job` is written by the owner only while `running` is 0, and read by workers only between the release of
// `posted` and their own decrement of `running`; the pointer is alive for that span because `run` waits for it.
unsafe impl Sync for Shared {}
// SAFETY: as above; the raw pointer is never used outside that protocol.
unsafe impl Send for Shared {}

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
            posted: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            panicked: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        });
        let mut pool = Self {
            shared,
            workers: Vec::new(),
        };
        for index in 1..threads {
            let shared = Arc::clone(&pool.shared);
            pool.workers.push(
                std::thread::Builder::new()
                    .name(format!("gradrace-{index}"))
                    .spawn(move || work(&shared, index))?,
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
        // SAFETY: no worker runs (`&mut self`, and every `run` waits for `running` to be 0). The lifetime is erased, and
        // this function does not return before every worker is done with the pointer.
        unsafe {
            let erased: Job = std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), Job>(
                std::ptr::from_ref(job),
            );
            *shared.job.get() = Some(erased);
        }
        shared.running.store(self.workers.len(), Ordering::Relaxed);
        shared.posted.fetch_add(1, Ordering::Release);
        for worker in &self.workers {
            worker.thread().unpark();
        }
        let own = catch_unwind(AssertUnwindSafe(|| job(0)));
        let mut spins = 0u32;
        while shared.running.load(Ordering::Acquire) != 0 {
            spins = spins.wrapping_add(1);
            if spins.is_multiple_of(SPINS_PER_YIELD) {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(
            !shared.panicked.swap(false, Ordering::Relaxed),
            "a worker thread panicked"
        );
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

fn work(shared: &Shared, index: usize) {
    let mut seen = 0;
    loop {
        let mut spins = 0u32;
        while shared.posted.load(Ordering::Acquire) == seen {
            if shared.closing.load(Ordering::Acquire) {
                return;
            }
            spins += 1;
            if spins > SPINS {
                std::thread::park();
                spins = 0;
            } else if spins.is_multiple_of(SPINS_PER_YIELD) {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        seen += 1;
        // SAFETY: `posted` has been released after the job was written, and `run` does not return before the decrement.
        let job = unsafe { (*shared.job.get()).map(|job| &*job) };
        if let Some(job) = job
            && catch_unwind(AssertUnwindSafe(|| job(index))).is_err()
        {
            shared.panicked.store(true, Ordering::Relaxed);
        }
        shared.running.fetch_sub(1, Ordering::Release);
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
