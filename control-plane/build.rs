//! `sqlx::migrate!` and the templates read folders while compiling; a new file in one must compile the crate again.

fn main() {
    println!("cargo::rerun-if-changed=../migrations/control-plane");
    println!("cargo::rerun-if-changed=templates");
}
