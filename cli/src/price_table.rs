//! The price table as operators have it at hand: an object literal of a script. Read leniently where the meaning is
//! plain, and into nothing but prices and points.

use std::{collections::BTreeMap, iter::Peekable, str::Chars};

use serde_json::Value;

/// Reads `{ 200: 2000, '500': 5000, /* best */ "800": 10000, }` and the like. Keys and values are plain decimal
/// numbers, in quotes or not; comments and a last comma are skipped.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader(text.chars().peekable());
    let mut table = BTreeMap::new();
    reader.expect('{')?;
    while !reader.takes('}')? {
        let price = reader.number("a price")?;
        reader.expect(':')?;
        let points = reader.number("the points")?;
        if table.insert(price.to_string(), points).is_some() {
            return Err(format!("the price {price} is there twice"));
        }
        if !reader.takes(',')? {
            reader.expect('}')?;
            break;
        }
    }
    reader.takes(';')?;
    match reader.next_char()? {
        None => Ok(table.into_iter().map(|(price, points)| (price, Value::from(points))).collect()),
        Some(other) => Err(format!("unexpected {other} behind the table")),
    }
}

struct Reader<'a>(Peekable<Chars<'a>>);

impl Reader<'_> {
    /// The next character that means something; it stays to be taken.
    fn next_char(&mut self) -> Result<Option<char>, String> {
        loop {
            match self.0.peek() {
                Some(c) if c.is_whitespace() => {
                    self.0.next();
                }
                Some('/') => self.skip_comment()?,
                other => return Ok(other.copied()),
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), String> {
        self.0.next();
        match self.0.next() {
            Some('/') => {
                self.0.by_ref().find(|c| *c == '\n');
                Ok(())
            }
            Some('*') => {
                let mut last = ' ';
                let end = self.0.by_ref().find(|c| std::mem::replace(&mut last, *c) == '*' && *c == '/');
                end.map(|_| ()).ok_or_else(|| "a comment does not end".to_owned())
            }
            _ => Err("unexpected /".to_owned()),
        }
    }

    fn takes(&mut self, wanted: char) -> Result<bool, String> {
        let is_next = self.next_char()? == Some(wanted);
        if is_next {
            self.0.next();
        }
        Ok(is_next)
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.takes(wanted)? {
            return Ok(());
        }
        let found = self.next_char()?.map_or_else(|| "the end".to_owned(), String::from);
        Err(format!("expected {wanted}, found {found}"))
    }

    /// A whole number as everybody writes it, with or without quotes.
    fn number(&mut self, what: &str) -> Result<u64, String> {
        let quote = self.next_char()?.filter(|c| matches!(c, '"' | '\''));
        if quote.is_some() {
            self.0.next();
        }
        let mut digits = String::new();
        while let Some(digit) = self.0.next_if(char::is_ascii_alphanumeric) {
            digits.push(digit);
        }
        let is_closed = quote.is_none() || self.0.next() == quote;
        let number = digits.parse::<u64>().ok().filter(|number| number.to_string() == digits && is_closed);
        number.ok_or_else(|| format!("{what} must be a plain decimal number"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_operators_paste_is_read() {
        let table = json!({"200": 2_000, "500": 5_000, "800": 10_000});
        for text in [
            r#"{"200":2000,"500":5000,"800":10000}"#,
            "{200:2000,500:5000,800:10000}",
            "{ '200': 2000, 500: '5000', \"800\": 10000, }",
            "{\n  // fen: points\n  200: 2000,\n  500: 5000, /* most\n sold **/\n  800: 10000,\n};\n",
        ] {
            assert_eq!(read(text), Ok(table.clone()), "{text}");
        }
        assert_eq!(read("{}"), Ok(json!({})));
    }

    #[test]
    fn what_means_nothing_plain_is_refused() {
        for bad in [
            "",
            "{",
            "[]",
            "200:2000",
            "{200}",
            "{200:}",
            "{200:2000 500:5000}",
            "{,}",
            "{200:2000,,}",
            "{200:2000}}",
            "{200:2000} 1",
            "{200:-1}",
            "{200:1.5}",
            "{200:1e3}",
            "{200:0x10}",
            "{0200:1}",
            "{two:1}",
            "{'200:1}",
            "{'200\":1}",
            "{200:2000,'200':1}",
            "{200:2000 /* }",
            "{200:2000}/",
            "{200:{}}",
            "{200:99999999999999999999}",
            "{200:２000}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
