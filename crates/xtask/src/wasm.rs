//! The wasm module: built for the browser floor, bound, optimised and checked.
//!
//! The floor is Chrome 80, Firefox 76 and Safari 14, which know little more than WebAssembly's first version; what
//! Rust builds by default does not even compile there. So, in four steps:
//! 1. Cargo, for a processor of the first version with mutable globals. The flags are given for this one target, so
//!    that nothing native is rebuilt for them.
//! 2. wasm-bindgen, from a library of the version in Cargo.lock (`crates/bindgen`).
//! 3. wasm-opt, which also lowers what the prebuilt standard library uses and the floor lacks. Conversions of floats are
//!    lowered before it, by Rust's rules instead of C's (`crates/bindgen/src/lower.rs`).
//! 4. The gates: the module validates under the floor's features, imports nothing from `env` and has no test hook.
//!
//! Steps 2 to 4 are skipped when their inputs are those of the last run: a stamp beside the result tells.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use crate::shell::{capture, cargo, npm_bin, program, run, target_dir};

const TARGET: &str = "wasm32-unknown-unknown";
const FLAGS: &str = "-Ctarget-cpu=mvp -Ctarget-feature=+mutable-globals";
const FLAGS_FOR: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";
/// What the floor has. Features are named one by one: `--all-features` would let binaryen use new ones.
const FLOOR: &[&str] = &["--mvp-features", "--enable-mutable-globals"];
/// What the prebuilt standard library uses beyond the floor, and the passes that lower it.
const LOWER: &[&str] = &[
    "--enable-sign-ext",
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--signext-lowering",
    "--llvm-memory-copy-fill-lowering",
    // A function that is used once stays one: compressed, the module is smaller so. Below 1024 lies the stack's end.
    "--one-caller-inline-max-function-size=0",
    "--low-memory-unused",
    "--converge",
    "-Oz",
    "--strip-target-features",
];
const GLUE: &str = "meshedflow.js";
const MODULE: &str = "meshedflow_bg.wasm";
const STAMP: &str = ".inputs";
/// Features of a module for tests alone, see `crates/wasm/Cargo.toml`.
const TEST_FEATURES: &[&str] = &["test-hooks", "mutants"];

/// Builds the builder ahead of its use: a minute, the first time, which belongs to no one module.
pub(crate) fn tools(root: &Path) -> Result<(), String> {
    bindgen(root).map(drop)
}

/// Builds the shipped module into `js/wasm-out` and runs its gates.
pub(crate) fn build(root: &Path) -> Result<(), String> {
    let out = root.join("js/wasm-out");
    build_wasm(root, &[], &out)?;
    compare_declarations(root, &out)?;
    let size = std::fs::metadata(out.join(MODULE)).map_or(0, |file| file.len());
    say!("js/wasm-out/{MODULE}: {} kB before compression", size / 1000);
    Ok(())
}

/// Builds the module that tests break on purpose, and the SDK around it, into `js/dist-mutants`.
pub(crate) fn build_breakable(root: &Path) -> Result<(), String> {
    let out = target_dir().join("wasm-breakable");
    build_wasm(root, TEST_FEATURES, &out)?;
    let mut sdk = program("node", &["js/build.mjs", "--out", "js/dist-mutants", "--mutants"]);
    run(sdk.arg("--wasm").arg(out))
}

/// Builds the module with these Cargo features: `meshedflow.js` and `meshedflow_bg.wasm` in `out`.
pub(crate) fn build_wasm(root: &Path, features: &[&str], out: &Path) -> Result<(), String> {
    let raw = compile(features)?;
    let inputs = inputs(root, &raw)?;
    let stamp = out.join(STAMP);
    if std::fs::read_to_string(&stamp).is_ok_and(|last| last == inputs) {
        return Ok(());
    }
    let _ = std::fs::remove_dir_all(out);
    bind(root, &raw, out)?;
    lower(root, &out.join(MODULE))?;
    optimise(&out.join(MODULE))?;
    gate(&out.join(MODULE), features.is_empty())?;
    std::fs::write(stamp, inputs).map_err(|error| format!("cannot write {}: {error}", out.display()))
}

