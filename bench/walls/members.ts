// Inserts many people for a measurement, sealed with the keys of its testbed.
import { randomUUID } from 'node:crypto';
import type { Personal } from '../../src/base/secrets/personal.ts';
import { insertPeople } from '../../test/support/personal.ts';

const AT_ONCE = 5_000;

/** Inserts people whose addresses begin with `name`. Returns their ids. */
export async function insertMembers(
  database: Parameters<typeof insertPeople>[0],
  personal: Personal,
  { name, count }: { readonly name: string; readonly count: number },
): Promise<string[]> {
  const people = Array.from({ length: count }, (_, index) => {
    return { id: randomUUID(), email: `${name}${index + 1}@example.com`, name: `Member ${index + 1}` };
  });
  for (let at = 0; at < count; at += AT_ONCE) await insertPeople(database, people.slice(at, at + AT_ONCE), personal);
  return people.map(({ id }) => id);
}
