//! The routes: recorded while they are registered, so that tests can walk them, and matched as clients write them.
//!
//! Matching is ours rather than axum's because of three things that its router cannot do together: literals in any
//! letter case beside parameters that keep theirs, segments that are decoded exactly once, and a parameter that takes
//! what a literal of another method would shadow (`DELETE …/users/data` names a user, `POST …/users/data` searches).

use std::borrow::Cow;

use axum::{handler::Handler, routing::MethodRouter};
use percent_encoding::percent_decode_str;

use super::envelope::Family;
use crate::{env::Env, storage::Table};

/// The methods that endpoints are reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// `DELETE`
    Delete,
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

impl Method {
    /// The name in upper case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody; an `Authorization` header is not even read.
    Anonymous,
    /// Whoever holds a live token of the app in the path.
    Bearer,
    /// Whoever holds a bitkey, which also decides the app.
    Bitkey,
}

/// One endpoint's address and who may call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// How it is called.
    pub method: Method,
    /// The documented path, parameters in braces.
    pub path: &'static str,
    /// By whom.
    pub access: Access,
}

impl Route {
    /// A `GET` route.
    pub const fn get(path: &'static str, access: Access) -> Self {
        Self { method: Method::Get, path, access }
    }

    /// A `POST` route.
    pub const fn post(path: &'static str, access: Access) -> Self {
        Self { method: Method::Post, path, access }
    }

    /// A `PUT` route.
    pub const fn put(path: &'static str, access: Access) -> Self {
        Self { method: Method::Put, path, access }
    }

    /// A `DELETE` route.
    pub const fn delete(path: &'static str, access: Access) -> Self {
        Self { method: Method::Delete, path, access }
    }

    /// The family that decides about envelopes.
    pub fn family(&self) -> Family {
        Family::of_path(self.path)
    }

    /// The paths that a gateway must know, whose routes tell letter cases apart: the documented spelling, and those
    /// that clients in the field send.
    pub fn spellings(&self) -> Vec<String> {
        const ALSO_SENT: [(&str, &str); 4] = [
            ("/api/AppUsers/", "/api/appUsers/"),
            ("/api/OAuth/", "/api/oauth/"),
            ("/api/Apps/", "/api/apps/"),
            ("/sns/", "/bitanswer/api/sns/"),
        ];
        let also = ALSO_SENT
            .iter()
            .filter_map(|(documented, sent)| self.path.strip_prefix(documented).map(|rest| format!("{sent}{rest}")));
        std::iter::once(self.path.to_owned()).chain(also).collect()
    }
}

