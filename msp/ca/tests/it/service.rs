//! The membership service over HTTP, in this process: what good requests get, and rows K1 to K14 of bad input.

mod bad_input;
mod escalation;
mod good_input;
mod lasting;
mod support;
mod timing;
