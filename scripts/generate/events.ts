// Writes docs/events.md, the catalogue of events for readers.
// The catalogue itself is src/base/events/catalogue.ts.
import { z } from 'zod';
import { EVENT_TYPES, EVENTS } from '../../src/base/events/catalogue.ts';

interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
}

/** Returns docs/events.md. */
export function eventsPage(): string {
  const nouns = [...new Set(EVENT_TYPES.map((type) => type.split('.')[0] ?? ''))];
  return `# Events

Changes are recorded as events, each in the transaction of its change: either both are stored, or neither. Only the types
in these tables are recorded. An event has an \`id\`, the instant \`at\` by the database's clock, a \`type\`, and:

- its actor: the id of a **user** or of a service **client**. There is no id for an **operator** at the command line and for
  the **system**, which is the service when nobody called it.
- its target: the id of the user, session, role or other thing that changed. Events about the whole installation have none.
- its organization: *always*, *never*, or *maybe*, which means only if the change concerns an organization.
- its data: exactly the fields in these tables. They never hold secrets, e-mail addresses or tokens.

Events are never changed. They stay after their target is deleted.

No endpoint lists events yet. An operator reads them from the table \`events\`, as a role that bypasses row-level security, such
as the one for [backups](database.md#backups):

\`\`\`sql
SELECT at, type, organization_id, actor_id, target_id, data
FROM events WHERE type LIKE 'member.%' AND at > now() - interval '1 day' ORDER BY at, id;
\`\`\`
${nouns.map(tableOf).join('')}`;
}

function tableOf(noun: string): string {
  const rows = EVENT_TYPES.filter((type) => type.startsWith(`${noun}.`)).map((type) => {
    const { when, actor, target, organization, data } = EVENTS[type];
    const fields = fieldsOf(z.toJSONSchema(data) as Schema).join('; ') || '–';
    return `| \`${type}\` | ${when} | ${actor.join(', ')} | ${target} | ${organization} | ${cell(fields)} |`;
  });
  return `
## \`${noun}\`

| type | when | actor | target | organization | data |
|---|---|---|---|---|---|
${rows.join('\n')}
`;
}

function fieldsOf({ properties = {}, required = [], anyOf }: Schema): string[] {
  if (anyOf) return [anyOf.flatMap(fieldsOf).join(' or ')];
  return Object.entries(properties).map(([name, schema]) => {
    const { description } = schema;
    const presence = required.includes(name) ? '' : ', or left out';
    return `\`${name}\`: ${wordsOf(schema)}${presence}${description ? ` (${description})` : ''}`;
  });
}

// Raises Error for a kind of schema that no event has used so far. Then add a description of that kind here.
function wordsOf(schema: Schema): string {
  const { type, format, enum: values, anyOf, items, properties, additionalProperties } = schema;
  if (anyOf) return anyOf.map(wordsOf).join(' or ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (values) return values.map((value) => `\`${value}\``).join(' / ');
  if (type === 'null') return 'null';
  if (type === 'integer') return 'number';
  if (type === 'string') return { uuid: 'id', 'date-time': 'instant' }[format ?? ''] ?? 'text';
  if (type === 'array' && items) return `list of ${wordsOf(items)}`;
  if (type === 'object' && typeof additionalProperties === 'object') return `${wordsOf(additionalProperties)} by name`;
  if (type === 'object' && properties) {
    return `object of ${Object.entries(properties)
      .map(([name, one]) => `\`${name}\` (${wordsOf(one)})`)
      .join(' and ')}`;
  }
  throw new Error(`docs/events.md has no words for ${JSON.stringify(schema)}`);
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