/// Runs the builder's tests, then the wasm tests in a headless Chromium, with the flags and the profile of the shipped module: those written in
/// Rust, then those of the page around a module that breaks.
pub(crate) fn test(root: &Path) -> Result<(), String> {
    let runner = format!("{} test", bindgen(root)?.display());
    let mut builder = cargo(&["test", "--locked", "--quiet"]);
    builder.arg("--manifest-path").arg(root.join("crates/bindgen/Cargo.toml"));
    run(builder.arg("--target-dir").arg(target_dir().join("bindgen")))?;
    let args = ["test", "--locked", "--package", "meshedflow-wasm", "--tests", "--features", "test-hooks"];
    let mut tests = cargo(&args);
    tests.args(["--target", TARGET, "--profile", "wasm"]);
    tests.env(FLAGS_FOR, flags()).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
    tests.env("CHROMEDRIVER", "chromedriver").env("WASM_BINDGEN_TEST_ONLY_WEB", "1");
    tests.env("WASM_BINDGEN_TEST_TIMEOUT", "60").env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "30");
    run(&mut tests)?;
    build_breakable(root)?;
    let breakable = target_dir().join("wasm-breakable");
    let mut page = program("node", &["--test", "crates/wasm/tests/page.test.mjs"]);
    run(page.env("MESHEDFLOW_BREAKABLE", breakable))
}

/// Step 1. The crate is a `rlib` too, for its tests; here it is not, since that would switch off link-time optimisation.
fn compile(features: &[&str]) -> Result<PathBuf, String> {
    let mut build = cargo(&["rustc", "--locked", "--quiet", "--package", "meshedflow-wasm", "--lib"]);
    build.args(["--crate-type", "cdylib", "--target", TARGET, "--profile", "wasm"]);
    build.args(["--features", &features.join(",")]).env(FLAGS_FOR, flags());
    run(&mut build)?;
    Ok(target_dir().join(TARGET).join("wasm/meshedflow_wasm.wasm"))
}

/// The flags of step 1. Paths of this machine would otherwise stand in the panic messages: in the module of every viewer,
/// and different on each machine that builds it. Where a path has a space, flags given in one line cannot name it.
fn flags() -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let sources = home.and_then(|home| std::fs::read_dir(home.join("registry/src")).ok());
    let mut registries: Vec<_> = sources.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    registries.sort();
    let paths = registries.iter().map(|path| path.display().to_string()).filter(|path| !path.contains(' '));
    paths.fold(FLAGS.to_owned(), |flags, path| flags + " --remap-path-prefix=" + &path + "=deps")
}

/// Step 2.
fn bind(root: &Path, raw: &Path, out: &Path) -> Result<(), String> {
    let mut bind = program(&bindgen(root)?.to_string_lossy(), &["build", "--target", "web"]);
    bind.args(["--out-name", "meshedflow", "--omit-default-module-path", "--remove-producers-section"]);
    run(bind.arg("--out-dir").arg(out).arg(raw))
}

/// The builder, itself built into a directory of its own: it shares nothing with the workspace.
fn bindgen(root: &Path) -> Result<PathBuf, String> {
    let target = target_dir().join("bindgen");
    let mut build = cargo(&["build", "--locked", "--quiet"]);
    build.arg("--manifest-path").arg(root.join("crates/bindgen/Cargo.toml"));
    run(build.arg("--target-dir").arg(&target))?;
    Ok(target.join("debug/meshedflow-bindgen"))
}

/// Step 3, in place.
fn lower(root: &Path, module: &Path) -> Result<(), String> {
    run(program(&bindgen(root)?.to_string_lossy(), &["lower"]).arg(module))
}

fn optimise(module: &Path) -> Result<(), String> {
    run(npm_bin("wasm-opt", FLOOR).args(LOWER).arg(module).arg("-o").arg(module))
}

