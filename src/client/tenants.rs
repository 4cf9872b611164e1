//! `leakgate tenants`: who leaks, users and routes belong to.

use std::io::Write;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::model::tenant::is_tenant_id;

use super::Io;
use super::api::Api;
use super::failure::Failure;
use super::output::{Output, OutputArgument, items, table, text, time};

/// Who leaks, users and routes of the gateway belong to.
#[derive(Args, Debug)]
pub struct Tenants {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub form: OutputArgument,
    /// What to do with them.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with tenants.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Make one.
    Create {
        /// Its id, which never changes: lower-case letters, digits and hyphens.
        id: String,
        /// What people call it.
        #[arg(long)]
        title: Option<String>,
    },
    /// List them.
    List,
    /// Give one another title.
    Rename {
        /// Its id.
        id: String,
        /// What people call it from now on.
        title: String,
    },
    /// Remove one that has no leaks, users or API tokens.
    Remove {
        /// Its id.
        id: String,
    },
}

/// The id of a tenant, as an argument.
pub(super) fn tenant_id(text: &str) -> Result<String, &'static str> {
    if is_tenant_id(text) {
        Ok(text.to_owned())
    } else {
        Err("a tenant's id is up to 63 lower-case letters, digits and hyphens")
    }
}

pub(super) async fn run(tenants: Tenants, api: &Api, io: &mut Io<'_>) -> Result<(), Failure> {
    let output = tenants.form.output;
    let known = |id: String| {
        tenant_id(&id).map_err(|what| Failure::Usage(format!("that is no tenant: {what}")))
    };
    match tenants.action {
        Action::List => {
            let answer = api.get("/tenants", &[]).await?;
            output.show(&answer, io.out, |tenants, out| rows(items(tenants, "items"), out))
        }
        Action::Create { id, title } => {
            let body = json!({ "id": id, "title": title });
            let answer = api.send(Method::POST, "/tenants", Some(&body)).await?;
            output.show(&answer, io.out, |made, out| rows(std::slice::from_ref(made), out))
        }
        Action::Rename { id, title } => {
            let path = format!("/tenants/{}", known(id)?);
            let answer = api.send(Method::PATCH, &path, Some(&json!({ "title": title }))).await?;
            output.show(&answer, io.out, |made, out| rows(std::slice::from_ref(made), out))
        }
        Action::Remove { id } => {
            api.send(Method::DELETE, &format!("/tenants/{}", known(id)?), None).await?;
            if output == Output::Table {
                writeln!(io.out, "Removed.")?;
            }
            Ok(())
        }
    }
}

fn rows(tenants: &[Value], out: &mut dyn Write) -> std::io::Result<()> {
    table(
        out,
        &["ID", "TITLE", "MADE"],
        tenants.iter().map(|tenant| {
            vec![text(tenant, "id"), text(tenant, "title"), time(tenant, "created_at")]
        }),
    )
}
