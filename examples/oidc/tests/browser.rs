//! A browser that speaks real HTTP: it keeps the cookies of each site, and goes one step at a time.

use std::collections::{BTreeMap, HashMap};

use openidconnect::reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use openidconnect::reqwest::{Client, RequestBuilder, redirect};
use openidconnect::url::Url;

pub(super) struct Browser {
    http: Client,
    /// By site, which here is a port.
    cookies: HashMap<String, BTreeMap<String, String>>,
}

/// Where the browser is.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) url: Url,
    pub(super) status: u16,
    /// Where it is sent from here.
    pub(super) redirect: Option<Url>,
    pub(super) body: String,
}

impl Browser {
    pub(super) fn new() -> Self {
        let http = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { http, cookies: HashMap::new() }
    }

    pub(super) async fn open(&mut self, url: &Url) -> Page {
        self.send(url, self.http.get(url.clone())).await
    }

    /// Opens a page, and goes wherever it leads.
    pub(super) async fn visit(&mut self, url: &Url) -> Page {
        let page = self.open(url).await;
        self.follow(page, |_| false).await
    }

    /// Sends the form of a page, with its hidden fields and these.
    pub(super) async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let form = page.body.split_once("<form").unwrap_or_else(|| panic!("no form: {page:?}")).1;
        let form = form.split_once("</form>").unwrap().0;
        let url = attribute(form.split_once('>').unwrap().0, "action")
            .map_or_else(|| page.url.clone(), |action| page.url.join(action).unwrap());
        let hidden = form.split("<input").filter(|input| input.contains(r#"type="hidden""#));
        let hidden = hidden
            .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)));
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(hidden)
            .extend_pairs(fields)
            .finish();
        let request = self.http.post(url.clone()).body(body);
        self.send(&url, request.header(CONTENT_TYPE, "application/x-www-form-urlencoded")).await
    }

    /// Goes where a page leads, until there is something to read, or this is next.
    pub(super) async fn follow(&mut self, mut page: Page, stop: impl Fn(&Url) -> bool) -> Page {
        for _ in 0..20 {
            match &page.redirect {
                Some(next) if !stop(next) => page = self.open(&next.clone()).await,
                _ => return page,
            }
        }
        panic!("it leads nowhere: {page:?}");
    }

    /// What it sends to a site.
    pub(super) fn cookies_for(&mut self, url: &Url) -> &mut BTreeMap<String, String> {
        self.cookies.entry(url.authority().to_owned()).or_default()
    }

    async fn send(&mut self, url: &Url, request: RequestBuilder) -> Page {
        let pairs = self.cookies_for(url).iter().map(|(name, value)| format!("{name}={value}"));
        let cookie = pairs.collect::<Vec<_>>().join("; ");
        let request = request
            .header(ACCEPT, "text/html")
            .header("sec-fetch-mode", "navigate")
            .header(COOKIE, cookie);
        let response = request.send().await.unwrap();
        for set in response.headers().get_all(SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            let cookies = self.cookies_for(url);
            // Sites say it in one way or the other.
            if set.contains("Max-Age=0") || set.contains("01 Jan 1970") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = response.headers().get(LOCATION);
        Page {
            url: url.clone(),
            status: response.status().as_u16(),
            redirect: location.map(|to| url.join(to.to_str().unwrap()).unwrap()),
            body: response.text().await.unwrap(),
        }
    }
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!("{name}=\""))?.1.split_once('"').map(|(value, _)| value)
}