/// Step 4.
fn gate(module: &Path, shipped: bool) -> Result<(), String> {
    let mut validate = npm_bin("wasm-opt", FLOOR);
    validate.arg("--quiet").arg(module).args(["-o", "/dev/null"]);
    run(&mut validate).map_err(|error| format!("the module is beyond the browser floor: {error}"))?;
    let names = names(module)?;
    if let Some(name) = names.lines().find(|line| line.starts_with("import env ")) {
        return Err(format!("the module needs what no page has: {name}"));
    }
    match names.lines().find(|line| is_hook(line)) {
        Some(hook) if shipped => Err(format!("the shipped module has a test hook: {hook}")),
        None if !shipped => Err("the module for tests has no test hook".into()),
        _ => Ok(()),
    }
}

fn is_hook(line: &str) -> bool {
    line.starts_with("export ") && line.to_ascii_lowercase().contains("hook")
}

/// Imports and exports of a module, a line each, as a JavaScript engine sees them.
fn names(module: &Path) -> Result<String, String> {
    const SCRIPT: &str = "const m = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));
        for (const i of WebAssembly.Module.imports(m)) console.log('import', i.module, i.name);
        for (const e of WebAssembly.Module.exports(m)) console.log('export', e.name);";
    capture(program("node", &["-e", SCRIPT]).arg(module))
}

/// Everything that steps 2 to 4 depend on, as one line.
fn inputs(root: &Path, raw: &Path) -> Result<String, String> {
    let mut hash = DefaultHasher::new();
    let recipe = [
        root.join("crates/bindgen/Cargo.lock"),
        root.join("crates/bindgen/src/lower.rs"),
        root.join("node_modules/binaryen/package.json"),
    ];
    for path in recipe.iter().map(PathBuf::as_path).chain([raw]) {
        let bytes =
            std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        bytes.hash(&mut hash);
    }
    (FLOOR, LOWER).hash(&mut hash);
    Ok(format!("{:016x}\n", hash.finish()))
}

/// TypeScript is checked against a description of the module written by hand; here it meets the generated one.
fn compare_declarations(root: &Path, out: &Path) -> Result<(), String> {
    let read = |path: PathBuf| {
        std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let by_hand = methods(&read(root.join("js/src/meshedflow-wasm.d.ts"))?);
    let generated = methods(&read(out.join("meshedflow.d.ts"))?);
    let strange: Vec<&String> = by_hand.iter().filter(|method| !generated.contains(method)).collect();
    if by_hand.is_empty() || !strange.is_empty() {
        return Err(format!(
            "js/src/meshedflow-wasm.d.ts describes {strange:?}, the module has {generated:?} ({GLUE})"
        ));
    }
    Ok(())
}

/// The methods of `MeshHandle` as name and number of arguments, such as `wake/1`.
fn methods(declarations: &str) -> Vec<String> {
    let class = declarations.split("export class MeshHandle").nth(1).unwrap_or_default();
    let body = class.split_once('{').map_or("", |(_, body)| body);
    let lines = body.lines().map(str::trim).take_while(|line| *line != "}");
    lines.filter_map(method).collect()
}

fn method(line: &str) -> Option<String> {
    let (name, rest) = line.split_once('(')?;
    let (arguments, _) = rest.split_once(')')?;
    let plain = |name: &str| name.chars().all(|letter| letter.is_ascii_alphanumeric());
    let count = arguments.split(',').filter(|argument| argument.contains(':')).count();
    plain(name).then(|| format!("{name}/{count}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_from_both_styles_of_declaration() {
        let generated = "export class MeshHandle {\n    free(): void;\n    [Symbol.dispose](): void;\n    /**\n     * (a: note)\n     */\n    constructor(host: Host, now: number);\n    wake(now: number): void;\n}\nexport function x(a: number): void;";
        assert_eq!(methods(generated), ["free/0", "constructor/2", "wake/1"]);
        assert_eq!(
            methods(
                "declare module 'm' {\n  export class MeshHandle {\n    wake(now: number): void;\n  }\n}"
            ),
            ["wake/1"]
        );
    }

    #[test]
    fn a_test_hook_is_known_by_its_name() {
        assert!(is_hook("export meshhandle_testHook"));
        assert!(!is_hook("import ./meshedflow_bg.js __wbg_hook_1") && !is_hook("export meshhandle_wake"));
    }
}
