//! Full text: the words of a leak, and what a search asks of them.
//!
//! A word is what stands together of letters and digits, in lower case. Both databases are given words
//! that were told apart here, so that a search finds the same in both, and no text that somebody
//! searches for is anything but words: neither has syntax of its own to get through.

use std::collections::HashSet;

use super::database::{Builder, Connection, Session, query};
use super::{list, row};
use crate::config::limits;
use crate::model::ids::LeakId;
use crate::model::leak::{Source, SourceKind};
use crate::model::tenant::Tenants;
use crate::store::StoreError;

/// The words of a text, in lower case, in their order.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(limits::SEARCH_WORD).collect())
        .collect()
}

/// The words of a leak, each once.
#[derive(Default)]
pub(super) struct Words {
    /// Each with a space before it.
    text: String,
    known: HashSet<String>,
}

impl Words {
    /// As they are kept.
    fn kept(text: String) -> Self {
        let known = text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Self { text, known }
    }

    /// Adds those of a text.
    pub(super) fn add(&mut self, text: &str) {
        for word in words(text) {
            if self.known.len() == limits::SEARCH_WORDS {
                return;
            }
            if !self.known.contains(&word) {
                self.text.push(' ');
                self.text.push_str(&word);
                self.known.insert(word);
            }
        }
    }

    fn add_source(&mut self, source: &Source) {
        for text in [&source.url, &source.path, &source.commit].into_iter().flatten() {
            self.add(text);
        }
    }

    /// What is kept: never empty, as what was not filled yet is.
    fn text(mut self) -> String {
        if self.text.is_empty() {
            self.text.push(' ');
        }
        self.text
    }
}

/// The bit of a kind of source.
pub(super) fn bit(kind: SourceKind) -> i64 {
    1_i64.checked_shl(u32::try_from(row::rank(kind, SourceKind::ALL)).unwrap_or(63)).unwrap_or(0)
}

/// The words of a leak that is about to be made.
pub(super) fn of_new(title: &str, comment: Option<&str>, source: &Source) -> String {
    let mut words = Words::default();
    words.add(title);
    words.add(comment.unwrap_or_default());
    words.add_source(source);
    words.text()
}

/// Adds a place to what a leak is found by.
pub(super) async fn add_source(
    connection: &mut dyn Connection,
    leak: LeakId,
    source: &Source,
) -> Result<(), StoreError> {
    change(connection, leak, bit(source.kind), |words| words.add_source(source)).await
}

/// Adds a comment to what a leak is found by.
pub(super) async fn add_comment(
    connection: &mut dyn Connection,
    leak: LeakId,
    text: &str,
) -> Result<(), StoreError> {
    change(connection, leak, 0, |words| words.add(text)).await
}

async fn change(
    connection: &mut dyn Connection,
    leak: LeakId,
    kinds: i64,
    add: impl FnOnce(&mut Words),
) -> Result<(), StoreError> {
    let found = query("SELECT search_text, source_kinds FROM leaks WHERE id = $1")
        .bind(leak.0.as_bytes().as_slice())
        .fetch_one(&mut *connection)
        .await?;
    let (text, known_kinds) =
        (row::text(&found, "search_text")?, row::number(&found, "source_kinds")?);
    let mut words = Words::kept(text.clone());
    add(&mut words);
    let (new_text, new_kinds) = (words.text(), known_kinds | kinds);
    if new_text != text || new_kinds != known_kinds {
        write(connection, leak, new_text, new_kinds).await?;
    }
    Ok(())
}

async fn write(
    connection: &mut dyn Connection,
    leak: LeakId,
    text: String,
    kinds: i64,
) -> Result<(), StoreError> {
    query("UPDATE leaks SET search_text = $2, source_kinds = $3 WHERE id = $1")
        .bind(leak.0.as_bytes().as_slice())
        .bind(text)
        .bind(kinds)
        .execute(connection)
        .await?;
    Ok(())
}

