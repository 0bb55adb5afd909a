// `tenantry doctor`: looks over everything the service needs, and says of each what is wrong and what to do.
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { type Config, ConfigRefused } from '../config.ts';
import { systemClock } from '../platform/clock.ts';
import { examineDatabase, type Finding, finding } from '../platform/examine.ts';
import { checkMail } from '../platform/mail.ts';
import { planPreset } from '../roles/plan.ts';
import { listSystemRoles } from '../roles/preset-store.ts';
import { readPreset } from '../roles/presets.ts';
import { act, leaf, type Outcome, table } from './command.ts';
import { examineDisk, examineKeys } from './doctor-files.ts';
import { configuration, embeddedDirectory, MIGRATIONS, reachDatabase, withOperator } from './operator.ts';
import { tell } from './refusal.ts';

const NODE_NEEDED = [24, 12] as const;

/** Adds the command. */
export function doctorCommand(program: Command): void {
  leaf(program, 'doctor', 'Check everything the service needs; exit code 1 when something would not work').action(
    act(doctor),
  );
}

async function doctor(): Promise<Outcome> {
  const findings = [examineNode(), ...(await examineRest())];
  const failed = findings.some(({ status }) => status === 'fail');
  const count = (wanted: Finding['status']) => findings.filter(({ status }) => status === wanted).length;
  const rows = findings.map(({ status, name, detail }) => [status, name, oneLine(detail)]);
  return {
    document: {
      data: { healthy: !failed, checks: findings.map((found) => ({ ...found, detail: oneLine(found.detail) })) },
    },
    text: `${table(rows)}\n\n${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed`,
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

async function examineRest(): Promise<Finding[]> {
  let config: Config;
  try {
    config = configuration();
  } catch (error) {
    if (!(error instanceof ConfigRefused)) throw error;
    return error.problems.map((detail) => ({ name: 'configuration', status: 'fail', detail }));
  }
  return [
    { name: 'configuration', status: 'ok', detail: `${config.NODE_ENV}, ${config.PUBLIC_URL}` },
    ...(await examineData(config)),
    ...(await examineKeys(config)),
    ...(await examineDisk(config)),
    await examineMail(config),
  ];
}

async function examineData(config: Config): Promise<Finding[]> {
  const directory = embeddedDirectory(config);
  if (directory !== null && !existsSync(directory)) {
    const detail = 'there is no embedded database yet: npm start makes it, or set DATABASE_URL';
    return [{ name: 'database', status: 'warn', detail }];
  }
  try {
    const reached = await reachDatabase(config);
    try {
      const found = await examineDatabase(reached.urls, { migrationsDirectory: MIGRATIONS, clock: systemClock });
      // What is in a database that does not fit is not looked at.
      if (found.some(({ status }) => status === 'fail')) return found;
      return [...found, ...(await examineRoles(config))];
    } finally {
      await reached.release();
    }
  } catch (error) {
    return [{ name: 'database', status: 'fail', detail: tell(error).detail }];
  }
}

function examineRoles(config: Config): Promise<Finding[]> {
  return withOperator(async ({ db }) => {
    const roles = await listSystemRoles(db.systemReader());
    const owners = roles.filter(({ ownership }) => ownership).map((role) => role.name);
    const ownership: Finding =
      owners.length > 0
        ? { name: 'role of owners', status: 'ok', detail: owners.join(', ') }
        : {
            name: 'role of owners',
            status: 'fail',
            detail: 'no system role makes owners, so nobody can found an organization: run tenantry roles apply',
          };
    const plan = await finding('roles', async () => {
      const { changes, preset } = await planPreset(db, readPreset(config.ROLE_PRESET));
      if (changes > 0) throw new Error(`${changes} differ from the preset ${preset}: see tenantry roles diff`);
      return `as the preset ${preset} says`;
    });
    return [ownership, plan.status === 'fail' ? { ...plan, status: 'warn' } : plan];
  });
}

async function examineMail({ SMTP_URL: url, production }: Config): Promise<Finding> {
  if (url !== undefined) {
    const found = await finding('mail', async () => {
      await checkMail({ url, production });
      return `${new URL(url).hostname} takes it`;
    });
    if (found.status === 'ok') return found;
    return { ...found, detail: `${new URL(url).hostname} does not take it (${found.detail}): check SMTP_URL` };
  }
  return production
    ? { name: 'mail', status: 'warn', detail: 'SMTP_URL is not set: invitations wait in the outbox' }
    : { name: 'mail', status: 'ok', detail: 'printed to the log: SMTP_URL is not set' };
}
