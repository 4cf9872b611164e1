//! Identifiers: UUIDv7, so that they sort by the time they were made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
        )]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, larger than those made before it.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(
    /// A leak.
    LeakId
);
id!(
    /// A token, one across the installation of a tenant.
    TokenId
);
id!(
    /// A virtual patch.
    PatchId
);
id!(
    /// A recorded event.
    EventId
);
id!(
    /// A user of the control plane.
    UserId
);
id!(
    /// An API token of the control plane.
    ApiTokenId
);
id!(
    /// What one person asks another one for.
    ProposalId
);
id!(
    /// An import, for its progress.
    ImportId
);
id!(
    /// What waits to be looked at before it is registered.
    DraftId
);
id!(
    /// A notification.
    NotificationId
);
id!(
    /// A webhook.
    WebhookId
);
id!(
    /// What could not be delivered to a sink.
    LetterId
);
