// The built SDK (`node js/build.mjs` first): every entry loads where it is meant to, and fits HLS.js's types.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { build } from 'esbuild';
import { beyondFloor } from '../floor.mjs';

const at = (name) => fileURLToPath(new URL(`../dist/${name}`, import.meta.url));
const require = createRequire(import.meta.url);
const NAMES = ['MeshedFlowError', 'MeshedFlowLoader', 'SharedLoader', 'attach', 'createMeshedFlow', 'fragmentLoader', 'hlsConfig'];

test('every entry has the same names, and importing it does nothing', async () => {
  const before = Reflect.ownKeys(globalThis).length;
  for (const file of ['index.js', 'inline.js', 'server.js']) assert.deepEqual(Object.keys(await import(at(file))).sort(), NAMES, file);
  for (const file of ['index.cjs', 'server.cjs']) assert.deepEqual(Object.keys(require(at(file))).sort(), NAMES, file);
  assert.equal(Reflect.ownKeys(globalThis).length, before, 'no globals');
});

test('the classic script gives one global', () => {
  const sandbox = vm.createContext({ URL });
  vm.runInContext(readFileSync(at('meshedflow.js'), 'utf8'), sandbox);
  assert.deepEqual(vm.runInContext('Object.keys(MeshedFlow).sort().join()', sandbox), NAMES.join());
  assert.equal(vm.runInContext('Object.keys(globalThis).sort().join()', sandbox), 'MeshedFlow,URL');
});

test('on a server: options are checked, nothing else happens', async () => {
  const server = await import(at('server.js'));
  const mesh = server.createMeshedFlow({ streamId: 'a' });
  assert.deepEqual(mesh.hlsConfig({ debug: true }), { debug: true });
  mesh.attach({})();
  mesh.on('peer', () => {})();
  assert.equal(mesh.stats().state, 'off');
  assert.throws(() => server.hlsConfig({ streamId: 'no spaces' }), (e) => e instanceof server.MeshedFlowError && e.option === 'streamId');
  assert.ok(readFileSync(at('server.js')).length < 8192, 'small');
});

test('URLs relative to the page are fine where there is no page yet', async () => {
  const options = { streamId: 'a', originBaseUrl: '/live/', remoteConfigUrl: 'policy.json', wasmUrl: '/mesh.wasm' };
  for (const file of ['server.js', 'index.js', 'inline.js']) {
    const { createMeshedFlow, hlsConfig, MeshedFlowError } = await import(at(file));
    createMeshedFlow(options).destroy();
    hlsConfig(options);
    const refused = (more) => assert.throws(() => createMeshedFlow({ ...options, ...more }), MeshedFlowError, file);
    refused({ originBaseUrl: 'ftp://a/' });
    refused({ signalingUrl: '/mesh' });
    refused({ remoteConfigUrl: 'http://cdn.example/policy.json' });
  }
});

test('bundled into one file, the SDK says how to bring its module', async () => {
  // Node has neither peers nor, before 21, a navigator.
  const names = ['RTCPeerConnection', 'navigator'];
  const kept = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
  for (const [i, value] of [class {}, {}].entries()) Object.defineProperty(globalThis, names[i], { value, configurable: true });
  const dir = mkdtempSync(path.join(tmpdir(), 'meshedflow-one-file-'));
  try {
    for (const format of ['cjs', 'esm']) {
      const outfile = path.join(dir, `one.${format === 'cjs' ? 'cjs' : 'mjs'}`);
      await build({ entryPoints: [at('late.js')], bundle: true, format, outfile, logLevel: 'silent' });
      const { start } = format === 'cjs' ? require(outfile) : await import(outfile);
      const why = await start({ streamId: 'a' }, new AbortController().signal).then(() => '', (error) => error.message);
      assert.match(why, /wasmUrl/, format);
      assert.match(why, /@meshedflow\/sdk\/inline/, format);
    }
  } finally {
    for (const [i, name] of names.entries()) {
      delete globalThis[name];
      if (kept[i]) Object.defineProperty(globalThis, name, kept[i]);
    }
    rmSync(dir, { recursive: true });
  }
});