/// Puts together anew what a leak is found by.
pub(super) async fn rebuild(
    connection: &mut dyn Connection,
    leak: LeakId,
) -> Result<(), StoreError> {
    let id = leak.0.as_bytes().as_slice();
    let mut words = Words::default();
    let texts = query("SELECT title, comment FROM leaks WHERE id = $1").bind(id);
    let texts = texts.fetch_one(&mut *connection).await?;
    words.add(&row::text(&texts, "title")?);
    words.add(&row::text_or_none(&texts, "comment")?.unwrap_or_default());
    // A source or comment without a new word is possible, but more of them than words are not read.
    let most = row::signed(limits::SEARCH_WORDS);
    let sources = query(
        "SELECT kind, url, path, commit_id, line FROM sources WHERE leak = $1 ORDER BY seq LIMIT $2",
    );
    for found in sources.bind(id).bind(most).fetch_all(&mut *connection).await? {
        words.add_source(&super::leaks::source(&found)?);
    }
    let comments = query("SELECT text FROM comments WHERE leak = $1 ORDER BY id LIMIT $2");
    for found in comments.bind(id).bind(most).fetch_all(&mut *connection).await? {
        words.add(&row::text(&found, "text")?);
    }
    let kinds = query("SELECT DISTINCT kind FROM sources WHERE leak = $1").bind(id);
    let mut mask = 0;
    for found in kinds.fetch_all(&mut *connection).await? {
        mask |= bit(row::named(&found, "kind", SourceKind::from_name)?);
    }
    write(connection, leak, words.text(), mask).await
}

/// Fills in what leaks of an earlier version are found by; where it is cut off, it goes on with the
/// next opening.
pub(super) async fn fill(connection: &mut dyn Connection) -> Result<(), StoreError> {
    loop {
        query("BEGIN").execute(&mut *connection).await?;
        let leaks = query("SELECT id FROM leaks WHERE search_text = '' ORDER BY id LIMIT $1")
            .bind(row::signed(limits::STORE_VALUES))
            .fetch_all(&mut *connection)
            .await?;
        for found in &leaks {
            rebuild(connection, LeakId(row::uuid(found, "id")?)).await?;
        }
        query("COMMIT").execute(&mut *connection).await?;
        if leaks.is_empty() {
            return Ok(());
        }
    }
}

/// What somebody searches for.
pub(super) struct Search {
    words: Vec<String>,
    /// Those of them that few leaks have, which are looked up in the index.
    rare: Vec<String>,
    /// Leaks with a token whose fingerprint begins with what was written.
    by_fingerprint: Vec<Vec<u8>>,
}

impl Search {
    pub(super) async fn of(
        connection: &mut dyn Connection,
        of: &Tenants,
        text: &str,
    ) -> Result<Self, StoreError> {
        let mut asked = words(text);
        asked.sort_unstable();
        asked.dedup();
        let rare = rare(connection, &asked).await?;
        let mut by_fingerprint = Vec::new();
        if let Some((least, most)) = fingerprint_range(&text.trim().to_lowercase()) {
            let mut sql = Builder::new(
                "SELECT DISTINCT lt.leak FROM tokens t JOIN leak_tokens lt ON lt.token = t.id
                 WHERE t.fingerprint BETWEEN ",
            );
            sql.push_bind(least).push(" AND ").push_bind(most);
            list::push_each_tenant(&mut sql, "t.tenant", of);
            sql.push(" LIMIT ").push_bind(row::signed(limits::SEARCH_FINGERPRINTS));
            for found in sql.build().fetch_all(connection).await? {
                by_fingerprint.push(found.try_get("leak")?);
            }
        }
        Ok(Self { words: asked, rare, by_fingerprint })
    }

    /// Whether it cannot find anything.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether so many leaks have each word that they are counted sooner one by one than by the index.
    pub(super) fn is_common(&self) -> bool {
        self.rare.is_empty()
    }

    /// The words to look up.
    fn looked_up(&self) -> &[String] {
        if self.rare.is_empty() { &self.words } else { &self.rare }
    }

    /// The condition on a row of `leaks l`, for rows that are looked at one by one.
    pub(super) fn push_fits(&self, sql: &mut Builder) {
        sql.push(" AND (");
        for (index, word) in self.words.iter().enumerate() {
            sql.push(if index > 0 { " AND l.search_text LIKE " } else { "(l.search_text LIKE " });
            // Letters and digits alone: nothing in it means anything in a pattern.
            sql.push_bind(format!("% {word}%"));
        }
        sql.push(")");
        self.push_by_fingerprint(sql);
        sql.push(")");
    }

    fn push_by_fingerprint(&self, sql: &mut Builder) {
        if !self.by_fingerprint.is_empty() {
            sql.push(" OR l.id IN (").push_list(self.by_fingerprint.iter().cloned()).push(")");
        }
    }

    /// The same of a statement that counts them, whatever they are like, where that needs nothing but
    /// the index of words. Answers whether it does.
    pub(super) fn push_matching(&self, connection: &mut dyn Connection, sql: &mut Builder) -> bool {
        let is_alone = matches!(connection.session(), Session::Sqlite(_));
        if !is_alone || !self.by_fingerprint.is_empty() || self.rare.len() < self.words.len() {
            return false;
        }
        sql.push(" FROM leak_words WHERE leak_words MATCH ").push_bind(self.for_sqlite());
        true
    }

