//! The inputs that production takes from the computer, in forms that tests control.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;
use jiff::{SignedDuration, Timestamp};
use shared::{clock::Clock, entropy::Entropy};

/// A clock that moves when it is told to.
#[derive(Debug)]
pub struct FixedClock(Mutex<Timestamp>);

impl FixedClock {
    /// Stands at this time, in RFC 3339 form.
    pub fn at(time: &str) -> Self {
        Self(Mutex::new(time.parse().expect("a time")))
    }

    /// Moves on.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.checked_add(by).expect("a time that exists");
    }

    /// Jumps to a time.
    pub fn set(&self, to: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that look random and follow from a seed.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    drawn: Mutex<u64>,
}

impl SeededEntropy {
    /// The bytes of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: Mutex::new(0) }
    }

    /// How often bytes were drawn.
    pub fn drawn(&self) -> u64 {
        *self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the same bytes again as after so many draws.
    pub fn rewind(&self, drawn: u64) {
        *self.drawn.lock().unwrap_or_else(PoisonError::into_inner) = drawn;
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
            *drawn += 1;
            let block = digest::digest(&digest::SHA256, &[self.seed.to_le_bytes(), drawn.to_le_bytes()].concat());
            chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
        }
    }
}
