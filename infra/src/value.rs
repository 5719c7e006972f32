//! Values that a deployment fills in.

use std::fmt;

use crate::TemplateError;
use crate::yaml::{Cursor, Node};

/// A value of a property: known now, or once the stack exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Stands in the template as it is.
    Literal(String),
    /// `!Ref`: a parameter, or the physical name of a resource, by logical id.
    Reference(String),
    /// `!GetAtt`: an attribute of a resource.
    Attribute {
        /// The logical id of the resource.
        resource: String,
        /// The name of the attribute.
        attribute: String,
    },
    /// `!Sub`: a text with `${…}` in it.
    Pattern(String),
}

impl Value {
    pub(crate) fn read(cursor: &Cursor) -> Result<Self, TemplateError> {
        let unknown = || cursor.unexpected("a single value, !Ref, !Sub, or !GetAtt");
        let Node::Call(name, argument) = cursor.node() else {
            return cursor.scalar().map(Self::Literal).map_err(|_| unknown());
        };
        match (name.as_str(), argument.as_ref()) {
            ("Ref", Node::Text(name)) => Ok(Self::Reference(name.clone())),
            ("Sub", Node::Text(pattern)) => Ok(Self::Pattern(pattern.clone())),
            ("GetAtt", Node::Text(path)) => {
                let (resource, attribute) = path.split_once('.').ok_or_else(unknown)?;
                Ok(Self::Attribute { resource: resource.to_owned(), attribute: attribute.to_owned() })
            }
            _ => Err(unknown()),
        }
    }

    /// The logical id of the resource or parameter that this value is taken from, if from exactly one.
    pub fn source(&self) -> Option<&str> {
        match self {
            Self::Reference(name) | Self::Attribute { resource: name, .. } => Some(name),
            Self::Literal(_) | Self::Pattern(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) | Self::Pattern(text) => f.write_str(text),
            Self::Reference(name) => write!(f, "${{{name}}}"),
            Self::Attribute { resource, attribute } => write!(f, "${{{resource}.{attribute}}}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn values_are_read_and_shown() -> Result<(), TemplateError> {
        for (text, shown, source) in [
            ("x: plain", "plain", None),
            ("x: 5", "5", None),
            ("x: true", "true", None),
            ("x: ''", "", None),
            ("x: !Ref UsersTable", "${UsersTable}", Some("UsersTable")),
            ("x: !GetAtt UsersTable.Arn", "${UsersTable.Arn}", Some("UsersTable")),
            ("x: !Sub /a/${AWS::StackName}", "/a/${AWS::StackName}", None),
        ] {
            let document = yaml::parse(text)?;
            let value = Value::read(&Cursor::root(&document).require("x")?)?;
            assert_eq!((value.to_string().as_str(), value.source()), (shown, source), "{text}");
        }
        Ok(())
    }

    #[test]
    fn unknown_calls_are_refused() -> Result<(), TemplateError> {
        for text in ["x: !If [A, b, c]", "x: !GetAtt NoDot", "x: [a]", "x: {a: b}", "x: !Sub ['${a}', {a: b}]"] {
            let document = yaml::parse(text)?;
            assert!(Value::read(&Cursor::root(&document).require("x")?).is_err(), "{text}");
        }
        Ok(())
    }
}
