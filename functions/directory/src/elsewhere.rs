//! The endpoints of the other functions. The gateway sends here what none of its routes takes: knowing them, this
//! function can answer a preflight, and tell a wrong method (405) from a wrong path (404).
//!
//! A test compares the list with what the other groups register.

use shared::http::Method::{self, Delete, Get, Post, Put};

pub(crate) const ENDPOINTS: &[(Method, &str)] = &[
    (Get, "/api/AppUsers/{appId}/PointLog"),
    (Get, "/api/AppUsers/{appId}/Profile"),
    (Put, "/api/AppUsers/{appId}/Profile"),
    (Get, "/api/AppUsers/{appId}/RechargePoints"),
    (Post, "/api/AppUsers/{appId}/RechargePoints"),
    (Post, "/api/AppUsers/{appId}/SignIn"),
    (Post, "/api/AppUsers/{appId}/SignUp"),
    (Post, "/api/AppUsers/{appId}/UnionIDSignIn"),
    (Post, "/api/AppUsers/{appId}/UnionIDSignUp"),
    (Post, "/api/OAuth/{appId}/Authorize"),
    (Get, "/api/OAuth/{appId}/Consents"),
    (Delete, "/api/OAuth/{appId}/Consents/{id}"),
    (Post, "/api/OAuth/{appId}/GrantCode"),
    (Get, "/ExternalAccount/{appKey}"),
    (Post, "/ExternalAccount/{appKey}"),
    (Post, "/ExternalAccount/{appKey}/SignIn"),
    (Delete, "/ExternalAccount/{appKey}/{id}"),
    (Put, "/ExternalAccount/{appKey}/{id}"),
    (Get, "/User/{appKey}/TwoFactorAuth"),
    (Put, "/User/{appKey}/TwoFactorAuth"),
];
