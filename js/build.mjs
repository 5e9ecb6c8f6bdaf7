#!/usr/bin/env node
// Builds the SDK into js/dist from js/src and the wasm module in js/wasm-out (`cargo xtask build` makes both).
//
//   node js/build.mjs [--wasm DIR] [--out DIR] [--mutants]
//
//   index.js index.cjs   before the first segment; load late.js when a core is wanted
//   late.js              the rest and wasm-bindgen's glue; loads meshedflow_bg.wasm beside it
//   inline.js            one file, the module inside
//   meshedflow.js        classic script, global MeshedFlow; the module beside it
//   server.js server.cjs for server-side rendering: no wasm, no effects
//   types/               declarations
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { FLOOR, PRESENT, beyondFloor } from './floor.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);
const option = (name, otherwise) => path.resolve(args.includes(name) ? args[args.indexOf(name) + 1] : path.join(here, otherwise));
const src = path.join(here, 'src');
const wasmOut = option('--wasm', 'wasm-out');
const out = option('--out', 'dist');
const glue = path.join(wasmOut, 'meshedflow.js');
const wasm = path.join(wasmOut, 'meshedflow_bg.wasm');
const ES_CHECK = path.join(here, '../node_modules/.bin/es-check');
const TSC = path.join(here, '../node_modules/.bin/tsc');

for (const file of [glue, wasm]) {
  if (!existsSync(file)) {
    console.error(`js/build.mjs: ${file} is missing; "cargo xtask build" makes it`);
    process.exit(2);
  }
}

const breakable = args.includes('--mutants');
const integrity = `sha384-${createHash('sha384').update(readFileSync(wasm)).digest('base64')}`;

/** `start`: which of the start*.ts files this entry uses; `external`: leave late.js a file of its own. */
const parts = (start, external) => ({
  name: 'parts',
  setup(b) {
    b.onResolve({ filter: /\/start\.js$/ }, () => ({ path: path.join(src, `${start}.ts`) }));
    if (external) b.onResolve({ filter: /\/late\.js$/ }, (found) => (found.kind === 'dynamic-import' ? { path: './late.js', external: true } : undefined));
    b.onResolve({ filter: /^meshedflow-wasm$/ }, () => ({ path: glue }));
    b.onResolve({ filter: /^meshedflow-wasm-bytes$/ }, () => ({ path: wasm }));
    // Bundlers copy every file named so; the one place that names it is wasm.ts.
    b.onLoad({ filter: /meshedflow\.js$/ }, () => ({ contents: readFileSync(glue, 'utf8').replace(/new URL\((['"])[^'"]*\.wasm\1,\s*import\.meta\.url\)/g, 'undefined') }));
    // What is shipped has no switch for its defences, not even one that is stuck.
    if (!breakable) b.onLoad({ filter: /js\/src\/.*\.ts$/ }, ({ path: file }) => ({ contents: readFileSync(file, 'utf8').replace(/\bmutant\('[a-z-]+'\)/g, 'false'), loader: 'ts' }));
  },
});

const common = {
  bundle: true,
  minify: true,
  target: FLOOR,
  supported: PRESENT,
  // esbuild would put `new RegExp(...)` in its place, which fails later, and there alone.
  logOverride: { 'unsupported-regexp': 'error' },
  legalComments: 'none',
  loader: { '.wasm': 'binary' },
  logLevel: 'warning',
  define: { MESHEDFLOW_WASM_INTEGRITY: JSON.stringify(integrity), MESHEDFLOW_MUTANTS: String(breakable) },
};

const make = (entry, file, format, { start = 'start', external = false, ...more } = {}) =>
  build({ ...common, ...more, entryPoints: [path.join(src, entry)], outfile: path.join(out, file), format, plugins: [parts(start, external)] });

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
// A module given as bytes or by the script's place has no import.meta.
const placeless = { define: { ...common.define, 'import.meta.url': '""' } };
await Promise.all([
  make('entry/module.ts', 'index.js', 'esm', { external: true }),
  make('entry/module.ts', 'index.cjs', 'cjs', { external: true, supported: { ...PRESENT, 'dynamic-import': true } }),
  make('late.ts', 'late.js', 'esm'),
  make('entry/inline.ts', 'inline.js', 'esm', { start: 'start-inline', ...placeless }),
  make('entry/script.ts', 'meshedflow.js', 'iife', { start: 'start-script', globalName: 'MeshedFlow', ...placeless }),
  make('entry/server.ts', 'server.js', 'esm'),
  make('entry/server.ts', 'server.cjs', 'cjs'),
]);
copyFileSync(wasm, path.join(out, 'meshedflow_bg.wasm'));
declarations();
check();
console.log(`${path.relative(process.cwd(), out)}: ${readdirSync(out).length - 1} files, module ${integrity.slice(0, 20)}…`);

function declarations() {
  const types = path.join(out, 'types');
  const config = path.join(here, 'tsconfig.types.json');
  execFileSync(TSC, ['-p', config, '--outDir', types], { stdio: 'inherit' });
  const reached = new Set();
  const reach = (file) => {
    if (reached.has(file)) return;
    reached.add(file);
    const text = readFileSync(file, 'utf8');
    for (const [, name] of text.matchAll(/from '(\.[^']+)\.js'/g)) reach(path.join(path.dirname(file), `${name}.d.ts`));
  };
  reach(path.join(types, 'entry/module.d.ts'));
  for (const file of readdirSync(types, { recursive: true }).map((name) => path.join(types, name))) {
    if (file.endsWith('.d.ts') && !reached.has(file)) rmSync(file);
  }
  // CommonJS consumers need to be told that theirs is another kind of module.
  writeFileSync(path.join(types, 'index.d.ts'), "export * from './entry/module.js';\n");
  writeFileSync(path.join(types, 'index.d.cts'), "export * from './entry/module.js';\n");
}

function check() {
  const late = readFileSync(path.join(out, 'late.js'), 'utf8');
  const places = late.match(/new URL\("\.\/meshedflow_bg\.wasm",\s*import\.meta\.url\)/g)?.length ?? 0;
  if (places !== 1 || (late.match(/\.wasm"/g)?.length ?? 0) !== 1) throw new Error(`late.js names the wasm file ${places} times; bundlers need exactly one new URL('./meshedflow_bg.wasm', import.meta.url)`);
  const index = readFileSync(path.join(out, 'index.js'), 'utf8');
  if (!index.includes('import("./late.js")')) throw new Error('index.js does not load late.js on demand');
  const shipped = readdirSync(out).filter((name) => /\.c?js$/.test(name)).map((name) => path.join(out, name));
  // The glue's FinalizationRegistry is guarded, which floor.mjs sees to.
  const flags = ['--checkFeatures', '--ignore', 'FinalizationRegistry', '--noCache'];
  execFileSync(ES_CHECK, ['es2020', '--module', ...flags, ...shipped.filter((file) => file !== path.join(out, 'meshedflow.js'))], { stdio: 'pipe' });
  execFileSync(ES_CHECK, ['es2020', ...flags, path.join(out, 'meshedflow.js')], { stdio: 'pipe' });
  for (const file of shipped) {
    const beyond = beyondFloor(readFileSync(file, 'utf8'));
    if (beyond.length) throw new Error(`${path.basename(file)} uses what the oldest browsers lack: ${beyond.join(', ')}`);
  }
}
