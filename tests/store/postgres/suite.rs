//! The conformance suite over PostgreSQL.

crate::conformance::all!(crate::postgres::fresh, [ignore = "needs PostgreSQL"]);
