// What is not media never enters the mesh: with `loader:` the SDK also gets keys and content steering, and must pass them on.

import assert from 'node:assert/strict';
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { playsWell, quiet } from '../lib/checks.mjs';
import { pause } from '../lib/viewers.mjs';

export const cases = [
  { name: 'keys-and-steering-pass', limitMs: 45_000, run: passing },
];

const MEDIA = /\.(m4s|mp4)$/;

async function passing(job) {
  const key = encrypt(job);
  steer(job);
  const viewers = [];
  for (const [name, version] of [['with-1.5', '1.5'], ['with-1.7', '1.7']]) {
    const viewer = await job.mesh(name, { hls: version, way: version === '1.5' ? 'snippet' : 'shared', hash: 0 });
    await viewer.playing();
    viewers.push(viewer);
  }
  await pause(8000);
  playsWell(await job.viewers.reports());
  await quiet(viewers);
  assert.ok(job.proxy.hit('encrypted') >= 4, 'no segment was encrypted');
  for (const viewer of viewers) {
    const asked = (pattern) => viewer.requests.filter((r) => pattern.test(new URL(r.url).pathname));
    assert.equal(asked(/\/key\.bin$/).length >= 1, true, `${viewer.name} never asked for its key`);
    assert.ok(asked(/\/steering\.json$/).length >= 1, `${viewer.name} never asked for its steering manifest`);
    assert.ok(asked(/\.m3u8$/).length >= 6, `${viewer.name} asked for ${asked(/\.m3u8$/).length} playlists`);
    const { segments } = await viewer.report();
    for (const s of segments) assert.match(new URL(s.url).pathname, MEDIA, `${viewer.name}: the mesh handled ${s.url}`);
    assert.equal((await viewer.report()).fromPeers, 0, `${viewer.name}: encrypted bytes that no list vouches for came from a peer`);
  }
  return `key ${key.toString('hex').slice(0, 8)}… asked ${job.proxy.hit('key')} times, steering ${job.proxy.hit('steering')} times`;
}

/** The same stream with whole segments encrypted (AES-128) on the way; the key is one more request. */
function encrypt(job) {
  const key = randomBytes(16);
  const iv = Buffer.alloc(16, 7);
  job.proxy.rewrite('tagged', /\/index\.m3u8$/, (body) => Buffer.from(body.toString('utf8')
    .replace(/(#EXT-X-MAP:[^\n]*\n)/g, `$1#EXT-X-KEY:METHOD=AES-128,URI="key.bin",IV=0x${iv.toString('hex')}\n`)));
  job.proxy.rewrite('encrypted', /\.m4s$/, (body) => {
    const cipher = createCipheriv('aes-128-cbc', key, iv);
    return Buffer.concat([cipher.update(body), cipher.final()]);
  });
  job.proxy.answer('key', /\/key\.bin$/, () => ({ body: key }));
  return createHash('sha256').update(key).digest();
}

function steer(job) {
  job.proxy.rewrite('steered', /\/master\.m3u8$/, (body) => Buffer.from(body.toString('utf8')
    .replace('#EXTM3U\n', '#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI="steering.json",PATHWAY-ID="."\n')));
  job.proxy.answer('steering', /\/steering\.json$/, () => ({
    type: 'application/json', body: Buffer.from(JSON.stringify({ VERSION: 1, TTL: 300, 'PATHWAY-PRIORITY': ['.'] })),
  }));
}
