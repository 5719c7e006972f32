//! What a month costs.

use infra::Template;

use super::{
    Figure, Figures, prices,
    usage::{self, CALL_MILLISECONDS, MONTHLY, OWN_MILLISECONDS},
};
use crate::world::groups;

/// Memory with which a function has a whole virtual CPU, in MB.
const WHOLE_CPU: f64 = 1_769.0;
const GB: f64 = 1_073_741_824.0;

/// The memory of each route's function.
#[derive(Clone, Debug)]
pub struct Memory(Vec<(String, f64)>);

impl Memory {
    /// As the template has it.
    pub fn of_template() -> Self {
        let template = Template::bundled().expect("the template can be read");
        let memory = |name: &str| {
            let function = template.functions().iter().find(|function| function.binary == name);
            f64::from(function.expect("a function of this name").memory_mb)
        };
        let routes = groups().iter().flat_map(|(name, routes)| {
            let memory = memory(name);
            let routes: Vec<_> = routes.record().copied().collect();
            routes.into_iter().map(move |route| (format!("{} {}", route.method.as_str(), route.path), memory))
        });
        Self(routes.collect())
    }

    /// The memory of a request's function, in MB.
    pub fn of(&self, request: &str) -> f64 {
        let route = request.split(", ").next().unwrap_or_default();
        let found = self.0.iter().find(|(known, _)| known == route);
        found.unwrap_or_else(|| panic!("no function serves {request}")).1
    }
}

/// How long a request's invocation takes, in milliseconds.
pub fn milliseconds(figure: &Figure, memory: f64, hash_milliseconds: f64) -> f64 {
    let share = (WHOLE_CPU / memory).max(1.0);
    f64::from(figure.hashes) * hash_milliseconds * share
        + f64::from(figure.depth) * CALL_MILLISECONDS
        + OWN_MILLISECONDS
}

/// A month's bill, by what is billed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bill {
    /// The gateway's requests.
    pub gateway: f64,
    /// Invocations and their time.
    pub lambda: f64,
    /// Read and write units.
    pub units: f64,
    /// Tables and their recovery.
    pub storage: f64,
    /// Logs and metrics.
    pub watching: f64,
    /// Answers on their way out.
    pub transfer: f64,
}

impl Bill {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.gateway + self.lambda + self.units + self.storage + self.watching + self.transfer
    }

    /// For so many active users in a month.
    pub fn of(users: f64, figures: &Figures, memory: &Memory) -> Self {
        let mut bill = Self::default();
        let mut requests = 0.0;
        for (request, times) in MONTHLY {
            let (figure, times) = (figures.of(request), times * users);
            let memory = memory.of(request);
            let seconds = milliseconds(figure, memory, figures.hash_milliseconds) / 1_000.0;
            requests += times;
            bill.lambda += times * (prices::LAMBDA_REQUEST + memory / 1_024.0 * seconds * prices::LAMBDA_GB_SECOND);
            bill.units += times * (figure.read * prices::READ_UNIT + figure.write * prices::WRITE_UNIT);
        }
        let beyond = (requests - prices::HTTP_API_FIRST).max(0.0);
        bill.gateway = (requests - beyond) * prices::HTTP_API_REQUEST + beyond * prices::HTTP_API_REQUEST_BEYOND;
        bill.storage = users * usage::REGISTERED * usage::STORED_BYTES / GB * prices::TABLE_GB;
        bill.watching = requests * usage::LOG_BYTES / GB * prices::LOG_GB + usage::METRICS * prices::METRIC;
        bill.transfer = requests * usage::ANSWER_BYTES / GB * prices::TRANSFER_GB;
        bill
    }
}
