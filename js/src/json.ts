import { mutant } from './mutants.js';

/**
 * JSON of plain values. Some pages give all arrays and objects a `toJSON` of their own (Prototype.js did), which
 * JSON.stringify asks, and then writes what no core can read.
 */
export function encode(value: unknown): string {
  if (mutant('trust-to-json')) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(encode).join(',')}]`;
  if (!value || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const members = value as Record<string, unknown>;
  const told = Object.keys(members).filter((key) => members[key] !== undefined);
  return `{${told.map((key) => `${JSON.stringify(key)}:${encode(members[key])}`).join(',')}}`;
}
