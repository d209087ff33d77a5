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
mod cookies;
mod copies;
mod devices;
mod devices_table;
mod disclosure;
mod everyone;
mod failure;
mod gone;
mod handlers;
mod histories;
mod housekeeping;
mod limits;
mod links;
mod lists;
mod meanwhile;
mod members;
mod model;
mod nodes;
mod org_refusals;
mod org_routes;
mod orgs;
mod passive;
#[cfg(feature = "geoip")]
mod places;
mod previews;
mod races;
mod reasons;
mod redirects;
mod refresh;
mod rejections;
mod secrecy;
mod services;
mod sign_in_again;
mod tokens;
mod upgrades;
