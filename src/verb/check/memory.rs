//! Pages that the kernel zeroes when they are freed.

use super::Finding;
use crate::memory;

pub fn probe() -> Option<Finding> {
    // Elsewhere there is nothing of the kind to be mended.
    if !cfg!(target_os = "linux") {
        return None;
    }
    Some(if memory::has_secret_pages() {
        Finding::ok("memory", "memfd_secret works: the kernel zeroes what COMMAND's environment was built in")
    } else {
        Finding::warning(
            "memory",
            "memfd_secret is not to be had: keys lie in locked pages, which nobody zeroes after COMMAND has started",
            "Linux 6.5 or later, or secretmem.enable=1 on the kernel's command line, and a container that allows it",
        )
    })
}
