// A kit and views for tests of pages, without a service.
import type { KitSettings } from '../../../src/base/page-kit/kit.ts';
import { type Kit, openKit, openView, type View } from '../../../src/base/page-kit/kit.ts';
import { systemRandom } from '../../../src/base/platform/random.ts';

export const KIT_SETTINGS: KitSettings = {
  PUBLIC_URL: 'https://auth.example.com',
  DEFAULT_LOCALE: 'en',
  BRAND_NAME: 'Example',
  BRAND_ACCENT: '#1f5fbf',
};

export function kitOf(settings: Partial<KitSettings> = {}): Kit {
  return openKit({ ...KIT_SETTINGS, ...settings }, systemRandom);
}

export function viewOf(visit: Partial<Parameters<typeof openView>[1]> = {}, kit = kitOf()): View {
  const common = { target: '/', acceptLanguage: undefined, cookie: () => undefined, sessionId: null };
  return openView(kit, { ...common, ...visit }).view;
}
