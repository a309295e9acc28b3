//! What the CA issues is what an MSP accepts, in the folders where tools look for it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

mod certificates;
mod folders;
mod openssl;
mod service;
mod support;
