// What the processes that run test files say to the one that gives them the files.

/** The longest that a file may take. */
export const FILE_SECONDS_MAX = 300;

/** Opens the comment that follows the results of a file. */
export const DONE = '# done ';

export interface Done {
  readonly file: string;
  readonly pass: number;
  readonly fail: number;
  readonly skip: number;
  readonly seconds: number;
  /** Kinds of what the file has left open: a server, a timer, a process. */
  readonly left: readonly string[];
  readonly residentBytes: number;
}
