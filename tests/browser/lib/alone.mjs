// Judging once more what failed in company.

const RUNS = 2;

/**
 * On two shared cores no case can tell the load of others from a fault of ours. So a case that failed is judged by at
 * most two more runs with nothing beside it, of which one must pass; `tell` prints each. What is broken fails them all,
 * and more than `atMost` failures at once are no coincidence and are not run again. Changes `results` in place; a result
 * has a `name`, and `good(result)` is its verdict.
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
    results[results.indexOf(before)] = result;
  }
}
