// Judging once more what failed in company, and saying so.

const RUNS = 2;

/** A result that passed by itself only, after it had failed in company, is luck once; twice in a run it is a fault. */
export const ONLY_ALONE_AT_MOST = 1;

/**
 * On two shared cores no case can tell the load of others from a fault of ours. So a case that failed is judged by at
 * most two more runs with nothing beside it, of which one must pass; `tell` prints each. What is broken fails them all,
 * and more than `atMost` failures at once are no coincidence and are not run again. Changes `results` in place, and marks
 * those that passed now as `onlyAlone`; a result has a `name`, and `good(result)` is its verdict.
 */
export async function judgeAlone(results, { run, tell, good, atMost }) {
  const failed = results.filter((result) => !good(result));
  if (failed.length > atMost) return;
  for (const before of failed) {
    let result = before;
    for (let i = 0; i < RUNS && !good(result); i += 1) {
      console.log(`alone: ${before.name}`);
      result = await run(before.name);
      tell(result);
    }
    results[results.indexOf(before)] = { ...result, onlyAlone: good(result) };
  }
}

/**
 * How a run went, and its closing lines. Those that passed only alone are named, and counted on the line before the
 * last; more than `mayBeAlone` of them are failures, all of them.
 */
export function verdict(results, good, mayBeAlone = ONLY_ALONE_AT_MOST) {
  const alone = results.filter((result) => good(result) && result.onlyAlone);
  const tooMany = alone.length > mayBeAlone;
  const passed = results.filter(good).length - (tooMany ? alone.length : 0);
  const failed = results.length - passed;
  const named = alone.map(({ name }) => name).join(', ');
  const lines = [`${alone.length} of them only alone${named && `: ${named}`}`, `${passed} passed, ${failed} failed`];
  if (tooMany) lines.unshift(`FAIL more than ${mayBeAlone} passed only alone: they count as failed`);
  return { passed, failed, lines };
}
