// Owns: which test an error belongs to that nobody caught. Stands in for async-hook-domain, by which tap follows every
// promise of the process to know that: it costs a sixth of a test that asks a database much. Here tests run one after
// another, so that it is the one begun last of those that have not ended.

type OnError = (error: unknown, kind: string) => void;

/** The first domain is that of tap's root test, which never ends. */
let rootDomain: Domain | undefined;
const running: Domain[] = [];

/** What tap wants of async-hook-domain, and `begin`. */
export class Domain {
  readonly onerror: OnError;

  constructor(onerror: OnError) {
    this.onerror = onerror;
    rootDomain ??= this;
  }

  /** The test of this domain runs from now on until `destroy`. */
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
