// Who meets whom. A case is a list of engines with the players in each; plain HLS.js is in each of them, for comparison.

import { httpOnly, meshed } from './verdict.mjs';

const CURRENT = '1.7.4';
const plain = { build: 'plain', hls: CURRENT };
const script = { build: 'script', hls: CURRENT };
const module = { build: 'module', hls: CURRENT };
const oldHls = { build: 'script', hls: '1.5.20' };
const withCore = { ...script, core: true };

/** `engines`: `[engine, players]` each; `hold(job)`: what must be true besides what is for all, and says it in words. */
export const cases = [
  { name: 'chromium-80', engines: [['chromium-80', [plain, script, module, oldHls]]], hold: meshed },
  { name: 'chromium-80-and-current', engines: [['chromium-80', [plain, module]], ['chromium', [plain, script]]], hold: meshed },
  { name: 'chromium-92-and-current', engines: [['chromium-92', [plain, script]], ['chromium', [plain, module]]], hold: meshed },
  { name: 'firefox', engines: [['firefox', [plain, script, module]]], hold: meshed },
  { name: 'firefox-and-current', engines: [['firefox', [plain, module]], ['chromium', [plain, script]]], hold: meshed },
  { name: 'webkit', engines: [['webkit', [plain, script, module, withCore]]], hold: httpOnly },
];

export function find(name) {
  const found = cases.find((each) => each.name === name);
  if (!found) throw new Error(`no case "${name}"; there are ${cases.map((each) => each.name).join(', ')}`);
  return found;
}
