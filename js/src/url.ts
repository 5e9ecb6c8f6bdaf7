/** URLs that may be none: pages and playlists are written by others. */

/** An absolute URL, or one relative to the page; where there is none yet, on a server, to one that will be. */
export function parse(value: unknown): URL | undefined {
  try {
    return typeof value === 'string' ? new URL(value, (globalThis as { location?: Location }).location?.href ?? 'https://page') : undefined;
  } catch {
    return undefined;
  }
}

/** An http or https URL without query and fragment; undefined for anything else. */
export function bare(url: string, base?: string): URL | undefined {
  try {
    const parsed = new URL(url, base);
    parsed.search = parsed.hash = '';
    return /^https?:$/.test(parsed.protocol) ? parsed : undefined;
  } catch {
    return undefined;
  }
}
