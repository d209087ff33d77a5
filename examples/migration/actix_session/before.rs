//! With actix-session: the user, the cart and the message are all in its session.

mod memory_store;

use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::http::header::{CACHE_CONTROL, ContentType, LOCATION};
use actix_web::web::{Form, get, post};
use actix_web::{App, HttpResponse, HttpServer, Result, middleware::DefaultHeaders};
use memory_store::MemoryStore;
use shared::{SignIn, listen, pages};

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let (store, key) = (MemoryStore::default(), Key::generate());
    let app = move || {
        App::new()
            .route("/", get().to(home))
            .route("/cart", post().to(add_to_cart))
            .route("/login", get().to(async || page(pages::login_html(""))))
            .route("/login", post().to(sign_in))
            .route("/logout", post().to(sign_out))
            .wrap(SessionMiddleware::new(store.clone(), key.clone()))
            .wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store")))
    };
    Ok(HttpServer::new(app).listen(listen()?)?.run().await?)
}

async fn home(session: Session) -> Result<HttpResponse> {
    let Some(user) = session.get::<String>("user")? else { return Ok(to("/login")) };
    let flash = session.remove_as::<String>("flash").and_then(|text| text.ok());
    let cart = session.get("cart")?.unwrap_or(0);
    Ok(page(pages::home_html(&user, flash.as_deref(), cart)))
}

async fn add_to_cart(session: Session) -> Result<HttpResponse> {
    if session.get::<String>("user")?.is_none() {
        return Ok(to("/login"));
    }
    session.insert("cart", session.get("cart")?.unwrap_or(0) + 1)?;
    Ok(to("/"))
}

async fn sign_in(session: Session, Form(form): Form<SignIn>) -> Result<HttpResponse> {
    if !form.is_right() {
        return Ok(page(pages::login_html(pages::WRONG_PASSWORD)));
    }
    session.renew();
    session.insert("user", form.username)?;
    session.insert("flash", "You are signed in.")?;
    Ok(to("/"))
}

async fn sign_out(session: Session) -> HttpResponse {
    session.purge();
    to("/login")
}

fn page(html: String) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::html()).body(html)
}

fn to(path: &'static str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}
