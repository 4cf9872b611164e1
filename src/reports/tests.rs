//! Reports in, findings out: each format in its real form, broken halves, and properties.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::token::Validity;

pub(super) const LIMITS: Limits = Limits {
    item_bytes: 4_096,
    nesting: 16,
    token_bytes: 512,
    tokens: 100,
    title_bytes: 128,
    place_bytes: 256,
};

/// A token that no scanner takes for a real one, and no two alike.
fn token(n: u32) -> String {
    format!("tk{}{:08x}", "_", n.wrapping_mul(2_654_435_761)).repeat(2)
}

fn parse_pieces(format: Option<Format>, report: &[u8], piece: usize, hints: Hints) -> Vec<Item> {
    let mut parser = Parser::new(format, hints, LIMITS);
    let mut items = Vec::new();
    for piece in report.chunks(piece) {
        parser.feed(piece, &mut items);
    }
    parser.finish(&mut items);
    items
}

fn parse(format: Format, report: &str) -> (Vec<Finding>, Vec<RefusedItem>) {
    split(parse_pieces(Some(format), report.as_bytes(), 7, Hints::default()))
}

fn split(items: Vec<Item>) -> (Vec<Finding>, Vec<RefusedItem>) {
    let (mut findings, mut refused) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Finding(finding) => findings.push(finding),
            Item::Refused(item) => refused.push(item),
        }
    }
    (findings, refused)
}

fn tokens(findings: &[Finding]) -> Vec<String> {
    let texts = findings.iter().flat_map(|finding| &finding.tokens);
    texts.map(|token| String::from_utf8_lossy(token.expose()).into_owned()).collect()
}

fn kingfisher_finding(n: u32) -> serde_json::Value {
    json!({
        "rule": {"title": "EXAMPLE => [X]", "name": "example-token", "id": "scanner.example-token"},
        "finding": {
            "dependent_captures": {"EXAMPLE_SECRET_KEY": token(n + 1_000), "DOMAIN": "example.com"},
            "snippet": token(n), "confidence": "high", "entropy": "4.72",
            "validation": {"outcome": "not_attempted", "status": "Not Attempted", "response": ""},
            "line": n, "path": "repo/deploy.sh",
            "git_metadata": {
                "repository_url": "https://github.com/acme/app",
                "commit": {"id": "24c54167726d4962d2dd6831dd118d5486410b87"},
                "file": {
                    "path": "deploy.sh",
                    "url": "https://github.com/acme/app/blob/24c5/deploy.sh#L1",
                    "git_command": "git show"
                }
            },
            "validate_command": format!("kingfisher validate '{}'", token(n)),
        }
    })
}

fn kingfisher_json(findings: &[serde_json::Value]) -> String {
    let audit = json!({"schema": "kingfisher.repository-audit.v1", "repositories": [{}]});
    let findings_json = serde_json::Value::from(findings.to_vec());
    let second = json!({"findings": findings.len(), "findings_by_rule": [["x", 1]]});
    // Written out, since `json!` would sort the keys.
    format!(
        "{{\"findings\":{findings_json},\"audit\":{audit},\"metadata\":{{\"summary\":{{}}}}}}\n{second}\n"
    )
}

fn kingfisher_jsonl(findings: &[serde_json::Value]) -> String {
    let mut report: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    report += &format!("{}\n", json!({"audit": {"schema": "x", "repositories": []}}));
    report += &format!("{}\n", json!({"findings": findings.len(), "scan_date": "x"}));
    report
}

#[test]
fn kingfisher_in_both_forms() {
    let findings = [kingfisher_finding(1), kingfisher_finding(2)];
    for (report, lines) in
        [(kingfisher_json(&findings), [1, 2]), (kingfisher_jsonl(&findings), [1, 2])]
    {
        assert_eq!(sniff(report.as_bytes()), Some(Format::Kingfisher));
        let (found, refused) = parse(Format::Kingfisher, &report);
        assert_eq!(refused, []);
        assert_eq!(tokens(&found), [token(1), token(1_001), token(2), token(1_002)]);
        let one = &found[0];
        assert_eq!(one.title, "example-token in deploy.sh:1");
        assert_eq!(one.kind.as_deref(), Some("example-token"));
        assert_eq!(one.risk, Some(Risk::High));
        assert_eq!(one.validity, Validity::Unknown);
        assert_eq!(one.source.kind, SourceKind::Github);
        assert_eq!(
            one.source.url.as_deref(),
            Some("https://github.com/acme/app/blob/24c5/deploy.sh#L1")
        );
        assert_eq!(one.source.commit.as_deref(), Some("24c54167726d4962d2dd6831dd118d5486410b87"));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), lines);
    }
}

