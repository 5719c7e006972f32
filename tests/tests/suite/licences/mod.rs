//! Licence codes and their users, as a vendor's back office sees them.

mod batches;
mod keys;
mod lists;
mod requests;
mod searches;

use http::Method;
use serde_json::{Value, json};
use shared::{
    bitkey::{Bitkey, BitkeyScope},
    entropy::Entropy,
    licence::Sn,
    storage::{NewLicence, NewUser, SignedUp, Table},
    text::UserName,
    user::{Contact, User, UserId, UserStatus},
};
use tests::{Answer, AppHandle, Client, World};

const MAC: &str = "application/json";

/// A vendor's back office: an app with a licence code, and a key to it.
struct Office {
    world: World,
    client: Client,
    bitkey: Bitkey,
}

impl Office {
    /// With the licence code `S1` for so many users.
    async fn new(seats: Option<u64>) -> Self {
        let world = World::new().await;
        let bitkey = issue(&world, &world.documented, BitkeyScope::Full).await;
        let office = Self { client: world.client().with("bitkey", &bitkey.expose()), world, bitkey };
        office.licence("S1", seats).await;
        office
    }

    async fn licence(&self, code: &str, seats: Option<u64>) {
        licence(&self.world, &self.world.documented, code, seats).await;
    }

    async fn users<S: AsRef<str>>(&self, names: impl IntoIterator<Item = S>) {
        for name in names {
            user(&self.world, &self.world.documented, name.as_ref()).await;
        }
    }

    async fn delete(&self, path: &str, body: &Value) -> Answer {
        self.client.send(Method::DELETE, path, Some(MAC), body.to_string().into_bytes()).await
    }

    /// The names of all pages, in link order.
    async fn listed(&self, sn: &str) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            let page = self.client.get(&format!("/sns/{sn}/users?offset={}&limit=1000", names.len())).await;
            let page = names_of(&page);
            if page.is_empty() {
                return names;
            }
            names.extend(page);
        }
    }

    /// Seats, blocks, rows and pages of a licence code say the same.
    async fn check(&self, sn: &str) -> Vec<String> {
        let mut rows = Vec::new();
        let (mut users, mut blocks) = (None, 0);
        for row in self.world.rows(Table::Licences).await {
            if row["pk"]["S"] != format!("2#sn#{sn}") {
                continue;
            }
            if row["sk"]["S"] == "sn" {
                users = row["users"]["N"].as_str().and_then(|users| users.parse::<usize>().ok());
                blocks = row
                    .as_object()
                    .unwrap()
                    .iter()
                    .filter(|(name, _)| name.strip_prefix('b').is_some_and(|block| block.parse::<u64>().is_ok()))
                    .map(|(_, links)| links["N"].as_str().unwrap().parse::<usize>().unwrap())
                    .sum();
            } else if let Some(name) = row["sk"]["S"].as_str().unwrap().strip_prefix("link#") {
                rows.push(name.to_owned());
            }
        }
        let mut listed = self.listed(sn).await;
        assert_eq!((users, blocks), (Some(rows.len()), rows.len()), "counts are rows");
        let answer = self.client.get(&format!("/sns/{sn}/users")).await;
        assert_eq!(answer.body["data"]["total"], rows.len(), "{}", answer.text);
        rows.sort();
        listed.sort();
        assert_eq!(listed, rows, "every row is on one page");
        rows
    }
}

pub(crate) async fn issue(world: &World, app: &AppHandle, scope: BitkeyScope) -> Bitkey {
    world.issue_bitkey(app, scope).await
}

pub(crate) async fn licence(world: &World, app: &AppHandle, code: &str, seats: Option<u64>) {
    let sn = Sn::parse(code).unwrap();
    let now = world.env.clock.now();
    let created = world.env.store.app(app.record.app_id).create_licence(&sn, seats, now).await.unwrap();
    assert_eq!(created, NewLicence::Created);
}

async fn user(world: &World, app: &AppHandle, name: &str) -> User {
    let entropy: &dyn Entropy = world.env.entropy.as_ref();
    let user = User {
        app_id: app.record.app_id,
        id: UserId::new(entropy.id()),
        guid: entropy.hex::<12>(),
        user_name: name.to_owned(),
        nick_name: String::new(),
        avatar: String::new(),
        data: Some("not for licences".to_owned()),
        role: "user".to_owned(),
        password_hash: None,
        phone: Contact::default(),
        email: Contact::default(),
        platform: String::new(),
        union_id: String::new(),
        totp_secret: None,
        status: UserStatus::Active,
        token_version: 0,
        created_at: world.env.clock.now().as_millisecond(),
        updated_at: 0,
    };
    let canonical_name = &UserName::parse(name).unwrap().canonical();
    let new = NewUser { user: &user, canonical_name, external_id: None, limit: None, gift: None };
    let store = world.env.store.app(app.record.app_id);
    assert_eq!(store.sign_up(new, &mut [], world.env.clock.now()).await.unwrap(), SignedUp::Created, "{name}");
    user
}

fn batch<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Value {
    names.into_iter().map(|name| json!({"name": name.as_ref()})).collect()
}

/// The names in a successful answer, whose total must fit where it counts the items.
#[track_caller]
pub(crate) fn names_of(answer: &Answer) -> Vec<String> {
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &json!(0)), "{}", answer.text);
    let items = answer.body["data"]["items"].as_array().expect("items");
    items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("user{n:05}")).collect()
}

/// Ends the user's account for a while, as an operator would.
async fn disable(world: &World, user: &User) {
    let client = world.engine.client();
    client
        .update_item()
        .table_name("test-Users")
        .key("pk", aws_sdk_dynamodb::types::AttributeValue::S(format!("2#user#{}", user.id)))
        .update_expression("SET #status = :disabled")
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":disabled", aws_sdk_dynamodb::types::AttributeValue::S("disabled".to_owned()))
        .send()
        .await
        .unwrap();
}
