// What the oldest browsers served here do not have, looked for in what ships: Chrome and Edge 80, Firefox 76, Safari 14.0.
//
// es-check judges syntax and the better known built-ins by the year of the language. This list is about the browsers
// themselves: a name is here if one of them came without it.
import { parse } from 'acorn';

/** For esbuild. */
export const FLOOR = ['es2020', 'chrome80', 'edge80', 'firefox76', 'safari14'];

/**
 * Counted as absent there by esbuild for rare forms that are not written here: optional calls with spread arguments
 * (Chrome up to 90), rest elements taken from an array literal (Safari up to 14.0).
 */
export const PRESENT = { destructuring: true, 'optional-chain': true };

/** Names that no code of ours may ask for, as a global or as a member of whatever. */
const ABSENT = new Set([
  // the language
  'AggregateError', 'WeakRef', 'BigInt64Array', 'BigUint64Array', 'SharedArrayBuffer', 'Atomics',
  // the page
  'BroadcastChannel', 'structuredClone', 'reportError', 'requestIdleCallback', 'cancelIdleCallback', 'compileStreaming',
  // streams: Firefox 76 has ReadableStream alone
  'TransformStream', 'WritableStream', 'CompressionStream', 'DecompressionStream', 'TextDecoderStream',
]);
/** The same for members alone: a local variable may have such a name. */
const ABSENT_MEMBERS = new Set([
  'at', 'findLast', 'findLastIndex', 'hasOwn', 'replaceAll', 'toReversed', 'toSorted', 'toSpliced', 'groupBy', 'fromAsync',
  'getBigInt64', 'getBigUint64', 'setBigInt64', 'setBigUint64', 'isWellFormed', 'toWellFormed', 'transferToFixedLength', 'withResolvers',
  'randomUUID', 'requestVideoFrameCallback', 'timeOrigin', 'locks', 'scheduler', 'userActivation', 'replaceChildren',
  'throwIfAborted', 'pipeThrough', 'pipeTo',
  // of connections, in Firefox before 113 or Safari before 15.4
  'canTrickleIceCandidates', 'sctp', 'maxMessageSize', 'peerIdentity',
]);
/** Pairs: harmless names by themselves. */
const ABSENT_OF = new Set(['Promise.any', 'AbortSignal.any', 'AbortSignal.timeout', 'Response.json', 'Object.groupBy', 'URL.canParse']);
/** Used by generated code behind a question of this kind; otherwise absent, too. */
const GUARDED = new Map([['FinalizationRegistry', /typeof FinalizationRegistry\b/], ['instantiateStreaming', /typeof WebAssembly\.instantiateStreaming\b/]]);
/** Named groups, looks behind, \p, and flags that Firefox 76 and Safari 14 refuse. */
const REGEXP = { pattern: /\(\?<|\\[pPk][{<]/, flags: /[sdv]/ };

/** What `source` uses that the floor does not have, as lines. */
export function beyondFloor(source) {
  const found = new Set();
  walk(parse(source, { ecmaVersion: 2020, sourceType: 'module' }), (node, parent) => {
    const member = memberOf(node, parent);
    const name = member ?? globalOf(node, parent);
    if (ABSENT.has(name) || ABSENT_MEMBERS.has(member)) found.add(name);
    if (GUARDED.get(name)?.test(source) === false) found.add(`${name} without a guard`);
    const pair = node.type === 'MemberExpression' && `${node.object.name}.${node.property.name}`;
    if (ABSENT_OF.has(pair)) found.add(pair);
    if (node.regex && (REGEXP.pattern.test(node.regex.pattern) || REGEXP.flags.test(node.regex.flags))) found.add(String(node.raw));
    if (node.type === 'ExportAllDeclaration' && node.exported) found.add('export * as');
    if (spreadsOptionally(node)) found.add('spread in an optional call');
    if (restOfLiteral(node)) found.add('rest of an array literal');
  });
  return [...found];
}

/** The member that a node asks for, by `a.b`, `a['b']` or `{ b } = a`. */
function memberOf(node, parent) {
  // What hangs at `this` is our own.
  if (node.type === 'MemberExpression' && node.object.type !== 'ThisExpression') return node.computed ? node.property.value : node.property.name;
  return node.type === 'Property' && parent.type === 'ObjectPattern' && !node.computed ? node.key.name : undefined;
}

/** The name of an identifier that is neither a member nor a key. */
function globalOf(node, parent) {
  const isKey = parent && !parent.computed && ((parent.key === node && !parent.shorthand) || parent.property === node);
  return node.type === 'Identifier' && !isKey ? node.name : undefined;
}

/** V8 up to Chrome 90 takes `f?.(...a)` apart wrongly. */
function spreadsOptionally(node) {
  return node.type === 'ChainExpression' && node.expression.type === 'CallExpression' && node.expression.arguments.some((a) => a.type === 'SpreadElement');
}

/** Safari 14.0 loses elements of `[, ...a] = [x, y]`. */
function restOfLiteral(node) {
  const [to, from] = node.type === 'VariableDeclarator' ? [node.id, node.init] : node.type === 'AssignmentExpression' ? [node.left, node.right] : [];
  return to?.type === 'ArrayPattern' && from?.type === 'ArrayExpression' && to.elements.some((e) => e?.type === 'RestElement');
}

function walk(node, visit, parent = null) {
  visit(node, parent);
  for (const key of Object.keys(node)) {
    for (const child of [node[key]].flat()) if (child && typeof child.type === 'string') walk(child, visit, node);
  }
}