test('a bundler for browsers takes the browser entry, whatever else it knows', () => {
  const { exports } = JSON.parse(readFileSync(new URL('../../pkg-template/package.json', import.meta.url), 'utf8'));
  for (const [name, entry] of Object.entries(exports).filter(([, entry]) => entry.node)) {
    const order = Object.keys(entry);
    assert.ok(order.includes('browser') && order.indexOf('browser') < order.indexOf('node'), name);
    assert.doesNotMatch(JSON.stringify(entry.browser), /server/, name);
  }
});

test('the package names only files that exist', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../pkg-template/package.json', import.meta.url), 'utf8'));
  const files = JSON.stringify([manifest.exports, manifest.main, manifest.module, manifest.types, manifest.unpkg]).match(/\.\/dist\/[^"]+/g);
  assert.ok(files.length >= 10);
  for (const file of files) readFileSync(at(file.slice('./dist/'.length)));
  assert.equal(manifest.sideEffects, false);
});

test('nothing of this machine and nothing newer than the floor in what ships', () => {
  for (const file of readdirSync(at('.')).filter((name) => /\.c?js$/.test(name))) {
    const text = readFileSync(at(file), 'utf8');
    assert.doesNotMatch(text, /\/(home|root|tmp|work)\//, file);
    assert.deepEqual(beyondFloor(text), [], file);
  }
});

test("the types fit HLS.js 1.5, 1.6 and 1.7", { timeout: 60_000 }, () => {
  const tsc = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url));
  const use = fileURLToPath(new URL('./types/use.ts', import.meta.url));
  const flags = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2020', '--lib', 'es2020,dom,dom.iterable', '--module', 'esnext', '--moduleResolution', 'bundler', '--types', ''];
  execFileSync(tsc, [...flags, use], { stdio: 'pipe', encoding: 'utf8' });
});

for (const hls of ['hls.js-1.5', 'hls.js-1.6', 'hls.js']) {
  test(`a project of somebody else's compiles against the package and ${hls}`, { timeout: 60_000 }, () => {
    const project = mkdtempSync(path.join(tmpdir(), 'meshedflow-consumer-'));
    const from = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
    try {
      mkdirSync(path.join(project, 'node_modules/@meshedflow/sdk'), { recursive: true });
      copyFileSync(from('pkg-template/package.json'), path.join(project, 'node_modules/@meshedflow/sdk/package.json'));
      symlinkSync(from('js/dist'), path.join(project, 'node_modules/@meshedflow/sdk/dist'));
      symlinkSync(from(`node_modules/${hls}`), path.join(project, 'node_modules/hls.js'));
      copyFileSync(from('js/test/types/consumer.ts'), path.join(project, 'consumer.ts'));
      writeFileSync(path.join(project, 'package.json'), '{"type":"module"}');
      // HLS.js 1.5 has no declarations for ES modules of Node.
      for (const [module, moduleResolution] of [['esnext', 'bundler'], ['node16', 'node16']].slice(0, hls === 'hls.js-1.5' ? 1 : 2)) {
        const compilerOptions = { strict: true, noEmit: true, exactOptionalPropertyTypes: true, preserveSymlinks: true, types: [], target: 'es2020', lib: ['es2020', 'dom', 'dom.iterable'], module, moduleResolution };
        writeFileSync(path.join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
        const said = spawnSync(from('node_modules/.bin/tsc'), ['-p', project], { encoding: 'utf8' });
        // The declarations of HLS.js are its own business.
        const ours = said.stdout.split('\n').filter((line) => /^\S*(consumer\.ts|meshedflow)/.test(line));
        assert.deepEqual(ours, [], moduleResolution);
        assert.ok(said.status === 0 || said.stdout.includes('hls.js'), said.stdout + said.stderr);
      }
    } finally {
      rmSync(project, { recursive: true });
    }
  });
}
