//! What the app asks of its provider, and what it takes for true: OpenID Connect Core 1.0 and
//! Back-Channel Logout 1.0.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::reqwest;
use openidconnect::url::Url;
use openidconnect::{
    AdditionalClaims, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdToken, IdTokenFields,
    IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, StandardErrorResponse,
    StandardTokenResponse, TokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

/// How the provider knows the app, and the app the provider.
pub(crate) struct Settings {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// The whole URL.
    pub(crate) callback: String,
}

/// What the app has to remember while the person is at the provider.
#[derive(Deserialize, Serialize)]
pub(crate) struct Pending {
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    /// The query of the login page, with where to go afterwards.
    pub(crate) login_query: String,
}

impl Pending {
    pub(crate) fn was_given(&self, state: &str) -> bool {
        self.state.secret() == state
    }
}

/// Who has signed in at the provider.
pub(crate) struct Person {
    /// Unique at this provider only: an app with several puts the issuer into its user ids too.
    pub(crate) subject: String,
    /// The session at the provider, if it says so.
    pub(crate) sid: Option<String>,
}

/// What is over at the provider.
pub(crate) enum Ended {
    /// This one session.
    Session(String),
    /// All sessions of this subject.
    AllOf(String),
}

pub(crate) struct Provider {
    settings: Settings,
    http: reqwest::Client,
    known: Mutex<Known>,
}

/// What the provider publishes about itself, with its keys.
struct Known {
    metadata: Arc<CoreProviderMetadata>,
    read: Instant,
}

/// Providers change their keys from time to time, and publish the next ones before they use them.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);

impl Provider {
    pub(crate) async fn discover(settings: Settings) -> anyhow::Result<Self> {
        let http = http_client()?;
        let metadata = discovered(&settings, &http).await?;
        Ok(Self::knowing(metadata, settings, http))
    }

    pub(crate) fn knowing(
        metadata: CoreProviderMetadata,
        settings: Settings,
        http: reqwest::Client,
    ) -> Self {
        let known = Known { metadata: Arc::new(metadata), read: Instant::now() };
        Self { settings, http, known: Mutex::new(known) }
    }

    /// Where to send the browser, and what to remember until it comes back.
    pub(crate) async fn begin(&self, login_query: String) -> anyhow::Result<(Url, Pending)> {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = self
            .client()
            .await?
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .set_pkce_challenge(challenge)
            .url();
        Ok((url, Pending { state, nonce, verifier, login_query }))
    }

    /// Who it is, for the code that the provider gave the browser.
    pub(crate) async fn exchange(&self, pending: Pending, code: String) -> anyhow::Result<Person> {
        let client = self.client().await?;
        let request = client.exchange_code(AuthorizationCode::new(code))?;
        let tokens = request.set_pkce_verifier(pending.verifier).request_async(&self.http).await?;
        let token = tokens.id_token().context("the provider sent no id token")?;
        let claims = token.claims(&client.id_token_verifier(), &pending.nonce)?;
        Ok(Person {
            subject: claims.subject().to_string(),
            sid: claims.additional_claims().sid.clone(),
        })
    }

    /// What is over, according to a logout token that the provider signed for this app.
    pub(crate) async fn ended(&self, logout_token: &str) -> anyhow::Result<Ended> {
        // An id token in its form, except for what is checked below. The specification lets `sub`
        // be missing beside `sid`. This type does not, and providers send both.
        let token = logout_token.parse::<LogoutToken>().context("this is no logout token")?;
        let client = self.client().await?;
        // It is `logout+jwt`, or `JWT` at older providers. The event makes it a logout token.
        let verifier = client.id_token_verifier().allow_all_jose_types();
        let claims = token.into_claims(&verifier, |nonce: Option<&Nonce>| match nonce {
            None => Ok(()),
            Some(_) => Err("a logout token has none".to_owned()),
        })?;
        let LogoutClaims { sid, events } = claims.additional_claims();
        ensure!(events.contains_key(LOGOUT_EVENT), "this token is about something else");
        match sid {
            Some(sid) if sid.is_empty() => bail!("the session has no name"),
            Some(sid) => Ok(Ended::Session(sid.clone())),
            None => Ok(Ended::AllOf(claims.subject().to_string())),
        }
    }

    async fn client(&self) -> anyhow::Result<OidcClient> {
        let metadata = CoreProviderMetadata::clone(&*self.metadata().await?);
        let id = ClientId::new(self.settings.client_id.clone());
        let secret = ClientSecret::new(self.settings.client_secret.clone());
        let client = OidcClient::from_provider_metadata(metadata, id, Some(secret));
        Ok(client.set_redirect_uri(RedirectUrl::new(self.settings.callback.clone())?))
    }

    async fn metadata(&self) -> anyhow::Result<Arc<CoreProviderMetadata>> {
        let mut known = self.known.lock().await;
        if READ_AGAIN_AFTER <= known.read.elapsed() {
            known.metadata = Arc::new(discovered(&self.settings, &self.http).await?);
            known.read = Instant::now();
        }
        Ok(known.metadata.clone())
    }
}

fn http_client() -> anyhow::Result<reqwest::Client> {
    // It must not be led to other servers.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    Ok(client.timeout(Duration::from_secs(10)).build()?)
}

async fn discovered(
    settings: &Settings,
    http: &reqwest::Client,
) -> anyhow::Result<CoreProviderMetadata> {
    let issuer = IssuerUrl::new(settings.issuer.clone())?;
    CoreProviderMetadata::discover_async(issuer, http)
        .await
        .with_context(|| format!("there is no provider at {}", settings.issuer))
}

/// What an id token says beyond the usual.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct SessionClaims {
    sid: Option<String>,
}

impl AdditionalClaims for SessionClaims {}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct LogoutClaims {
    sid: Option<String>,
    events: Map<String, Value>,
}

impl AdditionalClaims for LogoutClaims {}

const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

type LogoutToken = IdToken<
    LogoutClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// `CoreClient`, with `sid` among the claims.
type OidcClient = Client<
    SessionClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<
        IdTokenFields<
            SessionClaims,
            EmptyExtraTokenFields,
            CoreGenderClaim,
            CoreJweContentEncryptionAlgorithm,
            CoreJwsSigningAlgorithm,
        >,
        CoreTokenType,
    >,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;
