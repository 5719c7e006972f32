//! YAML with the tags of templates, and a cursor that knows where in the document it stands.

use saphyr::{LoadableYamlNode, Scalar, Yaml};

use crate::TemplateError;

/// A node of the document. `!Name argument` and its long form, `Fn::Name: argument`, are the same [`Node::Call`].
#[derive(Debug)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
    Call(String, Box<Node>),
}

/// Reads a text of exactly one document.
pub(crate) fn parse(text: &str) -> Result<Node, TemplateError> {
    let documents = Yaml::load_from_str(text).map_err(|error| TemplateError::Syntax(error.to_string()))?;
    match documents.as_slice() {
        [document] => convert(document),
        _ => Err(TemplateError::Syntax(format!("{} documents instead of one", documents.len()))),
    }
}

fn convert(yaml: &Yaml) -> Result<Node, TemplateError> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Node::Null,
        Yaml::Value(Scalar::Boolean(value)) => Node::Bool(*value),
        Yaml::Value(Scalar::Integer(value)) => Node::Integer(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Node::Text(value.to_string()),
        Yaml::Value(Scalar::String(value)) => Node::Text(value.to_string()),
        Yaml::Sequence(items) => Node::List(items.iter().map(convert).collect::<Result<_, _>>()?),
        Yaml::Mapping(entries) => {
            let mut map = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let Node::Text(key) = convert(key)? else {
                    return Err(TemplateError::Syntax(format!("a key that is no text: {key:?}")));
                };
                map.push((key, convert(value)?));
            }
            unfold_call(map)
        }
        Yaml::Tagged(tag, value) => Node::Call(tag.suffix.clone(), Box::new(convert(value)?)),
        // None of these comes from a document that loads, except an alias: templates know none.
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            return Err(TemplateError::Syntax(format!("a node of a kind that templates do not have: {yaml:?}")));
        }
    })
}

fn unfold_call(mut map: Vec<(String, Node)>) -> Node {
    let name = match map.as_slice() {
        [(key, _)] if key == "Ref" => Some(key.clone()),
        [(key, _)] => key.strip_prefix("Fn::").map(ToOwned::to_owned),
        _ => None,
    };
    match (name, map.pop()) {
        (Some(name), Some((_, argument))) => Node::Call(name, Box::new(argument)),
        (None, Some(last)) => {
            map.push(last);
            Node::Map(map)
        }
        (_, None) => Node::Map(map),
    }
}

/// A node and its path from the root, which every complaint names.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    node: &'a Node,
    path: String,
}

impl<'a> Cursor<'a> {
    pub(crate) fn root(node: &'a Node) -> Self {
        Self { node, path: String::new() }
    }

