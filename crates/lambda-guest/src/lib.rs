//! lambda-guest
