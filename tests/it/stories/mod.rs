//! What users see, told through the whole router. Each story is named after the rule or trap that it
//! is about.

mod activity;
mod caps;
mod carriers;
mod configuration;
mod cookies;
mod failure;
mod gone;
mod handlers;
mod housekeeping;
mod limits;
mod lists;
mod members;
mod orgs;
mod races;
mod reasons;
mod redirects;
mod refresh;
mod rejections;
mod secrecy;
mod services;