    pub(crate) fn node(&self) -> &'a Node {
        self.node
    }

    fn below(&self, step: &str, node: &'a Node) -> Self {
        let path = if self.path.is_empty() { step.to_owned() } else { format!("{}.{step}", self.path) };
        Self { node, path }
    }

    pub(crate) fn unexpected(&self, expected: &'static str) -> TemplateError {
        TemplateError::Unexpected { path: self.path.clone(), expected }
    }

    /// What stands under a key of this mapping, if anything does.
    pub(crate) fn get(&self, key: &str) -> Result<Option<Self>, TemplateError> {
        Ok(self.entries()?.into_iter().find(|(name, _)| *name == key).map(|(_, cursor)| cursor))
    }

    /// What stands under a key that this mapping must have.
    pub(crate) fn require(&self, key: &str) -> Result<Self, TemplateError> {
        self.get(key)?.ok_or_else(|| TemplateError::Missing(self.below(key, self.node).path))
    }

    /// What stands at the end of a path of keys, if it exists that far.
    pub(crate) fn get_at(&self, keys: &[&str]) -> Result<Option<Self>, TemplateError> {
        let mut cursor = self.clone();
        for key in keys {
            match cursor.get(key)? {
                Some(next) => cursor = next,
                None => return Ok(None),
            }
        }
        Ok(Some(cursor))
    }

    /// The entries of a mapping, in the document's order.
    pub(crate) fn entries(&self) -> Result<Vec<(&'a str, Self)>, TemplateError> {
        let Node::Map(entries) = self.node else {
            return Err(self.unexpected("a mapping"));
        };
        Ok(entries.iter().map(|(key, node)| (key.as_str(), self.below(key, node))).collect())
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Result<Vec<Self>, TemplateError> {
        let Node::List(items) = self.node else {
            return Err(self.unexpected("a list"));
        };
        Ok(items.iter().enumerate().map(|(index, node)| self.below(&index.to_string(), node)).collect())
    }

    /// The items of a list, or the one thing that stands where a list may.
    pub(crate) fn one_or_many(&self) -> Result<Vec<Self>, TemplateError> {
        if matches!(self.node, Node::List(_)) { self.items() } else { Ok(vec![self.clone()]) }
    }

    pub(crate) fn text(&self) -> Result<&'a str, TemplateError> {
        match self.node {
            Node::Text(text) => Ok(text),
            _ => Err(self.unexpected("a text")),
        }
    }

    pub(crate) fn boolean(&self) -> Result<bool, TemplateError> {
        match self.node {
            Node::Bool(value) => Ok(*value),
            _ => Err(self.unexpected("true or false")),
        }
    }

    pub(crate) fn number(&self) -> Result<u32, TemplateError> {
        let Node::Integer(value) = self.node else {
            return Err(self.unexpected("a whole number"));
        };
        u32::try_from(*value).map_err(|_| self.unexpected("a whole number"))
    }

    /// A scalar of any type, as a deployment hands it on: as text.
    pub(crate) fn scalar(&self) -> Result<String, TemplateError> {
        match self.node {
            Node::Null => Ok(String::new()),
            Node::Bool(value) => Ok(value.to_string()),
            Node::Integer(value) => Ok(value.to_string()),
            Node::Text(text) => Ok(text.clone()),
            Node::List(_) | Node::Map(_) | Node::Call(..) => Err(self.unexpected("a single value")),
        }
    }

    /// Refuses every key of this mapping that is not listed.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), TemplateError> {
        match self.entries()?.iter().find(|(key, _)| !known.contains(key)) {
            Some((_, cursor)) => Err(cursor.unexpected("absent: this reader does not know it")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_calls_are_the_same() -> Result<(), TemplateError> {
        let document = parse("a: !Ref X\nb: {Ref: X}\nc: !GetAtt X.Arn\nd: {'Fn::GetAtt': X.Arn}\n")?;
        let root = Cursor::root(&document);
        for (one, other) in [("a", "b"), ("c", "d")] {
            assert_eq!(format!("{:?}", root.require(one)?.node), format!("{:?}", root.require(other)?.node));
        }
        Ok(())
    }

    #[test]
    fn complaints_name_the_place() -> Result<(), TemplateError> {
        let document = parse("a:\n  b: [1, {c: x}]\n")?;
        let root = Cursor::root(&document);
        let b = root.require("a")?.require("b")?;
        let item = b.items()?.remove(1);
        let complaint = |error: Result<u32, TemplateError>| error.err().map(|error| error.to_string());
        assert_eq!(
            complaint(item.require("c")?.number()).as_deref(),
            Some("a.b.1.c in the template should be a whole number")
        );
        assert_eq!(complaint(item.require("d").map(|_| 0)).as_deref(), Some("the template lacks a.b.1.d"));
        Ok(())
    }

    #[test]
    fn broken_documents_are_refused() {
        for text in ["a: [", "a: 1\na: 2\n", "a: 1\n---\nb: 2\n", "", "? [a]\n: 1\n"] {
            assert!(matches!(parse(text), Err(TemplateError::Syntax(_))), "{text:?}");
        }
    }
}
