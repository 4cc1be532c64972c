//! `sqlx::migrate!` embeds the migrations; cargo must notice a new file among them.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/tenant");
}
