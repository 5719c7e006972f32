//! `docs/performance.md`.

use std::fmt::Write as _;

use crate::{
    committed::{Cost, Weight},
    load::{AT_A_TIME, Figures},
    results::Results,
    servers::{FLOOR, OUR_FLOOR, OURS, SDK_FLOOR, UNREAD_FLOOR},
    targets::{Target, independent, ratios},
};

/// What a scenario is called, and what stands below its table.
const SCENARIOS: [(&str, &str, &str); 3] = [
    (
        "sign-in",
        "Sign-in with a password",
        "Argon2id with 19 MiB, two passes and one lane, but for glewlwyd: over SQLite it has PBKDF2 only. OpenAuth's \
         sign-in is its whole way to a token: authorization, password, exchange of the code. oidc-provider leaves \
         passwords to whoever uses it. Tessera charges the try to the user before it compares, which no other here does.",
    ),
    (
        "read",
        "A user reads what is theirs",
        "`GET Profile` with a bearer token; better-auth `get-session` with its cookie; oidc-provider `userinfo` with an \
         access token that it keeps in its own memory; fastapi-users `users/me` with a signed token; glewlwyd \
         `profile_list` with its session cookie. All read the user anew, so that one who is disabled is refused at once, \
         but for oidc-provider, whose user comes from a function of the bench. Tessera has seen its tokens before: the \
         first time it verifies a signature, too, which takes more than all the rest \
         ([why](adr/0033-a-verified-token-is-remembered.md)).",
    ),
    ("more", "What only Tessera has here", "Grants are by a linked identity, so that no password hash hides the rest."),
];

/// The whole page.
pub(crate) fn page(cost: &Cost, weight: &Weight, results: &Results) -> String {
    let mut page = String::from(
        "# Performance\n\n\
         How Tessera does beside its peers, and whether it reaches what it is meant to reach. One command,\n\n\
         ```sh\nbench/run.sh\n```\n\n\
         installs the peers, builds what is measured as a release has it, measures everything of the second part, and \
         writes this page and [performance.json](performance.json). The first part does not depend on the machine: it is \
         read from [cost.json](cost.json) and [weight.json](weight.json), which CI measures and guards.\n\n",
    );
    let independent = independent(cost, weight);
    let ratios = ratios(results, cost);
    let all = || independent.iter().chain(&ratios);
    let count = |wanted: Option<bool>| all().filter(|it| it.is_met == wanted).count();
    let _ = writeln!(
        page,
        "Of {} targets {} are met, {} are missed, {} were not measured.\n",
        all().count(),
        count(Some(true)),
        count(Some(false)),
        count(None)
    );
    page.push_str("## What does not depend on the machine\n\n| what | target | measured | |\n|---|---|---|---|\n");
    for it in &independent {
        let _ = writeln!(page, "| {} | {} | {} | {} |", it.what, it.goal, it.measured, verdict(it));
    }
    page.push_str(&reasons(&independent));
    page.push_str(&functions(weight));
    page.push_str("\n[What requests cost](cost.md) has the calls and units of every endpoint.\n\n");

    page.push_str("## Beside the peers\n\n");
    let machine = &results.machine;
    let _ = writeln!(
        page,
        "Measured on {} ({} cores; {}; {}), {} rounds of {} s, in turns: everybody is asked once in each round, and the \
         tables show the medians of the rounds. {AT_A_TIME} requests are open at a time. Times are of this machine; the \
         ratios differ less from one to another.\n",
        machine.processor, machine.cores, machine.placement, machine.system, results.rounds, results.seconds
    );
    page.push_str("| what | target | measured | the other | |\n|---|---|---|---|---|\n");
    for it in &ratios {
        let _ = writeln!(page, "| {} | {} | {} | {} | {} |", it.what, it.goal, it.measured, it.peers, verdict(it));
    }
    page.push_str(&reasons(&ratios));
    page.push('\n');
    page.push_str(&first_answers(results));
    for (scenario, title, note) in SCENARIOS {
        page.push_str(&scenario_section(results, scenario, title, note));
    }
    page.push_str(&servers(results));
    page.push_str(
        "## How it is measured\n\n\
         - **Computation** is the processor time of the server's processes, in user and kernel mode, divided by the number \
         of requests. It tells servers apart where the rate tells more about the driver: on a small machine the driver \
         and the database are busy before a fast server is.\n\
         - **The database's** is that of the embedded engine, which speaks the DynamoDB API in a process of its own, over a \
         real connection. SQLite runs inside the servers that use it, so that their computation includes it.\n\
         - Every server runs as its manual says for production, with one process, its log switched off, and no limit on \
         the rate of requests. All of `bench/peers` is that configuration.\n\
         - **The hash alone** is the same code that compares passwords in Tessera, in a loop on one core.\n\
         - **Bare axum** answers a constant and is what HTTP itself costs in Rust. The others read one item before. One does \
         it with the AWS SDK's client, as most services in Rust do. One does it with the client that Tessera has instead. \
         One sends a constant over the connection of that client, and looks at no more than the length of the answer: what \
         it takes is HTTP and the kernel, and no service that asks DynamoDB takes less.\n",
    );
    page
}

