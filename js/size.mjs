#!/usr/bin/env node
// What a page loads, against size-budget.json. Exits non-zero over budget.
import { readFileSync } from 'node:fs';
import { brotliCompressSync } from 'node:zlib';

const at = (name) => new URL(name, import.meta.url);
const { budgets } = JSON.parse(readFileSync(at('size-budget.json'), 'utf8'));
const size = (file) => brotliCompressSync(readFileSync(at(`dist/${file}`))).length;

let over = 0;
for (const { name, files, limit } of budgets) {
  const bytes = files.reduce((sum, file) => sum + size(file), 0);
  over += bytes > limit ? 1 : 0;
  console.log(`${bytes > limit ? 'OVER ' : 'ok   '} ${name}: ${bytes} of ${limit} bytes (${files.join(' + ')})`);
}
process.exit(over ? 1 : 0);
