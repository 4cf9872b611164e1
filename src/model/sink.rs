//! Where things are sent as they happen, and how they are told there.

use super::leak::named;

named! {
    /// What can be sent to a sink.
    FeedKind {
        /// Uses of leaked tokens.
        Events = "events",
        /// Rows of the audit log.
        Audit = "audit",
        /// Notifications.
        Notifications = "notifications",
    }
}

named! {
    /// Who a webhook speaks to.
    WebhookKind {
        /// A receiver that checks a signature.
        Webhook = "webhook",
        /// Slack, or what understands the same.
        Slack = "slack",
        /// PagerDuty's events, version 2.
        Pagerduty = "pagerduty",
    }
}

named! {
    /// By which names what is sent is told.
    Format {
        /// As the API shows it.
        Native = "native",
        /// Elastic's common schema.
        Ecs = "ecs",
        /// The open cybersecurity schema.
        Ocsf = "ocsf",
    }
}
