//! On which cores threads run.
//!
//! Threads are not bound: another program may take a core for long, and the system then finds a better one. They are put
//! apart when they begin, and moved off a core on which they would wait for each other.

/// The cores that the process may use.
#[derive(Debug, Clone)]
pub struct Placement {
    #[cfg(target_os = "linux")]
    allowed: libc::cpu_set_t,
}

#[cfg(target_os = "linux")]
impl Placement {
    /// Those of the calling thread.
    pub fn of_process() -> Self {
        // SAFETY: a set of cores is an array of bits, for which all zeros are valid; the pointer is to a live one of that size.
        let allowed = unsafe {
            let mut allowed: libc::cpu_set_t = std::mem::zeroed();
            let size = size_of::<libc::cpu_set_t>();
            if libc::sched_getaffinity(0, size, &raw mut allowed) != 0 {
                allowed = std::mem::zeroed();
            }
            allowed
        };
        Self { allowed }
    }

    /// The core that the calling thread is on; negative where the system does not say.
    pub fn core() -> i32 {
        // SAFETY: a plain question.
        unsafe { libc::sched_getcpu() }
    }

    /// Puts the calling thread on the core of that number among the allowed ones, from where the system may move it.
    pub fn begin_on(&self, index: usize) {
        let cores: Vec<usize> = (0..libc::CPU_SETSIZE as usize)
            .filter(|core| self.allows(*core))
            .collect();
        if cores.len() > 1 {
            // SAFETY: as in `of_process`; the core is below the size of the set.
            let one = unsafe {
                let mut one: libc::cpu_set_t = std::mem::zeroed();
                libc::CPU_SET(cores[index % cores.len()], &mut one);
                one
            };
            self.pass_through(&one);
        }
    }

    /// Moves the calling thread off this core, if it is on it and there is another.
    pub fn leave(&self, core: i32) {
        let Ok(number) = usize::try_from(core) else {
            return;
        };
        if Self::core() != core || !self.allows(number) {
            return;
        }
        let mut others = self.allowed;
        // SAFETY: the core is one of the set.
        let left = unsafe {
            libc::CPU_CLR(number, &mut others);
            libc::CPU_COUNT(&others)
        };
        if left > 0 {
            self.pass_through(&others);
        }
    }

    fn allows(&self, core: usize) -> bool {
        // SAFETY: the set is initialised; the core is checked against its size.
        core < libc::CPU_SETSIZE as usize && unsafe { libc::CPU_ISSET(core, &self.allowed) }
    }

    /// Binds the calling thread to these cores, which moves it there, and frees it again.
    fn pass_through(&self, cores: &libc::cpu_set_t) {
        let size = size_of::<libc::cpu_set_t>();
        // SAFETY: both sets are live. A refusal leaves the thread where it is.
        unsafe {
            if libc::sched_setaffinity(0, size, cores) == 0 {
                libc::sched_setaffinity(0, size, &raw const self.allowed);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Placement {
    /// Those of the calling thread.
    pub fn of_process() -> Self {
        Self {}
    }

    /// The core that the calling thread is on: this system does not say.
    pub fn core() -> i32 {
        -1
    }

    /// Leaves the choice to the system.
    pub fn begin_on(&self, _: usize) {}

    /// Leaves the choice to the system.
    pub fn leave(&self, _: i32) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_leaves_a_core_and_stays_free() {
        std::thread::spawn(|| {
            let placement = Placement::of_process();
            // SAFETY: the set is initialised.
            let count = |placement: &Placement| unsafe { libc::CPU_COUNT(&placement.allowed) };
            let before = count(&placement);
            let core = Placement::core();
            placement.leave(core);
            placement.begin_on(5);
            assert_eq!(before, count(&Placement::of_process()));
            placement.leave(-1);
            placement.leave(1 << 20);
        })
        .join()
        .unwrap();
    }
}
