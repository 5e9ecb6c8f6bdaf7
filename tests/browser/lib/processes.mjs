// The process behind a page, stopped and resumed by its id.

const BUSY_MS = 400;

/** Id of the renderer that runs this page: the one whose clock advances while the page counts. */
export async function rendererOf(browser, page) {
  const session = await browser.newBrowserCDPSession();
  const times = async () => {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    return new Map(processInfo.filter(({ type }) => type === 'renderer').map(({ id, cpuTime }) => [id, cpuTime]));
  };
  const before = await times();
  await page.evaluate((ms) => { const end = performance.now() + ms; while (performance.now() < end); }, BUSY_MS);
  const after = await times();
  await session.detach();
  const [busiest] = Array.from(after, ([id, time]) => ({ id, time: time - (before.get(id) ?? 0) })).sort((a, b) => b.time - a.time);
  if (!busiest || busiest.time < BUSY_MS / 2000) throw new Error(`no renderer was busy for ${BUSY_MS} ms: ${JSON.stringify(busiest)}`);
  return busiest.id;
}

export function stop(pid) { process.kill(pid, 'SIGSTOP'); }

export function resume(pid) { process.kill(pid, 'SIGCONT'); }
