//! Traffic in virtual time against the published limits of DynamoDB, Lambda and API Gateway: what gives way first?
//!
//! The requests are those of [`usage::MONTHLY`] with their measured profiles and the shapes of their real keys. Apps,
//! users, client addresses and licence codes are drawn by Zipf's law from a seed, so that every run says the same. The
//! traffic grows evenly from nothing to its full rate.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use crate::{
    cost::{Figure, Figures, Measured, Memory, Touch, milliseconds, usage},
    world::groups,
};

/// What an item, and here a whole partition key, gives at most, however the table is split: units a second.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>
pub const KEY: Units = Units { read: 3_000.0, write: 1_000.0 };
/// What a new on-demand table gives; later, twice the peak of half an hour ago.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html>
pub const NEW_TABLE: Units = Units { read: 12_000.0, write: 4_000.0 };
const DOUBLING_SECONDS: usize = 1_800;
/// What a table may use until the account's quota is raised.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>
pub const TABLE_QUOTA: Units = Units { read: 40_000.0, write: 40_000.0 };
/// Environments that each function may gain in ten seconds, and that an account has until its quota is raised.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html>
pub const ENVIRONMENTS_IN_TEN_SECONDS: f64 = 1_000.0;
/// The account's environments.
pub const ENVIRONMENTS: f64 = 1_000.0;
/// Requests a second that an account's HTTP APIs take until its quota is raised.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>
pub const GATEWAY: f64 = 10_000.0;

/// The rates that are simulated, in sign-ins a second.
pub const RATES: [f64; 3] = [1e3, 1e4, 1e5];
/// Seconds in which the traffic grows to its full rate.
pub const GROWTH_SECONDS: usize = 3_600;
/// Apps of the deployment; the largest has about a tenth of the users.
pub const APPS: f64 = 1_000.0;
/// Licence codes of an app.
const CODES: f64 = 50.0;
/// Users for each sign-in a second.
pub const USERS: f64 = 1_000.0;
/// Users behind one address on average; some addresses have very many.
pub const USERS_AT_ADDRESS: f64 = 20.0;
/// In how many places the codes of a day are counted, where the day's budget is as large as this traffic needs.
const PLACES: f64 = 64.0;
/// How often an instance reads the settings of an app again, in seconds.
const SETTINGS_SECONDS: f64 = 30.0;

const DRAWS: u32 = 100_000;

/// Read and write units, a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    /// Read units.
    pub read: f64,
    /// Write units.
    pub write: f64,
}

impl Units {
    fn add(&mut self, touch: &Touch, times: f64) {
        self.read += touch.read * times;
        self.write += touch.write * times;
    }

    /// How much of a limit they are: 1 is all of it.
    pub fn share_of(self, limit: Self) -> f64 {
        (self.read / limit.read).max(self.write / limit.write)
    }

    fn times(self, factor: f64) -> Self {
        Self { read: self.read * factor, write: self.write * factor }
    }
}

/// Whose key it is: how the traffic spreads over keys of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    App,
    Licence,
    User,
    Address,
    /// One of the places in which the codes of a day are counted, drawn by lot.
    Place,
    /// A key that one request, or one sign-in, has for itself.
    Nobody,
}

/// The kind of a key, and its owner. Fails on a key that this page does not know: whoever adds one says here how
/// traffic spreads over it.
fn kind_of(touch: &Touch) -> (String, Owner) {
    // The number of the app stands first in most keys.
    let key = touch.partition.split_once('#').filter(|(app, _)| app.parse::<u32>().is_ok()).map(|(_, rest)| rest);
    let mut words = key.unwrap_or(&touch.partition).split('#');
    let word = words.next().unwrap_or_default();
    let owner = match (touch.table.as_str(), word) {
        ("Apps", "app" | "key" | "bitkey") | ("Licences", "sns") => Owner::App,
        ("Licences", "sn") => Owner::Licence,
        ("Users", "user" | "name" | "phone" | "email" | "ext") | ("Codes", "contact" | "password") => Owner::User,
        ("Codes", "ip") => {
            return (format!("{} {word} {}", touch.table, words.next().unwrap_or_default()), Owner::Address);
        }
        ("Codes", "sends") => Owner::Address,
        ("Codes", "codes") => Owner::Place,
        ("Points", "order") | ("Codes", "code" | "qr" | "request") => Owner::Nobody,
        ("Bindings" | "Consents" | "Points", number) if number.parse::<u64>().is_ok() => {
            return (format!("{} of a user", touch.table), Owner::User);
        }
        _ => panic!("how does traffic spread over {} {}?", touch.table, touch.partition),
    };
    (format!("{} {word}", touch.table), owner)
}

