//! The number of replicas that have a server's acknowledged changes.

/// The number that `synchronous_commit` and `synchronous_standby_names` require.
pub(super) fn demanded(commit: &str, names: &str) -> u32 {
    // With a weaker setting, a replica may acknowledge changes before they are on its disk.
    if !matches!(commit, "on" | "remote_apply") {
        return 0;
    }
    let names = names.trim();
    if names.is_empty() {
        return 0;
    }
    // A plain list waits for one of them, and so does a single name, quoted or not.
    let Some((method, _)) = names.split_once('(').filter(|(method, _)| !method.contains('"'))
    else {
        return 1;
    };
    method.split_whitespace().next_back().and_then(|number| number.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::demanded;

    #[test]
    fn each_form_of_the_list_says_how_many_it_waits_for() {
        for (names, expected) in [
            ("", 0),
            ("  ", 0),
            ("*", 1),
            ("a", 1),
            ("a, b", 1),
            ("2 (a, b, c)", 2),
            ("FIRST 3 (a, b, c)", 3),
            ("any 2 (a, b, c)", 2),
            ("ANY 1(*)", 1),
            ("  FIRST  2  ( * ) ", 2),
            ("\"2 (\", b", 1),
            ("2 (\"a(\", b)", 2),
        ] {
            assert_eq!(demanded("on", names), expected, "{names}");
            assert_eq!(demanded("remote_apply", names), expected, "{names}");
            for commit in ["off", "local", "remote_write"] {
                assert_eq!(demanded(commit, names), 0, "{commit} {names}");
            }
        }
    }
}
