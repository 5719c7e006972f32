//! The template as the SAM command line runs it: its functions in containers, its routes behind a local gateway.

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use infra::Template;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tests::lambda::{APP_KEY, PASSWORD, SN, World, answers, free_address};

use crate::emulator::{path, skip};

/// What the template's functions are told beside what it says itself: where the tables are.
const BESIDE: &str = "TESSERA_DYNAMODB_ENDPOINT";

/// What is there to run SAM with.
struct Sam {
    command: PathBuf,
    bootstraps: PathBuf,
    /// Where containers find this machine.
    gateway: IpAddr,
}

impl Sam {
    fn find() -> Option<Self> {
        let gateway = path("TESSERA_DOCKER_GATEWAY").and_then(|gateway| gateway.to_str()?.parse().ok());
        let needed = (path("TESSERA_SAM"), path("TESSERA_LAMBDA_DIR"), path("DOCKER_HOST"), gateway);
        if let (Some(command), Some(bootstraps), Some(_), Some(gateway)) = needed {
            return Some(Self { command, bootstraps, gateway });
        }
        skip(
            "a test in containers: TESSERA_SAM, TESSERA_LAMBDA_DIR or the Docker engine is missing",
            "TESSERA_SAM_REQUIRED",
        );
        None
    }

    /// `sam local` for the deployment of the tests.
    fn local(&self, deployment: &Deployment, subcommand: &str) -> Command {
        let mut sam = Command::new(&self.command);
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        sam.args(["local", subcommand, "--parameter-overrides", &format!("Architecture={architecture}")])
            .args(["--skip-pull-image", "--region", "ap-southeast-1", "--template"])
            .arg(deployment.folder.join("template.yaml"))
            .arg("--env-vars")
            .arg(deployment.folder.join("environment.json"))
            .env("SAM_CLI_TELEMETRY", "0")
            // Otherwise it looks for credentials on the network, and waits.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null());
        for credential in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
            sam.env_remove(credential);
        }
        sam
    }
}

/// The template with the built functions and with values where it names parameters of a deployment.
struct Deployment {
    folder: PathBuf,
}

impl Deployment {
    fn write(name: &str, sam: &Sam, world: &World) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("a folder can be made");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml"));
        let lines = text.expect("the template can be read");
        let lines: Vec<_> = lines.lines().flat_map(|line| Self::line(line, &sam.bootstraps)).collect();
        fs::write(folder.join("template.yaml"), lines.join("\n")).expect("the template can be written");

        let template = Template::bundled().expect("the template is readable");
        let environments: BTreeMap<_, _> = template
            .functions()
            .iter()
            .map(|function| (function.logical_id.as_str(), world.environment_of(&template, function)))
            .collect();
        let environments = json!(environments).to_string();
        fs::write(folder.join("environment.json"), environments).expect("the environment can be written");
        Self { folder }
    }

    /// A line of the template as it is here. A variable has to stand in the template for SAM to set it.
    fn line(line: &str, bootstraps: &Path) -> Vec<String> {
        let variable = line.trim_start().split_once("_PARAMETER: ").map(|(name, _)| name);
        let indent = &line[..line.len() - line.trim_start().len()];
        if let Some(function) = line.trim_start().strip_prefix("CodeUri: functions/") {
            vec![format!("{indent}CodeUri: {}", bootstraps.join(function).display())]
        } else if let Some(name) = variable.filter(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')) {
            vec![format!("{indent}{name}: ''")]
        } else if line.trim_start().starts_with("METRICS_NAMESPACE: ") {
            vec![line.to_owned(), format!("{indent}{BESIDE}: ''")]
        } else {
            vec![line.to_owned()]
        }
    }
}

