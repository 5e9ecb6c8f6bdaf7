// Pages, and what a check gets to work with.
let hosts = 0;

/** A page with this HLS.js and the SDK; with ours, its core in the state that `condition` names. */
export async function openPage({ browser, server }, version, condition, { scripted, begin = {}, url = '/page' } = {}) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto(server.home + url);
  for (const name of [`hls-${version}`, scripted ? 'scripted' : 'sdk', 'ways.js', 'setups.js', 'request.js', 'broken.js', 'play.js', 'script.js']) {
    await page.addScriptTag({ url: `${server.home}/lib/${name}` });
  }
  await page.waitForFunction(() => window.MeshedFlow);
  if (!scripted) await page.evaluate(([c, b]) => lab.begin(c, b), [condition, begin]);
  return { page, problems, close: () => context.close() };
}

/** Runs one check in an open page; returns what went wrong, if anything. */
export async function runCheck(lab, { page, problems }, run) {
  const began = performance.now();
  let fault = '';
  try {
    await within(run.check.test(toolsOf(lab, page, problems, run)), run.why ? 15_000 : 25_000);
    const unwanted = problems.filter((text) => !/on purpose/.test(text));
    if (run.check.player && unwanted.length) fault = `the page threw: ${unwanted.join('; ')}`;
  } catch (error) {
    fault = error.message || String(error);
  }
  if (run.why) fault = verdict(run, fault);
  return { version: run.version, way: run.way, name: run.check.name, ms: performance.now() - began, fault };
}

/** A page that spins answers nothing any more. */
function within(work, ms) {
  let timer;
  const over = new Promise((_go, no) => (timer = setTimeout(no, ms, new Error(`nothing after ${ms} ms`))));
  return Promise.race([work, over]).finally(() => clearTimeout(timer));
}

/** A loader with a defect must fail the check, and for that defect. */
function verdict({ why }, fault) {
  if (!fault) return 'passed with a loader that breaks the rule';
  return why.test(fault) ? '' : `failed, but not for the defect (${why}): ${fault}`;
}

/**
 * - `base`: an origin of this run alone; `log()`: what it was asked since the last call.
 * - `request({ path, ... })`: one request by hand (page/request.js); in the mesh, and as plain, it must have gone that way.
 * - `play({ path, ... })`: a whole player (page/play.js).
 */
function toolsOf({ server }, page, problems, { version, condition, way, check }) {
  const name = `${check.strict ? 'strict' : 'c'}${++hosts}`;
  const base = `http://${name}.page.localhost:${server.port}`;
  const ours = condition !== 'xhr';
  const defaultWay = ours ? check.way ?? 'hlsConfig' : way.replace(/^broken:/, check.everything ? 'broken-all:' : 'broken:');
  const place = ({ path, ...what }) => ({ way: defaultWay, url: base + path, ...what });
  const t = {
    page, problems, version, condition, base, name, ours, home: server.home, way: defaultWay,
    log: (prefix = '') => server.takeLog(prefix + name),
    logOf: (host) => server.takeLog(host),
    async request(what) {
      const seen = await page.evaluate((w) => lab.request(w), place(what));
      if (ours && seen.ways.length) expectWay(seen.ways, condition, what);
      return seen;
    },
    play: (what) => page.evaluate((w) => lab.play(w), place(what)),
  };
  return t;
}

function expectWay(ways, condition, what) {
  const wrong = ways.filter((way) => way !== (condition === 'mesh' ? 'mesh' : 'plain'));
  if (wrong.length) throw new Error(`loads of ${what.path} went ${wrong}, in a page whose condition is ${condition}`);
}
