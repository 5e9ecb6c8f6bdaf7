//! Conversions from floating point to integers for engines of WebAssembly's first version.
//!
//! Rust's `as` saturates: what is too large becomes the largest integer, NaN becomes 0. The linker gives all functions
//! what the prebuilt standard library was compiled for, so each `as` arrives here as a saturating instruction, which
//! old engines lack. Binaryen's pass for that (`--llvm-nontrapping-fptoint-lowering`) takes C's rules, by which nobody
//! asks for a value out of range, and gives 0 for infinity: a channel that "sends infinitely fast" would never be empty.
//! So each kind of conversion becomes a call to a function that keeps Rust's rules.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::path::Path;

use walrus::ir::{BinaryOp, Call, Instr, InstrLocId, UnaryOp, Unop, VisitorMut, dfs_pre_order_mut};
use walrus::{FunctionBuilder, FunctionId, InstrSeqBuilder, LocalId, Module, ValType};

/// One kind of conversion.
#[derive(Clone, Copy)]
struct Kind {
    saturating: UnaryOp,
    /// Traps out of range: reached only within.
    plain: UnaryOp,
    from: ValType,
    to: ValType,
    signed: bool,
}

const KINDS: [Kind; 8] = {
    use UnaryOp::*;
    use ValType::{F32, F64, I32, I64};
    const fn kind(saturating: UnaryOp, plain: UnaryOp, from: ValType, to: ValType, signed: bool) -> Kind {
        Kind { saturating, plain, from, to, signed }
    }
    [
        kind(I32TruncSSatF32, I32TruncSF32, F32, I32, true),
        kind(I32TruncUSatF32, I32TruncUF32, F32, I32, false),
        kind(I32TruncSSatF64, I32TruncSF64, F64, I32, true),
        kind(I32TruncUSatF64, I32TruncUF64, F64, I32, false),
        kind(I64TruncSSatF32, I64TruncSF32, F32, I64, true),
        kind(I64TruncUSatF32, I64TruncUF32, F32, I64, false),
        kind(I64TruncSSatF64, I64TruncSF64, F64, I64, true),
        kind(I64TruncUSatF64, I64TruncUF64, F64, I64, false),
    ]
};

impl Kind {
    fn bits(&self) -> u32 {
        if self.to == ValType::I32 { 32 } else { 64 }
    }

    /// Least integer, its float, greatest integer, and the float that is one more than it: both floats are exact.
    fn bounds(&self) -> (i64, f64, i64, f64) {
        match (self.bits(), self.signed) {
            (32, true) => (i32::MIN.into(), -(2f64.powi(31)), i32::MAX.into(), 2f64.powi(31)),
            (32, false) => (0, 0.0, u32::MAX.into(), 2f64.powi(32)),
            (_, true) => (i64::MIN, -(2f64.powi(63)), i64::MAX, 2f64.powi(63)),
            (_, false) => (0, 0.0, -1, 2f64.powi(64)),
        }
    }

    fn float(&self, seq: &mut InstrSeqBuilder, value: f64) {
        if self.from == ValType::F32 {
            seq.f32_const(value as f32)
        } else {
            seq.f64_const(value)
        };
    }

    fn integer(&self, seq: &mut InstrSeqBuilder, value: i64) {
        if self.to == ValType::I32 {
            seq.i32_const(value as i32)
        } else {
            seq.i64_const(value)
        };
    }

    /// `x < bound` or `x >= bound`; both are false for NaN.
    fn compare(&self, seq: &mut InstrSeqBuilder, x: LocalId, [f32, f64]: [BinaryOp; 2], bound: f64) {
        seq.local_get(x);
        self.float(seq, bound);
        seq.binop(if self.from == ValType::F32 { f32 } else { f64 });
    }

    /// The function that does in old instructions what the saturating one does.
    fn build(&self, module: &mut Module) -> FunctionId {
        let x = module.locals.add(self.from);
        let mut function = FunctionBuilder::new(&mut module.types, &[self.from], &[self.to]);
        function.name(format!("{:?}", self.saturating));
        let (least, from, most, end) = self.bounds();
        let within = |seq: &mut InstrSeqBuilder| {
            self.compare(seq, x, [BinaryOp::F32Ge, BinaryOp::F64Ge], from);
            let convert = |seq: &mut InstrSeqBuilder| {
                seq.local_get(x).unop(self.plain);
            };
            seq.if_else(self.to, convert, |seq| self.integer(seq, least));
        };
        let beyond = |seq: &mut InstrSeqBuilder| {
            self.compare(seq, x, [BinaryOp::F32Ge, BinaryOp::F64Ge], end);
            seq.if_else(self.to, |seq| self.integer(seq, most), |seq| self.integer(seq, 0));
        };
        let mut body = function.func_body();
        self.compare(&mut body, x, [BinaryOp::F32Lt, BinaryOp::F64Lt], end);
        body.if_else(self.to, within, beyond);
        function.finish(vec![x], &mut module.funcs)
    }
}

