// What keeps the service or a command from going on and a person at the machine can mend.

/**
 * The base of these errors. The message names what is wrong and says what to do next, in one line or more; it is printed
 * without a stack. Each kind sets its `name`, which in snake case is its code at the command line.
 */
export class OperatorError extends Error {
  override readonly name: string = 'OperatorError';
}
