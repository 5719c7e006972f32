//! The orders that are not run come to nothing that others do not.

use std::{cell::RefCell, collections::BTreeMap};

use tests::{
    Answer,
    schedules::{Actor, Bounds, explore},
};

use super::{good, twice};
use crate::security::good::Town;

#[tokio::test(start_paused = true)]
async fn orders_that_are_left_out_come_to_what_others_came_to() {
    let town = Town::new().await;
    let requests = twice(good(&town, "POST SendSMSCode 0"));
    let mut outcomes = Vec::new();
    for everything in [false, true] {
        let seen = RefCell::new(BTreeMap::new());
        let actors = || requests.iter().map(|request| Box::pin(request.send()) as Actor<'_, Answer>).collect();
        let bounds = Bounds { everything, conflicts: 0, ..Bounds::default() };
        let explored = explore(&town.world, &town.start, bounds, actors, async |answers: Vec<Answer>| {
            let answers: Vec<_> = answers.iter().map(|answer| answer.reason().to_owned()).collect();
            let end = town.known.changes(&town.world.checkpoint().await, &town.start);
            *seen.borrow_mut().entry((answers, end)).or_insert(0_usize) += 1;
        })
        .await;
        explored.report(if everything { "all orders" } else { "one of each kind" });
        outcomes.push((explored.schedules, seen.into_inner()));
    }
    let [(few, some), (many, all)] = outcomes.as_slice() else { unreachable!() };
    assert!(some.keys().eq(all.keys()) && few < many, "{few} of {many}");
}
