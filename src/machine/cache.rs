//! The caches of the processor.

/// A cache that holds data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cache {
    /// 1 is the nearest.
    pub level: u8,
    /// Size in bytes.
    pub bytes: usize,
    /// Cores that share it.
    pub shared_by: usize,
}

/// The caches of the first core, the nearest first; none where the system does not say (only Linux does).
pub fn caches() -> Vec<Cache> {
    let folder = std::path::Path::new("/sys/devices/system/cpu/cpu0/cache");
    let found = (0..8).filter_map(|index| {
        let read = |name: &str| {
            let file = folder.join(format!("index{index}")).join(name);
            std::fs::read_to_string(file)
                .ok()
                .map(|text| text.trim().to_string())
        };
        if read("type")? == "Instruction" {
            return None;
        }
        Some(Cache {
            level: read("level")?.parse().ok()?,
            bytes: read("size")?.strip_suffix('K')?.parse::<usize>().ok()? << 10,
            shared_by: cores_of(&read("shared_cpu_list")?),
        })
    });
    let mut caches: Vec<Cache> = found.collect();
    caches.sort_by_key(|cache| cache.level);
    caches
}

/// Number of cores in a list such as `0-3,8`; at least 1.
fn cores_of(list: &str) -> usize {
    let range = |part: &str| -> Option<usize> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(last.parse::<usize>().ok()? + 1 - first.parse::<usize>().ok()?)
    };
    list.split(',').filter_map(range).sum::<usize>().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_counted_in_a_list_of_ranges() {
        assert_eq!(["0-3,8", "5", "0-1,4-5", ""].map(cores_of), [5, 1, 4, 1]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn caches_grow_with_their_level() {
        let caches = caches();
        assert!(
            caches.is_sorted_by(|a, b| a.level < b.level && a.bytes <= b.bytes),
            "{caches:?}"
        );
    }
}
