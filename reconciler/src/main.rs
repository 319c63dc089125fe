//! The binary `reconciler`.

fn main() -> std::process::ExitCode {
    reconciler::commands::main()
}
