// The HTTP route of permission checks.
import { z } from 'zod';
import { type Endpoint, endpoint, member } from '../../base/http/endpoint.ts';
import { enveloped } from '../../base/http/wire.ts';
import { type CheckDeps, checkAll } from './check.ts';
import { CheckAnswer, CheckBatch, CheckQuestion } from './schema.ts';

export function checkRoutes(deps: CheckDeps): Endpoint[] {
  return [
    endpoint({
      method: 'POST',
      url: '/api/v1/authz/check',
      access: member({ orClient: true }),
      id: 'checkPermission',
      summary: 'Ask whether a member of the current organization may do something',
      tag: 'Checks',
      body: CheckQuestion,
      reply: { 200: enveloped(CheckAnswer) },
      handle: async ({ caller, body }) => ({ data: (await checkAll(deps, caller, [body], () => 'userId'))[0] }),
    }),
    endpoint({
      method: 'POST',
      url: '/api/v1/authz/check/batch',
      access: member({ orClient: true }),
      id: 'checkPermissions',
      summary: 'Ask up to 100 questions about permissions; the answers are in the same order',
      tag: 'Checks',
      body: CheckBatch,
      reply: { 200: enveloped(z.array(CheckAnswer)) },
      handle: async ({ caller, body }) => ({
        data: await checkAll(deps, caller, body.checks, (index) => `checks.${index}.userId`),
      }),
    }),
  ];
}
