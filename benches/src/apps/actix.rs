//! actix-session with a signed cookie that holds the session itself, over bare actix: another framework,
//! so in a process of its own.

use std::hint::black_box;

use actix_session::config::CookieContentSecurity;
use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::body::MessageBody;
use actix_web::cookie::Key;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::rt::System;
use actix_web::test::{TestRequest, init_service, read_body};
use actix_web::{App, HttpResponse, web};
use cpu_time::ThreadTime;

use super::{USER, USER_AGENT};
use crate::child;
use crate::counting::count;
use crate::rounds::{interleave, low};

pub const NAME: &str = "actix-session, signed cookie store";

/// What a request costs over one without sessions.
pub struct OverBare {
    pub nanoseconds: f64,
    pub allocations: f64,
}

pub fn measured(rounds: usize, calls: usize, others: &str) -> OverBare {
    let printed = child::output(&["actix", &rounds.to_string(), &calls.to_string(), others]);
    let mut figures = printed.split_whitespace().map(|figure| figure.parse().expect("a figure"));
    let mut next = || figures.next().expect("there are two");
    OverBare { nanoseconds: next(), allocations: next() }
}

/// For a child, which prints what it has measured.
pub fn measure_and_tell(arguments: &[String]) {
    let number = |at: usize| arguments[at].parse::<usize>().expect("a count");
    let (rounds, calls) = (number(0), number(1));
    let system = System::new();
    let bare = system.block_on(init_service(App::new().route("/", web::get().to(anybody))));
    let middleware = SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]))
        .cookie_content_security(CookieContentSecurity::Signed)
        .build();
    let app = App::new()
        .wrap(middleware)
        .route("/", web::get().to(whoami))
        .route("/sign-in", web::get().to(sign_in));
    let signed = system.block_on(init_service(app));

    let cookie = system.block_on(async {
        let request = TestRequest::get().uri("/sign-in").to_request();
        let response = signed.call(request).await.expect("it answers");
        let cookie = response.headers().get(header::SET_COOKIE).expect("a cookie");
        let cookie = cookie.to_str().expect("text").split(';').next().expect("a pair");
        HeaderValue::from_str(&format!("{}{cookie}", arguments[2])).expect("a header")
    });
    let mut turns = [false, true];
    let all = interleave(rounds, &mut turns, |has_sessions| {
        if *has_sessions {
            system.block_on(nanoseconds(&signed, &cookie, calls))
        } else {
            system.block_on(nanoseconds(&bare, &cookie, calls))
        }
    });
    let counted = |work: &dyn Fn() -> f64| {
        count(|| {
            black_box(work());
        })
        .allocations as f64
    };
    let bare_counted = counted(&|| system.block_on(nanoseconds(&bare, &cookie, calls)));
    let counted = counted(&|| system.block_on(nanoseconds(&signed, &cookie, calls)));
    let more = low(all[1].iter().copied()) - low(all[0].iter().copied());
    println!("{more} {}", (counted - bare_counted) / calls as f64);
}

async fn nanoseconds<S, B>(app: &S, cookie: &HeaderValue, calls: usize) -> f64
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    let request = || {
        let request = TestRequest::get().insert_header((header::ACCEPT, "text/html"));
        let request = request.insert_header((header::USER_AGENT, USER_AGENT));
        request.insert_header((header::COOKIE, cookie)).to_request()
    };
    let requests = Vec::from_iter((0..calls).map(|_| request()));
    let began = ThreadTime::now();
    for request in requests {
        let response = app.call(request).await.expect("it answers");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(read_body(response).await, USER);
    }
    began.elapsed().as_nanos() as f64 / calls as f64
}

async fn anybody() -> String {
    USER.to_owned()
}

async fn whoami(session: Session) -> String {
    session.get::<String>("user").expect("it can be read").expect("somebody")
}

async fn sign_in(session: Session) -> HttpResponse {
    session.insert("user", USER).expect("it can be written");
    session.insert("org", "acme").expect("it can be written");
    HttpResponse::Ok().finish()
}
