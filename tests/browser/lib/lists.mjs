// Forges signed fragment lists, from the format's description alone (none of the project's code).
//
// A list is: magic "meshedflow/fraglist/v1\0", kid (8), stream id (u16 length, text), ... , signature (64) at the very end.
// A rolling document carries lists as base64url without padding in `init[].list` and `segments[].list`.

import { createHash, generateKeyPairSync, sign } from 'node:crypto';

const MAGIC = Buffer.from('meshedflow/fraglist/v1\0', 'latin1');
const KID_AT = MAGIC.length;
const SIGNATURE = 64;

/** Applies `forge(list: Buffer) -> Buffer` to every list of a rolling document; returns the new document, or null if it held none. */
export function forgeRolling(body, forge) {
  const document = JSON.parse(body.toString('utf8'));
  let forged = 0;
  for (const entry of [...(document.init ?? []), ...(document.segments ?? [])]) {
    if (!entry.list) continue;
    entry.list = forge(known(Buffer.from(entry.list, 'base64url'))).toString('base64url');
    forged += 1;
  }
  return forged > 0 ? Buffer.from(JSON.stringify(document)) : null;
}

/** No signature at all: 64 zero bytes where it should stand. */
export function unsigned(list) {
  const forged = Buffer.from(list);
  forged.fill(0, forged.length - SIGNATURE);
  return forged;
}

/** A signer with a key of its own that nobody trusts: correctly signed, under that key's own id. */
export function strangerSigner() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const kid = createHash('sha256').update(raw).digest().subarray(0, 8);
  return (list) => {
    const forged = Buffer.from(list);
    kid.copy(forged, KID_AT);
    sign(null, forged.subarray(0, forged.length - SIGNATURE), privateKey).copy(forged, forged.length - SIGNATURE);
    return forged;
  };
}

/** The stream a list is for. */
export function streamOf(list) {
  const at = KID_AT + 8;
  return list.toString('utf8', at + 2, at + 2 + list.readUInt16BE(at));
}

/** All lists of a rolling document. */
export function listsOf(body) {
  const document = JSON.parse(body.toString('utf8'));
  return [...(document.init ?? []), ...(document.segments ?? [])].filter((e) => e.list).map((e) => known(Buffer.from(e.list, 'base64url')));
}

function known(list) {
  if (!list.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error(`not a fragment list: begins with ${list.subarray(0, 24).toString('latin1')}`);
  return list;
}
