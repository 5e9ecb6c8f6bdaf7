#!/usr/bin/env node
// The contract with HLS.js, in a real browser, against each version line: what a page sees with MeshedFlow must be what
// it sees without. Plain HLS.js in the same page is the judge wherever it can be.
//
//   node tests/browser/contract/run.mjs [--only TEXT] [--version 1.6]
import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { launch } from '../lib/chromium.mjs';
import { cases } from './cases.mjs';
import { startServer } from './server.mjs';

const require = createRequire(import.meta.url);
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const VERSIONS = { 1.5: 'hls.js-1.5', 1.6: 'hls.js-1.6', 1.7: 'hls.js' };

const args = process.argv.slice(2);
const option = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);

/** The SDK as it ships, but for its late chunk: there the test scripts the core. */
async function sdk() {
  const plugin = {
    name: 'scripted core',
    setup: (b) => b.onResolve({ filter: /late\.js$/ }, (found) => (found.kind === 'dynamic-import' ? { path: here('late.ts') } : undefined)),
  };
  const result = await build({
    entryPoints: [here('../../../js/src/entry/module.ts')],
    bundle: true, format: 'iife', globalName: 'MeshedFlow', target: 'es2020', write: false, plugins: [plugin],
  });
  return result.outputFiles[0].text;
}

async function openPage(browser, server, version) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto(`${server.base}/page`);
  for (const name of [`hls-${version}`, 'sdk', 'lab']) await page.addScriptTag({ url: `${server.base}/lib/${name}` });
  return { page, problems, close: () => context.close() };
}

async function runVersion(browser, scripts, version, wanted) {
  const server = await startServer(scripts);
  const counts = { passed: 0, failed: 0 };
  for (const [name, { versions, test }] of Object.entries(cases)) {
    if ((versions && !versions.includes(version)) || (wanted && !name.includes(wanted))) continue;
    const began = performance.now();
    const opened = await openPage(browser, server, version);
    server.takeLog();
    let fault = '';
    try {
      await test({ page: opened.page, base: server.base, takeLog: server.takeLog, version });
      if (opened.problems.length) fault = `the page threw: ${opened.problems.join('; ')}`;
    } catch (error) {
      fault = error.message;
    }
    await opened.close();
    counts[fault ? 'failed' : 'passed'] += 1;
    console.log(`${fault ? 'FAIL' : 'pass'}  hls.js ${version}  ${name}  ${Math.round(performance.now() - began)} ms${fault ? `\n      ${fault.replace(/\n/g, '\n      ')}` : ''}`);
  }
  server.close();
  return counts;
}

async function main() {
  const scripts = { sdk: await sdk(), lab: readFileSync(here('page.js'), 'utf8') };
  for (const [version, name] of Object.entries(VERSIONS)) scripts[`hls-${version}`] = readFileSync(require.resolve(`${name}/dist/hls.min.js`), 'utf8');
  const browser = await launch();
  const began = performance.now();
  const only = option('--version');
  const queue = Object.keys(VERSIONS).filter((version) => !only || version === only);
  const results = await Promise.all(queue.map((version) => runVersion(browser, scripts, version, option('--only'))));
  await browser.close();
  const sum = (which) => results.reduce((total, counts) => total + counts[which], 0);
  console.log(`${((performance.now() - began) / 1000).toFixed(1)} s`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  process.exit(sum('failed') ? 1 : 0);
}

await main();
