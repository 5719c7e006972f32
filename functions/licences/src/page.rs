//! A part of a list: which one is asked for, and how it is answered.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::Serialize;
use shared::{
    clock::stored_date,
    env::Env,
    error::ApiError,
    http::{LicencePath, Licensee, Reply},
    name_filter::Filter,
    storage::{LinkOrder, LinkedUser},
    user::UserStatus,
};

/// The most rows of an answer; who asks for more gets these.
const MOST: u64 = 1_000;
const DEFAULT_LIMIT: u64 = 50;

/// `offset` and `limit` of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    offset: u64,
    limit: u64,
}

impl FromRequestParts<Env> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        Self::read(&query.map_err(|_| ApiError::invalid("the query cannot be read"))?.0)
    }
}

impl Page {
    fn read(query: &[(String, String)]) -> Result<Self, ApiError> {
        let number = |name: &str, least: u64, default: u64| {
            let mut values = query.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
            let value = values.next().filter(|value| !matches!(value.as_str(), "" | "undefined" | "null"));
            if values.next().is_some() {
                return Err(ApiError::invalid(format!("{name} is given twice")));
            }
            let Some(value) = value else { return Ok(default) };
            let is_plain = value.bytes().all(|b| b.is_ascii_digit()) && (value.len() == 1 || !value.starts_with('0'));
            // A number beyond all rows is one of them, however long it is written.
            let number = if is_plain { value.parse().unwrap_or(u64::MAX) } else { 0 };
            if !is_plain || number < least {
                return Err(ApiError::invalid(format!("{name} must be a whole number from {least}")));
            }
            Ok(number)
        };
        Ok(Self { offset: number("offset", 0, 0)?, limit: number("limit", 1, DEFAULT_LIMIT)?.min(MOST) })
    }

    /// The linked users on this page.
    pub(crate) async fn of(
        self,
        env: &Env,
        licensee: &Licensee,
        path: &LicencePath,
        filter: &Filter,
        order: LinkOrder,
    ) -> Result<Reply<Rows<UserRow>>, ApiError> {
        let (sn, licence) = licensee.licence(env, path).await?;
        let limit = usize::try_from(self.limit).map_err(ApiError::internal)?;
        let store = env.store.app(licensee.app.app_id);
        let found = store.find_linked_users(&sn, &licence, filter, order, self.offset, limit).await?;
        let row = |user: LinkedUser| UserRow {
            nickname: user.nick_name,
            name: user.name,
            reg_date: if user.guid.is_empty() { String::new() } else { stored_date(user.created_at, &env.time_zone) },
            guid: user.guid,
            status: match user.status {
                UserStatus::Active => 0,
                UserStatus::Disabled => 1,
            },
        };
        Ok(Reply::ok(Rows { total: found.total, items: found.users.into_iter().map(row).collect() }))
    }
}

/// The family's `data`.
#[derive(Debug, Serialize)]
pub(crate) struct Rows<T> {
    pub(crate) total: u64,
    pub(crate) items: Vec<T>,
}

/// A linked user.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserRow {
    nickname: String,
    name: String,
    guid: String,
    reg_date: String,
    status: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Option<(u64, u64)> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Page::read(&query).ok().map(|page| (page.offset, page.limit))
    }

    #[test]
    fn li_10_limits_are_clamped_and_what_is_no_number_is_refused() {
        assert_eq!(read(&[]), Some((0, 50)));
        assert_eq!(read(&[("offset", ""), ("limit", "undefined"), ("skip", "x")]), Some((0, 50)));
        assert_eq!(read(&[("offset", "1000000000"), ("limit", "1001")]), Some((1_000_000_000, 1_000)));
        assert_eq!(read(&[("OFFSET", "7"), ("limit", "1")]), Some((7, 1)));
        assert_eq!(read(&[("offset", "99999999999999999999999")]), Some((u64::MAX, 50)));
        for limit in ["0", "-1", "abc", "1.5", "1e3", "+5", " 5", "05", "\u{ff15}", "0x10"] {
            assert_eq!(read(&[("limit", limit)]), None, "{limit}");
        }
        for offset in ["-1", "abc", "00"] {
            assert_eq!(read(&[("offset", offset)]), None, "{offset}");
        }
        assert_eq!(read(&[("limit", "1"), ("limit", "1")]), None);
    }
}
