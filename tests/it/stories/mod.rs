//! What users see, told through the whole router. Each story is named after the rule or trap that it
//! is about.

mod account_refusals;
mod accounts;
mod activity;
mod admins;
mod audit;
mod bearers;
mod caches;
mod caps;
mod carriers;
mod configuration;
#[cfg(feature = "ws")]
mod connections;
mod cookies;
mod copies;
mod devices;
mod devices_table;
mod disclosure;
mod emergencies;
mod everyone;
mod failure;
mod gone;
mod handlers;
mod health;
mod histories;
mod housekeeping;
mod in_the_name;
mod limits;
mod links;
mod lists;
mod live;
mod meanwhile;
mod members;
#[cfg(feature = "metrics")]
mod metrics;
mod model;
mod moving;
#[cfg(feature = "near")]
mod near;
mod nodes;
mod org_refusals;
mod org_routes;
mod orgs;
mod passive;
mod plain_http;
mod previews;
mod races;
mod reasons;
mod redirects;
mod refresh;
mod rejections;
mod secrecy;
mod services;
mod shutdown;
mod sign_in_again;
mod stalls;
mod tokens;
mod upgrades;
