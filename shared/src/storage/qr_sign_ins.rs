//! QR sign-ins: a page waits under a key, a phone scans the key and confirms, the page collects a token.
//!
//! One row per key, which only ever moves forward: shown, scanned, confirmed, taken. Every move is one conditional
//! write, so that of parallel ones exactly one happens; each carries a mark of its own (the scan's hash, the user, the
//! collector's id, what was drawn for the row), so that a call that is repeated after a lost answer is not refused by its own first try.

use aws_sdk_dynamodb::{
    operation::{
        put_item::{PutItemError, PutItemInput},
        update_item::UpdateItemInput,
    },
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AppStore, StorageError, Updated, item,
    keys::{self, EXPIRES, Table},
    number, read, text,
};
use crate::{
    secret::QrSecret,
    sign_in_key::SignInKey,
    user::{User, UserId},
};

/// How long each step may keep the next one waiting, in seconds.
pub const QR_WAIT_SECONDS: i64 = 120;

/// How far a sign-in has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Stage {
    Shown,
    Scanned,
    Confirmed,
    Taken,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::Scanned => "scanned",
            Self::Confirmed => "confirmed",
            Self::Taken => "taken",
        }
    }
}

/// The row of a sign-in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    stage: Stage,
    /// Drawn for each row: tells it from another one under the same key.
    #[serde(default)]
    mark: String,
    /// The first millisecond since 1970 at which it is too late for the next step.
    valid_until: i64,
    /// When the row may be swept.
    expires: i64,
    scopes: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    /// What is kept of the page's secret. A sign-in that has one asks the phone for its own, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    poll_hash: Option<String>,
    /// What is kept of the phone's secret, from the scan on.
    #[serde(skip_serializing_if = "Option::is_none")]
    scan_hash: Option<String>,
    /// Who confirmed, and under which token version.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_version: Option<u64>,
}

impl Row {
    fn is_live(&self, now: Timestamp) -> bool {
        now.as_millisecond() < self.valid_until
    }
}

fn valid_until(now: Timestamp) -> i64 {
    now.as_millisecond() + QR_WAIT_SECONDS * 1_000
}

fn expires(now: Timestamp) -> i64 {
    now.as_second() + QR_WAIT_SECONDS + 1
}

/// A sign-in to be.
#[derive(Clone, Copy, Debug)]
pub struct NewQrSignIn<'a> {
    /// What the page asks for; shown to the phone.
    pub scopes: &'a str,
    /// What the page says of itself; shown to the phone.
    pub remark: Option<&'a str>,
    /// The page's secret, where the app asks for proofs.
    pub poll_secret: Option<&'a QrSecret>,
}

/// What became of a new sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenedSignIn {
    /// It waits for a phone.
    Done,
    /// Another one has the key: draw another.
    KeyTaken,
}

/// What became of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannedSignIn {
    /// The phone that scanned is the one that may confirm.
    Done(ScannedPage),
    /// No such key, too late, or scanned before; nothing was written.
    Unusable,
}

/// What the phone may know of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannedPage {
    /// What the page asks for.
    pub scopes: String,
    /// What the page says of itself.
    pub remark: Option<String>,
    /// Whether the phone must send the scan's secret back.
    pub needs_proof: bool,
}

/// A scan that may be confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanToConfirm {
    scan_hash: String,
    /// Who confirmed it already: nobody else can any more.
    pub confirmed_by: Option<UserId>,
}

/// What became of a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmedSignIn {
    /// The page may collect the user's token.
    Done,
    /// Too late, or somebody else's; nothing was written.
    Unusable,
}

/// What the page sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolledSignIn {
    /// No such key, too late, taken, or not the page's secret.
    Gone,
    /// No phone has scanned it.
    Shown,
    /// A phone has scanned it and not confirmed.
    Scanned,
    /// A user confirmed.
    Confirmed(Confirmation),
}

/// Who confirmed, as of then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The user.
    pub user_id: UserId,
    /// The user's token version at that time: what ended the user's tokens since then ends this, too.
    pub token_version: u64,
}

/// What became of an attempt to collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenSignIn {
    /// It is this request's, and nobody else's any more.
    Done,
    /// Another request was quicker, or it is too late; nothing was written.
    Gone,
}

