//! One value on standard output; everything else that is said goes to standard error.

use clap::Args;
use serde_json::Value;

/// How results are printed.
#[derive(Args)]
pub(crate) struct Output {
    /// Print one JSON value, for programs
    #[arg(long, global = true)]
    json: bool,
}

impl Output {
    pub(crate) fn print(&self, value: &Value) {
        if self.json {
            println!("{value}");
        } else {
            print!("{}", readable(value));
        }
    }
}

/// A list as one block per entry, an object as one line per member.
fn readable(value: &Value) -> String {
    match value {
        Value::Array(entries) => entries.iter().map(readable).collect::<Vec<_>>().join("\n"),
        Value::Object(members) => {
            let width = members.keys().map(String::len).max().unwrap_or_default();
            members
                .iter()
                .fold(String::new(), |lines, (name, member)| format!("{lines}{name:width$}  {}\n", inline(member)))
        }
        other => format!("{}\n", inline(other)),
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_get_aligned_lines() {
        let text = readable(&json!([{"appId": 2, "name": "Demo"}, {"appId": 3, "logo": null}]));
        assert_eq!(text, "appId  2\nname   Demo\n\nappId  3\nlogo   -\n");
    }
}
