//! The tables: all that is needed to create them elsewhere than in a stack.

use crate::yaml::Cursor;
use crate::{Function, TemplateError, Value};

/// A DynamoDB table of the template, billed on demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name in the template, like `UsersTable`.
    pub logical_id: String,
    /// The environment variable by which functions get its name, like `USERS_TABLE`.
    pub environment_variable: String,
    /// What follows the name of the stack and a hyphen in its name, like `Users`.
    pub name_suffix: String,
    /// Its primary key: the partition key, then the sort key if it has one.
    pub keys: Vec<Key>,
    /// The names and types of the attributes that its keys and indexes use.
    pub attributes: Vec<(String, AttributeType)>,
    /// The attribute that says when an item expires, in seconds since 1970.
    pub ttl_attribute: Option<String>,
    /// Its secondary indexes.
    pub indexes: Vec<Index>,
    /// Whether it can be restored to any second of the recent past.
    pub point_in_time_recovery: bool,
    /// Whether it outlives a call that deletes it and the deletion or replacement in its stack.
    pub deletion_protection: bool,
    /// Whether it is encrypted under a key in the account.
    pub encrypted: bool,
}

/// An attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name of the attribute.
    pub name: String,
    /// What it does in the key.
    pub kind: KeyKind,
}

/// What an attribute does in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// It chooses the partition.
    Hash,
    /// It sorts within the partition.
    Range,
}

/// The type of an attribute in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeType {
    /// `S`
    String,
    /// `N`
    Number,
    /// `B`
    Binary,
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Whether it spans the table or one partition.
    pub scope: IndexScope,
    /// Its key.
    pub keys: Vec<Key>,
    /// Which attributes it holds.
    pub projection: Projection,
}

/// What a secondary index spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexScope {
    /// The whole table, under a partition key of its own.
    Global,
    /// A partition of the table.
    Local,
}

/// Which attributes a secondary index holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// All.
    All,
    /// Those of the keys of table and index.
    KeysOnly,
    /// Those of the keys, and the ones named.
    Include(Vec<String>),
}

impl Table {
    /// The name of the table in a stack.
    pub fn name_in(&self, stack: &str) -> String {
        format!("{stack}-{}", self.name_suffix)
    }

    pub(crate) fn read(logical_id: &str, resource: &Cursor, functions: &[Function]) -> Result<Self, TemplateError> {
        let properties = resource.require("Properties")?;
        let flag = |keys: &[&str]| properties.get_at(keys)?.map_or(Ok(false), |it| it.boolean());

        let billing = properties.require("BillingMode")?;
        if billing.text()? != "PAY_PER_REQUEST" {
            return Err(billing.unexpected("PAY_PER_REQUEST"));
        }
        let ttl = match properties.get("TimeToLiveSpecification")? {
            Some(ttl) if ttl.require("Enabled")?.boolean()? => Some(ttl.require("AttributeName")?.text()?.to_owned()),
            _ => None,
        };
        let mut indexes = Vec::new();
        for (key, scope) in
            [("GlobalSecondaryIndexes", IndexScope::Global), ("LocalSecondaryIndexes", IndexScope::Local)]
        {
            for index in properties.get(key)?.map_or(Ok(Vec::new()), |it| it.items())? {
                indexes.push(Index::read(&index, scope)?);
            }
        }
        let mut retained = true;
        for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
            retained &= resource.get(policy)?.map(|it| it.text()).transpose()? == Some("Retain");
        }

        Ok(Self {
            logical_id: logical_id.to_owned(),
            environment_variable: environment_variable(logical_id, functions),
            name_suffix: name_suffix(&properties.require("TableName")?)?,
            keys: keys(&properties)?,
            attributes: attributes(&properties.require("AttributeDefinitions")?)?,
            ttl_attribute: ttl,
            indexes,
            point_in_time_recovery: flag(&["PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"])?,
            deletion_protection: retained && flag(&["DeletionProtectionEnabled"])?,
            encrypted: flag(&["SSESpecification", "SSEEnabled"])?,
        })
    }
}

/// The variable by which functions know a table; for a table that none uses yet, the one that the others' pattern
/// gives: `BindingsTable` is `BINDINGS_TABLE`.
fn environment_variable(logical_id: &str, functions: &[Function]) -> String {
    let given = functions.iter().flat_map(|function| &function.environment);
    let mut names = given.filter(|(_, value)| **value == Value::Reference(logical_id.to_owned())).map(|(name, _)| name);
    names.next().cloned().unwrap_or_else(|| upper_snake_case(logical_id))
}

fn upper_snake_case(camel: &str) -> String {
    let mut snake = String::new();
    for (position, letter) in camel.char_indices() {
        if position > 0 && letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_uppercase());
    }
    snake
}

fn name_suffix(name: &Cursor) -> Result<String, TemplateError> {
    match Value::read(name)? {
        Value::Pattern(pattern) => pattern.strip_prefix("${AWS::StackName}-").map(ToOwned::to_owned),
        _ => None,
    }
    .ok_or_else(|| name.unexpected("!Sub ${AWS::StackName}-Suffix"))
}

fn keys(holder: &Cursor) -> Result<Vec<Key>, TemplateError> {
    let mut keys = Vec::new();
    for key in holder.require("KeySchema")?.items()? {
        let kind = key.require("KeyType")?;
        keys.push(Key {
            name: key.require("AttributeName")?.text()?.to_owned(),
            kind: match kind.text()? {
                "HASH" => KeyKind::Hash,
                "RANGE" => KeyKind::Range,
                _ => return Err(kind.unexpected("HASH or RANGE")),
            },
        });
    }
    Ok(keys)
}

fn attributes(definitions: &Cursor) -> Result<Vec<(String, AttributeType)>, TemplateError> {
    let mut attributes = Vec::new();
    for definition in definitions.items()? {
        let kind = definition.require("AttributeType")?;
        attributes.push((
            definition.require("AttributeName")?.text()?.to_owned(),
            match kind.text()? {
                "S" => AttributeType::String,
                "N" => AttributeType::Number,
                "B" => AttributeType::Binary,
                _ => return Err(kind.unexpected("S, N, or B")),
            },
        ));
    }
    Ok(attributes)
}

impl Index {
    fn read(index: &Cursor, scope: IndexScope) -> Result<Self, TemplateError> {
        let projection = index.require("Projection")?;
        let kind = projection.require("ProjectionType")?;
        Ok(Self {
            name: index.require("IndexName")?.text()?.to_owned(),
            scope,
            keys: keys(index)?,
            projection: match kind.text()? {
                "ALL" => Projection::All,
                "KEYS_ONLY" => Projection::KeysOnly,
                "INCLUDE" => Projection::Include(
                    projection
                        .require("NonKeyAttributes")?
                        .items()?
                        .iter()
                        .map(|name| name.text().map(ToOwned::to_owned))
                        .collect::<Result<_, _>>()?,
                ),
                _ => return Err(kind.unexpected("ALL, KEYS_ONLY, or INCLUDE")),
            },
        })
    }
}
