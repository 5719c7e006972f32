//! The alarms: what each of them watches.

use crate::yaml::Cursor;
use crate::{TemplateError, Value};

/// An alarm of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name in a deployment, behind the stack's and a hyphen.
    pub name_suffix: String,
    /// The metrics that it watches.
    pub metrics: Vec<Metric>,
    /// Who is told.
    pub actions: Vec<Value>,
}

/// A metric of CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Where it is from: a service, or the deployment itself.
    pub namespace: Value,
    /// Its name there.
    pub name: String,
    /// What tells it from others of its name.
    pub dimensions: Vec<(String, Value)>,
}

impl Alarm {
    pub(crate) fn read(logical_id: &str, resource: &Cursor) -> Result<Self, TemplateError> {
        let properties = resource.require("Properties")?;
        let name = properties.require("AlarmName")?;
        let Value::Pattern(pattern) = Value::read(&name)? else {
            return Err(name.unexpected("!Sub with the stack's name"));
        };
        let suffix = pattern.strip_prefix("${AWS::StackName}-");
        let mut metrics = Vec::new();
        match properties.get("Metrics")? {
            None => metrics.push(Metric::read(&properties)?),
            Some(list) => {
                for item in list.items()? {
                    if let Some(metric) = item.get_at(&["MetricStat", "Metric"])? {
                        metrics.push(Metric::read(&metric)?);
                    }
                }
            }
        }
        Ok(Self {
            logical_id: logical_id.to_owned(),
            name_suffix: suffix.ok_or_else(|| name.unexpected("the stack's name, a hyphen, a name"))?.to_owned(),
            metrics,
            actions: properties
                .require("AlarmActions")?
                .one_or_many()?
                .iter()
                .map(Value::read)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Metric {
    fn read(metric: &Cursor) -> Result<Self, TemplateError> {
        let mut dimensions = Vec::new();
        if let Some(list) = metric.get("Dimensions")? {
            for item in list.items()? {
                item.only(&["Name", "Value"])?;
                dimensions.push((item.require("Name")?.text()?.to_owned(), Value::read(&item.require("Value")?)?));
            }
        }
        Ok(Self {
            namespace: Value::read(&metric.require("Namespace")?)?,
            name: metric.require("MetricName")?.text()?.to_owned(),
            dimensions,
        })
    }
}
