// One table of codes: what is thrown and told is in it, and what the README shows is it.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { load } from './load.mjs';

const { ERRORS } = await load('errors');
const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (name) => readFileSync(root + name, 'utf8');
const sources = (dir, ext) => readdirSync(root + dir, { recursive: true }).filter((name) => name.endsWith(ext)).map((name) => read(`${dir}/${name}`)).join('\n');
const found = (text, pattern) => [...new Set([...text.matchAll(pattern)].map(([, code]) => code))].sort();
const codes = (how) => Object.keys(ERRORS).filter((code) => ERRORS[code][0] === how).sort();

test('every code that is thrown or told is in the table, and nothing else', () => {
  const ts = sources('js/src', '.ts');
  assert.deepEqual(found(ts, /new MeshedFlowError\(\s*'([a-z-]+)'/g), codes('thrown'));
  const rust = `${sources('crates/core/src', '.rs')}\n${sources('crates/wasm/src', '.rs')}`;
  const told = found(rust, /\b(?:warn\(|tell_trouble\(\s*\w+(?:\.\w+)?,)\s*(?:&self\.driver\.host,\s*)?"([a-z-]+)"/g);
  assert.ok(told.length > 20, 'the pattern finds them');
  assert.deepEqual([...new Set([...told, ...found(ts, /(?:\.(?:off|lost)\((?:[^,]* : )?|new Error\(.*name: )'([a-z-]+)'/g)])].sort(), codes('told'));
});

test('what ends the mesh is what the page closes it for, and nothing is told as fatal', () => {
  const page = read('js/src/page.ts');
  const ends = found(page, /\.(?:off|lost)\((?:[^,]* : )?'([a-z-]+)'/g);
  const named = found(sources('js/src', '.ts'), /new Error\(.*name: '([a-z-]+)'/g);
  assert.deepEqual(Object.keys(ERRORS).filter((code) => ERRORS[code][3] === 'mesh').sort(), [...new Set([...ends, ...named])].sort());
  assert.doesNotMatch(sources('js/src', '.ts'), /\bfatal: (?!false)/);
});

test('the README shows the table, line by line', () => {
  const rows = read('pkg-template/README.md').split('\n').filter((line) => /^\| `[a-z-]+` \| (thrown|told) /.test(line));
  assert.deepEqual(rows, Object.entries(ERRORS).map(([code, [how, means, act]]) => `| \`${code}\` | ${how} | ${means} | ${act} |`));
});

test("the snapshot's type and the README name every counter of the core", () => {
  const telemetry = read('crates/core/src/telemetry.rs');
  const json = telemetry.slice(telemetry.indexOf('fn to_json'), telemetry.indexOf('impl Mesh'));
  const names = found(json, /(?:\(|\.json\(|\.text\()"([a-zA-Z]+)"/g);
  const types = read('js/src/stats.ts').split('interface CoreStats')[1];
  assert.deepEqual(found(types, /^ {2}([a-zA-Z]+):/gm), names);
  const readme = read('pkg-template/README.md').split('## Statistics')[1].split('## Errors')[0];
  for (const name of names) assert.ok(readme.includes(`.${name}\``), `${name} is explained`);
});
