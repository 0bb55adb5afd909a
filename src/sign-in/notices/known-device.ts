// What is compared to find out whether an account has used a device before: the name of the device, and its network.
// Neither is enough alone: thousands of devices have the same name, and strangers may use the same network. So a device
// is known if the account has used a device of this name, and this network, before; not necessarily both in one
// session.
import { nameDevice } from './device-name.ts';

/** The kind of the mail about a new device. */
export const NEW_DEVICE_MAIL = 'new_device';
/** A device is compared with at most this number of sessions of the account: those that were used last. */
export const COMPARED_SESSIONS = 100;

export interface ComparedDevice {
  /** Without the version of the browser, so that an update changes nothing. */
  readonly name: string;
  readonly network: string;
}

/** The parts of a device that are compared. All user agents that say nothing have the same name. */
export function comparedOf({
  userAgent,
  network,
}: {
  readonly userAgent: string | null;
  readonly network: string;
}): ComparedDevice {
  const { browser, system } = nameDevice(userAgent) ?? { browser: '', system: null };
  return { name: JSON.stringify([browser, system]), network };
}

/** The name and the network of `comparedOf` as one text. */
export function comparedText(device: { readonly userAgent: string | null; readonly network: string }): string {
  const { name, network } = comparedOf(device);
  return `${name} ${network}`;
}

/** Whether the account has used both parts of the device before. */
export function isKnown({ name, network }: ComparedDevice, before: readonly ComparedDevice[]): boolean {
  return before.some((used) => used.name === name) && before.some((used) => used.network === network);
}
