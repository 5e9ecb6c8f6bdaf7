// The process behind a page, stopped and resumed by its id.

const BUSY_MS = 400;

/** Id of the renderer that runs this page: the one whose clock advances while the page counts. */
export async function rendererOf(browser, page) {
  const session = await browser.newBrowserCDPSession();
  const times = async () => {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    return new Map(processInfo.filter(({ type }) => type === 'renderer').map(({ id, cpuTime }) => [id, cpuTime]));
  };
  let spent = [];
  // On a busy machine others may have most of the processor for once.
  for (let tries = 0; tries < 4; tries += 1) {
    const before = await times();
    await page.evaluate((ms) => { const end = performance.now() + ms; while (performance.now() < end); }, BUSY_MS);
    const after = await times();
    spent = Array.from(after, ([id, time]) => ({ id, time: time - (before.get(id) ?? 0) })).sort((a, b) => b.time - a.time);
    if (spent[0].time > 2 * (spent[1]?.time ?? 0)) {
      await session.detach();
      return spent[0].id;
    }
  }
  throw new Error(`no renderer stood out while the page was busy: ${JSON.stringify(spent)}`);
}

export function stop(pid) { process.kill(pid, 'SIGSTOP'); }

export function resume(pid) { process.kill(pid, 'SIGCONT'); }
