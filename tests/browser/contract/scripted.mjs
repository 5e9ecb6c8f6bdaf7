// The SDK as it ships, but for its late chunk: there the page scripts the core. For moods that a real core cannot be
// made to show on demand.
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

export async function scriptedSdk() {
  const plugin = {
    name: 'scripted core',
    setup: (b) => b.onResolve({ filter: /late\.js$/ }, (found) => (found.kind === 'dynamic-import' ? { path: here('late.ts') } : undefined)),
  };
  const result = await build({
    entryPoints: [here('../../../js/src/entry/module.ts')],
    bundle: true, format: 'iife', globalName: 'MeshedFlow', target: 'es2020', write: false, plugins: [plugin],
  });
  return result.outputFiles[0].text;
}