#[test]
fn validation_decides_the_risk() {
    for (outcome, validity, risk) in [
        ("verified_active", Validity::Active, Risk::Critical),
        ("verified_inactive", Validity::Inactive, Risk::Low),
        ("assumed", Validity::Unknown, Risk::High),
    ] {
        let mut finding = kingfisher_finding(1);
        finding["finding"]["validation"]["outcome"] = outcome.into();
        let (found, _) = parse(Format::Kingfisher, &finding.to_string());
        assert_eq!((found[0].validity, found[0].risk), (validity, Some(risk)));
    }
}

fn gitleaks_finding(n: u32) -> serde_json::Value {
    json!({
        "RuleID": "generic-api-key", "Description": "Detected", "StartLine": n, "EndLine": n,
        "Match": format!("key = {}", token(n)), "Secret": token(n), "File": "src/a.rs",
        "SymlinkFile": "", "Commit": "", "Link": "", "Entropy": 3.5, "Tags": [],
        "Fingerprint": "src/a.rs:generic-api-key:3"
    })
}

#[test]
fn gitleaks_and_betterleaks() {
    let report = serde_json::to_string_pretty(&[gitleaks_finding(3), gitleaks_finding(4)]).unwrap();
    assert_eq!(sniff(report.as_bytes()), Some(Format::Gitleaks));
    let (found, refused) = parse(Format::Gitleaks, &report.replace('\n', "\r\n"));
    assert_eq!(refused, []);
    assert_eq!(tokens(&found), [token(3), token(4)]);
    assert_eq!(found[0].title, "generic-api-key in src/a.rs:3");
    assert_eq!(found[0].source.commit, None);
    assert_eq!(found[0].risk, None);
    assert!(parse_pieces(Some(Format::Gitleaks), b"[]", 1, Hints::default()).is_empty());

    let own = json!({
        "ruleID": "github-pat", "confidence": "low", "match": token(5), "secret": token(5),
        "attributes": {
            "path": "a/b", "git.sha": "abc123", "git.remote_url": "https://gitlab.com/acme/app"
        },
        "location": {"startLine": 9}, "validation": {"status": "valid"},
        "componentSets": [{"components": [
            {"ruleID": "app-secret-key", "secret": token(6)}, {"ruleID": "domain", "secret": "x.y"}
        ]}]
    });
    assert_eq!(sniff(own.to_string().as_bytes()), Some(Format::Betterleaks));
    let (found, refused) = parse(Format::Betterleaks, &own.to_string());
    assert_eq!(refused, []);
    assert_eq!(tokens(&found), [token(5), token(6)]);
    assert_eq!(found[0].source.kind, SourceKind::Gitlab);
    assert_eq!(found[0].source.commit.as_deref(), Some("abc123"));
    assert_eq!((found[0].source.line, found[0].risk), (Some(9), Some(Risk::Critical)));
}

#[test]
fn redacted_items_are_refused_one_by_one() {
    let mut redacted = gitleaks_finding(1);
    redacted["Secret"] = "REDACTED".into();
    let mut empty = gitleaks_finding(1);
    empty["Secret"] = "".into();
    let report = serde_json::to_string(&[redacted, gitleaks_finding(2), empty]).unwrap();
    let (found, refused) = parse(Format::Gitleaks, &report);
    assert_eq!(tokens(&found), [token(2)]);
    assert_eq!(refused.iter().map(|item| item.line).collect::<Vec<_>>(), [1, 3]);
    assert!(refused[0].reason.contains("redacted"), "{}", refused[0].reason);
    assert!(refused[1].reason.contains("no token"), "{}", refused[1].reason);
}

