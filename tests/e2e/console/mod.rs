//! The console in a real browser.

mod axe;
mod browser;
mod dropping;
mod hostile;
mod main_job;
mod roles;
mod screenshots;
mod seed;
