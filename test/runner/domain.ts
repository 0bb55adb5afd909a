// Decides to which test an uncaught error belongs. tap uses async-hook-domain for this, which follows every promise of
// the process. That takes a sixth of the time of a test with many queries, so this module replaces it. Tests run one
// after another here, so the error belongs to the test that started last and has not ended.

type OnError = (error: unknown, kind: string) => void;

/** The first domain belongs to tap's root test, which never ends. */
let rootDomain: Domain | undefined;
const running: Domain[] = [];

/** The part of async-hook-domain that tap uses, and `begin`. */
export class Domain {
  readonly onerror: OnError;

  constructor(onerror: OnError) {
    this.onerror = onerror;
    rootDomain ??= this;
  }

  /** Marks the test of this domain as running until `destroy` is called. */
  begin(): void {
    running.push(this);
  }

  destroy(): void {
    const at = running.indexOf(this);
    if (at >= 0) running.splice(at, 1);
  }
}

for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(kind, (error: unknown) => (running.at(-1) ?? rootDomain)?.onerror(error, kind));
}
