// Errors that stop the service or a command and that an operator can fix.

/**
 * The base class of these errors. The message says what is wrong and what to do next, in one or more lines. It is
 * printed without a stack. Each subclass sets its `name`. This name in snake case is the code of the error at the
 * command line.
 */
export class OperatorError extends Error {
  override readonly name: string = 'OperatorError';
}
