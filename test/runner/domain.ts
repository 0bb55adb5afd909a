// Owns: to which test an uncaught error belongs. Replaces async-hook-domain, with which tap follows every promise of
// the process: that costs a sixth of the time of a test with many queries. Here tests run one after another, so the
// error belongs to the test that started last and has not ended.

type OnError = (error: unknown, kind: string) => void;

/** The first domain is that of tap's root test, which never ends. */
let rootDomain: Domain | undefined;
const running: Domain[] = [];

/** The part of async-hook-domain that tap needs, and `begin`. */
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