/// Random numbers that follow from a seed (`splitmix64`).
struct Draws(u64);

impl Draws {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or_default();
        f64::from(bits) / f64::from(u32::MAX)
    }

    /// A rank from 1 to `count`, by Zipf's law with this exponent, which is at most 1.
    fn zipf(&mut self, count: f64, exponent: f64) -> u64 {
        let unit = self.unit();
        let rank = if (exponent - 1.0).abs() < 1e-9 {
            (unit * (count + 1.0).ln()).exp()
        } else {
            (count * unit.powf(1.0 / (1.0 - exponent))).ceil()
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank is positive and below 2^53"
        )]
        let rank = rank.clamp(1.0, count) as u64;
        rank
    }
}

/// A kind of request in the traffic.
#[derive(Clone, Debug)]
struct Stream {
    function: &'static str,
    /// How many of a request in all.
    share: f64,
    milliseconds: f64,
    touches: Vec<(String, Owner, Touch)>,
}

/// The traffic of a rate, as its demand at full rate.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Sign-ins a second.
    pub sign_ins: f64,
    /// Requests a second.
    pub requests: f64,
    /// Of each table.
    pub tables: BTreeMap<String, Units>,
    /// Environments of each function.
    pub environments: BTreeMap<&'static str, f64>,
    /// Of each kind of key, the one that is used most.
    pub hottest: BTreeMap<String, Units>,
}

/// The traffic, as measured requests make it.
#[derive(Clone, Debug)]
pub struct Traffic(Vec<Stream>);

impl Traffic {
    /// Of these requests.
    pub fn of(measured: &[Measured], figures: &Figures) -> Self {
        let memory = Memory::of_template();
        let all: f64 = usage::MONTHLY.iter().map(|(_, times)| times).sum();
        let streams = usage::MONTHLY.iter().map(|(request, times)| {
            let found = measured.iter().find(|it| Figure::from(*it).request == *request);
            let it = found.unwrap_or_else(|| panic!("{request} is not measured"));
            let figure = Figure::from(it);
            let touches = it.profile.touches.iter().map(|touch| {
                let (kind, owner) = kind_of(touch);
                (kind, owner, touch.clone())
            });
            Stream {
                function: function_of(&it.route),
                share: times / all,
                milliseconds: milliseconds(&figure, memory.of(request), figures.hash_milliseconds),
                touches: touches.collect(),
            }
        });
        Self(streams.collect())
    }

    /// What a rate of sign-ins a second demands.
    pub fn demand(&self, sign_ins: f64, seed: u64) -> Demand {
        let requests = sign_ins * usage::requests_per_sign_in();
        let (mut tables, mut environments) = (BTreeMap::<String, Units>::new(), BTreeMap::new());
        for stream in &self.0 {
            *environments.entry(stream.function).or_insert(0.0) +=
                requests * stream.share * stream.milliseconds / 1_000.0;
            for (.., touch) in &stream.touches {
                tables.entry(touch.table.clone()).or_default().add(touch, requests * stream.share);
            }
        }
        let mut hottest = self.hottest(sign_ins, requests, seed);
        // Every instance reads the settings of the largest app again and again.
        let instances: f64 = environments.values().sum();
        let settings = Units { read: instances / SETTINGS_SECONDS * 0.5, write: 0.0 };
        hottest.insert("Apps app".to_owned(), settings);
        Demand { sign_ins, requests, tables, environments, hottest }
    }

