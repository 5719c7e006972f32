//! What Tessera is meant to reach, and whether it does.

use std::fmt::Write as _;

use crate::{
    committed::{Cost, Request, Weight},
    results::Results,
    servers::{FLOOR, NODE_HANDLER, OUR_FLOOR, OURS, PYTHON_HANDLER, UNREAD_FLOOR},
};

const PROFILE: [&str; 1] = ["GET /api/AppUsers/{appId}/Profile"];
const POLL: [&str; 1] = ["POST /api/AppUsers/{appId}/QRCodeSignIn, waiting"];
const GRANT_AND_EXCHANGE: [&str; 2] = ["POST /api/OAuth/{appId}/GrantCode", "POST /api/OAuth/{appId}/Authorize"];

/// One line of the table.
pub(crate) struct Target {
    pub(crate) what: &'static str,
    pub(crate) goal: String,
    pub(crate) measured: String,
    pub(crate) peers: String,
    /// What else was measured that tells why it is missed.
    pub(crate) reason: String,
    /// Nothing when it was not measured.
    pub(crate) is_met: Option<bool>,
}

impl Target {
    fn of(what: &'static str, goal: impl Into<String>, measured: Option<(String, bool)>) -> Self {
        let (measured, is_met) = match measured {
            Some((text, is_met)) => (text, Some(is_met)),
            None => ("not measured".to_owned(), None),
        };
        Self { what, goal: goal.into(), measured, peers: String::new(), reason: String::new(), is_met }
    }

    fn beside(self, peers: String) -> Self {
        Self { peers, ..self }
    }

    fn because(self, reason: Option<String>) -> Self {
        Self { reason: reason.unwrap_or_default(), ..self }
    }
}

/// Targets that any machine must reach.
pub(crate) fn independent(cost: &Cost, weight: &Weight) -> Vec<Target> {
    let mut all = Vec::new();
    let mut units = |what, names: &[&str], (calls, read, write): (u32, Option<f64>, Option<f64>)| {
        let found: Vec<_> = names.iter().filter_map(|name| cost.endpoint(name)).collect();
        let [mine_calls, mine_read, mine_write] = [
            found.iter().map(|it| f64::from(it.calls())).sum::<f64>(),
            found.iter().map(|it| it.read).sum(),
            found.iter().map(|it| it.write).sum(),
        ];
        let mut target = format!("≤ {}", plural(f64::from(calls), "call"));
        let depth: u32 = found.iter().map(|it| it.depth).sum();
        let mut measured = format!("{}, {depth} in a row", plural(mine_calls, "call"));
        let mut is_met = mine_calls <= f64::from(calls);
        for (limit, mine, unit) in [(read, mine_read, "read"), (write, mine_write, "written")] {
            if let Some(limit) = limit {
                let _ = write!(target, ", {limit} {unit}");
                is_met &= mine <= limit;
            }
            let _ = write!(measured, ", {mine} {unit}");
        }
        all.push(Target::of(what, target, (found.len() == names.len()).then_some((measured, is_met))));
    };
    let one = "POST /api/AppUsers/{appId}/SignIn";
    units("Sign-in: storage calls and units", &[one], (3, Some(1.0), Some(2.0)));
    units("`GET Profile`", &PROFILE, (1, Some(1.0), Some(0.0)));
    let one = "GET /api/AppUsers/{appId}/Profile, with an OAuth token";
    units("`GET Profile` with an OAuth token", &[one], (2, Some(2.0), Some(0.0)));
    units("QR poll", &POLL, (1, Some(0.5), Some(0.0)));
    units("Sign-up", &["POST /api/AppUsers/{appId}/SignUp"], (1, None, None));
    units("OAuth grant and exchange together", &GRANT_AND_EXCHANGE, (7, None, Some(8.0)));
    units("Licence list of 50", &["GET /sns/{sn}/users, 50 of 200 users"], (3, None, None));
    for (what, small, large) in [
        ("Units among 10^6 users, beside 10^3", ", among 1000 users", ", among 1000000 users"),
        ("Units at 10^5 ledger rows, beside 10^3", ", 1000 rows in the ledger", ", 100000 rows in the ledger"),
        ("Units at 10^5 consents of one user, beside 10^3", ", 1000 consents", ", 100000 consents"),
    ] {
        let pairs = cost.growth(small, large);
        let grown: Vec<_> = pairs
            .iter()
            .filter(|(one, other)| other.read > one.read || other.write > one.write || other.calls() > one.calls())
            .map(|(one, other)| {
                let name = one.name.strip_suffix(small).unwrap_or_default();
                format!("`{name}` reads {} instead of {}", other.read, one.read)
            })
            .collect();
        let text = if grown.is_empty() { format!("the same, {} requests", pairs.len()) } else { grown.join("; ") };
        let measured = (!pairs.is_empty()).then_some((text, grown.is_empty()));
        all.push(Target::of(what, "the same", measured));
    }

    let most = |of: &std::collections::BTreeMap<String, u64>| {
        of.iter().max_by_key(|(_, it)| **it).map(|(name, it)| (name.clone(), number(*it)))
    };
    let start = most(&weight.starts).map(|(name, it)| (format!("{:.2} million (`{name}`)", it / 1e6), it <= 3e6));
    all.push(Target::of("Instructions to start, the heaviest function", "≤ 3 million", start));
    let size = most(&weight.bytes).map(|(name, it)| (format!("{:.2} MB (`{name}`)", it / 1e6), it <= 6e6));
    let reason = "More than a quarter of it is cryptography and TLS, a sixth the tables of unwinding and relocation: \
                  [what was weighed and tried](adr/0031-a-start-does-only-what-its-first-answer-needs.md)";
    all.push(Target::of("Size of the largest function", "≤ 6 MB", size).because(Some(reason.to_owned())));
    let memory =
        |name: &str| weight.memory.get(name).map(|it| f64::from(i32::try_from(*it).unwrap_or(i32::MAX)) / 1024.0);
    for (what, name, limit) in [("Resident, started", "idle", 10.0), ("Resident, most while signing in", "peak", 35.0)]
    {
        let measured = memory(name).map(|it| (format!("{it:.1} MiB"), it <= limit));
        all.push(Target::of(what, format!("≤ {limit} MiB"), measured));
    }
    let growth = memory("growth").map(|it| (format!("{it:+.2} MiB"), it.abs() <= 1.0));
    all.push(Target::of("Resident, left behind by 1,000 sign-ins", "0 ± 1 MiB", growth));
    all
}

