//! How the name of a provider's host is found: by what is in the C library itself.
#![allow(unsafe_code)]

/// Holds glibc to `/etc/hosts` and the servers of `/etc/resolv.conf`, whatever `/etc/nsswitch.conf` says. To be called
/// before the first name is looked up; costs a few hundred bytes.
///
/// nsswitch.conf names modules (`resolve`, `myhostname`, `mdns4_minimal`, …), shared libraries that glibc loads into the
/// process. A static program loads the machine's whole C library with them, and where that is of another version it ends by a
/// signal: seen with Debian 12's on Debian 13. And in a process that holds keys nobody else's code has business.
pub fn load_no_module() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::ffi::{c_char, c_int};

        // Of glibc's <nss.h>; the crate libc does not have it.
        unsafe extern "C" {
            fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
        }
        // SAFETY: two constant C strings, which are only read. It fails without memory alone, and then changes nothing.
        unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
    }
}
