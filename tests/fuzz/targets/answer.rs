//! A provider's answer: any body means something; a key counts as wrong only where the provider says so, as working only
//! where it says yes, and nothing that is told of a key shows a piece of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use withkey::provider::PROVIDERS;
use withkey::provider::answer::{Answer, Reply, meaning, told, without_pieces};
use withkey::provider::check::SHARED;

/// The key that was asked about.
const KEY: &str = "sk-test-0123456789abcdefghijklmnop";

/// Every text in an answer, in small letters.
fn texts(json: &Value) -> Vec<String> {
    match json {
        Value::String(text) => vec![text.to_lowercase()],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(all) => all.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

// The first line is `PROVIDER STATUS RETRY-AFTER`, what follows the body.
fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (head, body) = (String::from_utf8_lossy(&bytes[..end]), bytes.get(end + 1..).unwrap_or_default());
    let mut words = head.splitn(3, ' ');
    let id = words.next().unwrap_or_default();
    let provider = PROVIDERS.iter().find(|row| row.check.id == id).unwrap_or(&PROVIDERS[0]);
    let status = words.next().and_then(|status| status.parse().ok()).unwrap_or(200);
    let reply = Reply { status, retry_after: words.next().map(str::to_owned), body: Some(body.to_vec()) };

    let answer = without_pieces(meaning(provider, &reply), KEY.as_bytes());
    let json = serde_json::from_slice::<Value>(body).ok().filter(|json| json.is_object() || json.is_array());
    let said = json.as_ref().map(texts).unwrap_or_default();
    match &answer {
        Answer::Works => assert!((200..300).contains(&status) && json.is_some()),
        Answer::Invalid => {
            let rules = provider.check.says.iter().chain(SHARED).filter(|says| says.means == Answer::Invalid);
            let wrong: Vec<_> = rules.flat_map(|says| says.words).collect();
            let says = said.iter().any(|text| wrong.iter().any(|wrong| text.contains(**wrong)));
            assert!((400..500).contains(&status) && says, "{status} {said:?}");
        }
        Answer::Unknown(_) => {}
        real => assert!(real.is_real() && json.is_some() && (200..500).contains(&status), "{real:?}"),
    }
    let _ = (answer.word(), answer.exit(), answer.page(provider));
    let told = told(provider, &reply, KEY.as_bytes()).into_iter().map(|(_, text)| text);
    for shown in told.chain([answer.sentence()]) {
        assert!(shown.len() < 4096, "{} bytes are shown", shown.len());
        let shown = shown.to_ascii_lowercase();
        let piece = (0..=KEY.len() - 6).find(|&at| shown.contains(&KEY[at..at + 6]));
        assert!(piece.is_none(), "{shown:?} shows a piece of the key");
    }
});
