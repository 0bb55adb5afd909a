// Files that break the rules of order, edges and writes. Each file is listed under the rule that reports it.
import type { Mutations } from './mutations.ts';

export const brokenStructure: Mutations = {
  'every folder of src/ has a place in the order': [
    ['a folder that nobody named', 'src/base/cache/cache.ts', 'export const cache = 1;\n'],
    ['a wing that nobody named', 'src/billing/invoices.ts', ''],
  ],
  'the map lists the folders of each wing in their order, and explains each': [
    ['a folder that its wing lacks', 'src/README.md', (text) => text.replace('| errors, headers, ', '| errors, ')],
    ['two folders in the wrong order', 'src/README.md', (text) => text.replace('keys, data-keys', 'data-keys, keys')],
    ['a folder of the verifier', 'src/README.md', (text) => text.replace('| core, keys, feed, ', '| core, keys, ')],
    ['a folder without a row', 'src/README.md', (text) => text.replace('| `base/headers/` |', '| `headers` |')],
  ],
  'no file imports from a folder that is later in the order': [
    [
      'tokens use the verifier',
      'src/credentials/tokens/access.ts',
      "import { createVerifier } from '../../verifier/index.ts';\n",
    ],
    [
      'http uses the sidecar',
      'src/base/http/server.ts',
      "import type { Sidecar } from '../../sidecar/core/sidecar.ts';\n",
    ],
    [
      'events use passwords',
      'src/base/events/record.ts',
      "export { hash } from '../../credentials/passwords/hashing.ts';\n",
    ],
    [
      'directory uses credentials',
      'src/directory/users/accounts.ts',
      "import { revoke } from '../../credentials/revocations/revocations.ts';\n",
    ],
    [
      'credentials use directory',
      'src/credentials/keys/ring.ts',
      "import { parseEmail } from '../../directory/users/email.ts';\n",
    ],
    [
      'a folder uses a later folder of its wing',
      'src/directory/users/accounts.ts',
      "import { page } from '../members/list-members.ts';\n",
    ],
    ['an import at run time', 'src/protocol/claims.ts', "const late = await import('../base/platform/clock.ts');\n"],
  ],
  'published code imports only published code': [
    ['the verifier uses a package', 'src/verifier/core/claims.ts', "import { z } from 'zod';\n"],
    [
      'the verifier uses the server',
      'src/verifier/core/claims.ts',
      "import type { Clock } from '../../base/platform/clock.ts';\n",
    ],
    [
      'the sidecar uses the server',
      'src/sidecar/core/parts.ts',
      "import { problem } from '../../base/errors/problem.ts';\n",
    ],
  ],
  'an import has the shortest path': [
    [
      'an import leaves its wing and returns to it',
      'src/base/http/server.ts',
      "import { newId } from '../../base/platform/random.ts';\n",
    ],
  ],
  'only routes.ts, pages.ts and cookie.ts import base/http, and schema.ts only the shared fields of wire.ts': [
    [
      'an operation imports HTTP',
      'src/directory/roles/roles.ts',
      "import type { RequestInfo } from '../../base/http/request-info.ts';\n",
    ],
    [
      'a schema imports more of HTTP than its fields',
      'src/directory/roles/schema.ts',
      "import { endpoint } from '../../base/http/endpoint.ts';\n",
    ],
  ],
  'only base/http and app import Fastify': [
    ['a route imports Fastify', 'src/directory/roles/routes.ts', "import type { FastifyRequest } from 'fastify';\n"],
  ],
  'only stores and base/database import Prisma, and only base/database and base/embedded import the driver': [
    [
      'an operation imports Prisma',
      'src/directory/roles/roles.ts',
      "import type { Role } from '../../generated/prisma/client.ts';\n",
    ],
    ['a store imports the driver', 'src/directory/roles/store.ts', "import pg from 'pg';\n"],
  ],
  'only stores and base/database contain SQL; base/embedded creates the database, and app pings it': [
    [
      'an operation creates a statement',
      'src/directory/roles/roles.ts',
      "import { statement } from '../../base/database/db.ts';\n",
    ],
    [
      'an operation contains SQL',
      'src/directory/roles/roles.ts',
      'const all = `SELECT id\n  FROM roles WHERE name = $1`;\n',
    ],
    [
      'an operation queries a model',
      'src/directory/roles/roles.ts',
      'const first = (tx) => tx.models.role.findFirst();\n',
    ],
  ],
  'a table is written by the folder that owns it': [
    [
      'an update of a foreign table',
      'src/access/checks/store.ts',
      'const all = statement(`UPDATE memberships SET status = $1`);\n',
    ],
    [
      'an insert into a foreign table',
      'src/directory/presets/store.ts',
      'const all = statement(`INSERT INTO role_assignments (id) VALUES ($1)`);\n',
      'src/directory/',
    ],
    [
      'a delete from a foreign table',
      'src/directory/rights/store.ts',
      "const all = statement('DELETE FROM ONLY users');\n",
    ],
    [
      'a write of a foreign model',
      'src/access/checks/store.ts',
      'const change = (tx) => tx.models.roleAssignment.updateMany({});\n',
    ],
    [
      'a write of a table that cannot be read here',
      'src/access/checks/store.ts',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the string contains code.
      'const all = (table) => `DELETE FROM ${table}`;\n',
    ],
    [
      'an exception that is no longer needed',
      'src/directory/presets/store.ts',
      (text) => text.replace(/\b(INSERT INTO|UPDATE|DELETE FROM) roles/g, '$1 role_names'),
      'src/directory/presets: no longer writes roles',
    ],
  ],
  'the writing functions of a store are called only by its own folder': [
    [
      'a call of a writing function of another folder',
      'src/access/checks/check.ts',
      "import { updateName } from '../../directory/users/store.ts';\n",
    ],
    [
      'a call of a writing function of another folder, with an unusual verb',
      'src/access/checks/check.ts',
      "import { rotateSession } from '../../sign-in/sessions/rotation-store.ts';\n",
    ],
    [
      'an import of the whole store of another folder',
      'src/access/checks/check.ts',
      "import * as users from '../../directory/users/store.ts';\n",
    ],
    ['a writer that is passed on', 'src/directory/users/accounts.ts', "export { updateName } from './store.ts';\n"],
  ],
};