    fn hottest(&self, sign_ins: f64, requests: f64, seed: u64) -> BTreeMap<String, Units> {
        let mut draws = Draws(seed);
        let mut keys: HashMap<(&str, u64), Units> = HashMap::new();
        let users = sign_ins * USERS;
        let each = requests / f64::from(DRAWS);
        for draw in 0..DRAWS {
            let mut unit = draws.unit();
            let stream = self.0.iter().find(|stream| {
                unit -= stream.share;
                unit <= 0.0
            });
            let stream = stream.unwrap_or(&self.0[0]);
            let app = draws.zipf(APPS, 1.0);
            let code = app << 32 | draws.zipf(CODES, 1.0);
            let user = draws.zipf(users, 0.6);
            let address = draws.zipf(users / USERS_AT_ADDRESS, 0.6);
            let place = draws.zipf(PLACES, 0.0);
            for (kind, owner, touch) in &stream.touches {
                let key = match owner {
                    Owner::App => app,
                    Owner::Licence => code,
                    Owner::User => user,
                    Owner::Address => address,
                    Owner::Place => place,
                    Owner::Nobody => u64::from(draw),
                };
                let times = if *owner == Owner::Nobody { 1.0 } else { each };
                keys.entry((kind, key)).or_default().add(touch, times);
            }
        }
        let mut hottest: BTreeMap<String, Units> = BTreeMap::new();
        for ((kind, _), units) in keys {
            let most = hottest.entry(kind.to_owned()).or_default();
            // Equals are told apart, so that every run names the same.
            let rank = |units: &Units| (units.share_of(KEY), units.read, units.write);
            if rank(&units) > rank(most) {
                *most = units;
            }
        }
        hottest
    }
}

/// The function that serves a route.
fn function_of(route: &str) -> &'static str {
    let serves = |routes: &shared::http::Routes| {
        routes.record().any(|known| format!("{} {}", known.method.as_str(), known.path) == route)
    };
    groups().iter().find(|(_, routes)| serves(routes)).expect("a function of this route").0
}

/// What the account and the tables are prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// Nothing: the default quotas, new tables.
    Nothing,
    /// The quotas were raised as far as it takes.
    Quotas,
    /// That, and the tables were warmed for the traffic.
    QuotasAndTables,
}

/// The first thing that gives way while the traffic grows, and at how many sign-ins a second; none if all goes well.
pub fn first_to_saturate(demand: &Demand, prepared: Prepared) -> Option<(f64, String)> {
    let share = |second: usize| {
        let (second, all) = (u32::try_from(second).ok(), u32::try_from(GROWTH_SECONDS).ok());
        second.map_or(1.0, f64::from) / all.map_or(1.0, f64::from)
    };
    (1..=GROWTH_SECONDS).find_map(|second| {
        let now = share(second);
        let what = saturated(demand, prepared, now, share(second.saturating_sub(DOUBLING_SECONDS)))?;
        Some((now * demand.sign_ins, what))
    })
}

/// What is above its limit when this share of the traffic has come, and that one had come half an hour ago.
fn saturated(demand: &Demand, prepared: Prepared, now: f64, earlier: f64) -> Option<String> {
    for (kind, units) in &demand.hottest {
        if units.times(now).share_of(KEY) > 1.0 {
            return Some(format!("a key of ours: {kind}"));
        }
    }
    let environments: f64 = demand.environments.values().sum();
    if prepared == Prepared::Nothing {
        if demand.requests * now > GATEWAY {
            return Some("the account's requests through API Gateway".to_owned());
        }
        if environments * now > ENVIRONMENTS {
            return Some("the account's Lambda environments".to_owned());
        }
    }
    let ten_seconds = u32::try_from(GROWTH_SECONDS / 10).map_or(1.0, f64::from);
    for (function, environments) in &demand.environments {
        if environments / ten_seconds > ENVIRONMENTS_IN_TEN_SECONDS {
            return Some(format!("how fast the function {function} gains environments"));
        }
    }
    for (table, units) in &demand.tables {
        let used = units.times(now);
        if prepared == Prepared::Nothing && used.share_of(TABLE_QUOTA) > 1.0 {
            return Some(format!("the account's units for the table {table}"));
        }
        let peak = units.times(earlier * 2.0);
        let given = Units { read: peak.read.max(NEW_TABLE.read), write: peak.write.max(NEW_TABLE.write) };
        if prepared != Prepared::QuotasAndTables && used.share_of(given) > 1.0 {
            return Some(format!("how fast the on-demand table {table} scales"));
        }
    }
    None
}

