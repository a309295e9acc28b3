//! What the CA issues is what an MSP accepts, in the folders where tools look for it.

mod certificates;
mod folders;
mod openssl;
mod support;
