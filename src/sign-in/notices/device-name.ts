// Names the device of a session for its user: the browser and the system that its user agent claims.
import Bowser from 'bowser';

export interface DeviceName {
  readonly browser: string;
  /** Null when the user agent does not say. */
  readonly system: string | null;
}

/** The first word of an agent that is no browser, such as okhttp/4.9. */
const PROGRAM = /^([A-Za-z][\w .-]{0,40}?)\//;

const NAME_LENGTH_MAX = 40;

/** Returns the names; null for a user agent that says nothing. */
export function nameDevice(userAgent: string | null): DeviceName | null {
  if (userAgent === null || userAgent === '') return null;
  const { browser, os } = Bowser.parse(userAgent);
  // The library takes the name of an unknown browser from the user agent, which the sender chooses.
  const known = browser.name?.slice(0, NAME_LENGTH_MAX);
  const system = os.name ? [os.name, shortVersion(os.name, os.versionName)].filter(Boolean).join(' ') : null;
  if (known && system !== null) return { browser: known, system };
  const program = PROGRAM.exec(userAgent)?.[1];
  // The library returns an empty name for a user agent in which it finds none.
  const name = known || (program === 'Mozilla' ? undefined : program);
  return name === undefined ? null : { browser: name, system };
}

/**
 * The version of Windows if it is known, otherwise ''. Windows 10 counts as unknown, because Windows 11 looks the same.
 * Browsers no longer say which version of macOS they run on.
 */
function shortVersion(system: string, version: string | undefined): string {
  return system === 'Windows' && version !== undefined && version !== '10' && /^[\w.]{1,8}$/.test(version)
    ? version
    : '';
}
