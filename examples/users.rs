//! Who may sign in: `ada` with `lovelace`.

/// Whether there is such a user with this password.
///
/// A real app keeps a hash of each password, made by a slow function such as argon2, and computes
/// one for unknown users too, so that nobody can tell by the time it takes who has an account.
pub(crate) fn check(username: &str, password: &str) -> bool {
    same(username, "ada") & same(password, "lovelace")
}

/// Takes the same time wherever two texts of one length differ.
fn same(given: &str, wanted: &str) -> bool {
    let differences = given.bytes().zip(wanted.bytes()).fold(0, |bits, (a, b)| bits | (a ^ b));
    given.len() == wanted.len() && differences == 0
}