/// The page about it.
pub fn report(demands: &[Demand; 3]) -> String {
    let mut text = introduction();
    text.push_str("\n## What saturates first\n\n| sign-ins a second | requests a second | Lambda environments | nothing prepared | quotas raised | and tables warmed |\n|--:|--:|--:|---|---|---|\n");
    for demand in demands {
        let first = [Prepared::Nothing, Prepared::Quotas, Prepared::QuotasAndTables].map(|prepared| {
            first_to_saturate(demand, prepared)
                .map_or_else(|| "nothing".to_owned(), |(rate, what)| format!("{what}, at {rate:.0}"))
        });
        let environments: f64 = demand.environments.values().sum();
        let first = first.join(" | ");
        let _ = writeln!(text, "| {} | {:.0} | {environments:.0} | {first} |", demand.sign_ins, demand.requests);
    }
    text.push_str("\n## The key of each kind that is used most\n\nRead and write units a second, and the share of what one key gives (3,000 and 1,000).\n\n");
    let rates: Vec<_> = demands.iter().map(|demand| format!(" at {} |", demand.sign_ins)).collect();
    let _ = writeln!(text, "| key |{}\n|---|--:|--:|--:|", rates.concat());
    for kind in demands[2].hottest.keys() {
        let cells: Vec<_> = demands
            .iter()
            .map(|demand| {
                let units = demand.hottest.get(kind).copied().unwrap_or_default();
                format!("{:.1} / {:.1}, {:.1} %", units.read, units.write, units.share_of(KEY) * 100.0)
            })
            .collect();
        let _ = writeln!(text, "| {kind} | {} |", cells.join(" | "));
    }
    text
}

fn introduction() -> String {
    format!(
        "# Scaling\n\n\
         What gives way first as traffic grows? This page is the answer of a simulation in virtual time, made by\n\
         `cargo run -p tests --example traffic`; a test compares it. It knows the requests of the usage model in\n\
         [cost.md](cost.md) with their measured calls, units and keys, and the published limits, each with its source in\n\
         `tests/src/traffic.rs`: {} read and {} write units a second for one key, however the table is split for heat;\n\
         {} and {} for a new on-demand table, later twice the peak of half an hour ago; by default {} of each for a table;\n\
         {} environments more in ten seconds for each function; by default {} environments and {} requests a second for an\n\
         account.\n\n\
         The model: the traffic grows evenly from nothing to its full rate in {} minutes. {} apps by Zipf's law (exponent 1:\n\
         the largest has a tenth of all), {} users for each sign-in a second (exponent 0.6), {} users behind a client\n\
         address on average (exponent 0.6: some 80,000 at the largest of a hundred million users), {CODES} licence codes of an app (exponent 1).\n\
         The day's budget of codes is as large as the traffic needs, and so counted in {PLACES} places.\n\
         All rows under one partition key count as one. What the limit of requests a second in `template.yaml` turns away\n\
         comes on top: it is set by the operator.\n",
        KEY.read,
        KEY.write,
        NEW_TABLE.read,
        NEW_TABLE.write,
        TABLE_QUOTA.read,
        ENVIRONMENTS_IN_TEN_SECONDS,
        ENVIRONMENTS,
        GATEWAY,
        GROWTH_SECONDS / 60,
        APPS,
        USERS,
        USERS_AT_ADDRESS
    )
}
