/**
 * Defences that a test can switch off, to show that it would notice. Only the tests' build of the SDK
 * (`js/build.mjs --mutants`) looks at what the page says; elsewhere {@link mutant} is false, whatever it says.
 */
declare const MESHEDFLOW_MUTANTS: boolean | undefined;

/** Names that the page switched off, comma-separated; the core knows names of its own among them. */
export function mutants(): string | undefined {
  if (typeof MESHEDFLOW_MUTANTS !== 'boolean' || !MESHEDFLOW_MUTANTS) return undefined;
  return (globalThis as { __meshedflowMutant?: string }).__meshedflowMutant;
}

/** Is this defence switched off? */
export function mutant(name: string): boolean {
  return (mutants() ?? '').split(',').indexOf(name) >= 0;
}
