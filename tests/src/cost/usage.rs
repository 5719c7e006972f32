//! What users do in a month: the model behind the bill and behind the simulated traffic.

/// A request, and how often a user makes it in a month in which they are active.
pub const MONTHLY: &[(&str, f64)] = &[
    ("POST /api/AppUsers/{appId}/SignUp", 0.1),
    ("POST /api/AppUsers/{appId}/SignIn", 4.0),
    ("POST /api/AppUsers/{appId}/SignIn, wrong password", 0.3),
    ("POST /api/AppUsers/{appId}/UnionIDSignIn", 4.0),
    ("POST /api/AppUsers/{appId}/SendSMSCode, to sign in", 1.0),
    ("POST /api/AppUsers/{appId}/PhoneSignIn", 1.0),
    ("POST /api/AppUsers/{appId}/QRCodePreSignIn", 1.0),
    ("POST /api/AppUsers/{appId}/QRCodeSignIn, waiting", 15.0),
    ("POST /api/AppUsers/{appId}/QRCodeScan", 1.0),
    ("POST /api/AppUsers/{appId}/QRCodeSignUp", 1.0),
    ("POST /api/AppUsers/{appId}/QRCodeSignIn", 1.0),
    ("POST /api/OAuth/{appId}/GrantCode", 1.0),
    ("POST /api/OAuth/{appId}/Authorize", 1.0),
    ("GET /api/AppUsers/{appId}/Profile", 60.0),
    ("GET /api/AppUsers/{appId}/Profile, with an OAuth token", 10.0),
    ("PUT /api/AppUsers/{appId}/Profile", 0.5),
    ("POST /api/AppUsers/{appId}/RechargePoints", 0.5),
    ("GET /api/AppUsers/{appId}/PointLog, 20 rows", 2.0),
    ("GET /sns/{sn}/users, 50 of 200 users", 0.2),
    ("POST /sns/{sn}/users/user/{name}", 0.1),
    ("GET /api/Apps/{appId}/Info", 5.0),
];

/// The requests of [`MONTHLY`] that sign somebody in.
pub const SIGN_INS: [&str; 5] = [
    "POST /api/AppUsers/{appId}/SignIn",
    "POST /api/AppUsers/{appId}/UnionIDSignIn",
    "POST /api/AppUsers/{appId}/PhoneSignIn",
    "POST /api/AppUsers/{appId}/QRCodeSignIn",
    "POST /api/OAuth/{appId}/Authorize",
];

/// Registered users for each who is active.
pub const REGISTERED: f64 = 3.0;
/// Bytes that a registered user takes in all tables.
pub const STORED_BYTES: f64 = 2_048.0;
/// Bytes of log that a request leaves: the function's line, the platform's report, the gateway's access log.
pub const LOG_BYTES: f64 = 1_500.0;
/// Bytes of an answer, headers included.
pub const ANSWER_BYTES: f64 = 1_500.0;
/// Metrics of the deployment's own.
pub const METRICS: f64 = 20.0;
/// Milliseconds that a call of DynamoDB takes from a function in its region.
pub const CALL_MILLISECONDS: f64 = 5.0;
/// Milliseconds of an invocation beside its calls and hashes.
pub const OWN_MILLISECONDS: f64 = 2.0;

/// How often sign-ins happen among all requests of [`MONTHLY`].
pub fn requests_per_sign_in() -> f64 {
    let all: f64 = MONTHLY.iter().map(|(_, times)| times).sum();
    let sign_ins: f64 = MONTHLY.iter().filter(|(request, _)| SIGN_INS.contains(request)).map(|(_, times)| times).sum();
    all / sign_ins
}
