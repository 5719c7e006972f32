//! The published rules of CloudWatch's embedded metric format, as a check of one line.

use serde_json::{Map, Value};

/// Metrics that a line brings: name, dimension's value if it has one, and value.
pub type Metrics = Vec<(String, Option<String>, f64)>;

/// The units that CloudWatch knows and that are used here.
const UNITS: [&str; 2] = ["Count", "Milliseconds"];

/// Reads a line as CloudWatch would; the error says which rule it breaks. A line without `_aws` brings no metrics.
pub fn read(line: &Value) -> Result<Metrics, String> {
    let root = line.as_object().ok_or("the root must be an object")?;
    let Some(metadata) = root.get("_aws") else { return Ok(Vec::new()) };
    only(metadata, &["Timestamp", "CloudWatchMetrics"])?;
    // Milliseconds since 1970: within a plausible century, so that seconds and microseconds are told apart.
    let timestamp = metadata["Timestamp"].as_u64().ok_or("Timestamp must be a whole number")?;
    check((946_684_800_000..4_102_444_800_000).contains(&timestamp), "Timestamp must be in milliseconds")?;
    check(line.to_string().len() <= 256 * 1024, "a line has at most 256 KiB")?;

    let mut metrics = Metrics::new();
    for directive in metadata["CloudWatchMetrics"].as_array().ok_or("CloudWatchMetrics must be an array")? {
        only(directive, &["Namespace", "Dimensions", "Metrics"])?;
        let namespace = text(&directive["Namespace"], 1024)?;
        check(!namespace.starts_with("AWS/"), "the namespaces of AWS are its own")?;
        let sets = directive["Dimensions"].as_array().ok_or("Dimensions must be an array")?;
        check(!sets.is_empty(), "Dimensions must hold a set, an empty one if there is none")?;
        let definitions = directive["Metrics"].as_array().ok_or("Metrics must be an array")?;
        check(definitions.len() <= 100, "a directive has at most 100 metrics")?;
        for set in sets {
            let dimensions = set.as_array().ok_or("a set must be an array")?;
            check(dimensions.len() <= 30, "a set has at most 30 dimensions")?;
            let values: Vec<_> = dimensions.iter().map(|name| dimension(root, name)).collect::<Result<_, _>>()?;
            for definition in definitions {
                let (name, value) = metric(root, definition)?;
                let by = (!values.is_empty()).then(|| values.join(","));
                metrics.push((name, by, value));
            }
        }
    }
    Ok(metrics)
}

fn dimension(root: &Map<String, Value>, name: &Value) -> Result<String, String> {
    let name = text(name, 250)?;
    let value = root.get(name).ok_or(format!("the dimension {name} is no member of the root"))?;
    Ok(text(value, 1024)?.to_owned())
}

fn metric(root: &Map<String, Value>, definition: &Value) -> Result<(String, f64), String> {
    only(definition, &["Name", "Unit", "StorageResolution"])?;
    let name = text(&definition["Name"], 1024)?;
    let unit = definition["Unit"].as_str().unwrap_or("None");
    check(UNITS.contains(&unit), "the unit is none of CloudWatch's that are used here")?;
    let value = root.get(name).ok_or(format!("the metric {name} is no member of the root"))?;
    let value = value.as_f64().ok_or(format!("the metric {name} must be a number"))?;
    check(value.is_finite() && value.abs() < 2f64.powi(360), "a value must be finite and below 2^360")?;
    Ok((name.to_owned(), value))
}

fn only(object: &Value, known: &[&str]) -> Result<(), String> {
    let members = object.as_object().ok_or(format!("must be an object: {object}"))?;
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(other) => Err(format!("{other} is no member that the format knows")),
    }
}

fn text(value: &Value, longest: usize) -> Result<&str, String> {
    let text = value.as_str().ok_or(format!("must be a string: {value}"))?;
    check((1..=longest).contains(&text.chars().count()), "a name or a value is empty or too long")?;
    check(!text.trim().is_empty() && text.is_ascii(), "a name or a value must be printable ASCII")?;
    Ok(text)
}

fn check(is_so: bool, rule: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(rule.to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "_aws": {"Timestamp": 1_772_337_600_500_u64, "CloudWatchMetrics": [
                {"Namespace": "N", "Dimensions": [[]], "Metrics": [{"Name": "Requests", "Unit": "Count"}]},
                {"Namespace": "N", "Dimensions": [["reason"]], "Metrics": [{"Name": "Refusals", "Unit": "Count"}]},
            ]},
            "Requests": 1, "Refusals": 2, "reason": "throttled",
        })
    }

    #[test]
    fn a_good_line_is_read() {
        let expected = [("Requests".to_owned(), None, 1.0), ("Refusals".to_owned(), Some("throttled".to_owned()), 2.0)];
        assert_eq!(read(&good()), Ok(expected.into()));
    }

    #[test]
    fn whatever_breaks_a_rule_is_refused() {
        for (pointer, broken) in [
            ("/_aws/Timestamp", json!(1_772_337_600)),
            ("/_aws/Timestamp", json!("2026-03-01T04:00:00Z")),
            ("/_aws/CloudWatchMetrics", json!({})),
            ("/_aws/CloudWatchMetrics/0/Namespace", json!("")),
            ("/_aws/CloudWatchMetrics/0/Namespace", json!("AWS/Lambda")),
            ("/_aws/CloudWatchMetrics/0/Dimensions", json!([])),
            ("/_aws/CloudWatchMetrics/1/Dimensions", json!([["tenant"]])),
            ("/_aws/CloudWatchMetrics/0/Metrics/0/Name", json!("Missing")),
            ("/_aws/CloudWatchMetrics/0/Metrics/0/Unit", json!("count")),
            ("/_aws/CloudWatchMetrics/0/Metrics/0", json!({"Name": "Requests", "Unit": "Count", "More": 1})),
            ("/Requests", json!("1")),
            ("/reason", json!(1)),
            ("/reason", json!("")),
        ] {
            let mut line = good();
            *line.pointer_mut(pointer).unwrap() = broken.clone();
            assert!(read(&line).is_err(), "{pointer} {broken}");
        }
    }
}
