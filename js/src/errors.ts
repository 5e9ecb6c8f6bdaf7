/** Reasons for which the SDK throws. */
export type ErrorCode =
  /** A required option is absent. */
  | 'option-missing'
  /** No option has this name. */
  | 'option-unknown'
  /** An option has a value that it cannot have. */
  | 'option-invalid'
  /** `attach` was given something that is not a player using MeshedFlow. */
  | 'not-a-player'
  /** `SharedLoader` was used before `SharedLoader.core` was set. */
  | 'no-core';

/** Which option, what it was, and what was expected instead. */
export interface ErrorFacts {
  option?: string;
  value?: unknown;
  expected?: string;
}

/** The only error the SDK throws at the page; nothing that happens later, on the network, ever throws. */
export class MeshedFlowError extends Error {
  readonly code: ErrorCode;
  readonly option: string | undefined;
  readonly value: unknown;
  readonly expected: string | undefined;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(`MeshedFlow: ${message} [${code}]`);
    this.name = 'MeshedFlowError';
    this.code = code;
    this.option = facts.option;
    this.value = facts.value;
    this.expected = facts.expected;
  }
}
