// The variables of the environment as the documentation lists them. The description, default and bounds of each
// variable are taken from the schemas in settings/.
import { z } from 'zod';
import { TOPICS } from './config.ts';

export interface Variable {
  readonly name: string;
  /** The heading under which the documentation lists the variable. */
  readonly topic: string;
  readonly description: string;
  readonly secret: boolean;
  /** The default, as it is written in the environment; '' when the variable has no default. */
  readonly fallback: string;
  /** The choices or bounds; '' for a variable that has neither. */
  readonly values: string;
}

interface Shape {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Every variable, in the order of the documentation. */
export function variables(): Variable[] {
  return TOPICS.flatMap(({ title, variables }) =>
    Object.entries<z.ZodType>(variables).map(([name, schema]) => describe(title, name, schema)),
  );
}

function describe(topic: string, name: string, schema: z.ZodType): Variable {
  const meta = schema.meta() ?? {};
  const fallback = typeof meta.default === 'string' ? meta.default : defaultOf(schema);
  const secret = meta.secret === true;
  return { name, topic, description: meta.description ?? '', secret, fallback, values: valuesOf(schema) };
}

/** Returns the default of a variable. When the default depends on the machine, `.meta()` may replace it with a text. */
function defaultOf(schema: z.ZodType): string {
  // zod applies a `default` after parsing the text, and a `prefault` before it.
  const [meant, written] = (['output', 'input'] as const).map((io) =>
    z.toJSONSchema(schema, { io, unrepresentable: 'any' }),
  );
  return String(written?.default ?? meant?.default ?? '');
}

function valuesOf(schema: z.ZodType): string {
  const written = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Shape;
  const meant = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' }) as Shape;
  if (written.enum) return written.enum.map((value) => `\`${value}\``).join(', ');
  const { type, minimum, maximum } = meant;
  if (type !== 'integer' || minimum === undefined || maximum === undefined) return '';
  const isDuration = written.type === 'string';
  return isDuration ? `${inUnits(minimum)} to ${inUnits(maximum)}` : `${minimum} to ${maximum}`;
}

const UNITS = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'm'],
] as const;

/** Writes seconds in the largest unit that divides them: 900 becomes 15m. */
function inUnits(seconds: number): string {
  const unit = UNITS.find(([size]) => seconds >= size && seconds % size === 0);
  return unit ? `${seconds / unit[0]}${unit[1]}` : `${seconds}s`;
}
