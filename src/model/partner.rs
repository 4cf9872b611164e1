//! Who reports leaks by a hook.

use super::leak::named;

named! {
    /// A partner that reports leaked tokens by a call of its own form.
    Partner {
        /// GitHub's secret scanning partner programme.
        Github = "github",
        /// GitLab's token revocation API.
        Gitlab = "gitlab",
        /// GitGuardian's custom webhook.
        Gitguardian = "gitguardian",
        /// TruffleHog's webhook.
        Trufflehog = "trufflehog",
    }
}
