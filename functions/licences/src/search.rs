//! `POST /sns/{sn}/users/data?offset=&limit=`: the users of a licence code whose names meet conditions.

use axum::extract::State;
use shared::{
    env::Env,
    error::ApiError,
    http::{Access, Body, Command, Field, Fields, Json, LicencePath, Licensee, Refusal, Reply, Route},
    name_filter::{Filter, Op},
    storage::LinkOrder,
};

use crate::page::{Page, Rows, UserRow};

pub(crate) const ROUTE: Route = Route::post("/sns/{sn}/users/data", Access::Bitkey);

pub(crate) async fn handle(
    licensee: Licensee,
    path: LicencePath,
    page: Page,
    State(env): State<Env>,
    Body(search): Body<Search>,
) -> Result<Reply<Rows<UserRow>>, ApiError> {
    page.of(&env, &licensee, &path, &search.filter, search.order).await
}

/// The most conditions, and the most sorts.
const MOST_ITEMS: usize = 16;
/// The most values of a condition.
const MOST_VALUES: usize = 100;
/// The longest value, in code points.
const LONGEST_VALUE: usize = 128;

#[derive(Debug)]
pub(crate) struct Search {
    filter: Filter,
    order: LinkOrder,
}

impl Command for Search {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        let mut filter = Filter::default();
        for query in items(&mut fields, "querys")? {
            let mut query = Fields::of(query)?;
            only_name(&mut query)?;
            let op: OpWord = query.required("op")?;
            let Values(values) = query.required("values")?;
            filter = filter.and(op.0, values);
        }
        let mut order = LinkOrder::Linked;
        for sort in items(&mut fields, "sorts")? {
            let mut sort = Fields::of(sort)?;
            only_name(&mut sort)?;
            let by_name =
                sort.optional::<Direction>("order")?.map_or(LinkOrder::NameAscending, |direction| direction.0);
            // Names are unique: whatever else there is to sort by comes too late.
            if order == LinkOrder::Linked {
                order = by_name;
            }
        }
        Ok(Self { filter, order })
    }
}

fn items(fields: &mut Fields, name: &str) -> Result<Vec<Json>, ApiError> {
    match fields.optional::<List>(name)? {
        Some(List(items)) if items.len() > MOST_ITEMS => {
            Err(ApiError::invalid(format!("{name} must not have more than {MOST_ITEMS} entries")))
        }
        list => Ok(list.map(|List(items)| items).unwrap_or_default()),
    }
}

fn only_name(fields: &mut Fields) -> Result<(), ApiError> {
    match fields.required::<String>("name")?.as_str() {
        "name" => Ok(()),
        _ => Err(ApiError::invalid("name must be \"name\"")),
    }
}

struct List(Vec<Json>);

impl Field for List {
    fn read(value: Json) -> Result<Self, Refusal> {
        match value {
            Json::Array(items) => Ok(Self(items)),
            _ => Err("must be an array"),
        }
    }
}

struct OpWord(Op);

impl Field for OpWord {
    fn read(value: Json) -> Result<Self, Refusal> {
        Op::parse(&String::read(value)?).map(Self).ok_or("must be one of > >= = < <= <> like")
    }
}

struct Direction(LinkOrder);

impl Field for Direction {
    fn read(value: Json) -> Result<Self, Refusal> {
        match String::read(value)?.to_ascii_uppercase().as_str() {
            "ASC" => Ok(Self(LinkOrder::NameAscending)),
            "DESC" => Ok(Self(LinkOrder::NameDescending)),
            _ => Err("must be ASC or DESC"),
        }
    }
}

struct Values(Vec<String>);

impl Field for Values {
    fn read(value: Json) -> Result<Self, Refusal> {
        let List(items) = List::read(value)?;
        if !(1..=MOST_VALUES).contains(&items.len()) {
            return Err("must have 1 to 100 entries");
        }
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let text = match item {
                Json::Text(text) => text,
                Json::Integer(number) => number.to_string(),
                _ => return Err("must be strings or whole numbers"),
            };
            if text.chars().count() > LONGEST_VALUE {
                return Err("must not be longer than 128 characters");
            }
            if text.chars().any(char::is_control) {
                return Err("must not contain control characters");
            }
            values.push(text);
        }
        Ok(Self(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Search, ApiError> {
        Search::read(Json::parse(body.as_bytes()).map_err(ApiError::invalid)?)
    }

    #[test]
    fn without_conditions_everything_is_found_in_link_order() {
        for body in ["{}", r#"{"querys":[],"sorts":[]}"#, r#"{"querys":null,"sorts":""}"#] {
            let search = read(body).unwrap();
            assert!(search.filter.is_everything());
            assert_eq!(search.order, LinkOrder::Linked);
        }
    }

    #[test]
    fn conditions_and_sorts_are_read() {
        let body = r#"{"querys":[{"name":"name","op":"LIKE","values":["a%",7]},{"NAME":"name","op":"<>","values":["ab"]}],
                       "sorts":[{"name":"name","order":"desc"},{"name":"name"}]}"#;
        let search = read(body).unwrap();
        assert!(search.filter.matches("abc") && search.filter.matches("7"));
        assert!(!search.filter.matches("ab") && !search.filter.matches("b"));
        assert_eq!(search.order, LinkOrder::NameDescending);
        assert_eq!(read(r#"{"sorts":[{"name":"name"}]}"#).unwrap().order, LinkOrder::NameAscending);
    }

    #[test]
    fn li_07_li_08_what_the_grammar_does_not_have_is_refused() {
        let query = |query: &str| format!(r#"{{"querys":[{query}]}}"#);
        let many = |item: &str, count: usize| vec![item; count].join(",");
        let values = |values: &str| query(&format!(r#"{{"name":"name","op":"=","values":{values}}}"#));
        assert!(read(&values(&format!("[{}]", many("\"a\"", 100)))).is_ok());
        assert!(read(&values(&format!("[\"{}\"]", "\u{1f600}".repeat(128)))).is_ok());
        for bad in [
            "[]".to_owned(),
            r#"{"querys":{}}"#.to_owned(),
            r#"{"querys":"a"}"#.to_owned(),
            query("{}"),
            query("1"),
            query(r#"{"name":"name","op":"in","values":["a"]}"#),
            query(r#"{"name":"name","op":"!=","values":["a"]}"#),
            query(r#"{"name":"name","op":";drop","values":["a"]}"#),
            query(r#"{"name":"name","op":["="],"values":["a"]}"#),
            query(r#"{"name":"name","op":"=","values":"a"}"#),
            query(r#"{"name":"name","op":"="}"#),
            query(r#"{"name":"passwordHash","op":"=","values":["a"]}"#),
            query(r#"{"name":"__proto__","op":"=","values":["a"]}"#),
            query(r##"{"name":"#n = :v OR attribute_exists(pk)","op":"=","values":["a"]}"##),
            values("[]"),
            values("[null]"),
            values("[1.5]"),
            values("[true]"),
            values("[[\"a\"]]"),
            values(r#"["a\u0000"]"#),
            values(&format!("[\"{}\"]", "x".repeat(129))),
            values(&format!("[{}]", many("\"a\"", 101))),
            query(&many(r#"{"name":"name","op":"=","values":["a"]}"#, 17)),
            r#"{"sorts":[{"name":"nickname"}]}"#.to_owned(),
            r#"{"sorts":[{"name":"name","order":"down"}]}"#.to_owned(),
        ] {
            assert!(read(&bad).is_err(), "{bad:.80}");
        }
    }
}