#[tokio::test]
async fn sam_invokes_a_function_with_a_recorded_event() {
    let Some(sam) = Sam::find() else { return };
    let world = World::start_at(sam.gateway).await;
    let deployment = Deployment::write("sam-invoke", &sam, &world);
    let mut command = sam.local(&deployment, "invoke");
    let event = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/sign-up.json");
    command.args(["AccountsFunction", "--event"]).arg(event);
    let output = tokio::process::Command::from(command).output().await.expect("sam can be started");
    let (answer, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_str(answer.trim()).unwrap_or_else(|_| panic!("{answer}\n{log}"));
    let body: Value = serde_json::from_str(answer["body"].as_str().expect("a body")).expect("an envelope");
    assert_eq!(
        (&answer["statusCode"], &body["data"]["token_type"]),
        (&json!(200), &json!("Bearer")),
        "{answer}\n{log}"
    );
    assert!(log.contains(r#""route":"/api/AppUsers/{appId}/SignUp""#) && !log.contains(PASSWORD), "{log}");
}

#[tokio::test]
async fn sam_serves_the_routes_of_the_template_from_containers() {
    let Some(sam) = Sam::find() else { return };
    let world = World::start_at(sam.gateway).await;
    let api = Api::start(&sam, &Deployment::write("sam-api", &sam, &world)).await;

    let alice = json!({"userName": "alice", "pwd": PASSWORD});
    assert_eq!(api.call(api.post("/api/AppUsers/2/SignUp").json(&alice)).await["code"], 200);
    let token = api.call(api.post("/api/appUsers/2/SignIn").json(&alice)).await["data"]["access_token"].clone();
    let token = token.as_str().expect("a token");
    let as_alice = |path: &str| api.get(path).bearer_auth(token);
    assert_eq!(api.call(as_alice("/api/AppUsers/2/Profile")).await["data"]["userName"], "alice");
    let again = api.call(api.post("/api/AppUsers/2/SignUp").json(&alice)).await;
    assert_eq!(again["reason"], "account_exists", "{again}");

    // Every other function once.
    let sms = json!({"phone": "13800138000", "type": "signup"});
    assert_eq!(api.call(api.post("/api/AppUsers/2/SendSMSCode").json(&sms)).await["data"], true);
    let grant = json!({"grant_type": "account", "userName": "alice", "pwd": PASSWORD, "scopes": "profile"});
    assert!(api.call(api.post("/api/oauth/2/GrantCode").json(&grant)).await["data"]["code"].is_string());
    assert_eq!(api.call(as_alice("/api/AppUsers/2/PointLog?type=&take=5")).await["data"]["total"], 0);
    assert_eq!(api.call(as_alice(&format!("/ExternalAccount/{APP_KEY}"))).await["data"], json!([]));
    assert_eq!(api.call(api.post("/api/AppUsers/2/QRCodePreSignIn").json(&json!({}))).await["code"], 200);
    let code = api.post("/api/Wechat/2/WXACodeGet").json(&json!({"path": "pages/login", "width": 280}));
    let picture = code.send().await.expect("an answer").bytes().await.expect("a picture");
    assert!(picture.starts_with(b"<svg "), "{picture:?}");
    let licences = api.get(&format!("/bitanswer/api/sns/{SN}/users")).header("bitkey", &world.bitkey);
    assert_eq!(api.call(licences).await["status"], 0);
    assert_eq!(api.call(api.get("/.well-known/jwks.json")).await["keys"][0]["kid"], world.key_id);
    assert_eq!(api.call(api.get("/no/such/route")).await["reason"], "route_not_found");
}

/// `sam local start-api`, which ends with this value.
struct Api {
    process: Child,
    url: String,
    log: PathBuf,
}

impl Api {
    async fn start(sam: &Sam, deployment: &Deployment) -> Self {
        let address = free_address();
        let port = address.rsplit(':').next().expect("a port");
        let log = deployment.folder.join("log");
        let output = fs::File::create(&log).expect("the log can be written");
        let process = sam
            .local(deployment, "start-api")
            .args(["--warm-containers", "LAZY", "--host", "127.0.0.1", "--port", port])
            .stdout(output.try_clone().expect("the log can be shared"))
            .stderr(output)
            .spawn()
            .expect("sam can be started");
        let api = Self { process, url: format!("http://{address}"), log };
        assert!(answers(&address, Duration::from_mins(1)).await, "sam does not answer on {address}");
        api
    }

    fn get(&self, path: &str) -> RequestBuilder {
        Client::new().request(Method::GET, format!("{}{path}", self.url))
    }

    fn post(&self, path: &str) -> RequestBuilder {
        Client::new().request(Method::POST, format!("{}{path}", self.url))
    }

    async fn call(&self, request: RequestBuilder) -> Value {
        let text = request.send().await.expect("an answer").text().await.expect("a body");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // As somebody would at the keyboard: it removes its containers then.
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}
