// Lists all project rules, in the order of the report.
import { documentRules } from './documents.ts';
import { edgeRules } from './edges.ts';
import { environmentRules } from './environment.ts';
import { nameRules } from './names.ts';
import { orderRules } from './order.ts';
import type { Rule } from './repository.ts';
import { sizeRules } from './sizes.ts';
import { writeRules } from './writes.ts';

export const rules: readonly Rule[] = [
  ...orderRules,
  ...edgeRules,
  ...writeRules,
  ...environmentRules,
  ...sizeRules,
  ...nameRules,
  ...documentRules,
];
