//! Many users at once, made of one: what a request costs among them is measured, not guessed.

use dynoxide::{Database, ImportOptions, actions::scan::ScanRequest};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::failure::Failure;

/// Rows that are brought in at a time.
const CHUNK: u64 = 50_000;

/// What the engine is told on its standard input.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Wish {
    pub(crate) table: String,
    /// The one whose rows are copied. Its table holds few rows yet.
    pub(crate) name: String,
    pub(crate) copies: u64,
}

/// Fulfils wishes until nobody can have any more: then whoever started the engine is gone.
pub(crate) async fn listen(database: Database) -> Result<(), Failure> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (wish, database) = (serde_json::from_str(&line)?, database.clone());
        let rows = tokio::task::spawn_blocking(move || fulfil(&wish, &database)).await??;
        println!("{}", serde_json::json!({"rows": rows}));
    }
    Ok(())
}

fn fulfil(wish: &Wish, database: &Database) -> Result<u64, Failure> {
    let request = ScanRequest { table_name: wish.table.clone(), ..ScanRequest::default() };
    let items = database.scan(request)?.items.unwrap_or_default();
    let texts = items.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    // The row of the user, and the one of the name.
    let named = |name: &str| (format!("\"userName\":{{\"S\":\"{name}\"}}"), format!("#name#{name}\""));
    let (value, end) = named(&wish.name);
    let originals: Vec<_> = texts.iter().filter(|text| text.contains(&value) || text.contains(&end)).collect();
    let number = items.iter().zip(&texts).find(|(_, text)| text.contains(&value)).and_then(|(item, _)| {
        let item = serde_json::to_value(item).ok()?;
        Some(item.get("id")?.get("N")?.as_str()?.to_owned())
    });
    let number = number.ok_or_else(|| Failure::new(format!("no user {} in {}", wish.name, wish.table)))?;
    if originals.len() != 2 {
        return Err(Failure::new(format!("{} rows of {} instead of two", originals.len(), wish.name)));
    }
    let mut rows = 0;
    for start in (0..wish.copies).step_by(usize::try_from(CHUNK)?) {
        let mut chunk = Vec::new();
        for copy in start..wish.copies.min(start + CHUNK) {
            // Above all that the service has drawn.
            let id = 4_000_000_000 + copy;
            let (other_value, other_end) = named(&format!("crowd{copy}"));
            for original in &originals {
                let text = original
                    .replace(&value, &other_value)
                    .replace(&end, &other_end)
                    .replace(&format!("\"{number}\""), &format!("\"{id}\""))
                    .replace(&format!("#{number}\""), &format!("#{id}\""));
                chunk.push(serde_json::from_str(&text)?);
            }
        }
        rows += u64::try_from(chunk.len())?;
        database.import_items(&wish.table, chunk, ImportOptions::default())?;
    }
    Ok(rows)
}
