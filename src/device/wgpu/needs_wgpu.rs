//! The device on the first adapter that is here.

use super::open::LOOK_EVERY;
use super::*;
use crate::kernel::control;

fn open() -> Wgpu {
    Wgpu::open(0).expect("an adapter")
}

#[test]
#[ignore = "needs wgpu: scripts/setup installs a software adapter"]
fn what_is_written_comes_back_in_every_element_type_with_padded_rows_and_without() {
    let mut device = open();
    let bytes: Vec<u8> = (0..93).collect();
    let padded = device.alloc_rows(Element::U8, 3, 31).unwrap();
    device.write(&padded, 0, Slice::U8(&bytes)).unwrap();
    let mut back = vec![0u8; 62];
    device.read(&padded, 31, SliceMut::U8(&mut back)).unwrap();
    assert_eq!(back, bytes[31..]);
    let words: Vec<u32> = (0..7).map(|i| i * 1_000_000_007 % 97).collect();
    let plain = device.alloc(Element::U32, 7).unwrap();
    device.write(&plain, 0, Slice::U32(&words)).unwrap();
    let mut back = vec![0u32; 3];
    device.read(&plain, 2, SliceMut::U32(&mut back)).unwrap();
    assert_eq!(back, words[2..5]);
}

#[test]
#[ignore = "needs wgpu: scripts/setup installs a software adapter"]
fn the_steps_between_two_looks_are_one_submission() {
    let mut device = open();
    let control = device.alloc(Element::F32, control::LEN).unwrap();
    let [p, g] = [0, 1].map(|_| device.alloc(Element::F32, 33).unwrap());
    device
        .write(&control, 0, Slice::F32(&control::example()))
        .unwrap();
    for buffer in [&p, &g] {
        device.write(buffer, 0, Slice::F32(&[1.0; 33])).unwrap();
    }
    let launch = Launch {
        kernel: Kernel::Rules(crate::kernel::Rule::named("sgd")),
        sizes: &[33],
        scalars: &[0.0],
        buffers: &[&control, &p, &g],
    };
    let step = device.record(&mut |device| device.launch(&launch)).unwrap();
    device.synchronise().unwrap();
    let before = device.queue.submissions;
    for look in 1..=3 {
        device.replay(&step, LOOK_EVERY).unwrap();
        let mut seen = [0.0f32; control::LEN];
        device.read(&control, 0, SliceMut::F32(&mut seen)).unwrap();
        assert_eq!(device.queue.submissions, before + look);
    }
}

#[test]
#[ignore = "needs wgpu: scripts/setup installs a software adapter"]
fn a_buffer_over_the_limit_is_an_error_that_names_it() {
    let mut device = open();
    device.limit_buffers(1 << 20);
    let error = device.alloc(Element::F32, 1 << 20).err().expect("4 MiB");
    assert!(error.to_string().contains("0.001 GB at most"), "{error}");
    assert!(device.alloc(Element::F32, 1 << 10).is_ok());
}

#[test]
#[ignore = "needs wgpu: scripts/setup installs a software adapter"]
fn a_lost_device_is_an_error_and_no_panic() {
    let mut device = open();
    let x = device.alloc(Element::F32, 64).unwrap();
    device.write(&x, 0, Slice::F32(&[1.0; 64])).unwrap();
    device.lose();
    let mut back = [0.0f32; 64];
    let read = device.read(&x, 0, SliceMut::F32(&mut back));
    assert!(matches!(read, Err(Error::Failed(_))), "{read:?}");
}
