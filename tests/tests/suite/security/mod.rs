//! The catalogue of attacks (`tests/catalogue.txt`), one file per group, where a case belongs to no one subject.

mod op;
mod passwords;