    fn for_sqlite(&self) -> String {
        let asked: Vec<String> =
            self.looked_up().iter().map(|word| format!("\"{word}\"*")).collect();
        asked.join(" ")
    }

    /// `FROM` and `WHERE` of a statement that finds the leaks `l` by the index of words; conditions
    /// may follow.
    pub(super) fn push_found(&self, connection: &mut dyn Connection, sql: &mut Builder) {
        match connection.session() {
            Session::Sqlite(_) => {
                sql.push(" FROM (SELECT rowid AS number FROM leak_words WHERE leak_words MATCH ");
                sql.push_bind(self.for_sqlite());
                if !self.by_fingerprint.is_empty() {
                    sql.push(" UNION SELECT number FROM leaks WHERE id IN (");
                    sql.push_list(self.by_fingerprint.iter().cloned()).push(")");
                }
                // What was found comes first: SQLite keeps the order of a CROSS JOIN.
                sql.push(") f CROSS JOIN leaks l ON l.number = f.number WHERE 1 = 1");
            }
            Session::Postgres(_) => {
                let asked: Vec<String> =
                    self.looked_up().iter().map(|word| format!("'{word}':*")).collect();
                sql.push(" FROM leaks l WHERE (l.found_by @@ CAST(");
                sql.push_bind(asked.join(" & ")).push(" AS TSQUERY)");
                self.push_by_fingerprint(sql);
                sql.push(")");
            }
        }
        if self.looked_up().len() < self.words.len() {
            self.push_fits(sql);
        }
    }
}

/// The words that few of the newest leaks have. An index of words takes longer to find what a common word
/// stands in than it takes to look at the leaks that the other words are in.
async fn rare(
    connection: &mut dyn Connection,
    words: &[String],
) -> Result<Vec<String>, StoreError> {
    let mut rare = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if index >= limits::SEARCH_SAMPLED_WORDS {
            rare.push(word.clone());
            continue;
        }
        let mut sql = Builder::new(
            "SELECT COUNT(*) AS count FROM (SELECT search_text FROM leaks ORDER BY id DESC LIMIT ",
        );
        sql.push_bind(row::signed(limits::SEARCH_SAMPLE)).push(") l WHERE l.search_text LIKE ");
        sql.push_bind(format!("% {word}%"));
        let found = row::count(&sql.build().fetch_one(&mut *connection).await?, "count")?;
        if found.saturating_mul(limits::SEARCH_COMMON) < limits::SEARCH_SAMPLE as u64 {
            rare.push(word.clone());
        }
    }
    Ok(rare)
}

/// The least and the greatest fingerprint that begin with these hex digits.
fn fingerprint_range(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    if !(limits::SEARCH_FINGERPRINT..=64).contains(&text.len())
        || !text.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return None;
    }
    let filled = |fill: &str| -> Option<Vec<u8>> {
        let digits = format!("{text}{}", fill.repeat(64_usize.saturating_sub(text.len())));
        digits
            .as_bytes()
            .chunks_exact(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect()
    };
    Some((filled("0")?, filled("f")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits_in_lower_case() {
        let text = "AKIA key in Émile's repo: https://git.example/acme/infra?x=1#L20 — 日本語, İ";
        let expected =
            "akia key in émile s repo https git example acme infra x 1 l20 日本語 i".split(' ');
        assert_eq!(words(text), expected.collect::<Vec<_>>());
        assert_eq!(words("\"*' OR % _ \\ \0 NEAR("), ["or", "near"]);
        assert_eq!(words(&"x".repeat(1_000)), ["x".repeat(limits::SEARCH_WORD)]);
        assert_eq!(words("…"), Vec::<String>::new());
    }

    #[test]
    fn a_leak_has_each_word_once_and_so_many() {
        let mut words = Words::default();
        words.add("one two");
        words.add("two three");
        assert_eq!(words.text(), " one two three");
        assert_eq!(Words::default().text(), " ");
        let mut words = Words::default();
        for number in 0..limits::SEARCH_WORDS + 10 {
            words.add(&number.to_string());
        }
        assert_eq!(words.known.len(), limits::SEARCH_WORDS);
    }

    #[test]
    fn fingerprints_are_found_by_their_beginning() {
        assert_eq!(fingerprint_range("abc"), None, "too short to mean one");
        assert_eq!(fingerprint_range("abcg"), None);
        assert_eq!(fingerprint_range(&"a".repeat(65)), None);
        let (least, most) = fingerprint_range("abcde").unwrap();
        assert_eq!(least[..3], [0xab, 0xcd, 0xe0]);
        assert_eq!(most[..3], [0xab, 0xcd, 0xef]);
        assert_eq!((least.len(), least[31], most.len(), most[31]), (32, 0, 32, 0xff));
    }
}
