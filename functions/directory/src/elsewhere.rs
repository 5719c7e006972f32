//! The endpoints of the other functions. The gateway sends here what none of its routes takes: knowing them, this
//! function can answer a preflight, and tell a wrong method (405) from a wrong path (404).
//!
//! A test compares the list with what the other groups register.

use shared::http::Method::{self, Get, Post, Put};

pub(crate) const ENDPOINTS: &[(Method, &str)] = &[
    (Get, "/api/AppUsers/{appId}/Profile"),
    (Put, "/api/AppUsers/{appId}/Profile"),
    (Post, "/api/AppUsers/{appId}/EmailSignIn"),
    (Post, "/api/AppUsers/{appId}/EmailSignUp"),
    (Post, "/api/AppUsers/{appId}/PhoneSignIn"),
    (Post, "/api/AppUsers/{appId}/PhoneSignUp"),
    (Post, "/api/AppUsers/{appId}/ResetPwd"),
    (Post, "/api/AppUsers/{appId}/SendEmailCode"),
    (Post, "/api/AppUsers/{appId}/SendSMSCode"),
    (Post, "/api/AppUsers/{appId}/SignIn"),
    (Post, "/api/AppUsers/{appId}/SignUp"),
    (Post, "/api/AppUsers/{appId}/UnionIDSignIn"),
    (Post, "/api/AppUsers/{appId}/UnionIDSignUp"),
];
