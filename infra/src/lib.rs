//! What `template.yaml` says, as data: the tables that the local server and the tests create, the routes, the
//! environment, and the rights that the tests compare with the code.
//!
//! The reader knows what this project's template uses and no more. What it does not know it refuses, so that nothing
//! in the template stays unseen by the tests.

mod alarm;
mod create;
mod function;
mod table;
mod value;
mod yaml;

use std::collections::BTreeMap;

pub use alarm::{Alarm, Metric};
pub use create::{CreateError, create_tables};
pub use function::{Event, Function, Statement};
pub use table::{AttributeType, Index, IndexScope, Key, KeyKind, Projection, Table};
pub use value::Value;

use yaml::Cursor;

/// A template, read completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    tables: Vec<Table>,
    functions: Vec<Function>,
    alarms: Vec<Alarm>,
    outputs: Vec<String>,
    parameter_defaults: BTreeMap<String, String>,
}

/// Why a template cannot be read. Paths in the messages are those of the template, with dots.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The text is no YAML.
    #[error("the template is no YAML: {0}")]
    Syntax(String),
    /// Something is missing that every template must have.
    #[error("the template lacks {0}")]
    Missing(String),
    /// Something has another shape than this reader knows.
    #[error("{path} in the template should be {expected}")]
    Unexpected {
        /// Where it stands.
        path: String,
        /// What was expected there.
        expected: &'static str,
    },
}

impl Template {
    /// The template of this repository, as it was when this crate was built.
    pub fn bundled() -> Result<Self, TemplateError> {
        Self::parse(include_str!("../../template.yaml"))
    }

    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let document = yaml::parse(text)?;
        let root = Cursor::root(&document);
        let resources = root.require("Resources")?;

        let mut functions = Vec::new();
        for (logical_id, resource) in resources.entries()? {
            if resource.require("Type")?.text()? == "AWS::Serverless::Function" {
                functions.push(Function::read(logical_id, &resource, &root)?);
            }
        }
        let mut tables = Vec::new();
        for (logical_id, resource) in resources.entries()? {
            if resource.require("Type")?.text()? == "AWS::DynamoDB::Table" {
                tables.push(Table::read(logical_id, &resource, &functions)?);
            }
        }
        let mut alarms = Vec::new();
        for (logical_id, resource) in resources.entries()? {
            if resource.require("Type")?.text()? == "AWS::CloudWatch::Alarm" {
                alarms.push(Alarm::read(logical_id, &resource)?);
            }
        }
        let outputs = match root.get("Outputs")? {
            Some(outputs) => outputs.entries()?.into_iter().map(|(name, _)| name.to_owned()).collect(),
            None => Vec::new(),
        };
        let mut parameter_defaults = BTreeMap::new();
        if let Some(parameters) = root.get("Parameters")? {
            for (name, parameter) in parameters.entries()? {
                if let Some(default) = parameter.get("Default")? {
                    parameter_defaults.insert(name.to_owned(), default.scalar()?);
                }
            }
        }
        Ok(Self { tables, functions, alarms, outputs, parameter_defaults })
    }

    /// The tables, in the template's order.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The functions, in the template's order.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The alarms, in the template's order.
    pub fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }

    /// The names of what a deployed stack tells.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// The names of the parameters that an operator may leave as they are.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parameter_defaults.keys().map(String::as_str)
    }

    /// What a parameter of the template is when an operator does not set it.
    pub fn parameter_default(&self, name: &str) -> Option<&str> {
        self.parameter_defaults.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod operation_tests;
#[cfg(test)]
mod tests;
