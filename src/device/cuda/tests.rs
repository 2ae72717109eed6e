//! The device over a driver that notes down what it is asked for: what happens when, and what is kept alive.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use super::*;

/// Memory of the noting driver.
type Bytes = Rc<RefCell<Vec<u8>>>;

/// Notes calls down and runs nothing.
#[derive(Default)]
struct Noting {
    calls: Vec<String>,
    made: Vec<Weak<RefCell<Vec<u8>>>>,
    /// Bytes that are left.
    free: Option<usize>,
    fail_launches: bool,
}

impl Driver for Noting {
    type Memory = Bytes;
    type Graph = ();

    fn alloc(&mut self, bytes: usize) -> Result<Bytes> {
        self.calls.push("alloc".into());
        if self.free.is_some_and(|free| bytes > free) {
            return Err(Error::failed("too much"));
        }
        let memory = Rc::new(RefCell::new(vec![0xff; bytes]));
        self.made.push(Rc::downgrade(&memory));
        Ok(memory)
    }

    fn part(&self, _: &Bytes, _: usize, _: usize) -> Bytes {
        unreachable!("no part is asked for")
    }

    fn write(&mut self, to: &Bytes, offset: usize, bytes: &[u8]) -> Result<()> {
        to.borrow_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, from: &Bytes, offset: usize, into: &mut [u8]) -> Result<()> {
        into.copy_from_slice(&from.borrow()[offset..offset + into.len()]);
        Ok(())
    }

    fn load(&mut self, _: &Unit) -> Result<()> {
        self.calls.push("load".into());
        Ok(())
    }

    fn launch(&mut self, pass: &Pass, values: &[Value<'_, Bytes>]) -> Result<()> {
        assert_eq!(pass.arguments.len(), values.len());
        self.calls.push("launch".into());
        if self.fail_launches {
            return Err(Error::failed("refused"));
        }
        Ok(())
    }

    fn gemm(&mut self, _: &Gemm, _: &Bytes, _: &Bytes, _: &Bytes) -> Result<()> {
        self.calls.push("gemm".into());
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        self.calls.push("begin".into());
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.calls.push("end".into());
        Ok(())
    }

    fn replay(&mut self, _: &(), times: u64) -> Result<()> {
        self.calls.push(format!("replay {times}"));
        Ok(())
    }

    fn synchronise(&mut self) -> Result<()> {
        Ok(())
    }

    fn device_time_s(&self) -> Option<f64> {
        None
    }

    fn free_bytes(&self) -> Option<u64> {
        self.free.map(|free| free as u64)
    }
}

fn device() -> Cuda<Noting> {
    let tuning = Tuning {
        multiprocessors: 108,
        shared_bytes: 48 << 10,
        chained: pass::CHAINED,
    };
    Cuda::over(Noting::default(), 0, "a card".into(), 1 << 30, tuning)
}

/// Reads `len` floats, in two passes when they are many.
fn stream(
    device: &mut Cuda<Noting>,
    x: &Buffer<Noting>,
    out: &Buffer<Noting>,
    len: usize,
) -> Result<()> {
    device.launch(&Launch {
        kernel: Kernel::Stream(crate::kernel::Stream::Read),
        sizes: &[len],
        scalars: &[],
        buffers: &[x, out],
    })
}

const MANY: usize = 1 << 22;

#[test]
fn what_is_written_comes_back_in_whole_rows_that_are_padded_to_sixteen_bytes() {
    let mut device = device();
    let bytes: Vec<u8> = (0..93).collect();
    let padded = device.alloc_rows(Element::U8, 3, 31).unwrap();
    device.write(&padded, 0, Slice::U8(&bytes)).unwrap();
    {
        let memory = padded.0.memory.borrow();
        assert_eq!(memory.len(), 3 * 32);
        assert_eq!((memory[30], memory[31], memory[32]), (30, 0, 31));
    }
    let mut back = vec![0u8; 62];
    device.read(&padded, 31, SliceMut::U8(&mut back)).unwrap();
    assert_eq!(back, bytes[31..]);
    let floats = device.alloc_rows(Element::F32, 2, 5).unwrap();
    assert_eq!(floats.0.memory.borrow().len(), 2 * 8 * 4);
    let plain = device.alloc(Element::U8, 7).unwrap();
    device.write(&plain, 3, Slice::U8(&[1, 2, 3])).unwrap();
    let mut back = [0u8; 2];
    device.read(&plain, 4, SliceMut::U8(&mut back)).unwrap();
    assert_eq!(back, [2, 3]);
}

#[test]
fn a_recording_loads_and_allocates_before_it_captures_and_a_second_one_not_at_all() {
    let mut device = device();
    let x = device.alloc(Element::F32, MANY).unwrap();
    let out = device.alloc(Element::F32, 1).unwrap();
    let mut counts = Vec::new();
    for _ in 0..2 {
        device.driver.calls.clear();
        let recording = device
            .record(&mut |device| stream(device, &x, &out, MANY))
            .unwrap();
        let calls = std::mem::take(&mut device.driver.calls);
        let begin = calls.iter().position(|call| call == "begin").unwrap();
        let (before, captured) = calls.split_at(begin);
        assert!(!before.contains(&"launch".to_string()), "{calls:?}");
        assert_eq!(captured.last().unwrap(), "end");
        let inside = &captured[1..captured.len() - 1];
        assert!(!inside.is_empty() && inside.iter().all(|call| call == "launch"));
        counts.push(before.len());
        device.replay(&recording, 5).unwrap();
        assert_eq!(device.driver.calls, ["replay 5"]);
    }
    assert!(counts[0] > 0 && counts[1] == 0, "{counts:?}");
}

#[test]
fn a_launch_that_fails_while_it_is_captured_ends_the_capture() {
    let mut device = device();
    let x = device.alloc(Element::F32, MANY).unwrap();
    let out = device.alloc(Element::F32, 1).unwrap();
    device.driver.fail_launches = true;
    let recorded = device.record(&mut |device| stream(device, &x, &out, MANY));
    assert!(matches!(recorded, Err(Error::Failed(why)) if why == "refused"));
    assert_eq!(device.driver.calls.last().unwrap(), "end");
    device.driver.fail_launches = false;
    device
        .record(&mut |device| stream(device, &x, &out, MANY))
        .unwrap();
}

#[test]
fn a_recording_keeps_its_buffers_and_the_memory_between_its_passes() {
    let mut device = device();
    let recording = {
        let x = device.alloc(Element::F32, MANY).unwrap();
        let out = device.alloc(Element::F32, 1).unwrap();
        device
            .record(&mut |device| stream(device, &x, &out, MANY))
            .unwrap()
    };
    let before = device.driver.made.len();
    // Larger scratch memory takes the other's place.
    for kind in device.scratch.keys().copied().collect::<Vec<_>>() {
        device.grow(kind, 1 << 26).unwrap();
    }
    let alive = |device: &Cuda<Noting>| {
        let made = device.driver.made[..before].iter();
        made.filter(|memory| memory.strong_count() > 0).count()
    };
    assert_eq!(alive(&device), before);
    drop(recording);
    assert_eq!(alive(&device), 0);
}

#[test]
fn an_allocation_that_fails_tells_how_many_rows_would_fit() {
    let mut device = device();
    device.driver.free = Some(10_000);
    let error = device.alloc_rows(Element::F32, 1000, 30).err().unwrap();
    assert_eq!(
        error.to_string(),
        "too much; 78 of these 1000 rows of 30 would fit"
    );
}
