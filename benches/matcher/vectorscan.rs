//! Vectorscan's search for literals, through its C interface. Needs Debian's `libvectorscan-dev`.

#![allow(unsafe_code, reason = "a foreign function interface, in a bench alone")]

use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};
use std::ptr::{null, null_mut};

/// Texts are whole, no streams.
const MODE_BLOCK: c_uint = 1;

type OnMatch = extern "C" fn(c_uint, c_ulonglong, c_ulonglong, c_uint, *mut c_void) -> c_int;

#[link(name = "hs")]
unsafe extern "C" {
    fn hs_compile_lit_multi(
        expressions: *const *const c_char,
        flags: *const c_uint,
        ids: *const c_uint,
        lens: *const usize,
        elements: c_uint,
        mode: c_uint,
        platform: *const c_void,
        database: *mut *mut c_void,
        error: *mut *mut c_void,
    ) -> c_int;
    fn hs_database_size(database: *const c_void, size: *mut usize) -> c_int;
    fn hs_alloc_scratch(database: *const c_void, scratch: *mut *mut c_void) -> c_int;
    fn hs_scan(
        database: *const c_void,
        data: *const c_char,
        length: c_uint,
        flags: c_uint,
        scratch: *mut c_void,
        on_match: OnMatch,
        context: *mut c_void,
    ) -> c_int;
    fn hs_free_scratch(scratch: *mut c_void) -> c_int;
    fn hs_free_database(database: *mut c_void) -> c_int;
}

/// A compiled set of literals, and what a scan needs beside it.
pub(crate) struct Vectorscan {
    database: *mut c_void,
    scratch: *mut c_void,
}

impl Vectorscan {
    /// Compiles the tokens, with the default flags: every match of every token is reported.
    pub(crate) fn new(tokens: &[Vec<u8>]) -> Self {
        let texts: Vec<*const c_char> = tokens.iter().map(|token| token.as_ptr().cast()).collect();
        let lengths: Vec<usize> = tokens.iter().map(Vec::len).collect();
        let flags = vec![0; tokens.len()];
        let ids: Vec<c_uint> = (0..tokens.len() as c_uint).collect();
        let mut new = Self { database: null_mut(), scratch: null_mut() };
        let mut error = null_mut();
        // SAFETY: the four arrays live until the call returns and have `tokens.len()` elements each;
        // each length is that of its text. A null platform means this machine.
        let compiled = unsafe {
            hs_compile_lit_multi(
                texts.as_ptr(),
                flags.as_ptr(),
                ids.as_ptr(),
                lengths.as_ptr(),
                tokens.len() as c_uint,
                MODE_BLOCK,
                null(),
                &mut new.database,
                &mut error,
            )
        };
        assert_eq!(compiled, 0, "Vectorscan does not compile these tokens");
        // SAFETY: the database was compiled above; a null scratch asks for a new one.
        let allocated = unsafe { hs_alloc_scratch(new.database, &mut new.scratch) };
        assert_eq!(allocated, 0, "Vectorscan has no memory");
        new
    }

    /// Bytes of the compiled set.
    pub(crate) fn memory_bytes(&self) -> usize {
        let mut size = 0;
        // SAFETY: the database is valid until drop.
        assert_eq!(unsafe { hs_database_size(self.database, &mut size) }, 0);
        size
    }

    /// How many matches end in the text.
    pub(crate) fn count(&self, text: &[u8]) -> usize {
        let mut count: usize = 0;
        // SAFETY: database and scratch are valid until drop, and used by one thread; the context is
        // a `usize` that outlives the call, as `on_match` takes it for.
        let scanned = unsafe {
            hs_scan(
                self.database,
                text.as_ptr().cast(),
                text.len() as c_uint,
                0,
                self.scratch,
                on_match,
                (&raw mut count).cast(),
            )
        };
        assert_eq!(scanned, 0, "Vectorscan does not scan");
        count
    }
}

impl Drop for Vectorscan {
    fn drop(&mut self) {
        // SAFETY: both came from the library and are not used again.
        unsafe {
            hs_free_scratch(self.scratch);
            hs_free_database(self.database);
        }
    }
}

extern "C" fn on_match(
    _: c_uint,
    _: c_ulonglong,
    _: c_ulonglong,
    _: c_uint,
    context: *mut c_void,
) -> c_int {
    // SAFETY: `count` passes a pointer to its own counter, which no one else has.
    unsafe { *context.cast::<usize>() += 1 };
    0
}
