// What a check is, and on which releases of HLS.js it is run.

/** Each with the npm name it is installed under: the first and the last release of each supported line. */
export const VERSIONS = { '1.5.0': 'hls.js-1.5.0', '1.5.20': 'hls.js-1.5', '1.6.0': 'hls.js-1.6.0', '1.6.19': 'hls.js-1.6', '1.7.0': 'hls.js-1.7.0', '1.7.4': 'hls.js' };
export const NEWEST = '1.7.4';
export const ALL = Object.keys(VERSIONS);
/** The last release of each line. */
export const LINES = ['1.5.20', '1.6.19', '1.7.4'];
/** Without the 1.5 line. */
export const SINCE_1_6 = ALL.filter((version) => !version.startsWith('1.5'));

/**
 * A check. `test(t)` throws what went wrong; see `lab.mjs` for `t`.
 *
 * - `on`: releases; `conditions`: of `xhr`, `plain`, `mesh`. Without `xhr` the check asks for more than HLS.js's own
 *   loader gives, and its name says what.
 * - `broken`: loaders that must turn it red, each with what the failure must say.
 * - `player`: plays media, so it gets a page of its own.
 */
export function check(name, { on = ALL, conditions = ['xhr', 'plain', 'mesh'], broken = {}, ...more }, test) {
  return { name, on, conditions, broken, ...more, test };
}

export const player = (name, what, test) => check(name, { on: [NEWEST], ...what, player: true }, test);
