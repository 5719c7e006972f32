//! Prints what saturates first at a thousand, ten thousand and a hundred thousand sign-ins a second:
//! `cargo run -p tests --example traffic [SEED]`. `docs/scaling.md` is what it prints for the seed 1.

use tests::{
    cost::{Figures, scenarios},
    traffic::{RATES, Traffic, report},
};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let traffic = Traffic::of(&scenarios::all().await, &Figures::committed());
    print!("{}", report(&RATES.map(|rate| traffic.demand(rate, seed))));
}
