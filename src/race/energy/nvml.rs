//! NVML, which the driver brings: the energy counter of a card, its clock, its temperature, and why it is throttled. Loaded
//! when it is needed; the card is found by its place on the PCI bus, since NVML numbers cards otherwise than CUDA does.

use std::ffi::{CString, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::ptr;

use libloading::Library;

use super::{Meter, State};

const NAMES: [&str; 3] = ["libnvidia-ml.so.1", "libnvidia-ml.so", "nvml.dll"];
const SUCCESS: c_int = 0;
/// `NVML_CLOCK_SM`.
const CLOCK_SM: c_uint = 1;
/// `NVML_TEMPERATURE_GPU`.
const TEMPERATURE_GPU: c_uint = 0;
/// Bits of `nvmlDeviceGetCurrentClocksThrottleReasons` that mean a card is held back; idle and set clocks are no such.
const REASONS: [(u64, &str); 5] = [
    (0x04, "power cap"),
    (0x08, "hardware slowdown"),
    (0x20, "thermal"),
    (0x40, "thermal"),
    (0x80, "power brake"),
];

type Card = *mut c_void;
type Get<T> = unsafe extern "C" fn(Card, *mut T) -> c_int;
type GetOf<T> = unsafe extern "C" fn(Card, c_uint, *mut T) -> c_int;

/// A card of NVIDIA's.
pub struct Nvml {
    card: Card,
    energy: Get<c_ulonglong>,
    reasons: Option<Get<c_ulonglong>>,
    clock: Option<GetOf<c_uint>>,
    temperature: Option<GetOf<c_uint>>,
    /// The functions above are of it.
    _library: Library,
}

impl Nvml {
    /// Opens the card at this place (`0000:17:00.0`); `None` where there is no NVML, no such card, or no energy counter
    /// (cards before Volta).
    pub fn open(pci: &str) -> Option<Self> {
        let place = CString::new(pci).ok()?;
        // SAFETY: the library is the driver's own, and the types are those of its header.
        unsafe {
            let library = NAMES.iter().find_map(|name| Library::new(name).ok())?;
            let init = library
                .get::<unsafe extern "C" fn() -> c_int>(b"nvmlInit_v2\0")
                .ok()?;
            if init() != SUCCESS {
                return None;
            }
            let find = library
                .get::<unsafe extern "C" fn(*const c_char, *mut Card) -> c_int>(
                    b"nvmlDeviceGetHandleByPciBusId_v2\0",
                )
                .ok()?;
            let mut card = ptr::null_mut();
            if find(place.as_ptr(), &raw mut card) != SUCCESS {
                return None;
            }
            let mut meter = Self {
                card,
                energy: *library.get(b"nvmlDeviceGetTotalEnergyConsumption\0").ok()?,
                reasons: library
                    .get(b"nvmlDeviceGetCurrentClocksThrottleReasons\0")
                    .ok()
                    .map(|f| *f),
                clock: library.get(b"nvmlDeviceGetClockInfo\0").ok().map(|f| *f),
                temperature: library.get(b"nvmlDeviceGetTemperature\0").ok().map(|f| *f),
                _library: library,
            };
            meter.joules().map(|_| meter)
        }
    }

    fn get_of(&self, call: Option<GetOf<c_uint>>, which: c_uint) -> Option<u32> {
        let mut value = 0;
        // SAFETY: the card is open, the pointer is to a live integer.
        (unsafe { call?(self.card, which, &raw mut value) } == SUCCESS).then_some(value)
    }
}

/// The words of these bits, each once.
fn words(bits: u64) -> Vec<&'static str> {
    let mut words: Vec<_> = REASONS
        .iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, word)| *word)
        .collect();
    words.dedup();
    words
}

impl Meter for Nvml {
    fn source(&self) -> &'static str {
        "nvml"
    }

    fn joules(&mut self) -> Option<f64> {
        let mut millijoules = 0;
        // SAFETY: the card is open, the pointer is to a live integer.
        let result = unsafe { (self.energy)(self.card, &raw mut millijoules) };
        (result == SUCCESS).then_some(millijoules as f64 / 1e3)
    }

    fn state(&mut self) -> State {
        let mut bits = 0;
        // SAFETY: as above.
        let told = self
            .reasons
            .map(|call| unsafe { call(self.card, &raw mut bits) });
        State {
            clock_mhz: self.get_of(self.clock, CLOCK_SM),
            temperature_c: self.get_of(self.temperature, TEMPERATURE_GPU),
            throttle: if told == Some(SUCCESS) {
                words(bits)
            } else {
                Vec::new()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_card_is_not_throttled_and_two_thermal_bits_are_one_reason() {
        assert!(words(0).is_empty());
        assert!(words(0x1 | 0x2 | 0x100).is_empty());
        assert_eq!(words(0x04 | 0x20 | 0x40), ["power cap", "thermal"]);
        assert_eq!(words(0x88), ["hardware slowdown", "power brake"]);
    }

    #[test]
    fn a_place_where_no_card_is_has_no_meter() {
        assert!(Nvml::open("ffff:ff:1f.7").is_none());
        assert!(Nvml::open("a\0b").is_none());
    }
}
