//! Elements of the samples, as stored: bytes are widened in registers.

use std::cell::Ref;

use super::buffer::Buffer;
use super::vector::Vector;

/// An element of the samples.
pub trait Sample: Copy + Send + Sync + 'static {
    /// Whether centred rows are kept in a tile between the two halves of a product.
    const TILED: bool;
    /// The elements of a buffer.
    ///
    /// # Panics
    /// When it holds others.
    fn of(buffer: &Buffer) -> Ref<'_, [Self]>
    where
        Self: Sized;
    /// LANES elements as f32.
    ///
    /// # Safety
    /// As [`Vector::load`].
    unsafe fn load<V: Vector>(p: *const Self) -> V::F;
    /// One element as f32.
    fn to_f32(self) -> f32;
}

impl Sample for f32 {
    const TILED: bool = false;
    fn of(buffer: &Buffer) -> Ref<'_, [f32]> {
        buffer.f32()
    }
    #[inline(always)]
    unsafe fn load<V: Vector>(p: *const f32) -> V::F {
        // SAFETY: the caller's promise.
        unsafe { V::load(p) }
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

impl Sample for u8 {
    const TILED: bool = true;
    fn of(buffer: &Buffer) -> Ref<'_, [u8]> {
        buffer.u8()
    }
    #[inline(always)]
    unsafe fn load<V: Vector>(p: *const u8) -> V::F {
        // SAFETY: the caller's promise.
        unsafe { V::load_u8(p) }
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from(self)
    }
}

/// `out = x - mean_hi` for one row.
///
/// # Safety
/// `row`, `mean` and `out` have d elements.
#[inline(always)]
pub unsafe fn centre<V: Vector, T: Sample>(row: *const T, mean: &[f32], d: usize, out: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let mean = mean.as_ptr();
        let whole = d - d % V::LANES;
        let mut j = 0;
        while j < whole {
            let y = V::sub(T::load::<V>(row.add(j)), V::load(mean.add(j)));
            V::store(out.add(j), y);
            j += V::LANES;
        }
        for j in whole..d {
            *out.add(j) = (*row.add(j)).to_f32() - *mean.add(j);
        }
    }
}
