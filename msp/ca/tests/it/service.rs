//! The membership service over HTTP, in this process: what good requests get, and rows K1 to K10 of bad input.

mod bad_input;
mod good_input;
mod lasting;
mod support;
mod timing;
