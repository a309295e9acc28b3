//! The vault as its clients see it: a real service over real stores, real certificates, and the health chaincode's own
//! state.

mod attacks;
mod contents;
mod world;
