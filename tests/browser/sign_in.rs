//! The example `axum`.

use fantoccini::error::CmdError;
use fantoccini::{Client, Locator};

use super::browser::{Browser, Profile};
use super::has_browser;
use super::server::Server;

/// Chromium takes a `__Host-Http-session` cookie over plain http from localhost, keeps it while the
/// server is killed and started again, and gives it up at the sign-out.
#[tokio::test(flavor = "multi_thread")]
async fn signs_in_survives_a_crash_of_the_server_and_signs_out() -> Result<(), CmdError> {
    let test = "signs_in_survives_a_crash_of_the_server_and_signs_out";
    if !has_browser(test) {
        return Ok(());
    }
    let browser = Browser::start(Profile::default()).await;
    let mut server = Server::start("axum", &[], &[("ADDR", "{address}")]);
    let port = server.port();
    let at = |path: &str| format!("http://localhost:{port}{path}");
    let (home, reports) = (at("/"), at("/reports?year=2026"));
    let page = browser.client();

    page.goto(&home).await?;
    assert_eq!(page.current_url().await?.as_str(), at("/login?return_to=%2F"));
    page.goto(&reports).await?;
    assert_eq!(page.current_url().await?.as_str(), at("/login?return_to=%2Freports%3Fyear%3D2026"));

    sign_in(page, "byron").await?;
    shows(page, "This user name and password do not go together.").await?;
    sign_in(page, "lovelace").await?;
    shows(page, "Here are the reports of 2026.").await?;
    shows(page, "unless you come back before then.").await?;
    assert_eq!(page.current_url().await?.as_str(), reports);

    let cookie = page.get_named_cookie("__Host-Http-session").await?;
    assert_eq!(cookie.value().len(), 96);
    assert_eq!((cookie.secure(), cookie.http_only()), (Some(true), Some(true)));

    server.kill_and_start_again();
    page.refresh().await?;
    shows(page, "Here are the reports of 2026.").await?;
    assert_eq!(page.current_url().await?.as_str(), reports);

    page.find(Locator::Css("form[action='/logout'] button")).await?.click().await?;
    shows(page, "Password").await?;
    assert_eq!(page.current_url().await?.as_str(), at("/login"));
    assert!(page.get_all_cookies().await?.is_empty());

    // No page of before is shown from a cache.
    page.back().await?;
    shows(page, "Password").await?;
    page.goto(&at("/welcome")).await?;
    shows(page, "You are not signed in.").await?;

    let replayed =
        server.visit("/", &format!("Cookie: {}={}", cookie.name(), cookie.value())).await;
    assert!(replayed.starts_with("HTTP/1.1 303 "), "{replayed}");
    assert!(replayed.contains("location: /login?return_to=%2F&reason=revoked\r\n"), "{replayed}");
    Ok(())
}

async fn sign_in(page: &Client, password: &str) -> Result<(), CmdError> {
    let form = page.form(Locator::Css("form")).await?;
    form.set_by_name("username", "ada").await?;
    form.set_by_name("password", password).await?;
    form.submit_with(Locator::Css("button")).await
}

/// Waits until the page has this text. It must not have an apostrophe.
async fn shows(page: &Client, text: &str) -> Result<(), CmdError> {
    let main = format!("//main[contains(., '{text}')]");
    page.wait().for_element(Locator::XPath(&main)).await.map(drop)
}
