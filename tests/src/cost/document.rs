//! `docs/cost.md`.

use std::fmt::Write as _;

use super::{
    Bill, Figures, Growth, Memory, milliseconds, prices,
    usage::{self, MONTHLY},
};

const USERS: [(f64, &str); 3] = [(1e3, "1,000"), (1e5, "100,000"), (1e7, "10,000,000")];

/// The whole document.
pub fn document(figures: &Figures) -> String {
    let memory = Memory::of_template();
    let mut text = INTRODUCTION.to_owned();
    endpoints(&mut text, figures, &memory);
    scale(&mut text, figures);
    bills(&mut text, figures, &memory);
    hosted(&mut text, figures, &memory);
    text
}

const INTRODUCTION: &str = "# What requests cost

This page is made by tests from [cost.json](cost.json), and that from what the service really asks of DynamoDB, through
the SDK, in every scenario of `tests/src/cost/scenarios`. CI compares it: a call or a unit more or less fails, with both
numbers, and so does an endpoint without a scenario.

`UPDATE_DOCS=1 cargo test -p tests --test suite cost::` measures the endpoints and writes the page anew;
`UPDATE_DOCS=1 cargo run -p tests --example cost_at_scale` does so for the part with many rows and for the time of a hash.

**Units** are those that the engine reports for each call (`ReturnConsumedCapacity`); a test compares them with the
published rules: a read takes one for each 4 KiB, half of it eventually consistent; a write one for each KiB; in a
transaction twice as many, and one more for each index. A write that its condition refuses is billed, too, and counts here
as one of up to 1 KiB.

**Calls in a row** are those that wait for another; what is left of the calls goes on at the same time.

**Settings of apps** are kept by an instance for 30 seconds. The figures are those of an instance that knows the app; one
that does not reads it first: one call and half a unit more, and for paths with an app key twice that the first time.
";

fn endpoints(text: &mut String, figures: &Figures, memory: &Memory) {
    let _ = write!(
        text,
        "\n## Every endpoint\n\n\
         GB·ms is the memory of the function in `template.yaml` times the time of an invocation: {} ms of its own and {} ms a \
         call in a row, which are **assumptions**, and for each password that is hashed {} ms on a whole CPU, which was \
         **measured** on the machine that wrote this page.\n\n\
         | request | calls | in a row | read units | write units | GB·ms |\n|---|---|--:|--:|--:|--:|\n",
        usage::OWN_MILLISECONDS,
        usage::CALL_MILLISECONDS,
        figures.hash_milliseconds
    );
    for figure in &figures.endpoints {
        let memory = memory.of(&figure.request);
        let gb_milliseconds = memory / 1_024.0 * milliseconds(figure, memory, figures.hash_milliseconds);
        let request = match figure.request.split_once(", ") {
            Some((route, case)) => format!("`{route}`, {case}"),
            None => format!("`{}`", figure.request),
        };
        let _ = writeln!(
            text,
            "| {request} | {} | {} | {} | {} | {gb_milliseconds:.1} |",
            figure.operations(),
            figure.depth,
            figure.read,
            figure.write
        );
    }
}

fn scale(text: &mut String, figures: &Figures) {
    text.push_str(
        "\n## Few rows and many\n\n\
         The same requests where there is much: users of the app, rows of a user's ledger, consents of a user, users of a \
         licence code (names of 22 characters, none unlinked; pages of 50).\n\n\
         | request | calls | read units | write units |\n|---|---|--:|--:|\n",
    );
    for figure in &figures.scale {
        let _ = writeln!(text, "| {} | {} | {} | {} |", figure.request, figure.operations(), figure.read, figure.write);
    }
    text.push_str(
        "\nA list of a licence code reads at most one block of 1,000 links in front of its page, wherever the page is: the \
         licence code's item counts the links of each block. A search reads the span of names that its conditions leave: \
         an infix leaves all of them.\n\n\
         What our own code does for them, the engine's time left out, in microseconds on the machine that wrote this page (a \
         debug build, the shortest of many); the example fails beyond ",
    );
    let _ = write!(text, "{}:\n\n| request | few | many | ratio |\n|---|--:|--:|--:|\n", Growth::MOST);
    for growth in &figures.growth {
        let _ =
            writeln!(text, "| {} | {:.0} | {:.0} | {:.2} |", growth.request, growth.few, growth.many, growth.ratio());
    }
}

