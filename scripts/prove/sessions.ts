// Opens many sessions for a proof, without one password hash for each.
import { readConfig } from '../../src/base/config/config.ts';
import { openDatabase } from '../../src/base/database/db.ts';
import { APP_ROLE, roleUrl, SYSTEM_ROLE } from '../../src/base/database/roles.ts';
import { systemClock } from '../../src/base/platform/clock.ts';
import { openLog } from '../../src/base/platform/log.ts';
import { systemRandom } from '../../src/base/platform/random.ts';
import { openKeyRing } from '../../src/credentials/keys/ring.ts';
import { answerSession, type SessionDeps, storeSession } from '../../src/sign-in/sessions/open-session.ts';
import { personalIn } from '../../test/support/personal.ts';
import type { Service, Testbed } from './testbed.ts';

export interface Opened {
  readonly sessionId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

export interface SessionMaker {
  /** Opens `count` sessions of one user, which act for the first of the user's organizations. */
  open(userId: string, count: number): Promise<Opened[]>;
  close(): Promise<void>;
}

/**
 * Opens a maker, which opens sessions with the service's code on the same database and keys. This avoids a password
 * hash for each session.
 */
export async function openSessionMaker(testbed: Testbed, service: Service): Promise<SessionMaker> {
  const { ownerUrl } = testbed.postgres;
  const config = readConfig({ PUBLIC_URL: `http://localhost:${service.port}`, KEYS_DIR: testbed.keysDirectory });
  const log = openLog({ level: 'warn', pretty: false });
  const urls = { appUrl: roleUrl(ownerUrl, APP_ROLE), systemUrl: roleUrl(ownerUrl, SYSTEM_ROLE) };
  const personal = await personalIn(testbed.keysDirectory);
  const db = openDatabase({ ...urls, poolSize: 4, log, personal });
  const ring = (use: 'access' | 'refresh', retentionSeconds: number) =>
    openKeyRing({ clock: systemClock, log, directory: `${config.KEYS_DIR}/${use}`, use, retentionSeconds });
  const accessKeys = await ring('access', config.ACCESS_TOKEN_TTL);
  const refreshKeys = await ring('refresh', config.REFRESH_TOKEN_TTL);
  const deps: SessionDeps = {
    accessKeys,
    refreshKeys,
    clock: systemClock,
    random: systemRandom,
    issuer: config.PUBLIC_URL,
    audience: config.TOKEN_AUDIENCE,
    accessTtlSeconds: config.ACCESS_TOKEN_TTL,
    refreshTtlSeconds: config.REFRESH_TOKEN_TTL,
    sessionMaxAgeSeconds: config.SESSION_MAX_AGE,
  };
  return {
    async open(userId, count) {
      const opened: Opened[] = [];
      for (let index = 0; index < count; index += 1) {
        const asked = {
          userId,
          organization: null,
          amr: ['pwd'],
          device: { userAgent: 'proof', ip: null, network: 'unknown' },
        };
        const pending = await storeSession(deps, db.systemReader(), asked);
        const { sessionId, accessToken, refreshToken } = await answerSession(deps, pending);
        if (refreshToken !== undefined) opened.push({ sessionId, accessToken, refreshToken });
      }
      return opened;
    },
    async close() {
      accessKeys.close();
      refreshKeys.close();
      await db.close();
    },
  };
}

/** Opens `count` sessions of one user with the service's code. */
export async function openSessions(
  testbed: Testbed,
  service: Service,
  userId: string,
  count: number,
): Promise<Opened[]> {
  const maker = await openSessionMaker(testbed, service);
  try {
    return await maker.open(userId, count);
  } finally {
    await maker.close();
  }
}
