// Loaded into a service process before its program. Its estimator of passwords answers at once that every password is
// strong, as that of openService does. Each process would need half a second of CPU to load the dictionaries.
import { registerHooks } from 'node:module';

const ESTIMATOR = new URL('../../../src/credentials/passwords/strength.ts', import.meta.url).href;
const STAND_IN = new URL('./strong.ts', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    return resolved.url === ESTIMATOR ? { ...resolved, url: STAND_IN } : resolved;
  },
});
