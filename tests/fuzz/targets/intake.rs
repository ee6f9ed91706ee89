//! A key that is taken in: what is accepted stands in the input as one piece, and its mask shows no more than it may.
#![no_main]

use libfuzzer_sys::fuzz_target;
use withkey::key;

// The first byte chooses the variable.
fuzz_target!(|bytes: &[u8]| {
    let Some((first, raw)) = bytes.split_first() else { return };
    let variable = ["OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "HF_TOKEN", "MY_KEY"][usize::from(*first % 4)];
    let Ok(intake) = key::take_in(variable, raw) else { return };
    let found = intake.key.expose();
    assert!(raw.windows(found.len()).any(|piece| piece == found), "{variable}: not a piece of the input");
    assert!(!found.contains(&0) && std::str::from_utf8(found).is_ok());
    let known = variable != "MY_KEY";
    assert!(known || found == raw, "a value of no known variable was changed");
    assert!(!known || (found.len() >= 20 && found.iter().all(u8::is_ascii_graphic)), "{variable}: {found:?}");
    let masked = intake.key.masked();
    let shown = masked.split('…').map(str::len).sum::<usize>();
    assert!(found.len() >= 20 || shown == 0, "a short value shows {masked:?}");
    assert!(shown <= 16, "{masked:?}");
    // Once more changes nothing: what is stored is clean.
    let again = key::take_in(variable, found).map(|again| again.key.expose().to_vec());
    assert!(again.is_ok_and(|again| again == found), "{variable}: a clean key is cleaned again");
});
