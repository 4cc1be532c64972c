//! `sqlx::migrate!` reads the folder while compiling; a new file in it must compile the crate again.

fn main() {
    println!("cargo::rerun-if-changed=../migrations/control-plane");
}