/// The value of a path's parameter by its name, decoded once.
pub(super) type Params = Vec<(&'static str, String)>;

/// Endpoints, in the order in which they were added.
#[derive(Clone, Default)]
pub struct Routes {
    entries: Vec<Entry>,
    elsewhere: Vec<(Method, &'static str, Pattern)>,
    needed: Vec<&'static str>,
}

#[derive(Clone)]
struct Entry {
    route: Route,
    pattern: Pattern,
    handler: MethodRouter<Env>,
}

/// What a request's method and path lead to.
pub(super) enum Found {
    /// The endpoint with this number.
    Endpoint(usize, Params),
    /// Other methods do; with the parameters of one of them.
    OtherMethods(Vec<Method>, Params),
    /// Nothing.
    Nothing,
}

impl Routes {
    /// No endpoints yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an endpoint.
    #[must_use]
    pub fn add<H, T>(mut self, route: Route, handler: H) -> Self
    where
        H: Handler<T, Env>,
        T: 'static,
    {
        self.entries.push(Entry { route, pattern: Pattern::of(route.path), handler: axum::routing::any(handler) });
        self
    }

    /// Adds all of another group's endpoints.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        self.needed.extend(other.needed);
        if self.elsewhere.is_empty() {
            self.elsewhere = other.elsewhere;
        }
        self
    }

    /// Names the tables without whose names the endpoints are not to be served.
    #[must_use]
    pub fn stores_in<const N: usize>(mut self, tables: [Table; N]) -> Self {
        self.needed.extend(tables.map(Table::variable));
        self
    }

    /// Names a secret without which the endpoints are not to be served; see [`crate::config`].
    #[must_use]
    pub fn needs(mut self, variable: &'static str) -> Self {
        self.needed.push(variable);
        self
    }

    /// The variables without which the endpoints are not to be served.
    pub fn needed(&self) -> &[&'static str] {
        &self.needed
    }

    /// Endpoints that other functions serve: whoever answers for every unknown route can tell a wrong method from a
    /// wrong path.
    #[must_use]
    pub fn known_elsewhere(mut self, elsewhere: &[(Method, &'static str)]) -> Self {
        self.elsewhere = elsewhere.iter().map(|(method, path)| (*method, *path, Pattern::of(path))).collect();
        self
    }

    /// The endpoints that were added.
    pub fn record(&self) -> impl Iterator<Item = &Route> {
        self.entries.iter().map(|entry| &entry.route)
    }

    /// The endpoints that other functions serve.
    pub fn elsewhere(&self) -> impl Iterator<Item = (Method, &'static str)> {
        self.elsewhere.iter().map(|(method, path, _)| (*method, *path))
    }

    /// The endpoint that a request reaches, if one of these does.
    pub fn reaches(&self, method: &http::Method, path: &str) -> Option<Route> {
        match self.find(method, path) {
            Found::Endpoint(number, _) => Some(self.route(number)),
            Found::OtherMethods(..) | Found::Nothing => None,
        }
    }

    /// The handlers, by the numbers that [`Routes::find`] gives.
    pub(super) fn handlers(&self, env: &Env) -> Vec<MethodRouter> {
        self.entries.iter().map(|entry| entry.handler.clone().with_state(env.clone())).collect()
    }

    pub(super) fn route(&self, number: usize) -> Route {
        self.entries[number].route
    }

    pub(super) fn find(&self, method: &http::Method, path: &str) -> Found {
        let segments = segments(path);
        let mut of_path: Vec<_> = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(number, entry)| Some((number, entry.route.method, entry.pattern.matches(&segments)?)))
            .collect();
        let of_method = of_path
            .iter()
            .enumerate()
            .filter(|(_, (_, candidate, _))| method.as_str().eq_ignore_ascii_case(candidate.as_str()))
            .min_by_key(|(_, (_, _, params))| params.len());
        if let Some((at, _)) = of_method {
            let (number, _, params) = of_path.swap_remove(at);
            return Found::Endpoint(number, params);
        }
        let elsewhere =
            self.elsewhere.iter().filter_map(|(method, _, pattern)| Some((*method, pattern.matches(&segments)?)));
        let others: Vec<_> = of_path.into_iter().map(|(_, method, params)| (method, params)).chain(elsewhere).collect();
        let Some((_, params)) = others.first().cloned() else { return Found::Nothing };
        let mut allowed: Vec<_> = others.into_iter().map(|(method, _)| method).collect();
        allowed.sort_unstable();
        allowed.dedup();
        Found::OtherMethods(allowed, params)
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.record()).finish()
    }
}

/// A documented path, taken apart once.
#[derive(Clone)]
struct Pattern(Vec<Expected>);

#[derive(Clone, Copy)]
enum Expected {
    Literal(&'static str),
    Parameter(&'static str),
}

impl Pattern {
    fn of(path: &'static str) -> Self {
        let expected = path.split('/').map(|segment| {
            let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            name.map_or(Expected::Literal(segment), Expected::Parameter)
        });
        Self(expected.collect())
    }

    fn matches(&self, segments: &[Cow<'_, str>]) -> Option<Params> {
        let fits = |(expected, segment): (&Expected, &Cow<'_, str>)| match expected {
            Expected::Literal(literal) => literal.eq_ignore_ascii_case(segment),
            Expected::Parameter(_) => !segment.is_empty(),
        };
        // From the end, where paths differ first.
        if self.0.len() != segments.len() || !self.0.iter().zip(segments).rev().all(fits) {
            return None;
        }
        let param = |(expected, segment): (&Expected, &Cow<'_, str>)| match expected {
            Expected::Literal(_) => None,
            Expected::Parameter(name) => Some((*name, segment.clone().into_owned())),
        };
        Some(self.0.iter().zip(segments).filter_map(param).collect())
    }
}

/// The decoded segments of a path. The licence family's longer base is the same as its short one.
fn segments(path: &str) -> Vec<Cow<'_, str>> {
    let mut segments: Vec<_> = path.split('/').map(|segment| percent_decode_str(segment).decode_utf8_lossy()).collect();
    let is_long_base = ["", "bitanswer", "api", "sns"]
        .iter()
        .zip(&segments)
        .filter(|(literal, segment)| literal.eq_ignore_ascii_case(segment))
        .count()
        == 4;
    if is_long_base {
        segments.drain(1..3);
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        async fn nothing() {}
        Routes::new()
            .add(Route::post("/api/AppUsers/{appId}/SignIn", Access::Anonymous), nothing)
            .add(Route::post("/sns/{sn}/users/data", Access::Bitkey), nothing)
            .add(Route::delete("/sns/{sn}/users/{name}", Access::Bitkey), nothing)
            .known_elsewhere(&[(Method::Get, "/api/Apps/{appId}/Info")])
    }

    fn find(method: &str, path: &str) -> Result<(usize, Vec<String>), Option<Vec<Method>>> {
        match routes().find(&method.parse().unwrap(), path) {
            Found::Endpoint(number, params) => Ok((number, params.into_iter().map(|(_, value)| value).collect())),
            Found::OtherMethods(methods, _) => Err(Some(methods)),
            Found::Nothing => Err(None),
        }
    }

    #[test]
    fn literals_and_methods_match_in_any_letter_case_and_parameters_keep_theirs() {
        assert_eq!(find("POST", "/api/appusers/Ab/SIGNIN"), Ok((0, vec!["Ab".to_owned()])));
        assert_eq!(find("post", "/API/AppUsers/2/SignIn"), Ok((0, vec!["2".to_owned()])));
    }

    #[test]
    fn segments_are_decoded_once() {
        assert_eq!(find("DELETE", "/sns/S/users/a%2Fb"), Ok((2, vec!["S".to_owned(), "a/b".to_owned()])));
        assert_eq!(find("DELETE", "/sns/S/users/a%2541"), Ok((2, vec!["S".to_owned(), "a%41".to_owned()])));
    }

    #[test]
    fn a_literal_of_another_method_does_not_shadow_a_parameter() {
        assert_eq!(find("DELETE", "/sns/S/users/data"), Ok((2, vec!["S".to_owned(), "data".to_owned()])));
        assert_eq!(find("POST", "/bitanswer/API/sns/S/users/data"), Ok((1, vec!["S".to_owned()])));
    }

    #[test]
    fn near_misses_lead_nowhere() {
        for path in [
            "/api/AppUsers/2/SignIn/",
            "/api/AppUsers//SignIn",
            "/api/AppUsers/2",
            "/api/AppUsers/2/SignIn/x",
            "",
            "/",
            "//api/AppUsers/2/SignIn",
            "/api/AppUsers/2/../2/SignIn",
        ] {
            assert_eq!(find("POST", path), Err(None), "{path}");
        }
    }

    #[test]
    fn wrong_methods_are_told_the_right_ones() {
        assert_eq!(find("GET", "/api/AppUsers/2/SignIn"), Err(Some(vec![Method::Post])));
        assert_eq!(find("PUT", "/sns/S/users/data"), Err(Some(vec![Method::Delete, Method::Post])));
        assert_eq!(find("POST", "/api/Apps/2/Info"), Err(Some(vec![Method::Get])));
    }
}
