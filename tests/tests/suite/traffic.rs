//! No key of ours is what gives way first.

use tests::{
    cost::{Figures, scenarios},
    documents,
    traffic::{KEY, RATES, Traffic, report},
};

#[tokio::test]
async fn no_key_of_ours_saturates_at_a_hundred_thousand_sign_ins_a_second() {
    let traffic = Traffic::of(&scenarios::all().await, &Figures::committed());
    let demands = RATES.map(|rate| traffic.demand(rate, 1));
    for demand in &demands {
        for (kind, units) in &demand.hottest {
            assert!(units.share_of(KEY) < 1.0, "{kind} at {} sign-ins a second: {units:?}", demand.sign_ins);
        }
    }
    documents::check("scaling.md", &report(&demands));
}