/// Targets beside others, on whatever machine.
pub(crate) fn ratios(results: &Results, cost: &Cost) -> Vec<Target> {
    let mut all = Vec::new();
    let ours = results.first_answers.get(OURS).map(|it| it.first);
    for (what, peer, least) in [
        ("Start to first sign-in, beside the Node.js handler", NODE_HANDLER, 8.0),
        ("Start to first sign-in, beside the Python handler", PYTHON_HANDLER, 15.0),
    ] {
        let theirs = results.first_answers.get(peer).map(|it| it.first);
        let peers = theirs.map_or_else(String::new, |it| format!("{it:.0} ms"));
        let measured = ours.zip(theirs).map(|(ours, theirs)| {
            let ratio = theirs / ours;
            (format!("{ratio:.1}×: {ours:.1} ms"), ratio >= least)
        });
        let hash = 1e3 / results.ceiling;
        let reason = ours.zip(theirs).map(|(_, theirs)| {
            format!("The hash alone takes {hash:.1} ms of it: with nothing else it would be {:.1}×", theirs / hash)
        });
        all.push(Target::of(what, format!("≥ {least}× faster"), measured).beside(peers).because(reason));
    }
    let rate = |server: &str| results.figures("sign-in", server).map(|it| it.rate);
    let computed = |scenario: &str, server: &str| results.figures(scenario, server).map(|it| it.computed);
    let share = rate(OURS).filter(|_| results.ceiling > 0.0).map(|it| it / results.ceiling);
    let share = share.map(|it| (format!("{it:.2}"), it >= 0.95));
    let ceiling = format!("the hash alone: {:.1}/s", results.ceiling);
    let reason = computed("sign-in", OURS).filter(|_| results.ceiling > 0.0).map(|it| {
        format!(
            "A sign-in computes {:.1} ms, of which the hash alone takes {:.1} ms. The rest is three calls, an answer and \
             a signature, right after 19 MiB went through the caches",
            it / 1e3,
            1e3 / results.ceiling
        )
    });
    let share = Target::of("Sign-ins a second, of what the hash alone allows", "≥ 0.95", share);
    all.push(share.beside(ceiling).because(reason));
    for (what, peer, least) in [
        ("Sign-ins a second, beside better-auth over SQLite", "better-auth", 1.5),
        ("Sign-ins a second, beside OpenAuth over the same engine", "OpenAuth", 2.0),
    ] {
        let measured = rate(OURS).zip(rate(peer)).map(|(ours, theirs)| {
            let ratio = ours / theirs;
            (format!("{ratio:.2}×: {ours:.1}/s"), ratio >= least)
        });
        let peers = rate(peer).map_or_else(String::new, |it| format!("{it:.1}/s"));
        let reason = rate(peer).map(|theirs| {
            let bound = results.ceiling / theirs;
            format!("With nothing but the hash, {:.1}/s, it would be {bound:.2}×", results.ceiling)
        });
        all.push(Target::of(what, format!("≥ {least}×"), measured).beside(peers).because(reason));
    }
    for (what, scenario, most, endpoints) in [
        ("`GET Profile`: our computation, beside the engine's", "read", 50.0, &PROFILE[..]),
        ("OAuth grant and exchange, without a password", "grant", 120.0, &GRANT_AND_EXCHANGE),
        ("QR poll", "poll", 40.0, &POLL),
    ] {
        let measured = computed(scenario, OURS).map(|it| (format!("{it:.0} µs"), it <= most));
        let floors = computed("read", FLOOR).zip(computed("read", UNREAD_FLOOR));
        let calls = endpoints.iter().filter_map(|name| cost.endpoint(name)).map(Request::calls).sum::<u32>();
        let requests = u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
        let floor = floors.map(|(empty, asking)| f64::from(requests) * empty + f64::from(calls) * (asking - empty));
        let other = floor.map_or_else(String::new, |it| format!("{it:.0} µs: HTTP and the kernel alone"));
        let reason = floors.map(|(empty, asking)| {
            let call = asking - empty;
            format!(
                "An empty answer takes {empty:.0} µs of a request, and each call, neither signed nor understood, {call:.0} µs"
            )
        });
        all.push(Target::of(what, format!("≤ {most} µs"), measured).beside(other).because(reason));
    }
    for (what, scenario) in [
        ("`GET Profile` among many users: our computation, beside a thousand", "read"),
        ("Sign-in among many users: our computation, beside a thousand", "sign-in"),
    ] {
        let measured = results.growth.get(scenario).map(|it| {
            let ratio = it.many / it.few;
            (format!("{ratio:.2}× among {}: {:.0} µs", it.users, it.many), ratio <= 1.25)
        });
        all.push(Target::of(what, "≤ 1.25×", measured));
    }
    for (what, peer, least) in [
        ("A read, beside better-auth over SQLite", "better-auth", 20.0),
        ("A read, beside glewlwyd", "glewlwyd", 2.5),
        ("A read, beside oidc-provider", "oidc-provider", 2.0),
    ] {
        let measured = computed("read", OURS).zip(computed("read", peer)).map(|(ours, theirs)| {
            let ratio = theirs / ours;
            (format!("{ratio:.1}×: {ours:.0} µs"), ratio >= least)
        });
        let peers = computed("read", peer).map_or_else(String::new, |it| format!("{it:.0} µs"));
        let floors = [UNREAD_FLOOR, OUR_FLOOR].map(|it| computed("read", it).map(|floor| (it, floor)));
        let reason = computed("read", peer).map(|theirs| {
            let bounds = floors.iter().flatten();
            let bounds = bounds.map(|(name, floor)| format!("{name}, {floor:.0} µs, would be {:.1}×", theirs / floor));
            bounds.collect::<Vec<_>>().join(". ")
        });
        all.push(Target::of(what, format!("≥ {least}× less computation"), measured).beside(peers).because(reason));
    }
    all
}

fn plural(count: f64, what: &str) -> String {
    if (count - 1.0).abs() < 1e-9 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn number(value: u64) -> f64 {
    value as f64
}
