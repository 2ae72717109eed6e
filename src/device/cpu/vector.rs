//! Instruction sets: one small trait, three implementations, chosen at run time.
//!
//! A kernel is written once over [`Vector`] (f32 lanes, and pairs of i16 for exact sums of bytes) as an
//! `#[inline(always)]` function; [`per_isa!`] compiles it once per instruction set behind `#[target_feature]` and picks
//! one by [`crate::machine::Isa`]. The trait has just what the kernels need.

/// Lanes of f32, and of pairs of i16 that are multiplied and summed into i32.
///
/// # Safety
/// Every method needs the instruction set of the implementation; loads and stores need `LANES` elements (twice as many
/// i16) at the pointer, aligned or not.
#[allow(clippy::missing_safety_doc)] // Said once, above.
pub unsafe trait Vector: Copy + 'static {
    /// Number of f32 (or i32) lanes.
    const LANES: usize;
    /// LANES f32.
    type F: Copy;
    /// LANES i32, or 2 LANES i16.
    type I: Copy;

    unsafe fn splat(x: f32) -> Self::F;
    unsafe fn load(p: *const f32) -> Self::F;
    /// LANES bytes, widened.
    unsafe fn load_u8(p: *const u8) -> Self::F;
    unsafe fn store(p: *mut f32, x: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    /// `a b + c`.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// Sum of the lanes.
    unsafe fn sum(x: Self::F) -> f32;

    /// Asks for the cache line at `p`, which need not be valid memory; nothing where the target has no such hint.
    #[inline(always)]
    unsafe fn prefetch<T>(p: *const T) {
        let _ = p;
    }

    /// Zero.
    unsafe fn zero_i() -> Self::I;
    /// 2 LANES i16.
    unsafe fn load_i16(p: *const i16) -> Self::I;
    /// One pair of i16 in every lane.
    unsafe fn splat_pair(pair: i32) -> Self::I;
    /// `acc + a0 b0 + a1 b1` in every lane.
    unsafe fn pairs(acc: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// `p += x`, LANES i32.
    unsafe fn add_i32(p: *mut i32, x: Self::I);
}

/// Eight lanes as an array: the compiler makes of it what the target has.
#[derive(Clone, Copy)]
pub struct Portable;

const WIDE: usize = 8;

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> [f32; WIDE] {
    std::array::from_fn(f)
}

// SAFETY: plain Rust; the pointers are the caller's promise.
unsafe impl Vector for Portable {
    const LANES: usize = WIDE;
    type F = [f32; WIDE];
    type I = [[i16; 2]; WIDE];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        [x; WIDE]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self::F {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<Self::F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_u8(p: *const u8) -> Self::F {
        // SAFETY: the caller's promise.
        let bytes = unsafe { p.cast::<[u8; WIDE]>().read_unaligned() };
        each(|i| f32::from(bytes[i]))
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, x: Self::F) {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<Self::F>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        each(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn sum(x: Self::F) -> f32 {
        ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))
    }
    #[inline(always)]
    unsafe fn zero_i() -> Self::I {
        [[0; 2]; WIDE]
    }
    #[inline(always)]
    unsafe fn load_i16(p: *const i16) -> Self::I {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<Self::I>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat_pair(pair: i32) -> Self::I {
        [to_pair(pair); WIDE]
    }
    #[inline(always)]
    unsafe fn pairs(acc: Self::I, a: Self::I, b: Self::I) -> Self::I {
        std::array::from_fn(|i| {
            let product =
                i32::from(a[i][0]) * i32::from(b[i][0]) + i32::from(a[i][1]) * i32::from(b[i][1]);
            to_pair(from_pair(acc[i]) + product)
        })
    }
    #[inline(always)]
    unsafe fn add_i32(p: *mut i32, x: Self::I) {
        for (i, x) in x.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { *p.add(i) += from_pair(x) };
        }
    }
}

#[inline(always)]
fn to_pair(x: i32) -> [i16; 2] {
    [x as i16, (x >> 16) as i16]
}

#[inline(always)]
fn from_pair(pair: [i16; 2]) -> i32 {
    i32::from(pair[0] as u16) | (i32::from(pair[1]) << 16)
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;

    /// AVX2 with FMA.
    #[derive(Clone, Copy)]
    pub struct Avx2;

    // SAFETY: every method is called behind `#[target_feature(enable = "avx2,fma")]`; pointers are the caller's promise.
    #[allow(clippy::undocumented_unsafe_blocks)] // Said once, above.
    unsafe impl Vector for Avx2 {
        const LANES: usize = 8;
        type F = __m256;
        type I = __m256i;

        #[inline(always)]
        unsafe fn splat(x: f32) -> __m256 {
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> __m256 {
            unsafe { _mm256_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn load_u8(p: *const u8) -> __m256 {
            unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast()))) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, x: __m256) {
            unsafe { _mm256_storeu_ps(p, x) }
        }
        #[inline(always)]
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn sum(x: __m256) -> f32 {
            unsafe {
                let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
                let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
            }
        }
        #[inline(always)]
        unsafe fn prefetch<T>(p: *const T) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
        }
        #[inline(always)]
        unsafe fn zero_i() -> __m256i {
            unsafe { _mm256_setzero_si256() }
        }
        #[inline(always)]
        unsafe fn load_i16(p: *const i16) -> __m256i {
            unsafe { _mm256_loadu_si256(p.cast()) }
        }
        #[inline(always)]
        unsafe fn splat_pair(pair: i32) -> __m256i {
            unsafe { _mm256_set1_epi32(pair) }
        }
        #[inline(always)]
        unsafe fn pairs(acc: __m256i, a: __m256i, b: __m256i) -> __m256i {
            unsafe { _mm256_add_epi32(acc, _mm256_madd_epi16(a, b)) }
        }
        #[inline(always)]
        unsafe fn add_i32(p: *mut i32, x: __m256i) {
            unsafe {
                let old = _mm256_loadu_si256(p.cast());
                _mm256_storeu_si256(p.cast(), _mm256_add_epi32(old, x))
            }
        }
    }

    /// AVX-512 F and BW.
    #[derive(Clone, Copy)]
    pub struct Avx512;

    // SAFETY: every method is called behind `#[target_feature(enable = "avx512f,avx512bw,..")]`; pointers are the
    // caller's promise.
    #[allow(clippy::undocumented_unsafe_blocks)] // Said once, above.
    unsafe impl Vector for Avx512 {
        const LANES: usize = 16;
        type F = __m512;
        type I = __m512i;

        #[inline(always)]
        unsafe fn splat(x: f32) -> __m512 {
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> __m512 {
            unsafe { _mm512_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn load_u8(p: *const u8) -> __m512 {
            unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast()))) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, x: __m512) {
            unsafe { _mm512_storeu_ps(p, x) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn sum(x: __m512) -> f32 {
            unsafe { _mm512_reduce_add_ps(x) }
        }
        #[inline(always)]
        unsafe fn prefetch<T>(p: *const T) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
        }
        #[inline(always)]
        unsafe fn zero_i() -> __m512i {
            unsafe { _mm512_setzero_si512() }
        }
        #[inline(always)]
        unsafe fn load_i16(p: *const i16) -> __m512i {
            unsafe { _mm512_loadu_si512(p.cast()) }
        }
        #[inline(always)]
        unsafe fn splat_pair(pair: i32) -> __m512i {
            unsafe { _mm512_set1_epi32(pair) }
        }
        #[inline(always)]
        unsafe fn pairs(acc: __m512i, a: __m512i, b: __m512i) -> __m512i {
            unsafe { _mm512_add_epi32(acc, _mm512_madd_epi16(a, b)) }
        }
        #[inline(always)]
        unsafe fn add_i32(p: *mut i32, x: __m512i) {
            unsafe {
                let old = _mm512_loadu_si512(p.cast());
                _mm512_storeu_si512(p.cast(), _mm512_add_epi32(old, x))
            }
        }
    }
}

/// `y = beta y + new`; with `beta` 0 the old value is not read.
#[inline(always)]
pub fn accumulate(y: &mut f32, beta: f64, new: f64) {
    *y = if beta == 0.0 {
        new as f32
    } else {
        (beta * f64::from(*y) + new) as f32
    };
}

/// `y += factor x`.
///
/// # Safety
/// Both have `len` elements.
#[inline(always)]
pub unsafe fn axpy<V: Vector>(factor: f32, x: *const f32, y: *mut f32, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let wide = V::splat(factor);
        let whole = len - len % V::LANES;
        let mut j = 0;
        while j < whole {
            V::store(y.add(j), V::fma(wide, V::load(x.add(j)), V::load(y.add(j))));
            j += V::LANES;
        }
        for j in whole..len {
            *y.add(j) += factor * *x.add(j);
        }
    }
}

/// Declares `fn $name(isa: Isa, args..)` that runs `$body::<V, generics..>(args..)` compiled for the instruction set.
macro_rules! per_isa {
    ($(#[$doc:meta])* $vis:vis unsafe fn $name:ident $(<$($g:ident : $bound:path),+>)? ($($arg:ident : $ty:ty),* $(,)?) = $body:ident;) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        $vis unsafe fn $name $(<$($g: $bound),+>)? (isa: $crate::machine::Isa, $($arg: $ty),*) {
            use $crate::device::cpu::vector::Portable;
            use $crate::machine::Isa;
            #[cfg(target_arch = "x86_64")]
            use $crate::device::cpu::vector::{Avx2, Avx512};
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx2 $(<$($g: $bound),+>)? ($($arg: $ty),*) {
                // SAFETY: the caller's promises are passed on; the instruction set is enabled here.
                unsafe { $body::<Avx2 $(, $($g),+)?>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512bw")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx512 $(<$($g: $bound),+>)? ($($arg: $ty),*) {
                // SAFETY: as above.
                unsafe { $body::<Avx512 $(, $($g),+)?>($($arg),*) }
            }
            match isa {
                // SAFETY: an `Isa` other than portable exists only where `Isa::available` found it.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => unsafe { avx2 $(::<$($g),+>)? ($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => unsafe { avx512 $(::<$($g),+>)? ($($arg),*) },
                // SAFETY: the caller's promises are passed on; plain Rust needs no instruction set.
                _ => unsafe { $body::<Portable $(, $($g),+)?>($($arg),*) },
            }
        }
    };
}
pub(crate) use per_isa;
