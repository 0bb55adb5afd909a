// What the keys need from the outside world, as the smallest shapes that will do.
// The clock and the logger themselves live in platform/.

/** The present, as the caller sees it. */
export interface Clock {
  now(): Date;
}

/** A structured log: fields first, then the message. No key material is ever among the fields. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
