//! The users, as axum-login asks for them.

use std::convert::Infallible;

use axum_login::{AuthUser, AuthnBackend};
use shared::{SignIn, is_user};

#[derive(Clone, Debug)]
pub(crate) struct User(pub(crate) String);

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"the hash of the password"
    }
}

#[derive(Clone)]
pub(crate) struct Users;

impl AuthnBackend for Users {
    type User = User;
    type Credentials = SignIn;
    type Error = Infallible;

    async fn authenticate(&self, form: SignIn) -> Result<Option<User>, Infallible> {
        Ok(form.is_right().then_some(User(form.username)))
    }

    async fn get_user(&self, id: &String) -> Result<Option<User>, Infallible> {
        Ok(is_user(id).then(|| User(id.clone())))
    }
}
