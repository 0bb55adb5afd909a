// The command `tenantry doctor` checks what the service needs. For each problem, it says what is wrong and what to do.
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { type Config, ConfigRefused } from '../../base/config/config.ts';
import { redisOf } from '../../base/config/derived.ts';
import { remarksOn } from '../../base/config/remarks.ts';
import type { Database } from '../../base/database/db.ts';
import { examineDatabase, type Finding, finding, findLoginProblem } from '../../base/database/examine.ts';
import { databaseRemarks } from '../../base/database/transport.ts';
import { checkMail } from '../../base/mail/smtp.ts';
import { countDeadMails } from '../../base/outbox/operate.ts';
import { systemClock } from '../../base/platform/clock.ts';
import type { RevokedKey } from '../../credentials/revocations/key-store.ts';
import { tryStream } from '../../credentials/stream/stream.ts';
import { planPreset } from '../../directory/presets/plan.ts';
import { listPresets, readPreset } from '../../directory/presets/presets.ts';
import { listSystemRoles, type SystemRole } from '../../directory/presets/store.ts';
import { act, counted, leaf, type Outcome, table } from '../line/command.ts';
import type { Invocation } from '../line/invocation.ts';
import {
  configuration,
  derivedFrom,
  embeddedDirectory,
  MIGRATIONS,
  reachDatabase,
  withOperator,
} from '../line/operator.ts';
import { describeError } from '../line/refusal.ts';
import { type Besides, findRevokedKeys } from '../revoked-keys.ts';
import { examineApplication } from './application.ts';
import { examineClients } from './clients.ts';
import { examineDoubt } from './doubt.ts';
import { examineDataKeys, examineDisk, examineKeys } from './files.ts';
import { examinePersonalData } from './personal-data.ts';

const NODE_NEEDED = [24, 12] as const;

/** Adds the command. */
export function doctorCommand(program: Command, invocation: Invocation): void {
  leaf(program, 'doctor', 'Check everything the service needs; exit code 1 when a check fails').action(
    act(invocation, doctor),
  );
}

async function doctor(invocation: Invocation): Promise<Outcome> {
  const findings = [examineNode(), ...(await examineRest(invocation))];
  const failed = findings.some(({ status }) => status === 'fail');
  const count = (wanted: Finding['status']) => findings.filter(({ status }) => status === wanted).length;
  const rows = findings.map(({ status, name, detail }) => [status, name, oneLine(detail)]);
  return {
    document: {
      data: { healthy: !failed, checks: findings.map((found) => ({ ...found, detail: oneLine(found.detail) })) },
    },
    text: `${table(rows)}\n\n${count('ok')} ok, ${counted(count('warn'), 'warning')}, ${count('fail')} failed`,
    failed,
  };
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, '; ');
}

function examineNode(): Finding {
  const found = process.versions.node;
  const [major = 0, minor = 0] = found.split('.').map(Number);
  const isNew = major > NODE_NEEDED[0] || (major === NODE_NEEDED[0] && minor >= NODE_NEEDED[1]);
  return isNew
    ? { name: 'node', status: 'ok', detail: found }
    : { name: 'node', status: 'fail', detail: `${found}: use ${NODE_NEEDED.join('.')} or later` };
}

async function examineRest(invocation: Invocation): Promise<Finding[]> {
  let config: Config;
  try {
    config = configuration(invocation);
  } catch (error) {
    if (!(error instanceof ConfigRefused)) throw error;
    return error.problems.map((detail) => ({ name: 'configuration', status: 'fail', detail }));
  }
  const { found, revoked } = await examineData(invocation, config);
  return [
    { name: 'configuration', status: 'ok', detail: `${config.NODE_ENV}, ${config.PUBLIC_URL}` },
    ...examineTransport(config),
    ...found,
    ...(await examineKeys(config, revoked)),
    await examineDataKeys(config),
    ...(await examineDisk(config)),
    await examineMail(config),
    ...(await examineApplication(config)),
    ...(await examineStream(config)),
  ];
}

/** Returns no finding when every connection stays on this machine or is protected by TLS. */
function examineTransport(config: Config): Finding[] {
  const remarks = [...databaseRemarks(config), ...remarksOn(config)];
  return remarks.map((detail) => ({ name: 'transport', status: 'warn', detail }));
}

interface Data {
  readonly found: Finding[];
  readonly revoked: Besides<readonly RevokedKey[]>;
}

const UNREAD = { unknown: 'the database cannot be read' } as const;

