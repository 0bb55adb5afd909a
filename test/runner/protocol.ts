// The messages between the processes that run test files and the process that distributes the files.

/** The longest time that a file may take. */
export const FILE_SECONDS_MAX = 300;

/** The start of the comment after the results of a file. */
export const DONE = '# done ';

export interface Done {
  readonly file: string;
  readonly pass: number;
  readonly fail: number;
  readonly skip: number;
  readonly seconds: number;
  /** The CPU time of the process and of its children that have ended, without PostgreSQL. */
  readonly coreSeconds: number;
  /** The kinds of resources that the file has left open: a server, a timer, a process. */
  readonly left: readonly string[];
  readonly residentBytes: number;
}
