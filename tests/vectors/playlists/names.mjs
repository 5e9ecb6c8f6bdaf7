// The names that viewers compute: the SDK's own code.
import { load } from '../../../js/test/load.mjs';

const { bare: parse, laneOf, nameOf } = await load('url', 'identity');

/** Throws where there is no name. */
export function bare(url, base) {
  const parsed = parse(url, base);
  if (!parsed) throw new Error(`${url} has no name`);
  return parsed;
}

export { nameOf };

export function renditionOf(multivariant, playlist) {
  if (multivariant.href === playlist.href) return 'main';
  return laneOf(playlist.href, 'main', multivariant.href).rendition;
}
