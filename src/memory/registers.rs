//! What a copy leaves in the processor: its last bytes, in the registers it went through.

/// Zeroes this thread's vector registers, which the kernel saves with the thread, in memory that it does not zero when the
/// thread has ended. On x86_64; on another machine they keep what they hold.
///
/// For a process that ends: one that goes on overwrites them, and `execve` begins with empty ones. The first call takes
/// some 20 µs, because a virtual machine's processor is slow to say what it has.
#[inline(never)]
pub fn scrub_registers() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: writes none but registers that are declared as lost, by instructions that this processor was asked for.
    unsafe {
        use std::arch::{asm, is_x86_feature_detected};
        if is_x86_feature_detected!("avx512f") {
            asm!(
                ".irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
                "vpxord zmm\\n, zmm\\n, zmm\\n",
                ".endr",
                clobber_abi("C"),
                options(nomem, nostack, preserves_flags)
            );
        }
        if is_x86_feature_detected!("avx") {
            asm!("vzeroall", clobber_abi("C"), options(nomem, nostack, preserves_flags));
        } else {
            asm!(
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
                "xorps xmm\\n, xmm\\n",
                ".endr",
                clobber_abi("C"),
                options(nomem, nostack, preserves_flags)
            );
        }
    }
}