impl AppStore<'_> {
    /// Stores a sign-in under a key that no waiting one has.
    pub async fn open_qr_sign_in(
        &self,
        key: SignInKey,
        new: NewQrSignIn<'_>,
        now: Timestamp,
    ) -> Result<OpenedSignIn, StorageError> {
        let row = Row {
            stage: Stage::Shown,
            mark: self.store.entropy.hex::<8>(),
            valid_until: valid_until(now),
            expires: expires(now),
            scopes: new.scopes.to_owned(),
            remark: new.remark.map(str::to_owned),
            poll_hash: new.poll_secret.map(QrSecret::hash),
            scan_hash: None,
            user_id: None,
            token_version: None,
        };
        let row = item(self.qr_key(key)?, &row)?;
        let call = PutItemInput::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_item(Some(row.clone()))
            // Rows that wait for the sweeper do not hold their keys.
            .condition_expression("attribute_not_exists(pk) OR #until <= :now")
            .expression_attribute_names("#until", "validUntil")
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.store.db.send(call).await {
            Ok(_) => Ok(OpenedSignIn::Done),
            Err(error) => match error.as_service_error() {
                // Repeated after a lost answer: the row is the one of the first try.
                Some(PutItemError::ConditionalCheckFailedException(refused)) if refused.item() == Some(&row) => {
                    Ok(OpenedSignIn::Done)
                }
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(OpenedSignIn::KeyTaken),
                _ => Err(StorageError::from_sdk(error)),
            },
        }
    }

    /// Claims a sign-in for the phone that this secret is given to.
    pub async fn scan_qr_sign_in(
        &self,
        key: SignInKey,
        nonce: &QrSecret,
        now: Timestamp,
    ) -> Result<ScannedSignIn, StorageError> {
        let call = UpdateItemInput::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_key(Some(self.qr_key(key)?))
            .update_expression("SET #stage = :scanned, #scan = :scan, #until = :until, #expires = :expires")
            .condition_expression("#until > :now AND (#stage = :shown OR (#stage = :scanned AND #scan = :scan))")
            .expression_attribute_names("#stage", "stage")
            .expression_attribute_names("#scan", "scanHash")
            .expression_attribute_names("#until", "validUntil")
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":shown", text(Stage::Shown.as_str()))
            .expression_attribute_values(":scanned", text(Stage::Scanned.as_str()))
            .expression_attribute_values(":scan", text(nonce.hash()))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":until", number(valid_until(now)))
            .expression_attribute_values(":expires", number(expires(now)))
            .return_values(ReturnValue::AllNew);
        Ok(match self.store.update(call).await? {
            Updated::Done(item) => {
                let row: Row = read(item)?;
                let needs_proof = row.poll_hash.is_some();
                ScannedSignIn::Done(ScannedPage { scopes: row.scopes, remark: row.remark, needs_proof })
            }
            Updated::Refused(_) => ScannedSignIn::Unusable,
        })
    }

    /// The scan that a phone may confirm now, if this is the phone.
    pub async fn find_scan(
        &self,
        key: SignInKey,
        nonce: Option<&QrSecret>,
        now: Timestamp,
    ) -> Result<Option<ScanToConfirm>, StorageError> {
        let Some(row) = self.qr_row(key, true).await?.filter(|row| row.is_live(now)) else { return Ok(None) };
        let confirmed_by = match row.stage {
            Stage::Scanned => None,
            Stage::Confirmed => row.user_id,
            Stage::Shown | Stage::Taken => return Ok(None),
        };
        let scan_hash = row.scan_hash.ok_or_else(|| StorageError::Corrupt("a scan without its hash".to_owned()))?;
        let is_proven = row.poll_hash.is_none() || nonce.is_some_and(|nonce| nonce.matches(&scan_hash));
        Ok(is_proven.then_some(ScanToConfirm { scan_hash, confirmed_by }))
    }

    /// Makes the user the one whom the page signs in. The same user may confirm again.
    pub async fn confirm_qr_sign_in(
        &self,
        key: SignInKey,
        scan: &ScanToConfirm,
        user: &User,
        now: Timestamp,
    ) -> Result<ConfirmedSignIn, StorageError> {
        let call = UpdateItemInput::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_key(Some(self.qr_key(key)?))
            .update_expression(
                "SET #stage = :confirmed, #user = :user, #version = :version, #until = :until, #expires = :expires",
            )
            .condition_expression(
                "#until > :now AND #scan = :scan AND (#stage = :scanned OR (#stage = :confirmed AND #user = :user))",
            )
            .expression_attribute_names("#stage", "stage")
            .expression_attribute_names("#scan", "scanHash")
            .expression_attribute_names("#user", "userId")
            .expression_attribute_names("#version", "tokenVersion")
            .expression_attribute_names("#until", "validUntil")
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":scanned", text(Stage::Scanned.as_str()))
            .expression_attribute_values(":confirmed", text(Stage::Confirmed.as_str()))
            .expression_attribute_values(":scan", text(scan.scan_hash.clone()))
            .expression_attribute_values(":user", number(user.id))
            .expression_attribute_values(":version", number(user.token_version))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":until", number(valid_until(now)))
            .expression_attribute_values(":expires", number(expires(now)));
        Ok(match self.store.update(call).await? {
            Updated::Done(_) => ConfirmedSignIn::Done,
            Updated::Refused(_) => ConfirmedSignIn::Unusable,
        })
    }

    /// What the page sees. One eventually consistent read while it waits: a replica that is behind only makes it wait
    /// for one poll more. What it must not do is send the page away, so that is said after a consistent read only.
    pub async fn poll_qr_sign_in(
        &self,
        key: SignInKey,
        secret: Option<&QrSecret>,
        now: Timestamp,
    ) -> Result<PolledSignIn, StorageError> {
        match seen_by(self.qr_row(key, false).await?, secret, now)? {
            PolledSignIn::Gone => seen_by(self.qr_row(key, true).await?, secret, now),
            seen @ (PolledSignIn::Shown | PolledSignIn::Scanned | PolledSignIn::Confirmed(_)) => Ok(seen),
        }
    }

    /// Collects what was confirmed, once: it is gone for everybody but the collector, whose id tells a repeated call
    /// from another request.
    pub async fn take_qr_sign_in(
        &self,
        key: SignInKey,
        confirmation: Confirmation,
        collector: &str,
        now: Timestamp,
    ) -> Result<TakenSignIn, StorageError> {
        let call = UpdateItemInput::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_key(Some(self.qr_key(key)?))
            .update_expression("SET #stage = :taken, #collector = :collector")
            .condition_expression(
                "#until > :now AND #user = :user AND #version = :version \
                 AND (#stage = :confirmed OR (#stage = :taken AND #collector = :collector))",
            )
            .expression_attribute_names("#stage", "stage")
            .expression_attribute_names("#collector", "collector")
            .expression_attribute_names("#user", "userId")
            .expression_attribute_names("#version", "tokenVersion")
            .expression_attribute_names("#until", "validUntil")
            .expression_attribute_values(":confirmed", text(Stage::Confirmed.as_str()))
            .expression_attribute_values(":taken", text(Stage::Taken.as_str()))
            .expression_attribute_values(":collector", text(collector))
            .expression_attribute_values(":user", number(confirmation.user_id))
            .expression_attribute_values(":version", number(confirmation.token_version))
            .expression_attribute_values(":now", number(now.as_millisecond()));
        Ok(match self.store.update(call).await? {
            Updated::Done(_) => TakenSignIn::Done,
            Updated::Refused(_) => TakenSignIn::Gone,
        })
    }

    fn qr_key(&self, key: SignInKey) -> Result<keys::Key, StorageError> {
        Ok(keys::qr_sign_in(self.app, self.store.hash()?, key))
    }

    async fn qr_row(&self, key: SignInKey, consistent: bool) -> Result<Option<Row>, StorageError> {
        self.store.get(Table::Codes, self.qr_key(key)?, consistent).await
    }
}

fn seen_by(row: Option<Row>, secret: Option<&QrSecret>, now: Timestamp) -> Result<PolledSignIn, StorageError> {
    let Some(row) = row.filter(|row| row.is_live(now)) else { return Ok(PolledSignIn::Gone) };
    let is_proven = row.poll_hash.is_none_or(|hash| secret.is_some_and(|secret| secret.matches(&hash)));
    Ok(match (row.stage, row.user_id.zip(row.token_version)) {
        _ if !is_proven => PolledSignIn::Gone,
        (Stage::Shown, _) => PolledSignIn::Shown,
        (Stage::Scanned, _) => PolledSignIn::Scanned,
        (Stage::Confirmed, Some((user_id, token_version))) => {
            PolledSignIn::Confirmed(Confirmation { user_id, token_version })
        }
        (Stage::Confirmed, None) => return Err(StorageError::Corrupt("a confirmation without its user".to_owned())),
        (Stage::Taken, _) => PolledSignIn::Gone,
    })
}
