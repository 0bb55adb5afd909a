// Reading and writing preset files: the allowed content, and that each error is one line that says where the error is.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  listPresets,
  type Preset,
  PresetRefused,
  parsePreset,
  readPreset,
  writePreset,
} from '../../../src/directory/presets/presets.ts';

/** Returns the lines of the error that `read` raises. */
function refusal(t: Test, read: () => Preset): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof PresetRefused) return error.problems;
    throw error;
  }
  t.fail('the text was accepted');
  return [];
}

const role = (rest: string) =>
  `name: own\nroles:\n  - {name: boss, level: 9, permissions: [], ownership: true}\n  - ${rest}\n`;

t.test('a preset is read by its shipped name or by the path of its file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-preset-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'own.yaml');
  writeFileSync(path, role("{name: helper, level: 1, permissions: ['b:c', 'a:b', 'b:c']}"));
  t.strictSame(readPreset(path), {
    name: 'own',
    roles: [
      { name: 'boss', description: '', level: 9, ownership: true, permissions: [] },
      { name: 'helper', description: '', level: 1, ownership: false, permissions: ['a:b', 'b:c'] },
    ],
  });
  t.equal(readPreset('crm').name, 'crm');
  t.match(
    refusal(t, () => readPreset('nope')),
    [/no preset "nope": name one of agents, callcenter, crm, workspace/],
  );
  t.strictSame(
    refusal(t, () => readPreset(join(folder, 'none.yaml'))),
    [`${join(folder, 'none.yaml')}: cannot be read (ENOENT)`],
  );
  t.strictSame(
    refusal(t, () => readPreset('/dev/zero')),
    ['/dev/zero: is not a regular file'],
  );
  writeFileSync(path, `#${' '.repeat(1024 * 1024)}`);
  t.match(
    refusal(t, () => readPreset(path)),
    [/must be smaller/],
  );
});

t.test('each error of a file is one line, with the role and the field if it is about them', async (t) => {
  const table: [what: string, text: string, lines: string[]][] = [
    ['nothing', '', ['must be a mapping of name and roles']],
    ['no roles', 'name: own\nroles: []', ['roles: must name at least one role']],
    ['a role that is not a mapping', role('7'), ['role 2: must be a mapping of name, level and permissions']],
    [
      'missing fields',
      role('{name: helper}'),
      ['role "helper": level: is required', 'role "helper": permissions: is required'],
    ],
    [
      'an unknown field of a role',
      role('{name: helper, level: 1, permissions: [], admin: true}'),
      ['role "helper": admin: is not known here'],
    ],
    [
      'an unknown field of the preset',
      `${role('{name: helper, level: 1, permissions: []}')}extends: crm\n`,
      ['extends: is not known here'],
    ],
    [
      'a bad name',
      role('{name: Helper, level: 1, permissions: []}'),
      ['role "Helper": name: must be a lower-case letter, then at most 39 of a-z, 0-9, _ and -'],
    ],
    [
      'a level out of range',
      role('{name: helper, level: 1001, permissions: []}'),
      ['role "helper": level: must be a whole number from 0 to 1000'],
    ],
    [
      'a level with a fraction',
      role('{name: helper, level: 1.5, permissions: []}'),
      ['role "helper": level: must be a whole number from 0 to 1000'],
    ],
    [
      'malformed permissions',
      role("{name: helper, level: 1, permissions: ['a:b', 'deals', 'Deals:read', 7, 'a:re*', 'a:b:c']}"),
      [1, 2, 3, 4, 5].map((at) => `role "helper": permissions.${at}: must be resource:action, each a name or *`),
    ],
    ['a name twice', role('{name: boss, level: 1, permissions: []}'), ['role "boss": name: is there more than once']],
    [
      'two owners',
      role('{name: helper, level: 1, permissions: [], ownership: true}'),
      ['role "helper": ownership: is true for "boss" already; one role gives ownership'],
    ],
    [
      'no owner',
      'name: own\nroles: [{name: boss, level: 9, permissions: []}]',
      ['ownership: must be true for one role, which makes its holders owners'],
    ],
    [
      'a role above the owner',
      role('{name: helper, level: 10, permissions: []}'),
      ['role "boss": level: must be the highest, because the role gives ownership'],
    ],
    [
      'an ownership that is text',
      role('{name: helper, level: 1, permissions: [], ownership: yes}'),
      ['role "helper": ownership: must be true or false'],
    ],
    ['a repeated key', 'name: own\nname: own', ['is not YAML: Map keys must be unique at line 2, column 1']],
    ['an alias', 'name: &a own\nroles: *a', ['is not YAML: Alias resolution is disabled']],
    ['two documents', 'name: a\n---\nname: b', ['must be one YAML document']],
  ];
  for (const [what, text, lines] of table) {
    t.strictSame(
      refusal(t, () => parsePreset(text, 'own.yaml')),
      lines.map((line) => `own.yaml: ${line}`),
      what,
    );
  }
});

t.test('a written preset is read back unchanged', async (t) => {
  for (const name of listPresets()) {
    const preset = readPreset(name);
    const text = writePreset(preset);
    t.strictSame(parsePreset(text, name), preset, name);
    t.equal(writePreset(parsePreset(text, name)), text, 'the preset is written unchanged');
  }
  const odd = {
    name: 'boss',
    description: 'a: "b" # c\nd — é',
    level: 0,
    ownership: true,
    permissions: ['*:*', '*:read'],
  };
  t.strictSame(parsePreset(writePreset({ name: 'odd', roles: [odd] }), 'odd').roles, [odd]);
});
