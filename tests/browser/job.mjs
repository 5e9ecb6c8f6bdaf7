// Runs one case in this process; e2e.mjs starts it inside a namespace. Last line: `RESULT {json}`.

import { Job } from './lib/job.mjs';
import { find } from './cases/index.mjs';

const [name, mutant] = process.argv.slice(2);
const found = find(name);
const began = Date.now();
let job = null;
let ending = false;

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => end({ ok: false, error: `ended by ${signal}` }));
const late = setTimeout(() => end({ ok: false, error: `not done within ${found.limitMs} ms` }), found.limitMs);

try {
  job = await Job.open({ mutant: mutant || null, media: await found.media?.() });
  const said = await found.run(job);
  await end({ ok: true, ...(typeof said === 'string' ? { text: said } : said) });
} catch (error) {
  const note = job?.note ? ` [${job.note}]` : '';
  await end({ ok: false, error: String(error.message ?? error).trim().split('\n')[0] + note, stack: String(error.stack ?? '') });
}

async function end(result) {
  if (ending) return;
  ending = true;
  clearTimeout(late);
  await job?.close();
  console.log(`RESULT ${JSON.stringify({ name, mutant: mutant || null, faulted: job?.faulted ?? false, chromium: job?.browser?.version() ?? null, seconds: (Date.now() - began) / 1000, ...result })}`);
  process.exit(result.ok ? 0 : 1);
}