#[test]
fn trufflehog_lines() {
    let line = |data: serde_json::Value, raw: &str, both: &str, verified: bool| {
        json!({
            "SourceMetadata": {"Data": data}, "SourceID": 1, "DetectorName": "Example",
            "Verified": verified, "Raw": raw, "RawV2": both, "Redacted": "", "ExtraData": null
        })
        .to_string()
    };
    let github = json!({"Github": {
        "link": "https://github.com/acme/app/blob/1/a.py#L3", "commit": "abc", "file": "a.py", "line": 3,
        "repository": "https://github.com/acme/app.git", "visibility": 1
    }});
    let git = json!({"Git": {
        "repository": "https://bot:pass@git.example.com/app.git", "file": "b.py", "line": 4
    }});
    let report = [
        line(github, &token(1), &format!("{}:{}", token(1), "S3cret/0123456789abcdef+"), true),
        line(git, &token(2), &format!("{}:dev.example.com", token(2)), false),
        line(json!({"Stdin": {}}), &token(3), "", false),
    ]
    .join("\n");
    assert_eq!(sniff(report.as_bytes()), Some(Format::Trufflehog));
    let (found, refused) = parse(Format::Trufflehog, &report);
    assert_eq!(refused, []);
    assert_eq!(tokens(&found), [&token(1), "S3cret/0123456789abcdef+", &token(2), &token(3)]);
    assert_eq!(found[0].source.kind, SourceKind::Github);
    assert_eq!((found[0].validity, found[0].risk), (Validity::Active, Some(Risk::Critical)));
    assert_eq!(found[1].source.url.as_deref(), Some("https://git.example.com/app.git"));
    assert_eq!(found[2].title, "Example");
    assert_eq!(found[2].line, 3);
}

#[test]
fn sarif_results() {
    let result = |region: serde_json::Value| {
        json!({
            "ruleId": "github-pat", "level": "error", "message": {"text": "found"},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": "src/x"}, "region": region
            }}],
            "partialFingerprints": {"commitSha": "abc"}
        })
    };
    let report = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "x", "rules": [{"id": "github-pat"}], "results": [{}]}},
            "results": [
                result(json!({"startLine": 2, "snippet": {"text": token(1)}})),
                result(json!({"startLine": 3})),
                result(json!({"snippet": {"text": format!("key = \"{}\"", token(2))}})),
            ]
        }, {"results": [result(json!({"snippet": {"text": token(3)}}))]}]
    });
    let report = serde_json::to_string_pretty(&report).unwrap();
    assert_eq!(sniff(report.as_bytes()), Some(Format::Sarif));
    let (found, refused) = parse(Format::Sarif, &report);
    assert_eq!(tokens(&found), [token(1), token(3)]);
    assert_eq!(found[0].title, "github-pat in src/x:2");
    assert_eq!((found[0].risk, found[0].source.commit.as_deref()), (Some(Risk::High), Some("abc")));
    assert_eq!(refused.iter().map(|item| item.line).collect::<Vec<_>>(), [2, 3]);
    assert!(refused[0].reason.contains("snippet"), "{}", refused[0].reason);
    assert!(refused[1].reason.contains("code"), "{}", refused[1].reason);
}

#[test]
fn tables() {
    let report = format!(
        "\u{feff}Title;Risk;Token;URL;Line;Owner\r\n\
         Old key;CRITICAL;{};https://u:p@pastebin.com/x;7;Team A\r\n\r\n\
         \"two\r\nlines\";nonsense;\"{}\";;;\r\n;;;;;\r\n",
        token(1),
        token(2)
    );
    assert_eq!(sniff(&report.as_bytes()[3..]), Some(Format::Csv));
    let (found, refused) = parse(Format::Csv, &report);
    assert_eq!(tokens(&found), [token(1), token(2)]);
    let one = &found[0];
    assert_eq!((one.title.as_str(), one.risk, one.line), ("Old key", Some(Risk::Critical), 2));
    assert_eq!(one.source.url.as_deref(), Some("https://pastebin.com/x"));
    assert_eq!((one.source.kind, one.source.line), (SourceKind::Pastebin, Some(7)));
    assert_eq!(one.owner.as_deref(), Some("Team A"));
    assert_eq!((found[1].title.as_str(), found[1].line), ("two  lines", 4));
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].line, 6);

    let (found, refused) = parse(Format::Csv, "name,value\na,b\n");
    assert_eq!((found.len(), refused.len()), (0, 1));
    let (found, refused) = parse(Format::Csv, &format!("secret\n{}", token(9)));
    assert_eq!((tokens(&found), refused), (vec![token(9)], vec![]));
}

#[test]
fn a_row_larger_than_the_limit_costs_only_itself() {
    let report = format!("token,note\nx,{}\n{},y\n", "z".repeat(9_000), token(1));
    let (found, refused) = parse(Format::Csv, &report);
    assert_eq!(tokens(&found), [token(1)]);
    assert_eq!((refused.len(), refused[0].line), (1, 2));
}

