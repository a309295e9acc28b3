//! A ledger in memory with the semantics of the real one, and identities, for contract tests.