/// Replaces every saturating conversion of a module file, in place.
pub(crate) fn lower_file(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut module = Module::from_file(path)?;
    lower(&mut module);
    module.emit_wasm_file(path)?;
    Ok(())
}

fn lower(module: &mut Module) {
    let old: Vec<FunctionId> = module.funcs.iter_local().map(|(id, _)| id).collect();
    let calls: Calls =
        KINDS.iter().map(|kind| (discriminant(&kind.saturating), kind.build(module))).collect();
    for id in old {
        let function = module.funcs.get_mut(id).kind.unwrap_local_mut();
        let start = function.entry_block();
        dfs_pre_order_mut(&mut Replace(&calls), function, start);
    }
    // Kinds that nobody uses go again.
    walrus::passes::gc::run(module);
}

type Calls = HashMap<Discriminant<UnaryOp>, FunctionId>;

struct Replace<'a>(&'a Calls);

impl VisitorMut for Replace<'_> {
    fn visit_instr_mut(&mut self, instr: &mut Instr, _: &mut InstrLocId) {
        if let Instr::Unop(Unop { op }) = instr
            && let Some(func) = self.0.get(&discriminant(op))
        {
            *instr = Instr::Call(Call { func: *func });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module that exports one function for each kind, lowered.
    fn lowered() -> Vec<u8> {
        let mut module = Module::default();
        for kind in KINDS {
            let x = module.locals.add(kind.from);
            let mut function = FunctionBuilder::new(&mut module.types, &[kind.from], &[kind.to]);
            function.func_body().local_get(x).unop(kind.saturating);
            let id = function.finish(vec![x], &mut module.funcs);
            module.exports.add(&format!("{:?}", kind.saturating), id);
        }
        lower(&mut module);
        module.emit_wasm()
    }

    /// What Rust's own `as` makes of it, as the bits of the result.
    fn expected(kind: &Kind, x: f64) -> u64 {
        let narrow = x as f32;
        match (kind.from == ValType::F32, kind.bits(), kind.signed) {
            (true, 32, true) => u64::from(narrow as i32 as u32),
            (true, 32, false) => u64::from(narrow as u32),
            (true, _, true) => narrow as i64 as u64,
            (true, _, false) => narrow as u64,
            (false, 32, true) => u64::from(x as i32 as u32),
            (false, 32, false) => u64::from(x as u32),
            (false, _, true) => x as i64 as u64,
            (false, _, false) => x as u64,
        }
    }

    #[test]
    fn every_conversion_is_rusts_own_in_an_engine() {
        let values = [
            0.0,
            -0.0,
            0.9,
            -0.9,
            1.5,
            -1.5,
            3e9,
            -3e9,
            4_294_967_295.0,
            4_294_967_296.0,
            2_147_483_647.0,
            2_147_483_648.0,
            -2_147_483_648.0,
            -2_147_483_649.0,
            9.3e18,
            -9.3e18,
            1.8446744073709552e19,
            1e30,
            -1e30,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ];
        let file = std::env::temp_dir().join(format!("meshedflow-lower-{}.wasm", std::process::id()));
        std::fs::write(&file, lowered()).unwrap();
        const SCRIPT: &str = "const { exports } = new WebAssembly.Instance(new WebAssembly.Module(require('fs').readFileSync(process.argv[1])));
            const [name, ...values] = process.argv.slice(2);
            for (const value of values) console.log(BigInt.asUintN(name.startsWith('I32') ? 32 : 64, BigInt(exports[name](Number(value)))).toString());";
        for kind in KINDS {
            let mut node = std::process::Command::new("node");
            node.args(["-e", SCRIPT]).arg(&file).arg(format!("{:?}", kind.saturating));
            let name = |x: &f64| match *x {
                x if x.is_nan() => "NaN".to_owned(),
                x if x.is_infinite() => if x > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
                x => x.to_string(),
            };
            let told = node.args(values.iter().map(name)).output().unwrap();
            let told = String::from_utf8(told.stdout).unwrap();
            let wanted: Vec<String> = values.iter().map(|x| expected(&kind, *x).to_string()).collect();
            assert_eq!(told.lines().collect::<Vec<_>>(), wanted, "{:?}", kind.saturating);
        }
        std::fs::remove_file(file).unwrap();
    }
}
