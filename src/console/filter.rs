//! The filter of the list of leaks: read from the address, said to the API, and written into links.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::words;
use crate::model::leak::{Remediation, Risk, SourceKind, Status};

/// A field by which leaks are filtered, with the values that it knows.
pub(super) const FIELDS: [&str; 4] = ["status", "risk", "source", "remediation"];
/// The value that stands for every status: without one, open leaks are listed.
const ALL: &str = "all";

/// Leaks on one page: with those of more it would grow beyond what is quickly loaded.
const ROWS: usize = 25;

/// A filter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Filter {
    /// Field and value, each pair once.
    values: Vec<(String, String)>,
    /// Text looked for.
    pub(super) text: Option<String>,
    /// Order.
    pub(super) sort: Option<String>,
    /// The one tenant.
    tenant: Option<String>,
}

/// A filter's value as it is shown, with where one gets without it.
pub(super) struct Chip {
    pub(super) name: String,
    pub(super) without: String,
}

impl Filter {
    /// Out of an address's query; what is not known is left out.
    pub(super) fn of(query: &[(String, String)]) -> Self {
        let mut filter = Self::default();
        for (name, value) in query {
            match name.as_str() {
                "q" => filter.text = Some(value.clone()),
                "sort" => filter.sort = Some(value.clone()),
                "tenant" => filter.tenant = Some(value.clone()),
                name if FIELDS.contains(&name) => {
                    for part in value.split(',').filter(|part| label(name, part).is_some()) {
                        let pair = (name.to_owned(), part.to_owned());
                        if !filter.values.contains(&pair) {
                            filter.values.push(pair);
                        }
                    }
                }
                _ => {}
            }
        }
        filter
    }

    /// Whether leaks with this value are asked for by name.
    pub(super) fn has(&self, field: &str, value: &str) -> bool {
        self.values.iter().any(|(f, v)| f == field && v == value)
    }

    fn of_field(&self, field: &str) -> Vec<&str> {
        self.values.iter().filter(|(f, _)| f == field).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether nothing narrows, so that open leaks are listed.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.text.is_none()
    }

    /// The query for the API.
    pub(super) fn asked(&self, cursor: Option<&str>) -> String {
        let mut parts = vec![format!("limit={ROWS}")];
        for field in FIELDS {
            let mut values = self.of_field(field);
            if field == "status" {
                if values.contains(&ALL) {
                    continue;
                }
                if values.is_empty() {
                    values.push(Status::Open.name());
                }
            }
            if !values.is_empty() {
                parts.push(format!("{field}={}", values.join(",")));
            }
        }
        self.rest(&mut parts);
        if let Some(cursor) = cursor {
            parts.push(format!("cursor={}", encoded(cursor)));
        }
        parts.join("&")
    }

    fn rest(&self, parts: &mut Vec<String>) {
        for (name, value) in [("q", &self.text), ("sort", &self.sort), ("tenant", &self.tenant)] {
            if let Some(value) = value {
                parts.push(format!("{name}={}", encoded(value)));
            }
        }
    }

    /// The address of the page with this filter.
    pub(super) fn address(&self, cursor: Option<&str>) -> String {
        let mut parts: Vec<String> = FIELDS
            .iter()
            .map(|field| (field, self.of_field(field)))
            .filter(|(_, values)| !values.is_empty())
            .map(|(field, values)| format!("{field}={}", values.join(",")))
            .collect();
        self.rest(&mut parts);
        if let Some(cursor) = cursor {
            parts.push(format!("cursor={}", encoded(cursor)));
        }
        if parts.is_empty() { "/leaks".to_owned() } else { format!("/leaks?{}", parts.join("&")) }
    }

    /// The address of the page with this value and no other of its field; without it where it is
    /// there already.
    pub(super) fn toggled(&self, field: &str, value: &str) -> String {
        let mut other = self.clone();
        let was = other.has(field, value);
        other.values.retain(|(f, _)| f != field);
        if !was {
            other.values.push((field.to_owned(), value.to_owned()));
        }
        other.address(None)
    }

    /// The address of the page in this order; turned around where it is this one already.
    pub(super) fn sorted(&self, by: &str) -> String {
        let sort = if self.sort.as_deref() == Some(by) { format!("-{by}") } else { by.to_owned() };
        Self { sort: Some(sort), ..self.clone() }.address(None)
    }

    /// `ascending`, `descending`, or none where the list is in another order.
    pub(super) fn direction(&self, by: &str) -> Option<&'static str> {
        let sort = self.sort.as_deref().unwrap_or("-created_at");
        match sort.strip_prefix('-') {
            Some(name) if name == by => Some("descending"),
            None if sort == by => Some("ascending"),
            _ => None,
        }
    }

    /// Each value that narrows.
    pub(super) fn chips(&self) -> Vec<Chip> {
        let mut chips = Vec::new();
        for (index, (field, value)) in self.values.iter().enumerate() {
            let mut other = self.clone();
            other.values.remove(index);
            let name = label(field, value).unwrap_or_default();
            chips.push(Chip { name, without: other.address(None) });
        }
        if let Some(text) = &self.text {
            let without = Self { text: None, ..self.clone() }.address(None);
            chips.push(Chip { name: format!("“{text}”"), without });
        }
        if let Some(tenant) = &self.tenant {
            let without = Self { tenant: None, ..self.clone() }.address(None);
            chips.push(Chip { name: format!("Tenant {tenant}"), without });
        }
        chips
    }

    /// What a form that changes one thing must carry along of the rest.
    pub(super) fn carried(&self) -> Vec<(&str, String)> {
        let mut all: Vec<(&str, String)> = FIELDS
            .iter()
            .map(|field| (*field, self.of_field(field).join(",")))
            .filter(|(_, values)| !values.is_empty())
            .collect();
        all.extend(self.tenant.clone().map(|tenant| ("tenant", tenant)));
        all
    }
}

/// A value as people read it; absent where there is none of that name.
pub(super) fn label(field: &str, value: &str) -> Option<String> {
    let text = match field {
        "status" if value == ALL => "Every status".to_owned(),
        "status" => words::status(Status::from_name(value)?).to_owned(),
        "risk" => words::plain(Risk::from_name(value)?.name()),
        "source" => words::source_kind(SourceKind::from_name(value)?).to_owned(),
        "remediation" => words::remediation(Remediation::from_name(value)?).to_owned(),
        _ => return None,
    };
    Some(text)
}

/// A value as it stands in a query.
pub(super) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(pairs: &[(&str, &str)]) -> Filter {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Filter::of(&pairs)
    }

    #[test]
    fn open_leaks_come_first() {
        assert_eq!(Filter::default().asked(None), "limit=25&status=open");
        assert_eq!(filter(&[("status", "all")]).asked(None), "limit=25");
        assert_eq!(
            filter(&[("status", "closed")]).asked(Some("a=")),
            "limit=25&status=closed&cursor=a%3D"
        );
    }

    #[test]
    fn values_combine_and_go_one_by_one() {
        let both = filter(&[("risk", "critical,high"), ("source", "github"), ("risk", "worst")]);
        assert_eq!(both.address(None), "/leaks?risk=critical,high&source=github");
        assert_eq!(both.toggled("source", "github"), "/leaks?risk=critical,high");
        assert_eq!(both.toggled("risk", "low"), "/leaks?risk=low&source=github");
        let without: Vec<_> = both.chips().into_iter().map(|chip| chip.without).collect();
        assert_eq!(without[0], "/leaks?risk=high&source=github");
        let sorted = both.sorted("title");
        assert!(sorted.ends_with("&sort=title"), "{sorted}");
    }
}
