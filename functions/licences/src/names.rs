//! The body of a batch: `[{"name":s}]`.

use std::collections::HashSet;

use shared::{
    error::ApiError,
    http::{Command, Fields, Json},
    text::UserName,
};

/// The most entries of a batch.
const MOST: usize = 1_000;

/// User names in the order in which they were sent, each once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Names(pub(crate) Vec<UserName>);

impl Command for Names {
    /// A body that lost its entries on the way is no batch: it must not pass for one that names nobody.
    fn read(body: Json) -> Result<Self, ApiError> {
        let Json::Array(entries) = body else { return Err(ApiError::invalid("the body must be an array")) };
        if !(1..=MOST).contains(&entries.len()) {
            return Err(ApiError::invalid("the body must have 1 to 1000 entries"));
        }
        let mut names = Vec::with_capacity(entries.len());
        let mut seen = HashSet::new();
        for entry in entries {
            let name: UserName = Fields::of(entry)?.required("name")?;
            if seen.insert(name.clone()) {
                names.push(name);
            }
        }
        Ok(Self(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<Vec<String>> {
        let names = Names::read(Json::parse(body.as_bytes()).ok()?).ok()?;
        Some(names.0.into_iter().map(UserName::into_string).collect())
    }

    #[test]
    fn a_batch_names_each_user_once() {
        let names = read(r#"[{"name":"b"},{"Name":"a","x":1},{"name":"b"},{"name":"B"}]"#).unwrap();
        assert_eq!(names, ["b", "a", "B"]);
    }

    #[test]
    fn what_is_no_batch_is_refused_whole() {
        let many = |count: usize| format!("[{}]", vec![r#"{"name":"a"}"#; count].join(","));
        assert!(read(&many(1_000)).is_some());
        for bad in [
            "null",
            "{}",
            "[]",
            "true",
            r#""a""#,
            r#"{"name":"a"}"#,
            r#"["a"]"#,
            "[null]",
            "[{}]",
            r#"[{"name":"a"},{}]"#,
            r#"[{"name":"a"},{"name":""}]"#,
            r#"[{"name":null}]"#,
            r#"[{"name":1}]"#,
            r#"[{"name":["a"]}]"#,
            r#"[{"name":"a\u0000"}]"#,
            &many(1_001),
        ] {
            assert_eq!(read(bad), None, "{bad:.60}");
        }
    }
}
