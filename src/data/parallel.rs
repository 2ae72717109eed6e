//! Runs tasks on scoped threads. The data alone decide how work is split, so results do not depend on the thread count.
//!
//! The threads live for one call: sources and statistics run before a device occupies the cores.

use std::sync::Mutex;

/// Applies `work` to every task and its index on at most `threads` threads; returns the results in the order of the
/// tasks.
pub(crate) fn map<T: Send, R: Send>(
    tasks: Vec<T>,
    threads: usize,
    work: impl Fn(usize, T) -> R + Sync,
) -> Vec<R> {
    let threads = threads.clamp(1, tasks.len().max(1));
    if threads == 1 {
        return tasks
            .into_iter()
            .enumerate()
            .map(|(i, task)| work(i, task))
            .collect();
    }
    let queue = Mutex::new(tasks.into_iter().enumerate());
    let worker = || {
        let mut done = Vec::new();
        loop {
            // The lock is held only to take a task, so a panic in `work` cannot poison it.
            let next = queue.lock().ok().and_then(|mut queue| queue.next());
            let Some((i, task)) = next else { return done };
            done.push((i, work(i, task)));
        }
    };
    let mut results = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        let mut results = worker();
        for other in others {
            match other.join() {
                Ok(done) => results.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_keep_the_order_of_the_tasks() {
        for threads in [0, 1, 3, 64] {
            let squares = super::map((0..50).collect(), threads, |i, x: usize| (i, x * x));
            assert!(
                squares
                    .iter()
                    .enumerate()
                    .all(|(i, &(j, s))| i == j && s == i * i)
            );
        }
    }
}
