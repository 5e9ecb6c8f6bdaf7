// The list of what the oldest browsers lack finds it, and leaves alone what they have.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beyondFloor } from '../floor.mjs';

test('what the floor lacks is found', () => {
  const samples = {
    'a.at(-1)': 'at', 'a["replaceAll"]("b", "c")': 'replaceAll', 'new WeakRef(a)': 'WeakRef', 'crypto.randomUUID()': 'randomUUID',
    'const { timeOrigin } = performance': 'timeOrigin', 'Promise.any([])': 'Promise.any', 'AbortSignal.timeout(5)': 'AbortSignal.timeout',
    'structuredClone(a)': 'structuredClone', 'new FinalizationRegistry(f)': 'FinalizationRegistry without a guard',
    'WebAssembly.instantiateStreaming(r)': 'instantiateStreaming without a guard', 'export * as a from "a"': 'export * as',
    'a?.b(...c)': 'spread in an optional call', 'const [, ...a] = [b, c]': 'rest of an array literal',
    'requestIdleCallback(f)': 'requestIdleCallback', 'r.body.pipeThrough(t)': 'pipeThrough',
  };
  for (const [source, name] of Object.entries(samples)) assert.deepEqual(beyondFloor(source), [name], source);
  for (const regexp of ['/(?<=a)b/', '/(?<year>[0-9]+)/', '/a.b/s', '/\\p{L}/u']) assert.deepEqual(beyondFloor(regexp), [regexp]);
});

test('syntax beyond the floor does not even parse', () => {
  for (const source of ['a ??= b', 'class A { #b }', 'class A { static { f(); } }', 'await a', 'class A { b = 1 }']) assert.throws(() => beyondFloor(source), SyntaxError, source);
});

test('what the floor has is left alone', () => {
  const samples = [
    'a?.b ?? c', 'import("./late.js")', 'new URL("./a.wasm", import.meta.url)', 'try { f() } catch { g() }', '[].flatMap(f)', 'Promise.allSettled(a)', '10n ** 3n',
    'const a = { at: 1, any: 2 }', 'let at = 0; f(at)', 'this.at = 0', 'class A { at() {} }', 'a(...b)', 'const [b, ...c] = d', 'Object.assign({}, { sctp: 1 })',
    'typeof FinalizationRegistry === "undefined" ? 0 : new FinalizationRegistry(f)',
  ];
  for (const source of samples) assert.deepEqual(beyondFloor(source), [], source);
});
