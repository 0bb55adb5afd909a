// The shape of ids: UUIDs of any version (RFC 9562 §4).
const WRITTEN = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ID = new RegExp(WRITTEN, 'i');

/** Whether a text could be the id of something: it is never taken for a name then. In any case of letters. */
export function isIdShaped(text: string): boolean {
  return ID.test(text);
}

/** Whether it is an id as the service writes them: in lower case (RFC 9562 §4). */
export function isWrittenId(value: unknown): value is string {
  return typeof value === 'string' && WRITTEN.test(value);
}

/** The nil UUID (RFC 9562 §5.9): before every id, and nobody's. */
export const NIL_ID = '00000000-0000-0000-0000-000000000000';
