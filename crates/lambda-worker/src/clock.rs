//! The clock of scripts, which stands still; and the clocks by which this process knows that its time is up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Microseconds since 1970, as the bits of a double.
static NOW: AtomicU64 = AtomicU64::new(0);

/// From now on scripts see this time.
pub fn stand_still_at(micros: f64) {
    NOW.store(micros.to_bits(), Ordering::Relaxed);
}

/// What QuickJS asks for the time, in place of the C library's: the program's own symbol comes first. The standard library does
/// not use it.
#[expect(
    unsafe_code,
    clippy::cast_possible_truncation,
    reason = "replaces a function of C by its name; the host gives whole microseconds of our time"
)]
#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(time: *mut libc::timeval, _zone: *mut libc::c_void) -> i32 {
    let micros = f64::from_bits(NOW.load(Ordering::Relaxed)) as i64;
    // SAFETY: callers pass null or room for one `timeval`, as for the function of C.
    if let Some(time) = unsafe { time.as_mut() } {
        time.tv_sec = micros.div_euclid(1_000_000);
        time.tv_usec = micros.rem_euclid(1_000_000);
    }
    0
}

/// Looks at the clocks and at the time zone once. How they are read is found out then, by system calls that are out of reach later.
/// Whether the time zone is the one that scripts expect.
pub fn find() -> bool {
    Deadline::after(Duration::ZERO, Duration::ZERO).is_over();
    #[expect(
        unsafe_code,
        reason = "QuickJS asks the C library, so it is asked here"
    )]
    // SAFETY: a `tm` of zeroes is valid, and both addresses are of variables that live during the call.
    let offset = unsafe {
        let mut broken_down: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const EPOCH, &raw mut broken_down);
        broken_down.tm_gmtoff
    };
    offset == 0
}

static EPOCH: libc::time_t = 0;

/// When a request must have ended.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    wall: Instant,
    cpu: Duration,
}

impl Deadline {
    /// So far from now.
    pub fn after(wall: Duration, cpu: Duration) -> Self {
        let now = Instant::now();
        Self {
            wall: now.checked_add(wall).unwrap_or(now),
            cpu: cpu_time().saturating_add(cpu),
        }
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.wall || cpu_time() >= self.cpu
    }
}

/// Processor time that this process has used.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