async function examineData(invocation: Invocation, config: Config): Promise<Data> {
  const directory = embeddedDirectory(config);
  if (directory !== null && !existsSync(directory)) {
    const detail = 'there is no embedded database yet: npm start creates it, or set DATABASE_URL';
    return { found: [{ name: 'database', status: 'warn', detail }], revoked: { found: [] } };
  }
  try {
    const reached = await reachDatabase(config);
    try {
      const refused = await findLoginProblem(reached.urls, derivedFrom(config, reached));
      if (refused !== null) throw refused;
      const found = await examineDatabase(reached.urls, { migrationsDirectory: MIGRATIONS, clock: systemClock });
      // When a check of the database failed, the content of the database is not examined.
      if (found.some(({ status }) => status === 'fail')) return { found, revoked: UNREAD };
      const all = [
        ...found,
        ...(await orFailure('sessions', examineDoubt(invocation))),
        ...(await orFailure('roles', examineRoles(invocation, config))),
        ...(await orFailure('outbox', examineOutbox(invocation))),
        ...(await orFailure('personal data', examinePersonalData(invocation))),
        ...(await orFailure('service clients', examineClients(invocation))),
      ];
      return { found: all, revoked: await findRevokedKeys(invocation, config) };
    } finally {
      await reached.release();
    }
  } catch (error) {
    return { found: [{ name: 'database', status: 'fail', detail: describeError(error).detail }], revoked: UNREAD };
  }
}

/** The findings of a check; one failed finding when the check itself fails. */
async function orFailure(name: string, check: Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await check;
  } catch (error) {
    return [{ name, status: 'fail', detail: describeError(error).detail }];
  }
}

function examineRoles(invocation: Invocation, config: Config): Promise<Finding[]> {
  return withOperator(invocation, async ({ db }) => {
    const roles = await listSystemRoles(db.systemReader());
    const plan = await finding('roles', async () => {
      const { changes, preset } = await planPreset(db, readPreset(config.ROLE_PRESET));
      if (changes === 0) return `equal to the preset ${preset}`;
      const other = await findPresetInUse(db);
      if (other !== null) throw new Error(`equal to the preset ${other}, not ${preset}: set ROLE_PRESET=${other}`);
      const differ = changes === 1 ? '1 system role differs' : `${changes} system roles differ`;
      throw new Error(
        `${differ} from the preset ${preset}: see tenantry roles diff, or set ROLE_PRESET to the preset in use`,
      );
    });
    const ownership = judgeOwnership(roles);
    if (roles.length === 0) return [ownership];
    return [ownership, plan.status === 'fail' ? { ...plan, status: 'warn' } : plan];
  });
}

/** Returns no finding when no mail is dead. */
function examineOutbox(invocation: Invocation): Promise<Finding[]> {
  return withOperator(invocation, async (operator) => {
    const dead = await countDeadMails(operator);
    if (dead === 0) return [];
    const mails = dead === 1 ? '1 mail is dead' : `${dead} mails are dead`;
    const detail = `${mails}: see tenantry mail list --state dead, then tenantry mail retry --all-dead, or drop`;
    return [{ name: 'outbox', status: 'warn', detail }];
  });
}

function judgeOwnership(roles: readonly SystemRole[]): Finding {
  const name = 'role of owners';
  const owners = roles.filter(({ ownership }) => ownership).map((role) => role.name);
  if (owners.length === 1) return { name, status: 'ok', detail: owners.join('') };
  if (owners.length > 1) {
    const detail = `${owners.join(' and ')} give ownership, but only one role should: assign one of them to all owners, then run tenantry roles apply --prune`;
    return { name, status: 'warn', detail };
  }
  const remedy = roles.length === 0 ? 'tenantry seed --no-demo, or start the service once' : 'tenantry roles apply';
  return {
    name,
    status: 'fail',
    detail: `no system role gives ownership, so no organization can be created: run ${remedy}`,
  };
}

/** Returns the name of the shipped preset that equals the system roles, or null. */
async function findPresetInUse(db: Database): Promise<string | null> {
  for (const name of listPresets()) {
    const { changes, unlisted } = await planPreset(db, readPreset(name));
    if (changes + unlisted.length === 0) return name;
  }
  return null;
}

/**
 * Returns no finding without REDIS_URL. A Redis that cannot be used is only a warning, because the service runs without
 * Redis.
 */
async function examineStream(config: Config): Promise<Finding[]> {
  const redis = redisOf(config);
  if (!redis) return [];
  const found = await finding('redis', async () => {
    await tryStream(redis);
    return `${redis.nodes.map(({ host }) => host).join(', ')} carries the revocation stream`;
  });
  if (found.status === 'ok') return [found];
  const detail = `${found.detail}: check REDIS_URL; without it, revocations reach other replicas through PostgreSQL within a second`;
  return [{ ...found, status: 'warn', detail }];
}

async function examineMail({ SMTP_URL: url, production }: Config): Promise<Finding> {
  if (url !== undefined) {
    const found = await finding('mail', async () => {
      await checkMail({ url, production });
      return `${new URL(url).hostname} accepts mail`;
    });
    if (found.status === 'ok') return found;
    return { ...found, detail: `${new URL(url).hostname} does not accept mail: ${found.detail}` };
  }
  return production
    ? {
        name: 'mail',
        status: 'warn',
        detail: 'SMTP_URL is not set: mails wait in the outbox for 24 hours, and are dead after that',
      }
    : { name: 'mail', status: 'ok', detail: 'mails are printed to the log: SMTP_URL is not set' };
}