fn bills(text: &mut String, figures: &Figures, memory: &Memory) {
    let _ = write!(
        text,
        "\n## A month's bill\n\nWhat a user does in a month in which they are active, a **model**:\n\n| request | times |\n|---|--:|\n"
    );
    for (request, times) in MONTHLY {
        let _ = writeln!(text, "| {request} | {times} |");
    }
    let _ = write!(
        text,
        "\nThat many registered users for each active one: {}; bytes stored for each: {}; bytes of log for each request: {}; \
         bytes of an answer: {}; metrics: {}. Not counted: text messages and mails, which everybody bills by the piece, cold \
         starts, free allowances.\n\n\
         In US dollars at the list prices of {}, looked up on {} (`tests/src/cost/prices.rs` names each with its source):\n\n\
         | active users | API Gateway | Lambda | DynamoDB units | tables | logs and metrics | transfer | **total** | each user |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        usage::REGISTERED,
        usage::STORED_BYTES,
        usage::LOG_BYTES,
        usage::ANSWER_BYTES,
        usage::METRICS,
        prices::REGION,
        prices::READ_ON
    );
    for (users, written) in USERS {
        let bill = Bill::of(users, figures, memory);
        let parts = [bill.gateway, bill.lambda, bill.units, bill.storage, bill.watching, bill.transfer];
        let parts: Vec<_> = parts.iter().map(|part| dollars(*part)).collect();
        let each = bill.total() / users;
        let _ = writeln!(text, "| {written} | {} | **{}** | {each:.5} |", parts.join(" | "), dollars(bill.total()));
    }
}

fn hosted(text: &mut String, figures: &Figures, memory: &Memory) {
    text.push_str(
        "\n## Beside hosted services\n\n\
         Their list prices for as many users in a month, without messages and enterprise connections. A dash: the list was \
         not seen that far, or ends in a call to sales. Services whose lists could not be read (Auth0 and Okta beyond their \
         free plan, for example) are left out rather than guessed.\n\n\
         | | 1,000 | 100,000 | 10,000,000 | list, as of |\n|---|--:|--:|--:|---|\n",
    );
    let own: Vec<_> = USERS.iter().map(|(users, _)| dollars(Bill::of(*users, figures, memory).total())).collect();
    let _ = writeln!(text, "| **Tessera**, in your account | {} | above |", own.join(" | "));
    for service in prices::HOSTED {
        let monthly = USERS.iter().map(|(users, _)| service.monthly(*users).map_or_else(|| "–".to_owned(), dollars));
        let monthly: Vec<_> = monthly.collect();
        let _ = writeln!(
            text,
            "| {} | {} | [{}]({}) |",
            service.name,
            monthly.join(" | "),
            service.read_on,
            service.source
        );
    }
}

/// With commas between thousands, and cents below a thousand.
fn dollars(amount: f64) -> String {
    let text = if amount < 1_000.0 { format!("{amount:.2}") } else { format!("{amount:.0}") };
    let (whole, cents) = text.split_once('.').map_or((text.as_str(), None), |(whole, cents)| (whole, Some(cents)));
    let mut grouped = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    cents.map_or_else(|| grouped.clone(), |cents| format!("{grouped}.{cents}"))
}

#[cfg(test)]
mod tests {
    use super::dollars;

    #[test]
    fn amounts_are_readable() {
        assert_eq!([0.456, 999.0, 1_234.4, 1_234_567.0].map(dollars), ["0.46", "999.00", "1,234", "1,234,567"]);
    }
}
