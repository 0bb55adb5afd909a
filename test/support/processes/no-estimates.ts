// Loaded into a service process before its program. It replaces the estimator of passwords by one that answers at once
// that every password is strong, as in openService. Otherwise each process would need half a second of CPU to load the
// dictionaries.
import { registerHooks } from 'node:module';

const ESTIMATOR = new URL('../../../src/credentials/passwords/strength.ts', import.meta.url).href;
const STAND_IN = new URL('./strong.ts', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    return resolved.url === ESTIMATOR ? { ...resolved, url: STAND_IN } : resolved;
  },
});
