//! Heap allocations, counted while somebody asks for it. Otherwise each of them takes one look at a
//! flag more: what allocates much must not seem slower than it is.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static IS_ON: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicI64 = AtomicI64::new(0);

/// What was allocated during some work.
pub struct Counted {
    pub allocations: u64,
    /// Of what is alive afterwards.
    pub bytes: i64,
}

/// Counts for this process, so nothing else should go on in it.
pub fn count(work: impl FnOnce()) -> Counted {
    ALLOCATIONS.store(0, Relaxed);
    BYTES.store(0, Relaxed);
    IS_ON.store(true, Relaxed);
    work();
    IS_ON.store(false, Relaxed);
    Counted { allocations: ALLOCATIONS.load(Relaxed), bytes: BYTES.load(Relaxed) }
}

struct Counting;

fn take_down(allocations: u64, bytes: i64) {
    if IS_ON.load(Relaxed) {
        ALLOCATIONS.fetch_add(allocations, Relaxed);
        BYTES.fetch_add(bytes, Relaxed);
    }
}

// SAFETY: the allocator of the system keeps the contract, and is given what this one was given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take_down(1, layout.size() as i64);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take_down(1, layout.size() as i64);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take_down(1, size as i64 - layout.size() as i64);
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        take_down(0, -(layout.size() as i64));
        unsafe { System.dealloc(place, layout) }
    }
}
