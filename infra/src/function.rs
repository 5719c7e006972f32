//! The functions: what calls them, what they know, and what they may.

use std::collections::BTreeMap;

use crate::yaml::Cursor;
use crate::{TemplateError, Value};

/// A Lambda function of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name in the template.
    pub logical_id: String,
    /// The binary that it runs, which is also the name of its crate.
    pub binary: String,
    /// Its environment variables, the ones that all functions share included.
    pub environment: BTreeMap<String, Value>,
    /// The routes of the API that call it.
    pub events: Vec<Event>,
    /// What its role allows.
    pub statements: Vec<Statement>,
    /// Memory in MB; the share of a CPU grows with it, 1769 MB being a whole one.
    pub memory_mb: u32,
    /// Seconds until an invocation is ended.
    pub timeout_seconds: u32,
}

/// A route of the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// A method and a path with `{placeholders}`; the gateway compares both exactly.
    Route {
        /// The method, in capitals.
        method: String,
        /// The path, starting with a slash.
        path: String,
    },
    /// Whatever no other route takes: `$default`.
    Default,
}

/// Actions that a role allows on resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Actions, like `dynamodb:GetItem`.
    pub actions: Vec<String>,
    /// The resources that they are allowed on.
    pub resources: Vec<Value>,
}

impl Function {
    /// The actions that the role allows on one resource of the template, sorted.
    pub fn actions_on(&self, logical_id: &str) -> Vec<&str> {
        let on_it = |statement: &&Statement| statement.resources.iter().any(|it| it.source() == Some(logical_id));
        let mut actions: Vec<&str> =
            self.statements.iter().filter(on_it).flat_map(|it| &it.actions).map(String::as_str).collect();
        actions.sort_unstable();
        actions.dedup();
        actions
    }

    pub(crate) fn read(logical_id: &str, resource: &Cursor, root: &Cursor) -> Result<Self, TemplateError> {
        let properties = resource.require("Properties")?;
        let globals = root.get_at(&["Globals", "Function"])?;
        let setting = |key: &str| -> Result<Cursor, TemplateError> {
            let global = globals.as_ref().map(|it| it.get(key)).transpose()?.flatten();
            match properties.get(key)?.or(global) {
                Some(found) => Ok(found),
                None => properties.require(key),
            }
        };

        let mut environment = BTreeMap::new();
        for holder in [globals.as_ref(), Some(&properties)].into_iter().flatten() {
            if let Some(variables) = holder.get_at(&["Environment", "Variables"])? {
                for (name, value) in variables.entries()? {
                    environment.insert(name.to_owned(), Value::read(&value)?);
                }
            }
        }

        let mut events = Vec::new();
        if let Some(found) = properties.get("Events")? {
            for (_, event) in found.entries()? {
                events.push(Event::read(&event)?);
            }
        }

        Ok(Self {
            logical_id: logical_id.to_owned(),
            binary: resource.require("Metadata")?.require("BuildProperties")?.require("Binary")?.text()?.to_owned(),
            environment,
            events,
            statements: statements(&properties, root)?,
            memory_mb: setting("MemorySize")?.number()?,
            timeout_seconds: setting("Timeout")?.number()?,
        })
    }
}

impl Event {
    fn read(event: &Cursor) -> Result<Self, TemplateError> {
        let kind = event.require("Type")?;
        if kind.text()? != "HttpApi" {
            return Err(kind.unexpected("HttpApi"));
        }
        let properties = event.require("Properties")?;
        properties.only(&["ApiId", "Method", "Path"])?;
        match (properties.get("Method")?, properties.get("Path")?) {
            (None, None) => Ok(Self::Default),
            _ => Ok(Self::Route {
                method: properties.require("Method")?.text()?.to_owned(),
                path: properties.require("Path")?.text()?.to_owned(),
            }),
        }
    }
}

/// The statements of the role that a function names. Rights given in any other way would stay unseen: refused.
fn statements(properties: &Cursor, root: &Cursor) -> Result<Vec<Statement>, TemplateError> {
    if let Some(policies) = properties.get("Policies")? {
        return Err(policies.unexpected("absent: rights stand in a role"));
    }
    let reference = properties.require("Role")?;
    let Value::Attribute { resource, .. } = Value::read(&reference)? else {
        return Err(reference.unexpected("!GetAtt of a role in this template"));
    };
    let role = root.require("Resources")?.require(&resource)?.require("Properties")?;
    role.only(&["AssumeRolePolicyDocument", "Policies"])?;

    let mut statements = Vec::new();
    for policy in role.require("Policies")?.items()? {
        for statement in policy.require("PolicyDocument")?.require("Statement")?.items()? {
            statements.push(Statement::read(&statement)?);
        }
    }
    Ok(statements)
}

impl Statement {
    fn read(statement: &Cursor) -> Result<Self, TemplateError> {
        statement.only(&["Sid", "Effect", "Action", "Resource"])?;
        let effect = statement.require("Effect")?;
        if effect.text()? != "Allow" {
            return Err(effect.unexpected("Allow"));
        }
        Ok(Self {
            actions: statement
                .require("Action")?
                .one_or_many()?
                .iter()
                .map(|action| action.text().map(ToOwned::to_owned))
                .collect::<Result<_, _>>()?,
            resources: statement
                .require("Resource")?
                .one_or_many()?
                .iter()
                .map(Value::read)
                .collect::<Result<_, _>>()?,
        })
    }
}
