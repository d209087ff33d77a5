//! What a sign-out is worth where actix-session keeps its data in the cookie.

use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::body::MessageBody;
use actix_web::cookie::Key;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{COOKIE, SET_COOKIE};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, Error, web};

#[actix_web::test]
async fn a_copy_of_the_cookie_signs_in_after_the_sign_out() {
    let app = App::new()
        .wrap(SessionMiddleware::new(CookieSessionStore::default(), Key::generate()))
        .route("/", web::get().to(whoami))
        .route("/login", web::post().to(sign_in))
        .route("/logout", web::post().to(sign_out));
    let app = init_service(app).await;
    let with = |request: TestRequest, cookie: &str| {
        request.insert_header((COOKIE, cookie.to_owned())).to_request()
    };

    let signed_in = call_service(&app, TestRequest::post().uri("/login").to_request()).await;
    let cookie = set_cookie(&signed_in);
    let out = call_service(&app, with(TestRequest::post().uri("/logout"), &cookie)).await;
    assert_eq!(set_cookie(&out), "id=", "the browser forgets it");

    let replayed = call_service(&app, with(TestRequest::get(), &cookie)).await;
    assert_eq!(read_body(replayed).await, "ada");
}

async fn whoami(session: Session) -> Result<String, Error> {
    Ok(session.get("user")?.unwrap_or_else(|| "nobody".to_owned()))
}

async fn sign_in(session: Session) -> Result<(), Error> {
    Ok(session.insert("user", "ada")?)
}

async fn sign_out(session: Session) -> Result<(), Error> {
    session.purge();
    Ok(())
}

/// Name and value of the cookie that is set.
fn set_cookie(response: &ServiceResponse<impl MessageBody>) -> String {
    let cookie = response.headers().get(SET_COOKIE).unwrap().to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}
