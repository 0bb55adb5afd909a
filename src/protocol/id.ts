// The shape of ids: UUIDs of any version (RFC 9562 §4).
const WRITTEN = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ID = new RegExp(WRITTEN, 'i');

/** Whether a text has the shape of an id, in upper or lower case. Such a text is never read as a slug or a name. */
export function isIdShaped(text: string): boolean {
  return ID.test(text);
}

/** Whether a value is an id as the service writes it: in lower case (RFC 9562 §4). */
export function isWrittenId(value: unknown): value is string {
  return typeof value === 'string' && WRITTEN.test(value);
}

/** The nil UUID (RFC 9562 §5.9). The nil UUID sorts before every id, and no record has it. */
export const NIL_ID = '00000000-0000-0000-0000-000000000000';