fn verdict(target: &Target) -> &'static str {
    match target.is_met {
        Some(true) => "met",
        Some(false) => "**missed**",
        None => "",
    }
}

/// What is known about what was missed.
fn reasons(targets: &[Target]) -> String {
    let mut section = String::new();
    for it in targets.iter().filter(|it| it.is_met == Some(false) && !it.reason.is_empty()) {
        if section.is_empty() {
            section.push_str("\nWhy they are missed:\n\n");
        }
        let _ = writeln!(section, "- {}. {}.", it.what, it.reason);
    }
    section
}

/// The functions' own table.
fn functions(weight: &Weight) -> String {
    if weight.bytes.is_empty() {
        return String::new();
    }
    let mut section = String::from("\n| function | bytes | instructions to start |\n|---|--:|--:|\n");
    for (name, bytes) in &weight.bytes {
        let start = weight.starts.get(name).map_or_else(String::new, u64::to_string);
        let _ = writeln!(section, "| `{name}` | {bytes} | {start} |");
    }
    section.push_str("\n| request, once warm | instructions |\n|---|--:|\n");
    for (name, instructions) in &weight.requests {
        let _ = writeln!(section, "| {name} | {instructions} |");
    }
    section
}

fn first_answers(results: &Results) -> String {
    let Some(ours) = results.first_answers.get(OURS) else { return String::new() };
    let mut section = String::from(
        "### As Lambda functions\n\n\
         From the start of the process to the first sign-in answered, and a later one, through the same runtime API and \
         over the same engine. The handlers for Node.js and Python are the least that a sign-in can be: one item read, one \
         hash of the same parameters compared, one token signed. Ours is the release function, which also charges the \
         try and writes its audit line.\n\n\
         | | first answer, ms | | a later one, ms | |\n|---|--:|--:|--:|--:|\n",
    );
    for (name, it) in &results.first_answers {
        let (first, later) = (it.first / ours.first, it.later / ours.later);
        let _ = writeln!(section, "| {name} | {:.1} | {first:.1}× | {:.1} | {later:.2}× |", it.first, it.later);
    }
    section.push('\n');
    section
}

fn scenario_section(results: &Results, scenario: &str, title: &str, note: &str) -> String {
    let mut rows: Vec<(String, &Figures)> = Vec::new();
    if scenario == "more" {
        for (scenario, name) in [
            ("oauth-read", "`GET Profile` with an OAuth token"),
            ("grant", "`GrantCode` and `Authorize` together"),
            ("poll", "QR poll"),
        ] {
            rows.extend(results.figures(scenario, OURS).map(|it| (name.to_owned(), it)));
        }
    } else if let Some(servers) = results.scenarios.get(scenario) {
        rows.extend(servers.iter().map(|(name, it)| (name.clone(), it)));
        rows.sort_by(|(_, one), (_, other)| one.computed.total_cmp(&other.computed));
    }
    if rows.is_empty() {
        return String::new();
    }
    let mut section = format!("### {title}\n\n");
    section.push_str(
        "| | computation, µs | | a second | | p50, ms | p99, ms | the database's computation, µs |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    let ours = results.figures(scenario, OURS);
    for (name, it) in rows {
        let ratio = |of: fn(&Figures) -> f64| {
            ours.filter(|_| name != OURS).map_or_else(String::new, |ours| format!("{:.2}×", of(it) / of(ours)))
        };
        let _ = writeln!(
            section,
            "| {name} | {:.0} | {} | {:.0} | {} | {:.2} | {:.2} | {} |",
            it.computed,
            ratio(|it| it.computed),
            it.rate,
            ratio(|it| it.rate),
            it.median,
            it.slowest,
            // A few ticks of the clock are nobody's work.
            if it.engine < 2.0 { "–".to_owned() } else { format!("{:.0}", it.engine) },
        );
    }
    let _ = writeln!(section, "\n{note}\n");
    section
}

fn servers(results: &Results) -> String {
    let mut section =
        String::from("### Who was measured\n\n| | version | over | resident after the run |\n|---|---|---|--:|\n");
    for (name, it) in &results.servers {
        let over = match name.as_str() {
            OURS | UNREAD_FLOOR | OUR_FLOOR | SDK_FLOOR | "OpenAuth" => "DynamoDB API, the embedded engine",
            "better-auth" | "fastapi-users" | "glewlwyd" => "SQLite",
            "oidc-provider" => "its own memory",
            FLOOR => "nothing",
            _ => "",
        };
        #[expect(clippy::cast_precision_loss, reason = "shown without digits")]
        let resident = it.resident as f64 / 1024.0;
        let _ = writeln!(section, "| {name} | {} | {over} | {resident:.0} MiB |", it.version);
    }
    let machine = &results.machine;
    let _ = writeln!(section, "\nThe peers run on Node.js {} and {}.\n", machine.node, machine.python);
    if !results.skipped.is_empty() {
        section.push_str("Left out:\n\n");
        for (what, why) in &results.skipped {
            let _ = writeln!(section, "- {what}: {why}");
        }
        section.push('\n');
    }
    section
}
