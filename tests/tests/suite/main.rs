//! The service over HTTP, in process: one file per subject.

mod accounts;
mod qr;
mod qr_model;
mod races;
mod wechat;
