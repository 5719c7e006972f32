//! The endpoints of the other functions. The gateway sends here what none of its routes takes: knowing them, this
//! function can answer a preflight, and tell a wrong method (405) from a wrong path (404).
//!
//! A test compares the list with what the other groups register.

use shared::http::Method::{self, Get, Post, Put};

pub(crate) const ENDPOINTS: &[(Method, &str)] = &[
    (Get, "/api/AppUsers/{appId}/Profile"),
    (Put, "/api/AppUsers/{appId}/Profile"),
    (Post, "/api/AppUsers/{appId}/QRCodePreSignIn"),
    (Post, "/api/AppUsers/{appId}/QRCodeScan"),
    (Post, "/api/AppUsers/{appId}/QRCodeSignIn"),
    (Post, "/api/AppUsers/{appId}/QRCodeSignUp"),
    (Post, "/api/AppUsers/{appId}/SignIn"),
    (Post, "/api/AppUsers/{appId}/SignUp"),
    (Post, "/api/AppUsers/{appId}/UnionIDSignIn"),
    (Post, "/api/AppUsers/{appId}/UnionIDSignUp"),
    (Post, "/api/Wechat/{appId}/WXACodeGet"),
];