#[test]
fn lists_are_one_leak_in_findings_of_bounded_size() {
    let all: Vec<String> = (0..250).map(token).collect();
    let report = format!("\n  {}  \r\n#starts-with-a-hash-1\n", all.join("\n"));
    assert_eq!(sniff(report.as_bytes()), Some(Format::List));
    let hints =
        Hints { title: Some("Acme".to_owned()), risk: Some(Risk::High), ..Hints::default() };
    let (found, refused) = split(parse_pieces(Some(Format::List), report.as_bytes(), 9, hints));
    assert_eq!(refused, []);
    assert_eq!(
        found.iter().map(|finding| finding.tokens.len()).collect::<Vec<_>>(),
        [100, 100, 51]
    );
    assert_eq!(tokens(&found).last().map(String::as_str), Some("#starts-with-a-hash-1"));
    assert!(
        found.iter().all(|finding| finding.title == "Acme" && finding.risk == Some(Risk::High))
    );
    assert_eq!(found[0].line, 2);
    assert!(Format::List.is_one_leak());

    let bad =
        format!("a\u{1}b\n{}\n{}\nREDACTED\n{}", "y".repeat(600), "z".repeat(9_000), token(1));
    let (found, refused) = parse(Format::List, &bad);
    assert_eq!(tokens(&found), [token(1)]);
    assert_eq!(refused.iter().map(|item| item.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn hints_go_before_the_report() {
    let hints = Hints {
        title: Some("Audit".to_owned()),
        risk: Some(Risk::Info),
        source_kind: Some(SourceKind::Container),
    };
    let report = kingfisher_json(&[kingfisher_finding(1)]);
    let (found, _) = split(parse_pieces(None, report.as_bytes(), 11, hints));
    assert_eq!(found[0].title, "Audit: example-token in deploy.sh:1");
    assert_eq!((found[0].risk, found[0].source.kind), (Some(Risk::Info), SourceKind::Container));
}

#[test]
fn no_text_carries_the_token() {
    let mut finding = kingfisher_finding(1);
    finding["rule"]["name"] = format!("rule {}", token(1)).into();
    finding["finding"]["git_metadata"]["file"]["path"] = format!("a/{}.env", token(1)).into();
    finding["finding"]["git_metadata"]["file"]["url"] =
        format!("https://x:{0}@github.com/a?t={0}", token(1)).into();
    finding["finding"]["git_metadata"]["commit"]["id"] = token(1).into();
    let (found, _) = parse(Format::Kingfisher, &finding.to_string());
    let shown = format!("{found:?}");
    assert!(!shown.contains(&token(1)), "{shown}");
    assert!(shown.contains('…'));
}

#[test]
fn broken_lines_cost_only_themselves() {
    let good = |n| kingfisher_finding(n).to_string();
    let cut = good(2)[..300].to_owned();
    let report = format!(
        "{}\nnot json at all\nnor this\n{cut}\n{}\n{{\"rule\":{{}}}}\n[1]\n{}\n{{\"a\":}}\n",
        good(1),
        good(3),
        good(4)
    );
    let (found, refused) = parse(Format::Kingfisher, &report);
    let first: Vec<String> = [1, 3, 4].into_iter().map(token).collect();
    let main: Vec<String> = tokens(&found).into_iter().step_by(2).collect();
    assert_eq!(main, first);
    let lines: Vec<u64> = refused.iter().map(|item| item.line).collect();
    assert_eq!(lines, [2, 4, 6, 1, 9]);
}

#[test]
fn a_broken_element_of_an_indented_array_costs_only_itself() {
    let mut report = serde_json::to_string_pretty(&[
        gitleaks_finding(1),
        gitleaks_finding(2),
        gitleaks_finding(3),
        gitleaks_finding(4),
    ])
    .unwrap();
    report = report.replacen("\"StartLine\": 2", "\"StartLine\" 2", 1);
    let (found, refused) = parse(Format::Gitleaks, &report);
    assert_eq!(tokens(&found), [token(1), token(3), token(4)]);
    assert_eq!((refused.len(), refused[0].line), (1, 2));
}

#[test]
fn an_oversized_or_deep_item_costs_only_itself() {
    let mut large = gitleaks_finding(1);
    large["Match"] = "m".repeat(5_000).into();
    let mut deep = gitleaks_finding(2);
    deep["Tags"] = serde_json::from_str(&format!("{}{}", "[".repeat(30), "]".repeat(30))).unwrap();
    let report = serde_json::to_string(&[&large, &gitleaks_finding(3)]).unwrap()
        + "\n"
        + deep.to_string().as_str()
        + "\n"
        + gitleaks_finding(4).to_string().as_str();
    let (found, refused) = parse(Format::Gitleaks, &report);
    assert_eq!(tokens(&found), [token(3), token(4)]);
    assert_eq!(refused.len(), 2);
    assert!(refused[0].reason.contains("4096 bytes"), "{}", refused[0].reason);
    assert!(refused[1].reason.contains("16 levels"), "{}", refused[1].reason);
}

#[test]
fn an_unknown_format_is_refused_once() {
    let page = format!("<!DOCTYPE html>\n<html lang=en>\n{}", "<p>x</p> \n".repeat(2_000));
    for report in [page.as_str(), "{\"a\":1}", "some prose\n"] {
        let mut parser = Parser::new(None, Hints::default(), LIMITS);
        let mut items = Vec::new();
        for piece in report.as_bytes().chunks(1_000) {
            parser.feed(piece, &mut items);
        }
        parser.finish(&mut items);
        assert_eq!(parser.format(), None);
        let (found, refused) = split(items);
        assert_eq!((found.len(), refused.len()), (0, 1));
        assert!(refused[0].reason.contains("kingfisher, gitleaks"), "{}", refused[0].reason);
    }
    assert!(parse_pieces(None, b" \n", 1, Hints::default()).is_empty());
}

#[test]
fn utf16_reports_are_read() {
    let report = kingfisher_jsonl(&[kingfisher_finding(1)]);
    let bytes: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(report.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let (found, refused) = split(parse_pieces(None, &bytes, 13, Hints::default()));
    assert_eq!((found.len(), refused.len()), (1, 0));
}

/// Bytes that are nearly a report.
fn nearly_a_report() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\n",
        "\r\n",
        " ",
        "1",
        "null",
        "\"findings\":[",
        "\"runs\":[",
        "\"results\":[",
        "\"Secret\":\"abcdefgh\"",
        "\"finding\":{\"snippet\":\"q\"}",
        "token,url\n",
        "é",
        "\u{feff}",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_pieces_do_not_matter(
        report in prop_oneof![prop::collection::vec(any::<u8>(), 0..300), nearly_a_report()],
        format in prop::option::of(prop::sample::select(Format::ALL)),
        piece in 1_usize..40,
    ) {
        let show = |piece| format!("{:?}", parse_pieces(format, &report, piece, Hints::default()));
        prop_assert_eq!(show(piece), show(1_000));
    }

    #[test]
    fn what_is_written_is_read(count in 0_u32..20, piece in 1_usize..2_000) {
        let expected: Vec<String> = (1..=count).map(token).collect();
        let list = |make: fn(u32) -> serde_json::Value| (1..=count).map(make).collect::<Vec<_>>();
        let mut table = "token\n".to_owned();
        table.extend(expected.iter().map(|token| format!("{token}\n")));
        let reports = [
            (Format::Kingfisher, kingfisher_json(&list(kingfisher_finding)), 2),
            (Format::Kingfisher, kingfisher_jsonl(&list(kingfisher_finding)), 2),
            (Format::Gitleaks, serde_json::to_string_pretty(&list(gitleaks_finding)).unwrap(), 1),
            (Format::Csv, table, 1),
            (Format::List, expected.join("\n"), 1),
        ];
        for (format, report, each) in reports {
            let items = parse_pieces(Some(format), report.as_bytes(), piece, Hints::default());
            let (found, refused) = split(items);
            prop_assert_eq!(refused, vec![]);
            let found: Vec<String> = tokens(&found).into_iter().step_by(each).collect();
            prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn a_truncated_report_gives_its_whole_part_and_one_refusal(end in 0.0_f64..1.0) {
        for (format, start, make) in [
            (Format::Kingfisher, "{\"findings\":[", kingfisher_finding as fn(u32) -> _),
            (Format::Gitleaks, "[", gitleaks_finding),
        ] {
            let mut report = start.to_owned();
            let mut ends = Vec::new();
            for n in 1..=5 {
                report += &make(n).to_string();
                ends.push(report.len());
                report.push(',');
            }
            let end = start.len() + ((report.len() - start.len()) as f64 * end) as usize;
            let (found, refused) = parse(format, &report[..end]);
            prop_assert_eq!(refused.len(), 1);
            prop_assert_eq!(found.len(), ends.iter().filter(|&&whole| whole <= end).count());
        }
    }
}
